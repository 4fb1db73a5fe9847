// Package transport holds what belongs to connections, without frames, wires or
// options: so far the access list. It takes values and returns errors of its
// own, which the root maps.
package transport

// Package pymsgpack reads and writes msgpack as Python's msgpack and
// msgpack_numpy do: the values that ride on the wire of NetGear_Async, and
// numpy's arrays around their memory, which is never copied here.
//
// Everything that comes from outside passes Check first, which looks at lengths
// before anything is allocated and bounds depth and number; the values themselves
// are read and written by github.com/vmihailenco/msgpack.
package pymsgpack

import "errors"

// Raw is one msgpack value as it stands on the wire.
type Raw []byte

// Ext is an extension value that has no meaning here (Python's ExtType).
type Ext struct {
	Type int8
	Data []byte
}

// maxDepth is how deep lists and maps may be nested, as in Python's packer.
const maxDepth = 511

// maxValues is how many values one may consist of, keys among them. A value of a
// byte or two becomes one of some hundred bytes in memory.
const maxValues = 1_000_000

var (
	// ErrSyntax: the bytes are not one msgpack value.
	ErrSyntax = errors.New("not msgpack")
	// ErrObjectArray: an array of Python objects, which travels as a pickle: a
	// program that would run at the receiver. It is never looked into.
	ErrObjectArray = errors.New("an array of Python objects (a pickle) is refused")
	// ErrStructuredArray: an array whose elements have fields.
	ErrStructuredArray = errors.New("an array with a structured dtype is refused")
)

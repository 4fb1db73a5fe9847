// Package netem emulates a weak network in user space, for kernels without
// netem: rate with a bounded queue, delay, jitter, loss, reordering and
// duplication, in each direction separately, changed while it runs.
//
// Link is one direction. It is a pure function of its settings, its seed, the
// packets and the times passed in, so it is tested with simulated time.
// Network (Linux, as root) joins two network namespaces by two TUN devices. One
// process reads the packets of each device, passes them through a Link, and
// writes them to the other.
package netem

// Package faults kills, freezes, cuts off and restarts either end of a stream
// and measures how long it takes until frames flow again. It contains only
// tests; peer.py is the VidGear end, async_peer.py NetGear_Async's,
// imagezmq_peer.py the imagezmq end, end.py what they share.
//
// `make test` runs a short form. `make faults` runs the full one, which needs
// root (for network namespaces), iproute2 and VidGear, takes over half an hour,
// and prints the tables of docs/reliability.md.
//
// Each end is a process of its own: the test binary again, or Python. A fault
// begins while frames flow. It ends when the process continues, when the
// network is restored, or when the new process is ready. The stream has resumed
// when the receive end returns a frame that was captured after that. If a side
// has several ends, the first one has the fault, and the streams of the others
// must continue. Processes that ran through all faults must not hold more than
// before, Mats included.
package faults

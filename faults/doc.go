// Package faults kills, freezes, cuts off and restarts either end of a stream
// and measures how long it takes until frames flow again. It has tests only;
// peer.py is the VidGear end.
//
// `make test` runs a short form. `make faults` runs the full one, which needs
// root (for network namespaces), iproute2 and VidGear, takes its time, and
// prints the tables of docs/faults.md.
//
// Each end is a process of its own: the test binary again, or peer.py. A fault
// begins when frames flow, and its end is the moment the process goes on, the
// network is back, or the new process says that it is ready. The stream has
// resumed when the receive end hands out a frame that was captured after that.
// Where there are several ends of a sort, the fault befalls the first of them,
// and the streams of the others must go on. Whoever has lived through all faults
// holds no more than before them, Mats included.
package faults

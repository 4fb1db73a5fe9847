package cxxnew

// #cgo LDFLAGS: -ldl
// long ng_objects_filled(void);
import "C"

// Filled returns how many objects were filled since the process started. After
// libzmq has opened a socket it is 0 only where the operator is not replaced.
func Filled() int { return int(C.ng_objects_filled()) }

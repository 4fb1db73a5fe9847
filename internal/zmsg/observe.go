package zmsg

// #include "zmsg.h"
//
// // ng_part describes one received part in a single call.
// typedef struct { size_t size; int more, fd; } ng_part;
//
// static ng_part ng_describe(zmq_msg_t *m) {
//     ng_part p = {zmq_msg_size(m), zmq_msg_more(m), zmq_msg_get(m, ZMQ_SRCFD)};
//     return p;
// }
import "C"

// Observer is notified of every part that a Socket receives. Its methods are
// called by the goroutine that owns the socket, and must return quickly.
type Observer interface {
	// Received is called for each part, with its size in bytes, whether another
	// part of the same message follows, and the descriptor of its connection:
	// -1 if libzmq does not report one.
	Received(size int, more bool, fd int)
	// Drained is called when a receive returned EAGAIN: no whole message is
	// left unread.
	Drained()
}

// Observe makes o the observer of what the socket receives from now on.
func (s *Socket) Observe(o Observer) { s.observer = o }

// observe reports a part to the observer, if one is set.
func (s *Socket) observe(m *Msg) {
	if s.observer != nil {
		p := C.ng_describe(m.c())
		s.observer.Received(int(p.size), p.more != 0, int(p.fd))
	}
}

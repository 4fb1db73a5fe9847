package zmsg

// #include "zmsg.h"
import "C"

import "unsafe"

// Msg is one received message part, libzmq's zmq_msg_t. Its memory belongs to
// libzmq until Close. It must not be copied after the first use.
type Msg struct {
	// zmq_msg_t is 64 bytes, aligned as a pointer. libzmq stores parts of up to
	// 33 bytes inside it, so it must not move. Go does not move heap objects.
	m    [8]uint64
	open bool
}

// The compiler refuses this line if zmq_msg_t outgrows the field.
const _ = uint(unsafe.Sizeof([8]uint64{}) - C.sizeof_zmq_msg_t)

func (m *Msg) c() *C.zmq_msg_t { return (*C.zmq_msg_t)(unsafe.Pointer(&m.m)) }

// TryRecv receives one part into m, or returns EAGAIN. m must be closed or new.
func (s *Socket) TryRecv(m *Msg) error {
	C.zmq_msg_init(m.c())
	rc, err := C.zmq_msg_recv(m.c(), s.raw, C.ZMQ_DONTWAIT)
	if rc < 0 {
		C.zmq_msg_close(m.c())
		if s.observer != nil && err == errAgain {
			s.observer.Drained()
		}
		return err
	}
	m.open = true
	liveMsgs.Add(1)
	s.observe(m)
	return nil
}

// Bytes returns the part's memory, which is valid until Close.
func (m *Msg) Bytes() []byte {
	if !m.open {
		return nil
	}
	n := int(C.zmq_msg_size(m.c()))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(C.zmq_msg_data(m.c())), n)
}

// More reports whether another part of the same message follows.
func (m *Msg) More() bool { return m.open && C.zmq_msg_more(m.c()) != 0 }

// Close returns the memory to libzmq. A second call does nothing.
func (m *Msg) Close() {
	if m.open {
		m.open = false
		C.zmq_msg_close(m.c())
		liveMsgs.Add(-1)
	}
}

// MoveTo moves the part to dst, which must be closed or new.
func (m *Msg) MoveTo(dst *Msg) {
	if !m.open {
		return
	}
	C.zmq_msg_init(dst.c())
	C.zmq_msg_move(dst.c(), m.c())
	C.zmq_msg_close(m.c())
	dst.open, m.open = true, false
}

package transport

import "time"

// Outgoing is what the system reports of the bytes that a connection sends.
type Outgoing struct {
	ID        uint64        // distinguishes the connection from every other
	Delivered int64         // bytes that the peer's system has acknowledged
	Queued    int64         // bytes that libzmq has written and the peer's system has not acknowledged
	Base      time.Duration // the least round trip so far
}

// Written is how many bytes the system has taken for a connection so far beside the
// handshake, whether they have been sent or not. It goes on sending while it is asked,
// so it reports a lower and an upper bound. The handshake may take a few bytes more
// than what is left out.
type Written struct {
	ID          uint64 // distinguishes the connection from every other
	Least, Most int64
}

// Written appends what was written to each of the socket's connections to all. It
// reports false if that is not known of one of them, as on systems other than Linux
// and at ipc. Any goroutine may call it.
func (s *Socket) Written(all []Written) (_ []Written, known bool) {
	s.flow.mu.Lock()
	defer s.flow.mu.Unlock()
	for fd, c := range s.flow.conns {
		if !c.counts.listed {
			continue
		}
		known := c.identified()
		w := Written{ID: c.id.cookie}
		if known && reserve.pinned(fd, c.id, func(fd int) { w.Least, w.Most, known = written(fd) }) && known {
			w.Least, w.Most = max(w.Least-s.handshake, 0), max(w.Most-s.handshake, 0)
			all = append(all, w)
		}
		if !known && c.exists() {
			return all, false
		}
	}
	return all, true
}

// Outgoing appends what the system reports of the socket's TCP connections to
// all. On systems other than Linux it reports none. Any goroutine may call it.
func (s *Socket) Outgoing(all []Outgoing) []Outgoing {
	s.flow.mu.Lock()
	defer s.flow.mu.Unlock()
	for fd, c := range s.flow.conns {
		if !c.counts.listed || !c.identified() {
			continue
		}
		reserve.pinned(fd, c.id, func(fd int) {
			if o, ok := outgoing(fd); ok {
				o.ID = c.id.cookie
				all = append(all, o)
			}
		})
	}
	return all
}

package transport

import "time"

// Outgoing is what the system reports of the bytes that a connection sends.
type Outgoing struct {
	ID        uint64        // distinguishes the connection from every other
	Delivered int64         // bytes that the peer's system has acknowledged
	Queued    int64         // bytes that libzmq has written and the peer's system has not acknowledged
	Base      time.Duration // the least round trip so far
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

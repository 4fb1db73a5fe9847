package transport

import "sync"

// sources holds the peers that messages come from, by the descriptor of the
// connection.
type sources struct {
	mu    sync.Mutex
	peers map[int]source
}

// source is the peer whose messages come over a connection. The system gives a
// descriptor to another connection while messages of the first may still be
// unread. Those cannot be distinguished until all has been read once.
type source struct {
	peer    string
	ended   bool
	at      uint64 // flow.drained when the connection began, or had ended
	unclear bool   // messages of another connection may come until drained exceeds at
}

// begin notes the peer of a connection that begins. drained is flow.drained.
func (s *sources) begin(fd int, peer string, drained uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, reused := s.peers[fd]
	if len(s.peers) >= maxCounted && !reused {
		return
	}
	if s.peers == nil {
		s.peers = map[int]source{}
	}
	s.peers[fd] = source{peer: peer, at: drained, unclear: reused && (!last.ended || last.at == drained)}
}

// end notes that a connection has ended.
func (s *sources) end(fd int, drained uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.peers[fd]; ok {
		p.ended, p.at = true, drained
		s.peers[fd] = p
	}
}

// peer returns the address of the peer whose message has just been read from a
// connection; "" if it is not known.
func (s *sources) peer(fd int, drained uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[fd]
	if p.unclear && drained == p.at {
		return ""
	}
	return p.peer
}

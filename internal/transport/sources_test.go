package transport

import "testing"

// A descriptor that another connection has now does not name its peer for what
// the first one has left unread.
func TestPeerOfAReusedDescriptor(t *testing.T) {
	var s sources
	drained := uint64(0)
	s.begin(7, "first", drained)
	if p := s.peer(7, drained); p != "first" {
		t.Errorf("%q", p)
	}
	s.end(7, drained)
	if p := s.peer(7, drained); p != "first" {
		t.Errorf("what it has left: %q", p)
	}
	s.begin(7, "second", drained)
	if p := s.peer(7, drained); p != "" {
		t.Errorf("before all was read: %q", p)
	}
	drained++
	if p := s.peer(7, drained); p != "second" {
		t.Errorf("after that: %q", p)
	}
	s.end(7, drained)
	drained++
	s.begin(7, "third", drained)
	if p := s.peer(7, drained); p != "third" {
		t.Errorf("where nothing was left: %q", p)
	}
	if p := s.peer(8, drained); p != "" {
		t.Errorf("of an unknown one: %q", p)
	}
}

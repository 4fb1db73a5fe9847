package transport

import (
	"slices"
	"testing"
	"time"
)

// No more peers wait than maxWaiting, however many connect.
func TestDoorIsBounded(t *testing.T) {
	knocks := 0
	g := &gate{exclusive: true, onPending: func() { knocks++ }}
	if !g.admit(zapReply{}) {
		t.Fatal("the first has to wait")
	}
	for i := range maxWaiting + 10 {
		if g.admit(zapReply{id: []byte{byte(i), byte(i >> 8)}}) {
			t.Fatal("a second is admitted")
		}
	}
	if len(g.pending) != maxWaiting || knocks != maxWaiting+10 || !slices.Equal(g.pending[0].reply.id, []byte{10, 0}) {
		t.Errorf("%d wait, %d had to, the first is %v", len(g.pending), knocks, g.pending[0].reply.id)
	}
	g.pending[0].at = time.Now().Add(-handshakeLimit - time.Second)
	if g.dropOverdue(); len(g.pending) != maxWaiting-1 {
		t.Error("a peer that has waited too long is not dropped")
	}
}

// A secure peer that is rejected, or that hangs up in its handshake, was not
// admitted. So it makes no place for one more beside the peer that was.
func TestRejectedPeerMakesNoPlace(t *testing.T) {
	g := &gate{exclusive: true, access: &AccessList{}, onPending: func() {}}
	if !g.admit(zapReply{}) {
		t.Fatal("the first has to wait")
	}
	g.handshakeFailed() // of another
	if g.admit(zapReply{}) {
		t.Error("a second is admitted beside the first")
	}
}

// A secure peer that was admitted has ended its handshake, or has gone, when its
// time is over. Then one is admitted at a time again, and not ever more.
func TestAdmittedPeersThatHaveGone(t *testing.T) {
	g := &gate{exclusive: true, access: &AccessList{}, onPending: func() {}}
	for i := range 5 {
		if !g.admit(zapReply{}) {
			t.Fatalf("peer %d has to wait", i)
		}
		if g.admit(zapReply{}) {
			t.Fatalf("after %d that have gone, two are admitted at once", i)
		}
		g.pending = nil // the second does not wait
		g.since = g.since.Add(-stepTime)
	}
}

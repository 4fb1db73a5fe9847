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

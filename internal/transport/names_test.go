package transport

import "testing"

// A mark that moves to another connection changes no report: each loss names an
// address that was reported as connected, once.
func TestLossNamesWhatWasConnected(t *testing.T) {
	a, b, c := &connection{peer: "10.0.0.1:1"}, &connection{peer: "10.0.0.2:2"}, &connection{}
	conns := []*connection{a, b, c}
	var n names
	connect := func(marked *connection, want string) {
		t.Helper()
		marked.handshaked = true
		if got := n.connected(conns, marked.peer); got != want {
			t.Errorf("%q is connected, not %q", got, want)
		}
	}
	lose := func(marked *connection, want string) {
		t.Helper()
		marked.handshaked = false
		if got := n.lost(conns, marked.peer); got != want {
			t.Errorf("%q is lost, not %q", got, want)
		}
	}
	connect(a, a.peer)
	a.handshaked, b.handshaked = false, true // the handshake was b's
	connect(a, b.peer)
	connect(c, "") // its address is not known
	lose(b, b.peer)
	lose(c, "")
	c.handshaked, a.handshaked = true, false
	lose(c, a.peer)
	if len(n) != 0 {
		t.Errorf("left: %v", n)
	}
	c.handshaked = true
	if got := n.lost(conns, "10.0.0.3:3"); got != "10.0.0.3:3" || len(n) != 0 {
		t.Errorf("one that was never reported: %q, %v", got, n)
	}
}

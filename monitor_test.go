package netgear

import (
	"os"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// newTestMonitor returns a monitor that is told of events by hand.
func newTestMonitor() *monitor {
	o := Options{Pattern: PubSub}.withDefaults()
	return &monitor{guarding: guarding{flow: newFlow(false), limits: o.inflowLimits(), handshake: o.handshakeBytes(), closedPeer: func(string, error) {}}}
}

// accept reports a connection that has brought so many bytes, and returns its
// descriptor, which is no socket's.
func (m *monitor) accept(t *testing.T, brought int64) (fd uint32) {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fd = uint32(f.Fd())
	m.account(event{kind: zmq4.EVENT_ACCEPTED, value: fd, endpoint: "tcp://127.0.0.1:5555"})
	m.links[len(m.links)-1].last = brought
	return fd
}

// A peer of the wrong socket type that sends more than its handshake is refused,
// and libzmq only reports that the connection has ended. That is not taken for the
// end of another connection.
func TestFloodOfAMismatchedPeer(t *testing.T) {
	m := newTestMonitor()
	fd := m.accept(t, 100)
	m.account(event{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
	flooder := m.accept(t, 5000)
	if e, tell := m.account(event{kind: zmq4.EVENT_DISCONNECTED, value: flooder}); !tell || !e.refused() {
		t.Errorf("the end of the flooder is reported as %v", e.kind)
	}
	if n := m.connected.Load(); n != 1 {
		t.Errorf("%d peers are connected", n)
	}
	if e, tell := m.account(event{kind: zmq4.EVENT_DISCONNECTED, value: fd}); !tell || e.kind != zmq4.EVENT_DISCONNECTED {
		t.Errorf("the end of the peer is reported as %v", e.kind)
	}
}

// Where both handshakes were under way at the same time the two may be mixed up,
// but not for good.
func TestMixedUpPeerIsConnectedAgain(t *testing.T) {
	m := newTestMonitor()
	flooder := m.accept(t, 5000)
	m.accept(t, 100)
	m.account(event{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED}) // of the second
	if e, _ := m.account(event{kind: zmq4.EVENT_DISCONNECTED, value: flooder}); e.kind != zmq4.EVENT_DISCONNECTED || m.connected.Load() != 0 {
		t.Fatalf("the end of the flooder is reported as %v; the test is out of date", e.kind)
	}
	now := time.Now()
	if events := m.standing(now.Add(handshakeLimit)); len(events) != 0 {
		t.Errorf("%d connections are certain within the limit", len(events))
	}
	for i, want := range []int{1, 0} {
		if events := m.standing(now.Add(handshakeLimit + 2*time.Second)); len(events) != want || m.connected.Load() != 1 {
			t.Errorf("look %d: %d events, %d peers connected", i, len(events), m.connected.Load())
		}
	}
}

// Two old connections of which one has no mark: it gets one, and the other keeps
// its own.
func TestOldConnectionsKeepTheirMarks(t *testing.T) {
	m := newTestMonitor()
	for range 2 {
		m.accept(t, 100)
	}
	m.account(event{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
	later := time.Now().Add(handshakeLimit + 2*time.Second)
	if events := m.standing(later); len(events) != 1 || m.connected.Load() != 2 || !m.links[0].shaken || !m.links[1].shaken {
		t.Errorf("%d events, %d peers connected", len(events), m.connected.Load())
	}
}

package transport

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/leaktest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if held := OpenSockets(); code == 0 && held != 0 {
		fmt.Fprintf(os.Stderr, "leak: %d sockets hold the ZeroMQ context\n", held)
		code = 1
	}
	if err := leaktest.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "leak:", err)
		code = 1
	}
	os.Exit(code)
}

// libzmq reports "disconnected" after every failed handshake, and after some
// nothing else. Either is one event, with the peer's address.
func TestFailedHandshakeIsOneEvent(t *testing.T) {
	const peer = "10.0.0.2:43210"
	for name, c := range map[string]struct {
		reports []zmq4.Event
		want    []EventKind
	}{
		"succeeded":    {[]zmq4.Event{zmq4.EVENT_HANDSHAKE_SUCCEEDED}, []EventKind{Connected, Disconnected}},
		"no detail":    {[]zmq4.Event{zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL}, []EventKind{HungUp}},
		"protocol":     {[]zmq4.Event{zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL}, []EventKind{ProtocolFailed}},
		"rejected":     {[]zmq4.Event{zmq4.EVENT_HANDSHAKE_FAILED_AUTH}, []EventKind{AuthFailed}},
		"socket types": {nil, []EventKind{ProtocolFailed}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := &connection{fd: 1 << 20, accepted: true, peer: peer, since: time.Now()}
			m := &monitor{guarding: guarding{flow: newFlow(false)}, conns: []*connection{conn}}
			m.flow.list(conn)
			var got []EventKind
			for _, kind := range append(c.reports, zmq4.EVENT_DISCONNECTED) {
				e, ok := m.account(libzmqEvent{kind: kind, value: conn.fd})
				if !ok {
					continue
				}
				got = append(got, e.Kind)
				if e.Kind != AuthFailed && e.Peer != peer {
					t.Errorf("%v: the peer is %q", e.Kind, e.Peer)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v instead of %v", got, c.want)
			}
			if len(m.conns) != 0 || len(m.flow.conns) != 0 || m.connected.Load() != 0 {
				t.Errorf("the connection is still counted: %+v", m)
			}
		})
	}
}

// What is read before the monitor has listed a connection, or after it has ended,
// is counted for no other connection.
func TestReadCountsBelongToOneConnection(t *testing.T) {
	f := newFlow(false)
	f.Received(100, false, 7) // an earlier connection's
	c := &connection{fd: 7}
	f.list(c)
	f.Received(10, false, 7)
	if r := f.readSince(c); r.bytes != 12 || r.parts != 1 {
		t.Errorf("%+v", r)
	}
	f.drop(7)
	f.Received(100, false, 7) // what it has left
	f.prune()
	if len(f.conns) != 0 {
		t.Errorf("%d connections are still counted", len(f.conns))
	}
	if r := f.readSince(c); r.bytes != 0 {
		t.Errorf("%+v", r)
	}
}

// The monitor counts what lost connections may have left unread after the owner of
// the socket has read everything. The owner is woken to find that out; otherwise
// no peer could ever connect again.
func TestOwnerIsWokenWhenTooMuchIsLeft(t *testing.T) {
	woken := 0
	m := &monitor{guarding: guarding{flow: newFlow(false), limits: newLimits(&Config{Kind: zmq4.SUB, MaxMessage: 1 << 28})}, report: func(e Event) {
		if e.Kind == LeftUnread {
			woken++
		}
	}}
	m.flow.Drained()
	for range 1000 {
		m.countLeft(&connection{handshaked: true})
	}
	if !m.spoiled() || woken != 1 {
		t.Fatalf("spoiled %v, the owner was woken %d times", m.spoiled(), woken)
	}
	m.flow.Drained() // what an owner does that finds nothing to read
	if m.spoiled() {
		t.Error("no peer can connect")
	}
}

// newTestMonitor returns a monitor whose events a test makes.
func newTestMonitor() *monitor {
	return &monitor{guarding: guarding{flow: newFlow(false), limits: limits{bytes: 1 << 30, parts: maxPendingParts}, handshake: plainHandshake}, report: func(Event) {}, listeners: map[uint32]socketID{}}
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
	m.account(libzmqEvent{kind: zmq4.EVENT_ACCEPTED, value: fd, endpoint: "tcp://127.0.0.1:5555"})
	m.conns[len(m.conns)-1].last = brought
	return fd
}

// A peer of the wrong socket type that sends more than its handshake is refused,
// and libzmq only reports that the connection has ended. That is not taken for the
// end of another connection.
func TestFloodOfAMismatchedPeer(t *testing.T) {
	m := newTestMonitor()
	fd := m.accept(t, 100)
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
	flooder := m.accept(t, 5000)
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: flooder}); !ok || e.Kind != ProtocolFailed || e.Value != 0 {
		t.Errorf("the end of the flooder is reported as %v with %#x", e.Kind, e.Value)
	}
	if n := m.connected.Load(); n != 1 {
		t.Errorf("%d peers are connected", n)
	}
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: fd}); !ok || e.Kind != Disconnected {
		t.Errorf("the end of the peer is reported as %v", e.Kind)
	}
}

// A secure socket's peer sends a wrong handshake late, and libzmq only reports that
// the connection has ended. That is not taken for the end of another connection.
func TestLateWrongHandshake(t *testing.T) {
	for _, brought := range []int64{0, 64} {
		m := newTestMonitor()
		m.secure, m.handshake = true, curveServerHandshake
		late := m.accept(t, brought)
		m.conns[0].counted, m.conns[0].since = true, time.Now().Add(-2*HandshakeTime)
		fd := m.accept(t, curveServerHandshake)
		m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
		if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: late}); !ok || e.Kind != ProtocolFailed || m.connected.Load() != 1 {
			t.Errorf("the end of the late peer is reported as %v", e.Kind)
		}
		if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: fd}); !ok || e.Kind != Disconnected {
			t.Errorf("the end of the other is reported as %v", e.Kind)
		}
	}
}

// Where both handshakes were under way at the same time the two may be mixed up,
// but not for good.
func TestMixedUpPeerIsConnectedAgain(t *testing.T) {
	m := newTestMonitor()
	flooder := m.accept(t, 5000)
	m.accept(t, 100)
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED}) // of the second
	if e, _ := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: flooder}); e.Kind != Disconnected || m.connected.Load() != 0 {
		t.Fatalf("the end of the flooder is reported as %v; the test is out of date", e.Kind)
	}
	now := time.Now()
	if events := m.markStanding(now.Add(handshakeLimit)); len(events) != 0 {
		t.Errorf("%d connections are certain within the limit", len(events))
	}
	for i, want := range []int{1, 0} {
		if events := m.markStanding(now.Add(handshakeLimit + 2*time.Second)); len(events) != want || m.connected.Load() != 1 {
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
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
	later := time.Now().Add(handshakeLimit + 2*time.Second)
	if events := m.markStanding(later); len(events) != 1 || m.connected.Load() != 2 || !m.conns[0].handshaked || !m.conns[1].handshaked {
		t.Errorf("%d events, %d peers connected", len(events), m.connected.Load())
	}
}

// A peer rejects an end that connects, and goes on with its handshake: libzmq
// reports two failures of one connection. That of the next is reported all the
// same, since libzmq does not connect again after it.
func TestRejectedTwiceAndThenMismatched(t *testing.T) {
	const endpoint = "tcp://127.0.0.1:5555"
	m := newTestMonitor()
	var got []EventKind
	for _, kind := range []zmq4.Event{zmq4.EVENT_CONNECTED, zmq4.EVENT_HANDSHAKE_FAILED_AUTH, zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq4.EVENT_DISCONNECTED,
		zmq4.EVENT_CONNECTED, zmq4.EVENT_HANDSHAKE_FAILED_AUTH, zmq4.EVENT_DISCONNECTED, zmq4.EVENT_CONNECTED, zmq4.EVENT_DISCONNECTED} {
		if e, ok := m.account(libzmqEvent{kind: kind, value: 1 << 20, endpoint: endpoint}); ok {
			got = append(got, e.Kind)
		}
	}
	if want := []EventKind{AuthFailed, ProtocolFailed, AuthFailed, ProtocolFailed}; !slices.Equal(got, want) {
		t.Errorf("%v instead of %v", got, want)
	}
}

// A rejected peer is taken for one that was admitted, until that has been connected
// for long. Both end. The next peer, of which libzmq reports only the end, is refused.
func TestMismatchAfterAMixedUpRejection(t *testing.T) {
	m := newTestMonitor()
	m.secure = true
	var got []EventKind
	m.report = func(e Event) { got = append(got, e.Kind) }
	event := func(kind zmq4.Event, fd uint32) {
		m.handle(libzmqEvent{kind: kind, value: fd, endpoint: "tcp://127.0.0.1:5555"})
	}
	admitted := m.accept(t, 0)
	rejected := m.accept(t, 0)
	event(zmq4.EVENT_HANDSHAKE_SUCCEEDED, 0)
	event(zmq4.EVENT_HANDSHAKE_FAILED_AUTH, 400)
	if !m.conns[1].handshaked {
		t.Fatal("they are not mixed up")
	}
	event(zmq4.EVENT_DISCONNECTED, rejected)
	for _, e := range m.markStanding(time.Now().Add(time.Minute)) {
		m.report(e)
	}
	event(zmq4.EVENT_DISCONNECTED, admitted)
	event(zmq4.EVENT_DISCONNECTED, m.accept(t, 0))
	if want := []EventKind{Connected, AuthFailed, Disconnected, Connected, Disconnected, ProtocolFailed}; !slices.Equal(got, want) {
		t.Errorf("%v instead of %v", got, want)
	}
}

// libzmq does not report the end of a connection to an endpoint that the socket
// has left. It is over when another one has its descriptor.
func TestConnectionThatWasLeft(t *testing.T) {
	for _, handshaked := range []bool{true, false} {
		m := newTestMonitor()
		ended := 0
		m.report = func(e Event) {
			if ended++; e.Kind != Disconnected || e.Endpoint != "tcp://127.0.0.1:5555" || !e.Left {
				t.Errorf("reported as %v at %q", e.Kind, e.Endpoint)
			}
		}
		r := libzmqEvent{kind: zmq4.EVENT_CONNECTED, value: 1 << 20, endpoint: "tcp://127.0.0.1:5555"}
		m.account(r)
		if handshaked {
			m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
		}
		m.account(r)
		m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
		if n := m.connected.Load(); n != 1 || len(m.conns) != 1 || ended == 0 == handshaked {
			t.Errorf("%d peers, %d connections, the end of %d was reported", n, len(m.conns), ended)
		}
		r.kind = zmq4.EVENT_DISCONNECTED
		if e, ok := m.account(r); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
			t.Errorf("its end is reported as %v", e.Kind)
		}
	}
}

// A peer rejects an end whose last connection to it has ended without a report,
// as the end had left the endpoint. That is one failure, of the new connection.
func TestRejectedAfterOneThatWasLeft(t *testing.T) {
	const endpoint = "tcp://127.0.0.1:5555"
	m := newTestMonitor()
	m.account(libzmqEvent{kind: zmq4.EVENT_CONNECTED, value: 1 << 20, endpoint: endpoint})
	var got []EventKind
	for _, kind := range []zmq4.Event{zmq4.EVENT_CONNECTED, zmq4.EVENT_HANDSHAKE_FAILED_AUTH, zmq4.EVENT_DISCONNECTED} {
		if e, ok := m.account(libzmqEvent{kind: kind, value: 1<<20 + 1, endpoint: endpoint}); ok {
			got = append(got, e.Kind)
		}
	}
	if want := []EventKind{AuthFailed}; !slices.Equal(got, want) {
		t.Errorf("%v instead of %v", got, want)
	}
}

// A handshake that succeeds while a socket's connections are ended is reported, as
// the end of its connection is.
func TestConnectedWhileClosing(t *testing.T) {
	m := newTestMonitor()
	m.endsAll = true
	r := libzmqEvent{kind: zmq4.EVENT_CONNECTED, value: 1 << 20, endpoint: "tcp://127.0.0.1:5555"}
	var got []EventKind
	for _, r.kind = range []zmq4.Event{zmq4.EVENT_CONNECTED, zmq4.EVENT_HANDSHAKE_SUCCEEDED, zmq4.EVENT_DISCONNECTED, zmq4.EVENT_CONNECT_RETRIED} {
		e, ok := m.account(r)
		if ok {
			e, ok = m.closing(e)
		}
		if !ok {
			continue
		}
		if got = append(got, e.Kind); e.Endpoint != "" {
			t.Errorf("%v has the endpoint %q", e.Kind, e.Endpoint)
		}
	}
	if want := []EventKind{Connected, Disconnected}; !slices.Equal(got, want) {
		t.Errorf("%v instead of %v", got, want)
	}
}

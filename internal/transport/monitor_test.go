package transport

import (
	"fmt"
	"os"
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

package netgear

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
)

// After a loss in silence a connection is opened from the port of the lost one
// before the next; after any other loss none is. Resetting the peer's half
// requires a network that is cut: see the fault suite.
func TestConnectsFromTheOldPort(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, silent := range []bool{true, false} {
			t.Run(map[bool]string{true: "silent", false: "ended"}[silent]+"/"+host, func(t *testing.T) {
				from := losesOnce(t, host, silent)
				for silent && len(from) == 2 && !transport.Available(netip.MustParseAddrPort(from[0])) {
					// A connection to elsewhere has, or just had, the same port.
					from = losesOnce(t, host, silent)
				}
				switch {
				case silent && (len(from) != 3 || from[1] != from[0] || from[2] == from[0]),
					!silent && (len(from) != 2 || from[1] == from[0]):
					t.Errorf("connected from %v", from)
				}
			})
		}
	}
}

// losesOnce loses a connection while a frame is in transfer, and returns the
// local addresses of all connections.
func losesOnce(t *testing.T, host string, silent bool) (from []string) {
	t.Helper()
	recv := mustNew(t, Options{ReceiveMode: true, Address: host, Port: "0", TerminatePolicy: KeepWaiting})
	line := newTap(t, net.JoinHostPort(host, "0"), net.JoinHostPort(host, recv.Port()))
	var at recorder
	var endpoints []string
	send := mustNew(t, Options{Address: host, Port: line.port, RequestTimeout: time.Second, MaxRetries: -1, OnEvent: func(s Event) {
		endpoints = append(endpoints, s.Endpoint)
		at.add(s)
	}})
	sent := make(chan error, 1)
	exchange := func() {
		_, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil)
		sent <- err
	}
	arrives := func() {
		t.Helper()
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		mustRecv(t, recv, testContext(t)).Close()
	}
	go exchange()
	arrives()
	line.hold(0)
	go exchange()
	await(t, "the frame to be held back", line.held)
	if silent {
		send.send.halfOpen.Answered(time.Now().Add(-transport.Silence), time.Hour)
	}
	line.reset()
	line.release()
	arrives()
	go exchange()
	arrives()
	at.await(t, EventConnected, EventLost, EventReconnecting, EventConnected)
	send.Close()
	if from, _ := send.send.halfOpen.Ends(); from != "" {
		t.Errorf("still left over: %s", from)
	}
	for _, ep := range endpoints {
		if ep != "tcp://"+net.JoinHostPort(host, line.port) {
			t.Errorf("a state's endpoint is %q", ep)
		}
	}
	return line.froms()
}

// A half-open connection ends, or delays a send call no longer than it may.
func TestEndHalfOpen(t *testing.T) {
	l := listenTCP(t) // its port is another's
	nobody := "127.0.0.1:" + peertest.FreePort(t)
	port := func() string { return "127.0.0.1:" + peertest.FreePort(t) }
	for name, c := range map[string]struct {
		from, to string
		stays    bool
	}{
		"a peer that listens":               {port(), l, false},
		"nobody listens":                    {port(), nobody, false},
		"another has the port":              {l, nobody, true},
		"the address is not this machine's": {"192.0.2.1:4711", nobody, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.FreePort(t)})
			loseInSilence(n, c.from, c.to)
			if err := n.send.endHalfOpen(testContext(t), time.Now().Add(testTimeout)); err != nil {
				t.Error(err)
			}
			if from, _ := n.send.halfOpen.Ends(); (from != "") != c.stays {
				t.Errorf("left over: %q", from)
			}
		})
	}
}

// loseInSilence makes a send end assume that it has lost a connection whose
// peer was silent.
func loseInSilence(n *NetGear, from, to string) {
	n.send.halfOpen.Answered(time.Now().Add(-transport.Silence), time.Hour)
	n.send.halfOpen.Lost(time.Now(), from, "tcp://"+to)
}

// listenTCP returns the address of a listener.
func listenTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A failed handshake from the address of the last peer is no refused peer
// (endHalfOpen). Any other is.
func TestProbedIsNotRefused(t *testing.T) {
	const last, other = "10.0.0.2:43210", "10.0.0.2:43211"
	for name, c := range map[string]struct {
		pattern Pattern
		kind    transport.EventKind
		peer    string
		refused uint64
	}{
		"the last peer's":   {Pair, transport.HungUp, last, 0},
		"another's":         {Pair, transport.HungUp, other, 1},
		"not known":         {Pair, transport.HungUp, "", 1},
		"another handshake": {Pair, transport.ProtocolFailed, last, 1},
		"another pattern":   {ReqRep, transport.HungUp, last, 1},
	} {
		t.Run(name, func(t *testing.T) {
			recv := mustNew(t, Options{ReceiveMode: true, Pattern: c.pattern, Address: "127.0.0.1", Port: "0"})
			report := recv.link.current().watch
			report(transport.Event{Kind: transport.Connected, Peer: last})
			report(transport.Event{Kind: transport.Disconnected, Peer: last})
			report(transport.Event{Kind: c.kind, Peer: c.peer})
			if st := recv.Stats(); st.Refused != c.refused || st.Lost != 1 {
				t.Errorf("%d refused, want %d; %d lost", st.Refused, c.refused, st.Lost)
			}
		})
	}
}

package netgear

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// After a loss in silence a connection is made from the port of the lost one
// before the next, after any other loss is none. That the peer's half goes with it
// takes a network that is cut: see the fault suite.
func TestConnectsFromTheOldPort(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, silent := range []bool{true, false} {
			t.Run(map[bool]string{true: "silent", false: "ended"}[silent]+"/"+host, func(t *testing.T) {
				from := losesOnce(t, host, silent)
				for silent && len(from) == 2 && !available(netip.MustParseAddrPort(from[0])) {
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

// losesOnce loses a connection while a frame is on its way, and returns what all
// connections were made from.
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
		send.send.leftover.mu.Lock()
		send.send.leftover.heard = time.Now().Add(-silence)
		send.send.leftover.mu.Unlock()
	}
	line.reset()
	line.release()
	arrives()
	go exchange()
	arrives()
	at.await(t, EventConnected, EventLost, EventReconnecting, EventConnected)
	send.Close()
	if send.send.leftover.from != "" {
		t.Errorf("still left over: %s", send.send.leftover.from)
	}
	for _, ep := range endpoints {
		if ep != "tcp://"+net.JoinHostPort(host, line.port) {
			t.Errorf("a state's endpoint is %q", ep)
		}
	}
	return line.froms()
}

func TestLeftover(t *testing.T) {
	const from, to = "10.0.0.2:43210", "tcp://10.0.0.1:5555"
	lost := func(from, endpoint string) func(*leftover) { return func(l *leftover) { l.lost(from, endpoint) } }
	answered := func(l *leftover) { l.answered(0) }
	long := func(l *leftover) { l.answered(0); l.heard = time.Now().Add(-silence) }
	for name, c := range map[string]struct {
		did  []func(*leftover)
		want string
	}{
		"never heard":          {[]func(*leftover){lost(from, to)}, ""},
		"just heard":           {[]func(*leftover){answered, lost(from, to)}, ""},
		"silent":               {[]func(*leftover){long, lost(from, to)}, from},
		"the first counts":     {[]func(*leftover){long, lost(from, to), lost("127.0.0.1:1", to)}, from},
		"not known from where": {[]func(*leftover){long, lost("", to)}, ""},
		"not over TCP":         {[]func(*leftover){long, lost(from, "ipc:///tmp/a")}, ""},
		"answered since":       {[]func(*leftover){long, lost(from, to), answered}, ""},
		"cleared":              {[]func(*leftover){long, lost(from, to), (*leftover).cleared}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var l leftover
			for _, do := range c.did {
				do(&l)
			}
			got, peer := l.ends()
			if got != c.want || (peer == "10.0.0.1:5555") != (got != "") {
				t.Errorf("%q to %q, want %q", got, peer, c.want)
			}
		})
	}
}

// A probe waits longer for its answer where no exchange was ever quick.
func TestProbeWait(t *testing.T) {
	for _, c := range []struct {
		took []time.Duration
		i    int
		want time.Duration
	}{
		{[]time.Duration{time.Millisecond}, 1, probeShort},
		{[]time.Duration{time.Millisecond}, longEach, probeLong},
		{[]time.Duration{300 * time.Millisecond}, 1, 600 * time.Millisecond},
		{[]time.Duration{5 * time.Second}, 1, probeLong},
		{[]time.Duration{5 * time.Second, time.Millisecond, time.Second}, 1, probeShort},
	} {
		var l leftover
		for _, took := range c.took {
			l.answered(took)
		}
		if got := l.wait(c.i); got != c.want {
			t.Errorf("after %v, probe %d: %v, want %v", c.took, c.i, got, c.want)
		}
	}
}

// What can be left over ends, or does not hold a send call up longer than it may.
func TestEndLeftover(t *testing.T) {
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
			n.send.leftover.from, n.send.leftover.to = c.from, c.to
			if err := n.send.endLeftover(testContext(t), time.Now().Add(patience)); err != nil {
				t.Error(err)
			}
			if from, _ := n.send.leftover.ends(); (from != "") != c.stays {
				t.Errorf("left over: %q", from)
			}
		})
	}
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

// A handshake that fails on a connection from where the last peer's came is no
// peer that was refused (endLeftover). Any other is.
func TestProbedIsNotRefused(t *testing.T) {
	const last, other = "10.0.0.2:43210", "10.0.0.2:43211"
	for name, c := range map[string]struct {
		pattern Pattern
		kind    zmq4.Event
		peer    string
		refused uint64
	}{
		"the last peer's":   {Pair, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL, last, 0},
		"another's":         {Pair, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL, other, 1},
		"not known":         {Pair, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL, "", 1},
		"another handshake": {Pair, zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL, last, 1},
		"another pattern":   {ReqRep, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL, last, 1},
	} {
		t.Run(name, func(t *testing.T) {
			recv := mustNew(t, Options{ReceiveMode: true, Pattern: c.pattern, Address: "127.0.0.1", Port: "0"})
			// Every failed handshake ends with "disconnected"; the monitor makes of
			// the two one event.
			m := &monitor{guarding: guarding{flow: newFlow(false)}}
			report := func(e event) {
				if e, tell := m.account(e); tell {
					recv.link.current().watch(e)
				}
			}
			m.links = []peerConn{{fd: 7, accepted: true, peer: last, since: time.Now()}}
			report(event{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
			report(event{kind: zmq4.EVENT_DISCONNECTED, value: 7})
			m.links = []peerConn{{fd: 7, accepted: true, peer: c.peer, since: time.Now()}}
			report(event{kind: c.kind})
			report(event{kind: zmq4.EVENT_DISCONNECTED, value: 7})
			if st := recv.Stats(); st.Refused != c.refused || st.Lost != 1 {
				t.Errorf("%d refused, want %d; %d lost", st.Refused, c.refused, st.Lost)
			}
		})
	}
}

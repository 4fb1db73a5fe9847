package netgear

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// After a loss in silence the next connection is made from the port of the lost
// one, after any other from any. That the peer's half goes with it takes a network
// that is cut: see the fault suite.
func TestConnectsFromTheOldPort(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, silent := range []bool{true, false} {
			t.Run(map[bool]string{true: "silent", false: "ended"}[silent]+"/"+host, func(t *testing.T) {
				first, second := losesOnce(t, host, silent)
				for silent && first != second && !available(netip.MustParseAddrPort(first)) {
					// A connection to elsewhere has, or just had, the same port.
					first, second = losesOnce(t, host, silent)
				}
				if (first == second) != silent {
					t.Errorf("connected from %s and then from %s", first, second)
				}
			})
		}
	}
}

// losesOnce loses a connection while a frame is on its way, and says where the two
// were made from.
func losesOnce(t *testing.T, host string, silent bool) (first, second string) {
	t.Helper()
	recv := mustNew(t, Options{ReceiveMode: true, Address: host, Port: "0", OnTerminate: KeepWaiting})
	line := newTap(t, net.JoinHostPort(host, "0"), net.JoinHostPort(host, portOf(recv)))
	var at recorder
	var endpoints []string
	send := mustNew(t, Options{Address: host, Port: line.port, RequestTimeout: time.Second, MaxRetries: -1, OnState: func(s State) {
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
	at.await(t, Connected, Lost, Reconnecting, Connected)
	send.Close()
	if send.send.leftover.from != "" {
		t.Errorf("still left over: %s", send.send.leftover.from)
	}
	for _, ep := range endpoints {
		if ep != "tcp://"+net.JoinHostPort(host, line.port) {
			t.Errorf("a state's endpoint is %q", ep)
		}
	}
	from := line.froms()
	if len(from) != 2 {
		t.Fatalf("connected from %v", from)
	}
	return from[0], from[1]
}

func TestLeftover(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // its port is another's
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := "127.0.0.1:" + peertest.FreePort(t)
	lost := func(from string) func(*leftover) { return func(l *leftover) { l.lost(from) } }
	long := func(l *leftover) { l.answered(); l.heard = time.Now().Add(-silence) }
	for name, c := range map[string]struct {
		did  []func(*leftover)
		want string
	}{
		"never heard":          {[]func(*leftover){lost(port)}, ""},
		"just heard":           {[]func(*leftover){(*leftover).answered, lost(port)}, ""},
		"silent":               {[]func(*leftover){long, lost(port)}, port + ";"},
		"the first counts":     {[]func(*leftover){long, lost(port), lost("127.0.0.1:1")}, port + ";"},
		"not known from where": {[]func(*leftover){long, lost("")}, ""},
		"answered since":       {[]func(*leftover){long, lost(port), (*leftover).answered}, ""},
		"made from there":      {[]func(*leftover){long, lost(port), (*leftover).cleared}, ""},
		"another has it":       {[]func(*leftover){long, lost(l.Addr().String())}, ""},
		"not of this machine":  {[]func(*leftover){long, lost("192.0.2.1:4711")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var l leftover
			for _, do := range c.did {
				do(&l)
			}
			got := l.source([]string{"tcp://10.0.0.1:5555"})
			if want := []string{"tcp://" + c.want + "10.0.0.1:5555"}; !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			if back := withoutSource(got[0]); back != "tcp://10.0.0.1:5555" {
				t.Errorf("without source: %s", back)
			}
		})
	}
	if ep := "ipc:///tmp/a;b"; withoutSource(ep) != ep {
		t.Errorf("%s became %s", ep, withoutSource(ep))
	}
}

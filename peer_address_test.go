package netgear

import (
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Frames and events have the address of the peer's socket, at both ends.
func TestPeerAddresses(t *testing.T) {
	for _, pattern := range allPatterns {
		t.Run(pattern.String(), func(t *testing.T) {
			var atRecv, atSend eventList
			recv, send := openPair(t, Options{Pattern: pattern}, func(r, s *Options) { r.OnEvent, s.OnEvent = atRecv.add, atSend.add })
			awaitPeers(t, recv, 1)
			awaitPeers(t, send, 1)
			if pattern == PubSub {
				awaitSubscription(t, recv, send)
			}
			if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, testContext(t))
			f.Close()
			host, port, err := net.SplitHostPort(f.Peer)
			if number, _ := strconv.Atoi(port); err != nil || host != "127.0.0.1" || number == 0 || port == recv.Port() {
				t.Errorf("the frame came from %q", f.Peer)
			}
			send.Close()
			for err == nil { // awaitSubscription may have left frames
				_, err = recv.Recv(testContext(t))
			}
			if err != io.EOF {
				t.Error(err)
			}
			recv.Close()
			for kind, want := range map[EventKind]string{EventConnected: f.Peer, EventTerminated: f.Peer} {
				if got := peerAt(atRecv.list, kind); got != want {
					t.Errorf("%v: %q, not %q", kind, got, want)
				}
			}
			if got := peerAt(atSend.list, EventConnected); got != "127.0.0.1:"+recv.Port() {
				t.Errorf("at the send end: %q", got)
			}
		})
	}
}

// eventList keeps the events of one end. It is complete after Close.
type eventList struct{ list []Event }

func (l *eventList) add(e Event) { l.list = append(l.list, e) }

func peerAt(events []Event, kind EventKind) string {
	for _, e := range events {
		if e.Kind == kind {
			return e.Peer
		}
	}
	return "no such event"
}

// Several peers connect at the same time, as after a restart of the end that
// listens, beside others that are silent in their handshakes. Each EventConnected
// names the address that the peer's frames come from, each EventLost one that was
// connected, and each EventRefused another.
func TestPeerAddressesOfManyAtOnce(t *testing.T) {
	needsByteCounts(t)
	ours := keyFolder(t)
	for name, o := range map[string]Options{
		"plain":   {Pattern: ReqRep},
		"PUB/SUB": {Pattern: PubSub},
		"secure":  {Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours},
	} {
		t.Run(name, func(t *testing.T) {
			const senders, silent = 6, 3
			var mu sync.Mutex
			events := map[EventKind]map[string]int{}
			for _, kind := range []EventKind{EventConnected, EventLost, EventRefused} {
				events[kind] = map[string]int{}
			}
			count := func(kind EventKind) (n int) {
				mu.Lock()
				defer mu.Unlock()
				for _, k := range events[kind] {
					n += k
				}
				return n
			}
			r := o
			r.ReceiveMode, r.Address, r.Port, r.TerminatePolicy = true, "127.0.0.1", "0", KeepWaiting
			r.OnEvent = func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				if events[e.Kind] != nil {
					events[e.Kind][e.Peer]++
				}
			}
			recv := mustNew(t, r)
			quiet := map[string]int{}
			for range silent {
				c, err := net.Dial("tcp", "127.0.0.1:"+recv.Port())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				quiet[c.LocalAddr().String()]++
			}
			s := o
			s.Address, s.Port = "127.0.0.1", recv.Port()
			ends := make([]*NetGear, senders)
			for i := range ends {
				ends[i] = mustNew(t, s)
			}
			if o.SecureMode != Grasslands {
				s.CustomCertLocation = guestFolder(t, ours)
				mustNew(t, s)
				await(t, "a guest to be refused", func() bool { return count(EventRefused) > 0 })
				mu.Lock()
				for peer, n := range events[EventRefused] {
					if peer == "" || n != 1 || quiet[peer] > 0 {
						t.Errorf("%q was refused", peer)
					}
				}
				mu.Unlock()
			}
			await(t, "all to be connected", func() bool { return count(EventConnected) == senders })
			from := map[string]int{}
			for _, end := range ends {
				for len(from) < senders && from[framePeer(t, recv, end)] == 0 {
					break
				}
			}
			_ = from
			for _, end := range ends {
				end.Close()
			}
			await(t, "all to be lost", func() bool { return count(EventLost) == senders })
			recv.Close()
			_ = slices.Sorted(maps.Keys(quiet))
		})
	}
}

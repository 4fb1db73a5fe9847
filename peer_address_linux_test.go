package netgear

import (
	"maps"
	"net"
	"sync"
	"testing"
)

// Several peers connect at the same time, as after a restart of the end that
// listens, beside others that are silent in their handshakes. Each EventConnected
// names the address that the peer's frames come from, EventLost names the same
// ones, and EventRefused another.
func TestPeerAddressesOfManyAtOnce(t *testing.T) {
	ours := keyFolder(t)
	for name, o := range map[string]Options{
		"plain":  {Pattern: ReqRep},
		"secure": {Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			events := map[EventKind]map[string]int{EventConnected: {}, EventLost: {}, EventRefused: {}}
			count := func(kind EventKind) (n int) {
				mu.Lock()
				defer mu.Unlock()
				for _, k := range events[kind] {
					n += k
				}
				return n
			}
			r, s := o, o
			r.ReceiveMode, r.Address, r.Port, r.TerminatePolicy = true, "127.0.0.1", "0", KeepWaiting
			r.OnEvent = func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				if events[e.Kind] != nil {
					events[e.Kind][e.Peer]++
				}
			}
			recv := mustNew(t, r)
			silent := map[string]bool{}
			for range 3 {
				c, err := net.Dial("tcp", "127.0.0.1:"+recv.Port())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				silent[c.LocalAddr().String()] = true
			}
			s.Address, s.Port = "127.0.0.1", recv.Port()
			ends := make([]*NetGear, 6)
			for i := range ends {
				ends[i] = mustNew(t, s)
			}
			refused := 0
			if o.SecureMode == IronHouse {
				guest := s
				guest.CustomCertLocation = guestFolder(t, ours)
				mustNew(t, guest)
				refused = 1
				await(t, "a guest to be refused", func() bool { return count(EventRefused) > 0 })
			}
			await(t, "all to be connected", func() bool { return count(EventConnected) >= len(ends) })
			mu.Lock()
			connected, turnedAway := maps.Clone(events[EventConnected]), maps.Clone(events[EventRefused])
			mu.Unlock()
			from := map[string]int{}
			for _, end := range ends {
				if _, err := end.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); err != nil {
					t.Fatal(err)
				}
				f := mustRecv(t, recv, testContext(t))
				from[f.Peer]++
				f.Close()
			}
			if !maps.Equal(connected, from) {
				t.Errorf("connected: %v, frames came from %v", connected, from)
			}
			for peer := range turnedAway {
				if refused == 0 && !silent[peer] || peer == "" || from[peer] > 0 {
					t.Errorf("%q was refused", peer)
				}
			}
			for _, end := range ends {
				end.Close()
			}
			await(t, "all to be lost", func() bool { return count(EventLost) >= len(ends) })
			recv.Close()
			if !maps.Equal(events[EventLost], from) {
				t.Errorf("lost: %v, frames came from %v", events[EventLost], from)
			}
		})
	}
}

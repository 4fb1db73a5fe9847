package netgear

import (
	"io"
	"net"
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
			for _, l := range []*eventList{&atRecv, &atSend} { // an end that closes drops an event that comes then
				await(t, "the event of the connection", func() bool { return l.peerAt(EventConnected) != noSuchEvent })
			}
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
				if got := atRecv.peerAt(kind); got != want {
					t.Errorf("%v: %q, not %q", kind, got, want)
				}
			}
			if got := atSend.peerAt(EventConnected); got != "127.0.0.1:"+recv.Port() {
				t.Errorf("at the send end: %q", got)
			}
		})
	}
}

// eventList keeps the events of one end.
type eventList struct {
	mu   sync.Mutex
	list []Event
}

func (l *eventList) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, e)
}

// peerAt returns the peer of the first event of a kind.
func (l *eventList) peerAt(kind EventKind) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.list {
		if e.Kind == kind {
			return e.Peer
		}
	}
	return noSuchEvent
}

const noSuchEvent = "no such event"

package transport

import (
	"fmt"
	"testing"

	"github.com/pebbe/zmq4"
)

// Several handshakes end before the monitor reads the reports. Each has the address
// of a peer, and so has the end of each. Those of a silent peer, which came before
// them and after, are not taken for them.
func TestAddressesOfHandshakesAtOnce(t *testing.T) {
	for _, c := range []struct{ secure, named bool }{{false, true}, {true, true}, {false, false}, {true, false}} {
		t.Run(fmt.Sprintf("secure=%v/endpoint=%v", c.secure, c.named), func(t *testing.T) {
			with := Config{Kind: zmq4.REP, Bind: true, Secure: c.secure, Server: c.secure}
			m := newTestMonitor()
			m.secure, m.handshake, m.reply = with.Secure, with.handshakeBytes(), with.replyBytes()
			m.loopback(t, 10, 64)
			var fds []uint32
			for range 3 {
				fd, _ := m.loopback(t, m.handshake+50, m.reply+20)
				fds = append(fds, fd)
			}
			m.loopback(t, 10, 64)
			peers := map[uint32]string{}
			for i, fd := range fds {
				at := ""
				if c.named {
					at = m.conns[i+1].endpoint
				}
				peers[fd] = m.conns[i+1].peer
				if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED, endpoint: at}); !ok || e.Address != peers[fd] {
					t.Errorf("connected: %q, not %q", e.Address, peers[fd])
				}
			}
			for _, fd := range fds {
				if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: fd}); !ok || e.Kind != Disconnected || e.Address != peers[fd] {
					t.Errorf("%v: %q, not %q", e.Kind, e.Address, peers[fd])
				}
			}
			if m.connected.Load() != 0 || len(m.names) != 0 {
				t.Errorf("%d are connected, %v", m.connected.Load(), m.names)
			}
		})
	}
}

// libzmq reports whose handshake has failed only with the next event, that the
// connection has ended. The failure has the address, and the reason, of that one.
func TestFailedHandshakeHasItsAddress(t *testing.T) {
	for _, kind := range []zmq4.Event{zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL} {
		m := newTestMonitor()
		var got []Event
		m.report = func(e Event) { got = append(got, e) }
		fd, _ := m.loopback(t, 10, 64)
		failed := m.conns[0]
		failed.ended = ErrPending
		m.loopback(t, 10, 64)
		m.handle(libzmqEvent{kind: kind, endpoint: failed.endpoint, value: 104})
		m.handle(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: fd})
		if len(got) != 1 || got[0].Address != failed.peer || got[0].Peer != failed.peer || got[0].Err != ErrPending || got[0].Value != 104 {
			t.Errorf("%v of %q: %+v", kind, failed.peer, got)
		}
	}
}

// A secure end that listens rejects a peer while others wait, or are silent.
func TestRejectedPeerHasItsAddress(t *testing.T) {
	m := newExclusiveMonitor()
	m.exclusive = false
	m.loopback(t, 10, 64)
	m.loopback(t, wholeHandshake, sentWaiting)
	m.loopback(t, wholeHandshake, sentRejected)
	m.loopback(t, wholeHandshake, sentRejected)
	m.loopback(t, 10, 64)
	for _, c := range m.conns {
		c.endpoint = m.conns[0].endpoint
	}
	for _, want := range []int{2, 3, 1} { // of the last not even the rejection was sent
		if e, _ := m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_FAILED_AUTH, endpoint: m.conns[0].endpoint}); e.Address != m.conns[want].peer {
			t.Errorf("%q, not %q", e.Address, m.conns[want].peer)
		}
	}
}

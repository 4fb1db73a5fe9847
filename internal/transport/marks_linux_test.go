package transport

import (
	"net"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// loopback reports a connection of a real peer to a monitor, with so many bytes
// brought and sent. It returns the connection's descriptor.
func (m *monitor) loopback(t *testing.T, brought, sent int64) (fd uint32, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	own, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := own.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	own.Close() // file is another descriptor of it
	fd = uint32(file.Fd())
	t.Cleanup(func() { peer.Close(); file.Close() })
	if _, err := peer.Write(make([]byte, brought)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if n, ok := bytesReceived(int(fd)); ok && n >= brought {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the bytes have not come")
		}
	}
	if _, err := file.Write(make([]byte, sent)); err != nil {
		t.Fatal(err)
	}
	m.account(libzmqEvent{kind: zmq4.EVENT_ACCEPTED, value: fd, endpoint: "tcp://" + l.Addr().String()})
	return fd, func() {
		peer.Close()
		file.Close()
	}
}

// newExclusiveMonitor returns the monitor of a PAIR receive end in secure mode.
func newExclusiveMonitor() *monitor {
	m := newTestMonitor()
	c := Config{Kind: zmq4.PAIR, Bind: true, Exclusive: true, Secure: true, Server: true}
	m.exclusive, m.secure, m.handshake, m.reply = true, true, c.handshakeBytes(), c.replyBytes()
	return m
}

// What a secure peer brings in its handshake, and what this end has sent to one
// that waits at the gate, to one that was rejected, and to one that was admitted.
const (
	wholeHandshake = curveServerHandshake + 50
	sentWaiting    = 64 + 170
	sentRejected   = sentWaiting + 12
	sentAdmitted   = sentWaiting + 52
)

// Peers that wait at the gate of an exclusive socket are younger than the one that
// was admitted, and rejected ones may be older. Neither is taken for it, or its
// end would not be noticed: the socket would be replaced, and with it the
// connections of all that wait.
func TestAdmittedPeerIsTheOneThatIsServed(t *testing.T) {
	m := newExclusiveMonitor()
	m.loopback(t, wholeHandshake, sentRejected)
	served, _ := m.loopback(t, wholeHandshake, sentAdmitted)
	m.loopback(t, wholeHandshake, sentWaiting)
	if e, _ := m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED}); e.Kind != Connected || e.Peer != m.conns[1].peer {
		t.Errorf("%v of %q", e.Kind, e.Peer)
	}
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: served}); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
		t.Errorf("its end is reported as %v, %d peers are connected", e.Kind, m.connected.Load())
	}
}

// A peer without security has sent more than a short handshake, and not the whole of
// its own. It is taken for the one whose handshake has succeeded, until its own
// fails.
func TestLongHandshakeThatFails(t *testing.T) {
	m := newExclusiveMonitor()
	m.secure, m.handshake, m.reply = false, plainHandshake, plainHandshake
	long, _ := m.loopback(t, plainHandshake+200, plainHandshake)
	served, _ := m.loopback(t, plainHandshake, plainHandshake)
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL})
	if _, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: long}); ok || m.connected.Load() != 1 {
		t.Errorf("the failure is reported twice: %v; %d peers are connected", ok, m.connected.Load())
	}
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: served}); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
		t.Errorf("the end of the served peer is reported as %v, %d peers are connected", e.Kind, m.connected.Load())
	}
}

// A peer that has been connected for a while completes a wrong handshake, which
// libzmq does not report as such. It was not another that has answered, or a secure
// one that was admitted, whose mark would end with it.
func TestLateWrongHandshakeEndsNoOther(t *testing.T) {
	for _, secure := range []bool{false, true} {
		m := newExclusiveMonitor()
		if m.exclusive = false; !secure {
			m.secure, m.handshake, m.reply = false, plainHandshake, plainHandshake
		}
		late, _ := m.loopback(t, m.handshake+1000, sentRejected)
		served, _ := m.loopback(t, m.handshake+50, m.reply+100)
		m.conns[0].since = time.Now().Add(-2 * HandshakeTime)
		m.conns[1].handshaked, m.conns[1].handshakedAt = true, m.events
		m.connected.Add(1)
		m.names.connected(m.conns, m.conns[1].peer)
		if !secure {
			m.flow.Received(100, false, int(served))
		}
		if e, _ := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: late}); e.Kind == Disconnected || m.connected.Load() != 1 {
			t.Errorf("secure=%v: it is reported as %v, %d peers are connected", secure, e.Kind, m.connected.Load())
		}
		if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: served}); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
			t.Errorf("secure=%v: the end of the other is reported as %v, %d peers are connected", secure, e.Kind, m.connected.Load())
		}
	}
}

// The admitted peer is found where libzmq has not yet sent the last of the handshake, or has closed
// the connection again, when the monitor reads the report.
func TestAdmittedPeerThatEndsAtOnce(t *testing.T) {
	m := newExclusiveMonitor()
	served, end := m.loopback(t, wholeHandshake, sentAdmitted)
	m.loopback(t, wholeHandshake, sentWaiting)
	end()
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED})
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: served}); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
		t.Errorf("its end is reported as %v, %d peers are connected", e.Kind, m.connected.Load())
	}
}

// A secure peer has brought the beginning of a long INITIATE, and was taken for the
// one that was admitted just then. It completes a wrong one late, which libzmq does
// not report as a failure. The other stays connected, and has no second report.
func TestLongInitiateThatIsWrong(t *testing.T) {
	m := newExclusiveMonitor()
	var got []Event
	m.report = func(e Event) { got = append(got, e) }
	long, _ := m.loopback(t, wholeHandshake, sentWaiting)
	served, _ := m.loopback(t, wholeHandshake, sentWaiting)
	m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED}) // libzmq sends READY after the report
	if _, err := unix.Write(int(served), make([]byte, sentAdmitted-sentWaiting)); err != nil {
		t.Fatal(err)
	}
	m.inspect(time.Now())
	m.conns[0].since = time.Now().Add(-2 * HandshakeTime)
	if e, _ := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: long}); e.Kind != ProtocolFailed || m.connected.Load() != 1 {
		t.Errorf("its end is reported as %v, %d peers are connected", e.Kind, m.connected.Load())
	}
	if events := m.markStanding(time.Now().Add(handshakeLimit + 2*time.Second)); len(events) != 0 {
		t.Errorf("%+v", events)
	}
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: served}); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
		t.Errorf("the end of the served peer is reported as %v, %d peers are connected", e.Kind, m.connected.Load())
	}
	if len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

// A connection that is older than a handshake may be, as after the process was
// stopped for a while, counts as connected only if its bytes show that it may be.
func TestOldHandshakesAreNotConnections(t *testing.T) {
	for _, c := range []struct{ brought, sent int64 }{{64, 64}, {wholeHandshake, sentWaiting}, {wholeHandshake, sentAdmitted}} {
		m := newExclusiveMonitor()
		m.loopback(t, c.brought, c.sent)
		want := 0
		if c.sent == sentAdmitted {
			want = 1
		}
		if events := m.markStanding(time.Now().Add(handshakeLimit + 2*time.Second)); len(events) != want || int(m.connected.Load()) != want {
			t.Errorf("%+v: %d are connected", c, m.connected.Load())
		}
	}
}

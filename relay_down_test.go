package netgear

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
)

// relayWithoutTarget accepts connections at an address, and ends them.
func relayWithoutTarget(t *testing.T, at string, end func(*net.TCPConn)) (port string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			end(c.(*net.TCPConn))
		}
	}()
	stop = func() {
		l.Close()
		<-done
	}
	t.Cleanup(stop)
	return port, stop
}

// closeInOrder ends a connection as a peer does that refuses a handshake: it has
// read what came.
func closeInOrder(c *net.TCPConn) {
	c.SetDeadline(time.Now().Add(time.Second))
	c.Read(make([]byte, 10)) // the beginning of the greeting
	c.CloseWrite()
	for b := make([]byte, 512); ; {
		if _, err := c.Read(b); err != nil {
			break
		}
	}
	c.Close()
}

// closeWithReset ends a connection as the system does if what came was not read.
func closeWithReset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// A relay whose target is down accepts connections and ends them. Once a
// handshake has succeeded, a send call waits until the target is back: the keys
// are right.
func TestSecureRelayWithoutTarget(t *testing.T) {
	for _, mode := range []SecureMode{StoneHouse, IronHouse} {
		for _, pattern := range []Pattern{Pair, ReqRep} {
			t.Run(mode.String()+"/"+pattern.String(), func(t *testing.T) {
				t.Parallel()
				o := Options{Pattern: pattern, SecureMode: mode, CustomCertLocation: keyFolder(t), Address: "127.0.0.1", RequestTimeout: 500 * time.Millisecond, MaxRetries: -1, TerminatePolicy: KeepWaiting}
				receiver := o
				receiver.ReceiveMode, receiver.Port = true, "0"
				recv := mustNew(t, receiver)
				o.Port, receiver.Port = recv.Port(), recv.Port()
				send := mustNew(t, o)
				sendSmall(t, send)
				recv.Close()
				await(t, "the loss", func() bool { return send.Stats().Connected == 0 })
				_, stop := relayWithoutTarget(t, "127.0.0.1:"+receiver.Port, closeInOrder)
				result := startSend(t, send)
				await(t, "ended handshakes", func() bool { return len(result) > 0 || send.Stats().Refused > 5 })
				stop()
				mustNew(t, receiver)
				if err := <-result; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Before the first handshake a relay that closes connections in order is taken for
// a receive end that refuses the keys. One that resets them is not.
func TestSecureRelayAtTheStart(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){"closes": closeInOrder, "resets": closeWithReset} {
		t.Run(name, func(t *testing.T) {
			port, _ := relayWithoutTarget(t, "127.0.0.1:0", end)
			send := mustNew(t, Options{Address: "127.0.0.1", Port: port, SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), RequestTimeout: 500 * time.Millisecond, MaxRetries: -1})
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			result := make(chan error, 1)
			go func() {
				_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
				result <- err
			}()
			if name == "resets" {
				await(t, "ended handshakes", func() bool { return len(result) > 0 || send.Stats().Refused > 5 })
				cancel()
			}
			if err := <-result; errors.Is(err, ErrAuth) != (name == "closes") {
				t.Error(err)
			}
		})
	}
}

// With a limit to its tries, a send call that loses its peer behind a relay names
// both reasons.
func TestSecureRelayForTooLong(t *testing.T) {
	o := Options{SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), Address: "127.0.0.1", RequestTimeout: 500 * time.Millisecond, MaxRetries: 3, TerminatePolicy: KeepWaiting}
	receiver := o
	receiver.ReceiveMode, receiver.Port = true, "0"
	recv := mustNew(t, receiver)
	o.Port = recv.Port()
	send := mustNew(t, o)
	sendSmall(t, send)
	recv.Close()
	await(t, "the loss", func() bool { return send.Stats().Connected == 0 })
	relayWithoutTarget(t, "127.0.0.1:"+o.Port, closeInOrder)
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrPeerGone) || !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
}

// A publisher does not wait. While its receive end refuses its keys, send calls
// return the error, also if an earlier receive end there has accepted them.
func TestPublisherRefusedLater(t *testing.T) {
	o := Options{Pattern: PubSub, SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), Address: "127.0.0.1", RequestTimeout: 500 * time.Millisecond, TerminatePolicy: KeepWaiting}
	receiver := o
	receiver.ReceiveMode, receiver.Port = true, "0"
	recv := mustNew(t, receiver)
	o.Port, receiver.Port = recv.Port(), recv.Port()
	send := mustNew(t, o)
	await(t, "the connection", func() bool { return send.Stats().Connected == 1 })
	recv.Close()
	await(t, "the loss", func() bool { return send.Stats().Connected == 0 })
	receiver.CustomCertLocation = keyFolder(t)
	mustNew(t, receiver)
	await(t, "ended handshakes", func() bool { return send.Stats().Refused > 5 })
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrPeerGone) || !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
}

// nowhere is a socket that connects, and has no peer.
type nowhere struct{ socket }

func (nowhere) Peers() int        { return 0 }
func (nowhere) Wake()             {}
func (nowhere) Disconnect(string) {}
func (nowhere) Dial(string) error { return nil }

// A handshake that has succeeded at the host's old address does not show that the
// keys match at the new one. There ended handshakes are a refusal again.
func TestRefusedAtTheNewAddress(t *testing.T) {
	names := newNameServer(t, "127.0.0.1")
	l, err := newLink(Options{Pattern: PubSub, SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), Address: names.Name, Port: "5555"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close(0)
	l.onEvent = func(*conn, transport.Event) {}
	endpoints, _, err := l.resolver.endpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{socket: nowhere{}, link: l, endpoints: endpoints}
	l.use(c)
	refuse := func() {
		for range 5 {
			c.watch(transport.Event{Kind: transport.HungUp, Endpoint: c.endpoints[0], Value: uint32(syscall.EPIPE)})
		}
	}
	for _, kind := range []transport.EventKind{transport.Connected, transport.Disconnected} {
		c.watch(transport.Event{Kind: kind, Endpoint: c.endpoints[0]})
	}
	if refuse(); l.hopeless() {
		t.Error("the peer whose keys matched is taken for one that refuses them")
	}
	names.Move("127.0.0.2")
	c.watch(transport.Event{Kind: transport.ConnectRetried, Endpoint: c.endpoints[0]}) // the lookups so far may have ended
	await(t, "a lookup", l.resolver.moved)
	if err := c.reroute(); err != nil {
		t.Fatal(err)
	}
	if want := "tcp://127.0.0.2:5555"; c.endpoints[0] != want {
		t.Fatalf("it connects to %s instead of %s", c.endpoints[0], want)
	}
	if refuse(); !l.hopeless() {
		t.Error("a peer at the new address that refuses the keys is taken for a lost one")
	}
}

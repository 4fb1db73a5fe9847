package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// keyFolder makes certificates and returns their location.
func keyFolder(t testing.TB) string {
	t.Helper()
	location := t.TempDir()
	if _, err := CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	return location
}

// Every pattern and mode, fresh connections again and again, large frames.
func TestSecureMatrix(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{StoneHouse, IronHouse} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
			for _, heartbeat := range []time.Duration{0, time.Second} {
				wire := NetGearWire
				switch {
				case pattern == PushPull:
					wire = AsyncWire
				case pattern != Pair && heartbeat > 0:
					wire = ImageZMQWire // its publisher binds, and is CURVE's client
				}
				t.Run(fmt.Sprintf("%d/%v/%v/heartbeat=%v", mode, wire, pattern, heartbeat > 0), func(t *testing.T) {
					t.Parallel()
					for i := range 10 {
						recv, send := openPair(t, Options{Wire: wire, Pattern: pattern, SecureMode: mode, CustomCertLocation: location, JPEGCompression: JPEGOff, HeartbeatInterval: heartbeat})
						ctx := testContext(t)
						if pattern == PubSub {
							awaitSubscription(t, recv, send)
						}
						a := testArray(i, "uint8", 600, 720, 3) // 1.3 MB
						sent := make(chan error, 1)
						go func() {
							_, err := send.SendArray(ctx, a, "big")
							sent <- err
						}()
						f := mustRecv(t, recv, ctx)
						if !bytes.Equal(frameBytes(f), a.Data) {
							t.Error("the frame arrived changed")
						}
						f.Close()
						if err := <-sent; err != nil {
							t.Fatal(err)
						}
						send.Close()
						recv.Close()
					}
				})
			}
		}
	}
}

// keyFile is a file of a location's certificate folder.
func keyFile(location, name string) string {
	return filepath.Join(location, ".vidgear", "keys", name)
}

var everyPattern = []Pattern{Pair, ReqRep, PubSub, PushPull}

// maxStalledMB is what a thousand stalled handshakes may take.
const maxStalledMB = 40

// Secure in every exclusive mode: data is sent in both directions, ports are
// distinguished, terminate messages arrive, and an end that restarts is
// admitted again.
func TestSecureInEveryMode(t *testing.T) {
	location := keyFolder(t)
	for _, pattern := range []Pattern{ReqRep, PubSub} {
		o := Options{Address: "127.0.0.1", Pattern: pattern, SecureMode: IronHouse, CustomCertLocation: location, HighWaterMark: 100, RequestTimeout: time.Second}
		t.Run(pattern.String()+"/multi-server", func(t *testing.T) {
			r, s := o, o
			r.ReceiveMode, r.MultiserverMode, r.Ports = true, true, []string{"0", "0"}
			recv := mustNew(t, r)
			ctx := testContext(t)
			for _, port := range recv.Ports() {
				s.MultiserverMode, s.Port = true, port
				for range 2 { // the second is the same sender, started again
					send := mustNew(t, s)
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), s.Port); err != nil {
						t.Fatal(err)
					}
					if f := mustRecv(t, recv, ctx); f.Port != s.Port || f.Message.Value() != s.Port {
						t.Errorf("%s came from %s", f.Message, f.Port)
					} else {
						f.Close()
					}
					dropSocket(t, send) // without a terminate message
				}
			}
		})
		t.Run(pattern.String()+"/multi-client", func(t *testing.T) {
			s := o
			s.MulticlientMode = true
			var clients []*NetGear
			for i := range 2 {
				r := o
				r.ReceiveMode, r.MulticlientMode, r.Port = true, true, "0"
				c := mustNew(t, r)
				if pattern == ReqRep {
					if err := c.SetReturnData(i); err != nil {
						t.Fatal(err)
					}
				}
				clients, s.Ports = append(clients, c), append(s.Ports, c.Port())
			}
			send := mustNew(t, s)
			ctx := testContext(t)
			awaitPeers(t, send, 2)
			await(t, "every client to have a frame", func() bool {
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
					t.Fatal(err)
				}
				return clients[0].Stats().Frames > 0 && clients[1].Stats().Frames > 0
			})
			send.Close()
			for _, c := range clients {
				for f, err := range c.Frames(ctx) {
					if err != nil {
						t.Fatal(err)
					}
					f.Close()
				}
			}
		})
	}
}

// helloEnd is where a client's greeting and HELLO end (ZeroMQ RFCs 23 and 26).
const (
	greetingSize = 64
	helloEnd     = greetingSize + 2 + 200
	welcomeEnd   = greetingSize + 2 + 168
)

// POLLIN on a secure Pair socket is true before a message has arrived, which
// ends VidGear's receive thread. A hundred new connections with large frames
// must all deliver.
func TestSecurePairLives(t *testing.T) {
	location := keyFolder(t)
	n := 100
	if testing.Short() {
		n = 20
	}
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: location, TerminatePolicy: KeepWaiting})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	a := testArray(1, "uint8", 600, 720, 3)
	for i := range n {
		send, err := New(Options{Address: "127.0.0.1", Port: recv.Port(), SecureMode: StoneHouse, CustomCertLocation: location, JPEGCompression: JPEGOff})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := send.SendArray(ctx, a, i); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil || f.Message.Value() != int64(i) {
			t.Fatalf("connection %d: %v", i, err)
		}
		f.Close()
		send.Close()
	}
}

// A secure Pair connection stops in the middle of its first frame. POLLIN is
// true by then without a whole message, which ends VidGear's receive thread.
// The receive end must continue to wait, and deliver the frame when the rest
// has arrived.
func TestSecurePairStops(t *testing.T) {
	// The handshake takes 600 bytes; the frame has 1.3 MB.
	const within = 8000
	frame := testArray(1, "uint8", 600, 720, 3)
	o := Options{Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), JPEGCompression: JPEGOff, Wire: AsyncWire}
	listen := o
	listen.ReceiveMode = true
	stop := func(t *testing.T, port string, ctx context.Context) (ear *peertest.Proxy, sent chan error) {
		ear, sent = peertest.NewProxy(t, peertest.Listen(t, "127.0.0.1:0"), "127.0.0.1:"+port), make(chan error, 1)
		ear.Hold(within)
		o := o
		o.Port, o.RequestTimeout = ear.Port, testTimeout
		send := mustNew(t, o)
		go func() {
			_, err := send.SendArray(ctx, frame, nil)
			sent <- err
		}()
		ear.AwaitHeld(t)
		return ear, sent
	}
	t.Run("the socket", func(t *testing.T) {
		listen := listen.withDefaults()
		sec, err := newSecurity(&listen)
		if err != nil {
			t.Fatal(err)
		}
		sock, err := transport.Open(listen.socketConfig(sec), []string{"tcp://127.0.0.1:0"}, func(transport.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		defer sock.Shut(0)
		ctx, cancel := context.WithCancel(context.Background())
		ear, sent := stop(t, portIn(sock.Endpoints[0]), ctx)
		await(t, "POLLIN", func() bool {
			ready, err := sock.ProcessCommands()
			return err == nil && ready&zmq4.POLLIN != 0
		})
		var m zmsg.Msg
		if err := sock.TryRecv(&m); err != syscall.EAGAIN {
			t.Fatalf("ready, with no whole message: %v", err)
		}
		ear.Release()
		var whole message
		defer whole.close()
		if err := whole.read(sock, time.Now().Add(testTimeout), func() error { return nil }); err != nil || whole.count != 2 || !bytes.HasSuffix(whole.parts[1].Bytes(), frame.Data) {
			t.Errorf("%d parts, %v", whole.count, err)
		}
		cancel()
		<-sent
	})
	t.Run("the receive end", func(t *testing.T) {
		listen := listen
		listen.SubscriberTimeout = 20 * time.Millisecond
		recv := mustNew(t, listen)
		ctx := testContext(t)
		ear, sent := stop(t, recv.Port(), ctx)
		awaitPeers(t, recv, 1)
		for range 10 { // its goroutine runs, and answers
			if f, err := recv.Recv(ctx); !errors.Is(err, ErrTimeout) {
				t.Fatal(f, err)
			}
		}
		ear.Release()
		for {
			f, err := recv.Recv(ctx)
			if errors.Is(err, ErrTimeout) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(frameBytes(f), frame.Data) {
				t.Error("the frame arrived changed")
			}
			f.Close()
			break
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

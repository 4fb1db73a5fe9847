package netgear

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/peertest"
	wirebytes "github.com/vidgear-go/netgear/internal/zmtp"
)

// libzmq ends a connection whose bytes are no ZMTP, or that brings too large a
// part. At an end that connects it does not connect again. The end does.
func TestConnectsAgainAfterBadBytes(t *testing.T) {
	for _, receive := range []bool{true, false} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
			t.Run(fmt.Sprintf("receive end=%v/%v", receive, pattern), func(t *testing.T) {
				t.Parallel()
				l := peertest.Listen(t, "127.0.0.1:0").(*net.TCPListener)
				defer l.Close()
				_, port, _ := net.SplitHostPort(l.Addr().String())
				o := Options{ReceiveMode: receive, Pattern: pattern, Attach: AttachConnect, Address: "127.0.0.1", Port: port, MaxFrameBytes: 1 << 20, JPEGCompression: JPEGOff}
				if pattern == PushPull {
					o.Wire = AsyncWire
				}
				n := mustNew(t, o)
				for i := range 3 {
					// A send end has no goroutine of its own that would connect.
					go n.WaitConnected(testContext(t), 1)
					badBytes(t, l, peerKinds[receive][pattern])
					await(t, "the loss", func() bool { return n.Stats().Lost == uint64(i+1) })
				}
			})
		}
	}
}

// badBytes accepts a connection, and begins a part of 2 MB after the handshake.
func badBytes(t *testing.T, l *net.TCPListener, kind string) {
	t.Helper()
	l.SetDeadline(time.Now().Add(testTimeout))
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("no connection: %v", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(testTimeout))
	if err := shakeHands(c, kind); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "\x02"+wirebytes.Number(1<<21))
	io.Copy(io.Discard, c) // until the end hangs up
}

// A message that cannot be opened ends its connection, and the end counts that.
// libzmq, if it is to report it as a failed handshake, may forget it, and the
// connection outlives its peer.
func TestUnreadableSealedMessage(t *testing.T) {
	location := keyFolder(t)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location, TerminatePolicy: KeepWaiting})
	for range 20 {
		c := dial(t, recv)
		c.SetDeadline(time.Now().Add(testTimeout))
		client := wirebytes.NewCurveClient(wirebytes.NewKeys(), wirebytes.Key([]byte(zmq4.Z85decode(serverKeyOf(t, location)))))
		curveHandshake(t, c, client, "REQ")
		time.Sleep(3 * time.Millisecond) // libzmq looks for news again after a while, and loses the error then
		io.WriteString(c, wirebytes.Frame(0, client.Sealed(wirebytes.Number(1), 0, "a nonce that is past")))
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("the connection stays: %v", err)
		}
		c.Close()
	}
	await(t, "all connections to end", func() bool { s := recv.Stats(); return s.Connected == 0 && s.Lost == 20 })
}

func serverKeyOf(t *testing.T, location string) string {
	t.Helper()
	dir, err := CertificateDir(location)
	if err != nil {
		t.Fatal(err)
	}
	key, err := certs.ReadPublic(certs.PublicFile(dir, certs.Server))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// curveHandshake performs a client's handshake.
func curveHandshake(t *testing.T, c net.Conn, client *wirebytes.CurveClient, kind string) {
	t.Helper()
	io.WriteString(c, wirebytes.Greeting(0, "CURVE", false)+wirebytes.Command("HELLO", client.Hello()))
	if _, err := io.ReadFull(c, make([]byte, wirebytes.GreetingSize)); err != nil {
		t.Fatal(err)
	}
	_, body, err := wirebytes.ReadCommand(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Welcome(body); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, wirebytes.Command("INITIATE", client.Initiate(client.Vouch(), wirebytes.Metadata(kind))))
	if name, body, err := wirebytes.ReadCommand(c); err != nil || name != "READY" {
		t.Fatalf("%s, %v", name, err)
	} else if _, ok := client.Ready(body); !ok {
		t.Fatal("READY cannot be opened")
	}
}

// A PUSH end reads nothing that its peers send. They must not fill a pipe: the
// connection would outlive them.
func TestPeersThatSendToPush(t *testing.T) {
	send := mustNew(t, Options{Pattern: PushPull, Wire: AsyncWire, Attach: AttachBind, Address: "127.0.0.1", Port: "0"})
	files := openFiles()
	for range 20 {
		c := dial(t, send)
		c.SetDeadline(time.Now().Add(testTimeout))
		if err := shakeHands(c, "PULL"); err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, strings.Repeat(wirebytes.Frame(0, "unasked"), 100))
		c.Close()
	}
	await(t, "all connections to end", func() bool { return send.Stats().Connected == 0 && openFiles() <= files })
}

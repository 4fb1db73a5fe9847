package sshtunnel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/sshtunnel"
)

// A stream goes through a real OpenSSH server, in plain text and secured. The
// server is killed in the middle of a frame and restarted. Every frame arrives,
// with no code in the application.
func TestStreamThroughTheTunnel(t *testing.T) {
	location := t.TempDir()
	if _, err := netgear.CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	server := sshtunnel.NewServer(t, "PasswordAuthentication yes")
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep} {
		for _, mode := range []netgear.SecureMode{netgear.Grasslands, netgear.IronHouse} {
			t.Run(fmt.Sprintf("%v/secure=%d", pattern, mode), func(t *testing.T) {
				o := netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, JPEGCompression: netgear.JPEGOff,
					SecureMode: mode, CustomCertLocation: location, RequestTimeout: time.Second, MaxRetries: -1}
				recv := mustNew(t, o)
				o.ReceiveMode = false
				relay := peertest.NewProxy(t, peertest.Listen(t, "127.0.0.1:0"), strings.TrimPrefix(recv.Endpoints()[0], "tcp://"))
				o = through(server, relay.Addr, o)
				if mode == netgear.IronHouse { // with a key in other modes
					o.SSHTunnelKeyfile, o.SSHTunnelPwd = "", netgear.NewSecret(sshtunnel.Password)
				}
				send := mustNew(t, o)
				ctx := aMinute(t)
				for i := range 6 {
					size, cut := 64<<10, i == 2 || i == 4
					if cut {
						size = frameSize
						relay.Hold(size / 3)
					}
					sent := make(chan error, 1)
					go func() {
						_, err := send.SendArray(ctx, bytesArray(size, byte(i)), i)
						sent <- err
					}()
					if cut {
						relay.AwaitHeld(t) // a third of the frame is through
						server.Kill()
						server.Start()
						relay.Release()
					}
					f, err := recv.Recv(ctx)
					for err == nil && f.Message.Value() != int64(i) { // skip frames that were sent twice
						f.Close()
						f, err = recv.Recv(ctx)
					}
					if err != nil {
						t.Fatal(err)
					}
					if got, err := f.Bytes(); err != nil || !bytes.Equal(got, bytesArray(size, byte(i)).Data) {
						t.Errorf("frame %d arrived changed (%v)", i, err)
					}
					f.Close()
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
				}
				if n := send.Stats().Lost; n < 2 {
					t.Errorf("the connection was lost %d times, not twice: nothing was killed", n)
				}
			})
		}
	}
}

const frameSize = 12 << 20

// The library's own errors report problems of the tunnel.
func TestTunnelErrors(t *testing.T) {
	server := sshtunnel.NewServer(t)
	good := through(server, "127.0.0.1:1", netgear.Options{RequestTimeout: 200 * time.Millisecond})
	stranger := good
	stranger.SSHTunnelKnownHosts = []string{t.TempDir() + "/none"}
	if _, err := netgear.New(stranger); !errors.Is(err, netgear.ErrHostKey) || !errors.Is(err, netgear.ErrAuth) {
		t.Errorf("unknown host: %v", err)
	}
	nowhere := good
	nowhere.SSHTunnelMode = "joe@127.0.0.1:1"
	if _, err := netgear.New(nowhere); !errors.Is(err, netgear.ErrAddress) {
		t.Errorf("no server: %v", err)
	}
	keyless := good
	keyless.SSHTunnelKeyfile = t.TempDir() + "/none"
	if _, err := netgear.New(keyless); !errors.Is(err, netgear.ErrAuth) {
		t.Errorf("no key: %v", err)
	}
	send, err := netgear.New(good)
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	_, err = send.SendArray(context.Background(), netgear.Array{DType: "uint8", Shape: []int{1}, Data: []byte("x")}, nil)
	if !errors.Is(err, netgear.ErrPeerGone) {
		t.Errorf("nobody at the far end: %v", err)
	}
}

// ends opens a receive end, and a send end that connects to it through the
// tunnel.
func ends(t *testing.T, server sshtunnel.Server, o netgear.Options) (recv, send *netgear.NetGear) {
	t.Helper()
	o.ReceiveMode, o.Address, o.Port = true, "127.0.0.1", "0"
	recv = mustNew(t, o)
	o.ReceiveMode = false
	return recv, mustNew(t, through(server, recv.Endpoints()[0], o))
}

func mustNew(t *testing.T, o netgear.Options) *netgear.NetGear {
	t.Helper()
	n, err := netgear.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// through returns o for a send end that connects to an endpoint through the
// server.
func through(server sshtunnel.Server, endpoint string, o netgear.Options) netgear.Options {
	o.Address, o.Port, _ = net.SplitHostPort(strings.TrimPrefix(endpoint, "tcp://"))
	c := server.Config(net.JoinHostPort(o.Address, o.Port))
	o.SSHTunnelMode, o.SSHTunnelPwd, o.SSHTunnelKeyfile, o.SSHTunnelKnownHosts = c.Target, netgear.NewSecret(c.Password.Reveal()), c.Keyfile, c.KnownHosts
	return o
}

func aMinute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func bytesArray(n int, fill byte) netgear.Array {
	return netgear.Array{DType: "uint8", Shape: []int{n}, Data: bytes.Repeat([]byte{fill}, n)}
}

// The last frames and the terminate message arrive, although Close closes the
// tunnel. That holds also if libzmq lingers in the background for another end
// of the process.
func TestLastWordsThroughTheTunnel(t *testing.T) {
	server := sshtunnel.NewServer(t)
	mustNew(t, netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep, netgear.PubSub, netgear.PushPull} {
		t.Run(pattern.String(), func(t *testing.T) {
			for range 3 {
				lastWords(t, server, pattern)
			}
		})
	}
}

func lastWords(t *testing.T, server sshtunnel.Server, pattern netgear.Pattern) {
	o := netgear.Options{Pattern: pattern, HighWaterMark: 1000, QueueFrames: 1000, JPEGCompression: netgear.JPEGOff}
	if pattern == netgear.PushPull {
		o.Wire = netgear.AsyncWire
	}
	recv, send := ends(t, server, o)
	ctx := aMinute(t)
	// No event reports when a subscription takes effect.
	peertest.Await(t, time.Minute, "the first frame", func() bool {
		if _, err := send.SendArray(ctx, bytesArray(1, 0), "first"); err != nil {
			t.Fatal(err)
		}
		return pattern != netgear.PubSub || recv.Stats().Frames > 0
	})
	const frames = 10
	for range frames {
		if _, err := send.SendArray(ctx, bytesArray(300_000, 1), "last"); err != nil {
			t.Fatal(err)
		}
	}
	send.Close()
	got := 0
	for {
		f, err := recv.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d of %d frames, instead of the goodbye: %v", got, frames, err)
		}
		if f.Message.Value() == "last" {
			got++
		}
		f.Close()
	}
	if got != frames {
		t.Errorf("%d of %d frames arrived", got, frames)
	}
	recv.Close()
}

// A wrong key is reported through a tunnel too. A tunnel without a remote end
// is not reported as one, although it hangs up as a secure peer does.
func TestRefusalThroughTheTunnel(t *testing.T) {
	server := sshtunnel.NewServer(t)
	ours, theirs := t.TempDir(), t.TempDir()
	for _, location := range []string{ours, theirs} {
		if _, err := netgear.CreateCertificates(location); err != nil {
			t.Fatal(err)
		}
	}
	o := netgear.Options{Pattern: netgear.ReqRep, SecureMode: netgear.StoneHouse, CustomCertLocation: ours}
	listen := o
	listen.ReceiveMode, listen.Address, listen.Port = true, "127.0.0.1", "0"
	recv := mustNew(t, listen)
	endpoint := recv.Endpoints()[0]

	wrong := o
	wrong.CustomCertLocation = theirs
	ctx := aMinute(t)
	_, err := mustNew(t, through(server, endpoint, wrong)).SendArray(ctx, bytesArray(1, 0), nil)
	if !errors.Is(err, netgear.ErrAuth) || !strings.Contains(err.Error(), theirs) {
		t.Errorf("wrong key: %v", err)
	}

	recv.Close()
	// Long enough for several hang-ups.
	o.RequestTimeout, o.MaxRetries = 500*time.Millisecond, 5
	send := mustNew(t, through(server, endpoint, o))
	_, err = send.SendArray(ctx, bytesArray(1, 0), nil)
	if !errors.Is(err, netgear.ErrPeerGone) || errors.Is(err, netgear.ErrAuth) || !strings.Contains(err.Error(), "does not reach the far end") {
		t.Errorf("nobody there: %v", err)
	}
	if n := send.Stats().Refused; n < 3 {
		t.Errorf("only %d hang-ups", n)
	}
	_, listen.Port, _ = net.SplitHostPort(strings.TrimPrefix(endpoint, "tcp://"))
	mustNew(t, listen)
	if _, err := send.SendArray(ctx, bytesArray(1, 0), nil); err != nil {
		t.Errorf("it is there now: %v", err)
	}
}

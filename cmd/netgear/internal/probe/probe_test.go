package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// waitFor is how long a probe may take. It is no measure of speed.
const waitFor = 20 * time.Second

// soon is enough for a reply on this machine; a probe that gets none takes it
// all.
const soon = 500 * time.Millisecond

func probe(t *testing.T, address string, limit time.Duration, o Options) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return Probe(ctx, address, o)
}

// serve accepts connections and passes them to handle.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); handle(c) }()
		}
	}()
	return l.Addr().String()
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text); io.Copy(io.Discard, c) }
}

func TestForeignPeers(t *testing.T) {
	t.Parallel()
	nothing := "127.0.0.1:" + peertest.FreePort(t)
	for name, c := range map[string]struct {
		address string
		limit   time.Duration
		want    Kind
		detail  string
	}{
		"nothing":    {nothing, waitFor, Nothing, "refuses"},
		"no host":    {"nosuch.invalid:1", waitFor, Unreachable, "nosuch.invalid"},
		"SSH":        {serve(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") }), waitFor, Foreign, `"SSH-2.0-OpenSSH_9.2..`},
		"HTTP":       {serve(t, func(c net.Conn) { c.Read(make([]byte, 11)); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), waitFor, Foreign, "HTTP/1.1 400"},
		"hangs up":   {serve(t, func(c net.Conn) { io.ReadFull(c, make([]byte, 11)) }), waitFor, Foreign, "hangs up"},
		"silent":     {serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }), soon, Silent, "sends nothing"},
		"begins":     {serve(t, func(c net.Conn) { io.WriteString(c, zmtp.Signature+version); io.ReadFull(c, make([]byte, 11)) }), waitFor, Foreign, "then stops"},
		"old ZeroMQ": {serve(t, says(zmtp.Signature+"\x01\x03\x00\x00")), soon, ZeroMQ, "before 2013"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := probe(t, c.address, c.limit, Options{}); r.Kind != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A peer's parts are read within bounds, whatever their lengths claim.
func TestHostileParts(t *testing.T) {
	t.Parallel()
	greeting := zmtp.Signature + "\x03\x01NULL" + strings.Repeat("\x00", 48)
	for name, text := range map[string]string{
		"huge part":       "\x02\xff\xff\xff\xff\xff\xff\xff\xff" + strings.Repeat("x", 100),
		"huge property":   zmtp.Frame(zmtp.IsCommand, "\x05READY\x0bSocket-Type\xff\xff\xff\xff"),
		"short property":  zmtp.Frame(zmtp.IsCommand, "\x05READY\x0bSock"),
		"empty command":   zmtp.Frame(zmtp.IsCommand, ""),
		"name beyond":     zmtp.Frame(zmtp.IsCommand, "\xffREADY"),
		"message instead": zmtp.Frame(0, "hello"),
		"longest name":    "\x06" + zmtp.Number(300) + "\xff" + strings.Repeat("x", 299),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := probe(t, serve(t, says(greeting+text)), soon, Options{}); r.Kind != ZeroMQ || r.Socket != "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// What a peer sends must not control the terminal on which it is printed.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	const title = "\x1b]0;x\x07"
	greeting := func(mechanism string) string {
		return zmtp.Signature + "\x03\x01" + mechanism + strings.Repeat("\x00", 52-len(mechanism))
	}
	ready := zmtp.Frame(zmtp.IsCommand, "\x05READY"+zmtp.Property("Socket-Type", title+"REP"))
	for want, text := range map[string]string{".]0;x.": greeting(title), "NULL.]0;x.REP": greeting("NULL") + ready} {
		if r := probe(t, serve(t, says(text)), soon, Options{}); r.Mechanism+r.Socket != want {
			t.Errorf("%q %q, want %q", r.Mechanism, r.Socket, want)
		}
	}
}

// openEnd opens an end that listens on a free port.
func openEnd(t *testing.T, o netgear.Options) (*netgear.NetGear, string) {
	t.Helper()
	o.Address, o.Port, o.Attach = "127.0.0.1", "0", netgear.AttachBind
	n, err := netgear.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n, "127.0.0.1:" + n.Port()
}

// Every kind of end shows its socket type, without being taken for a peer.
func TestOwnEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o            netgear.Options
		socket, wire string
	}{
		{netgear.Options{ReceiveMode: true}, "PAIR", ""},
		{netgear.Options{ReceiveMode: true, Pattern: netgear.ReqRep}, "REP", ""},
		{netgear.Options{ReceiveMode: true, Pattern: netgear.PubSub}, "SUB", ""},
		{netgear.Options{ReceiveMode: true, Pattern: netgear.PushPull, Wire: netgear.AsyncWire}, "PULL", "NetGear_Async"},
		{netgear.Options{}, "PAIR", ""},
		{netgear.Options{Pattern: netgear.ReqRep}, "REQ", ""},
		{netgear.Options{Pattern: netgear.PushPull, Wire: netgear.AsyncWire}, "PUSH", "NetGear_Async"},
	} {
		n, address := openEnd(t, c.o)
		r := probe(t, address, waitFor, Options{})
		if r.Kind != ZeroMQ || r.Mechanism != "NULL" || r.Socket != c.socket || r.Wire != c.wire || n.Stats().Connected != 0 {
			t.Errorf("%v: %+v", c.o, r)
		}
	}
}

// The first frame of a publisher shows its wire. Its other subscribers miss
// nothing.
func TestPublishers(t *testing.T) {
	t.Parallel()
	for _, wire := range []netgear.Wire{netgear.NetGearWire, netgear.AsyncWire, netgear.ImageZMQWire} {
		n, address := openEnd(t, netgear.Options{Pattern: netgear.PubSub, Wire: wire})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				n.SendArray(ctx, netgear.Array{DType: "uint8", Shape: []int{2, 2}, Data: make([]byte, 4)}, nil)
				time.Sleep(time.Millisecond)
			}
		}()
		if r := probe(t, address, waitFor, Options{}); r.Socket != "PUB" || r.Wire != wire.String() {
			t.Errorf("%v: %+v", wire, r)
		}
		cancel()
		<-done
	}
}

// The answer to a frame shows the wire, whichever the frame is on.
func TestSendFrame(t *testing.T) {
	t.Parallel()
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep} {
		for _, wire := range []netgear.Wire{netgear.NetGearWire, netgear.AsyncWire, netgear.ImageZMQWire} {
			if wire == netgear.ImageZMQWire && pattern == netgear.Pair {
				continue
			}
			for _, bidirectional := range []bool{false, true} {
				n, address := openEnd(t, netgear.Options{ReceiveMode: true, Pattern: pattern, Wire: wire, BidirectionalMode: bidirectional})
				for _, frame := range Wires {
					r := probe(t, address, waitFor, Options{Frame: frame})
					if r.Wire != wire.String() || r.Answer == "" {
						t.Errorf("%v, %v, bidirectional %v, frame on %s: %+v", pattern, wire, bidirectional, frame, r)
					}
				}
				// The end counts after it has answered.
				peertest.Await(t, waitFor, fmt.Sprintf("one frame and two malformed (%v, %v)", pattern, wire), func() bool {
					s := n.Stats()
					return s.Frames == 1 && s.Malformed == 2
				})
			}
		}
	}
}

// A PAIR end that serves a peer keeps the probe out.
func TestBusyPair(t *testing.T) {
	t.Parallel()
	recv, address := openEnd(t, netgear.Options{ReceiveMode: true})
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port()})
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	frame := netgear.Array{DType: "uint8", Shape: []int{2, 2}, Data: make([]byte, 4)}
	if _, err := send.SendArray(ctx, frame, nil); err != nil {
		t.Fatal(err)
	}
	if r := probe(t, address, soon, Options{}); !r.Busy || r.Kind != ZeroMQ || r.Socket != "" {
		t.Errorf("%+v", r)
	}
	if _, err := send.SendArray(ctx, frame, nil); err != nil {
		t.Errorf("the probe has disturbed the stream: %v", err)
	}
}

// A secure end shows that it is secure. With keys the probe finds out whether
// they fit, and the pattern, although it begins with another one.
func TestSecureEnds(t *testing.T) {
	t.Parallel()
	here, foreign := t.TempDir(), t.TempDir()
	var keys [2]*KeyPair
	for i, location := range []string{here, foreign} {
		dir, err := netgear.CreateCertificates(location)
		if err != nil {
			t.Fatal(err)
		}
		if keys[i], err = ReadKeys(dir); err != nil {
			t.Fatal(err)
		}
	}
	half := *keys[1] // the right server, an unknown client
	half.server = keys[0].server
	for _, mode := range []netgear.SecureMode{netgear.StoneHouse, netgear.IronHouse} {
		_, address := openEnd(t, netgear.Options{ReceiveMode: true, Pattern: netgear.ReqRep, SecureMode: mode, CustomCertLocation: here})
		if r := probe(t, address, waitFor, Options{}); r.Mechanism != "CURVE" || r.Keys != KeysUnknown || r.Socket != "" {
			t.Errorf("%v, without keys: %+v", mode, r)
		}
		for _, client := range []string{"REQ", "PUB"} {
			if r := probe(t, address, waitFor, Options{Keys: keys[0], Client: client}); r.Keys != KeysAccepted || r.Socket != "REP" {
				t.Errorf("%v, good keys, %s: %+v", mode, client, r)
			}
		}
		if r := probe(t, address, waitFor, Options{Keys: keys[1], Client: "REQ"}); r.Keys != KeysWrong {
			t.Errorf("%v, other keys: %+v", mode, r)
		}
		want := map[netgear.SecureMode]Keys{netgear.StoneHouse: KeysAccepted, netgear.IronHouse: KeysRefused}[mode]
		if r := probe(t, address, waitFor, Options{Keys: &half, Client: "REQ"}); r.Keys != want {
			t.Errorf("%v, an unknown client: %+v, want %s", mode, r, want)
		}
	}
	if _, err := ReadKeys(t.TempDir()); err == nil {
		t.Error("keys from an empty folder")
	}
}

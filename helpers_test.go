package netgear

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// testTimeout bounds every wait of the tests; no test asserts a time by it.
const testTimeout = time.Minute

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// mustNew opens an end. One that listens on any free port gets one outside of
// the system's ephemeral range: tests close such an end and open another one on
// its port, which must not be that of another test's connection by then.
func mustNew(t testing.TB, o Options) *NetGear {
	t.Helper()
	if o.binds() && o.protocol() == "tcp" {
		if o.Port == "0" {
			o.Port = peertest.FreePort(t)
		}
		o.Ports = slices.Clone(o.Ports)
		for i, port := range o.Ports {
			if port == "0" {
				o.Ports[i] = peertest.FreePort(t)
			}
		}
	}
	if o.TerminateDelay == 0 {
		o.TerminateDelay = -1 // tests are not VidGear
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// openPair opens a receive end on a free port and a send end to it. o applies
// to both, each adjustment to one.
func openPair(t testing.TB, o Options, adjust ...func(recv, send *Options)) (recv, send *NetGear) {
	t.Helper()
	r, s := o, o
	r.ReceiveMode = true
	for _, f := range adjust {
		f(&r, &s)
	}
	if r.Protocol == "ipc" {
		dir := peertest.SocketDir(t)
		r.Address = filepath.Join(dir, "s")
		s.Address = r.Address
		return mustNew(t, r), mustNew(t, s)
	}
	binds, connects := &r, &s
	if !r.binds() {
		binds, connects = &s, &r
	}
	if binds.Address == "" {
		binds.Address = "127.0.0.1"
	}
	binds.Port = "0"
	listening := mustNew(t, *binds)
	connects.Address = binds.Address
	connects.Port = listening.Port()
	connected := mustNew(t, *connects)
	if connects == &s {
		return listening, connected
	}
	return connected, listening
}

// awaitPeers waits until n has that many connections.
func awaitPeers(t testing.TB, n *NetGear, peers int) {
	t.Helper()
	if err := n.WaitConnected(testContext(t), peers); err != nil {
		t.Fatal(err)
	}
	await(t, "peers to connect", func() bool { // and to be reported, a moment later
		s := n.Stats()
		return s.Connected == peers && s.Connections >= uint64(peers)
	})
}

// await polls a condition for which there is no event.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	peertest.Await(t, testTimeout, what, ok)
}

// newProxy returns a proxy that listens on an address of this machine and
// forwards to n.
func newProxy(t testing.TB, address string, n *NetGear) *peertest.Proxy {
	t.Helper()
	return peertest.NewProxy(t, peertest.Listen(t, address), strings.TrimPrefix(n.Endpoints()[0], "tcp://"))
}

// sourceFiles returns the package's files without the tests, parsed, by name.
func sourceFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]*ast.File{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		trees[file] = tree
	}
	return trees
}

// dropSocket closes the socket of a send end, as a failed frame does.
func dropSocket(t *testing.T, send *NetGear) {
	t.Helper()
	if err := send.send.lock(testContext(t)); err != nil {
		t.Fatal(err)
	}
	defer send.send.unlock()
	send.send.shut(0)
}

// testArray is a picture that depends on i and has noise enough for a JPEG.
func testArray(i int, dtype string, shape ...int) Array {
	d, err := numpy.Parse(dtype)
	if err != nil {
		panic(err)
	}
	n, err := numpy.Elements(shape)
	if err != nil {
		panic(err)
	}
	data := make([]byte, n*d.Size)
	fillTestArray(data, i, dtype == "bool")
	return Array{DType: dtype, Shape: shape, Data: data}
}

// fillTestArray fills memory that nothing else refers to yet, so the race
// detector has nothing to find here. With it, filling took most of some tests.
//
//go:norace
func fillTestArray(data []byte, i int, isBool bool) {
	x := uint32(i)*2654435761 + 1
	for j := range data {
		x = x*1664525 + 1013904223
		data[j] = byte(j/97+i*11) + byte(x>>29)
		if isBool {
			data[j] &= 1
		}
	}
}

// ---- captured messages ----

// capture is one recording of a real VidGear 0.3.6 or imagezmq 1.2.0
// (testdata/captures).
type capture struct {
	About struct {
		Case     string
		Pattern  Pattern
		Options  json.RawMessage
		Returned []string
		Recv     []string
	}
	Messages []struct {
		From  string
		Parts []string
	}
}

// wire returns the wire of a recording.
func (c *capture) wire() Wire {
	switch {
	case strings.HasPrefix(c.About.Case, "NetGear_Async"):
		return AsyncWire
	case strings.HasSuffix(c.About.Case, "imagezmq"):
		return ImageZMQWire
	}
	return NetGearWire
}

func (c *capture) parts(i int) [][]byte {
	parts := make([][]byte, len(c.Messages[i].Parts))
	for j, p := range c.Messages[i].Parts {
		parts[j], _ = base64.StdEncoding.DecodeString(p)
	}
	return parts
}

// captures returns the recordings whose name matches a pattern.
func captures(t testing.TB, glob string) map[string]*capture {
	t.Helper()
	files, err := filepath.Glob("testdata/captures/" + glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures match %s: %v", glob, err)
	}
	all := map[string]*capture{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c := new(capture)
		if err := json.Unmarshal(raw, c); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".json")] = c
	}
	return all
}

// ---- a bare ZeroMQ peer ----

// bare is a plain socket at the other end, for messages that no NetGear would
// send.
type bare struct {
	*zmsg.Socket
	t testing.TB
}

// newBare opens a bare socket connected to n, or with n nil bound to a free port.
func newBare(t testing.TB, kind zmq4.Type, n *NetGear) *bare {
	t.Helper()
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ctx.NewSocket(kind)
	if err != nil {
		t.Fatal(err)
	}
	s, err := zmsg.Wrap(plain)
	if err != nil {
		t.Fatal(err)
	}
	s.SetLinger(0)
	if kind == zmq4.SUB {
		s.SetSubscribe("")
	}
	if n != nil {
		err = s.Connect(n.Endpoints()[0])
	} else {
		err = s.Bind("tcp://127.0.0.1:*")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		ctx.Term()
	})
	return &bare{s, t}
}

func (b *bare) port() string {
	ep, err := b.GetLastEndpoint()
	if err != nil {
		b.t.Fatal(err)
	}
	return portIn(ep)
}

func (b *bare) send(parts ...[]byte) {
	b.t.Helper()
	for i, p := range parts {
		err := b.Wait(time.Now().Add(testTimeout), func() error { return nil }, func() error { return b.TrySend(p, i < len(parts)-1) })
		if err != nil {
			b.t.Errorf("bare send: %v", err)
			return
		}
	}
}

// warm sends frames until the newest has arrived. There is no event for a
// subscription that takes effect, and a frame still in transfer would precede
// the next.
func (b *bare) warm(send *NetGear) {
	b.t.Helper()
	for i, end := 0, time.Now().Add(testTimeout); time.Now().Before(end); i++ {
		mark := fmt.Sprintf("warm-up %d.", i)
		if _, err := send.SendArray(context.Background(), testArray(0, "uint8", 1, 1), mark); err != nil {
			b.t.Fatal(err)
		}
		for parts := b.recv(20 * time.Millisecond); parts != nil; parts = b.recv(20 * time.Millisecond) {
			if strings.Contains(string(parts[0]), mark) {
				return
			}
		}
	}
	b.t.Fatal("no frame comes through")
}

// recv returns the parts of one message, or nil after the deadline.
func (b *bare) recv(wait time.Duration) [][]byte {
	b.t.Helper()
	var parts [][]byte
	for {
		var m zmsg.Msg
		if err := b.Wait(time.Now().Add(wait), func() error { return nil }, func() error { return b.TryRecv(&m) }); err != nil {
			return nil
		}
		parts = append(parts, append([]byte{}, m.Bytes()...))
		more := m.More()
		m.Close()
		if !more {
			return parts
		}
	}
}

// startSend sends a frame in a goroutine. The channel has the error of the call.
func startSend(t testing.TB, send *NetGear) <-chan error {
	t.Helper()
	ctx, result := testContext(t), make(chan error, 1)
	go func() {
		_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
		result <- err
	}()
	return result
}

// dial opens a bare TCP connection to a receive end.
func dial(t *testing.T, n *NetGear) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(n.Endpoints()[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asJSON writes and reads messages as NetGear does.
var asJSON jsonWire

// frameBytes returns a frame's pixels, or nil if it has none.
func frameBytes(f *Frame) []byte {
	b, err := f.Bytes()
	if err != nil {
		return nil
	}
	return b
}

// frameArray returns a frame's array, or the zero Array if it has none.
func frameArray(f *Frame) Array {
	a, err := f.Array()
	if err != nil {
		return Array{}
	}
	return a
}

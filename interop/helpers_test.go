//go:build !nogocv

package interop

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/pyjson"
)

// waitLimit limits every wait, so that a hang becomes a failure with a message.
// No test depends on how long anything takes.
const waitLimit = 90 * time.Second

// longTimeout is RequestTimeout where time-outs are not what is tested: on a busy machine
// an answer may take longer than VidGear's 4 seconds, and then no one has it.
const longTimeout = time.Minute

// await polls a condition that is no event.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	peertest.Await(t, waitLimit, what, ok)
}

// checkMats is set in builds with -tags matprofile.
var checkMats = func() error { return nil }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if spec := os.Getenv(senderEnv); spec != "" {
		fmt.Fprintln(os.Stderr, beSender(spec))
		return 1
	}
	if err := checkPython(); err != nil {
		fmt.Fprintf(os.Stderr, "interop: no Python with VidGear at %s: %v\nRun `make setup` in the repository, or name one by NETGEAR_INTEROP_PYTHON.\n", peertest.Python(), err)
		return 1
	}
	dir, err := os.MkdirTemp("", "interop")
	if err == nil {
		defer os.RemoveAll(dir)
		err = loadFootage(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop: the sample video:", err)
		return 1
	}
	code := m.Run()
	for _, f := range footage {
		f.close()
	}
	if code != 0 {
		return code // a failed test may leave goroutines
	}
	if err := errors.Join(leaktest.Find(), checkMats()); err != nil {
		fmt.Fprintln(os.Stderr, "interop: left behind:", err)
		return 1
	}
	return 0
}

func checkPython() error {
	out, err := exec.Command(peertest.Python(), "peer.py", "versions").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// ---- footage: the sample video, in three kinds of pixels ----

const footageFrames = 24

// clip has the same frames for both ends: Mats for Go, .npy files for Python.
type clip struct {
	mats     []gocv.Mat
	pictures []string // of the raw pixels, see picture
	dir      string
}

// footage by number of channels.
var footage = map[int]*clip{1: {}, 3: {}, 4: {}}

func (c *clip) close() {
	for i := range c.mats {
		c.mats[i].Close()
	}
}

// npy returns the file of frame i.
func (c *clip) npy(i int) string { return filepath.Join(c.dir, fmt.Sprintf("%03d.npy", i)) }

// array returns frame i, which aliases its Mat.
func (c *clip) array(i int) netgear.Array {
	a, err := matArray(c.mats[i])
	if err != nil {
		panic(err)
	}
	return a
}

func (c *clip) add(m gocv.Mat) error {
	a, err := matArray(m)
	if err != nil {
		return err
	}
	c.mats = append(c.mats, m)
	c.pictures = append(c.pictures, picture(a))
	return os.WriteFile(c.npy(len(c.mats)-1), npyFile(a), 0o600)
}

func loadFootage(dir string) error {
	files, err := filepath.Glob(filepath.Join("..", "examples", "internal", "sample", "*.avi"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("none in examples/internal/sample (%v)", err)
	}
	video, err := gocv.VideoCaptureFile(files[0])
	if err != nil {
		return err
	}
	defer video.Close()
	for channels, c := range footage {
		c.dir = filepath.Join(dir, strconv.Itoa(channels))
		if err := os.Mkdir(c.dir, 0o700); err != nil {
			return err
		}
	}
	for range footageFrames {
		bgr, gray, bgra := gocv.NewMat(), gocv.NewMat(), gocv.NewMat()
		if !video.Read(&bgr) {
			return fmt.Errorf("%s has fewer than %d frames", files[0], footageFrames)
		}
		gocv.CvtColor(bgr, &gray, gocv.ColorBGRToGray)
		gocv.CvtColor(bgr, &bgra, gocv.ColorBGRToBGRA)
		if err := errors.Join(footage[3].add(bgr), footage[1].add(gray), footage[4].add(bgra)); err != nil {
			return err
		}
	}
	return nil
}

// matArray returns a uint8 Mat as an array.
func matArray(m gocv.Mat) (netgear.Array, error) {
	data, err := m.DataPtrUint8()
	a := netgear.Array{DType: "uint8", Shape: m.Size(), Data: data}
	if m.Channels() > 1 {
		a.Shape = append(a.Shape, m.Channels())
	}
	return a, err
}

// npyFile returns a uint8 array in the format of numpy.load: a magic, the
// header's length, the header padded to 64 bytes, the elements.
func npyFile(a netgear.Array) []byte {
	head := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }", strings.Trim(shapeText(a.Shape), "[]"))
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	file := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	return append(append(file, head...), a.Data...)
}

// picture is what must be equal at both ends: dtype, shape and a hash of the
// elements.
func picture(a netgear.Array) string {
	return fmt.Sprintf("%s %s %x", a.DType, shapeText(a.Shape), sha256.Sum256(a.Data))
}

// shapeText returns a shape as Python's json writes it.
func shapeText(shape []int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ", ")
}

// compression is one way to send frames.
type compression struct {
	name     string
	jpeg     netgear.Colorspace
	channels int
}

func (c compression) clip() *clip { return footage[c.channels] }

var (
	raw         = compression{"raw", netgear.JPEGOff, 3}
	jpegDefault = compression{"jpeg", netgear.JPEGDefault, 3}
	jpegGray    = compression{"GRAY", netgear.JPEGGray, 1}

	// jpegs are the default, then all the others.
	jpegs = []compression{jpegDefault, jpegGray,
		{"RGB", "RGB", 3}, {"BGRA", "BGRA", 4}, {"BGR", "BGR", 3}, {"RGBX", "RGBX", 4}, {"BGRX", "BGRX", 4}, {"XBGR", "XBGR", 4},
		{"XRGB", "XRGB", 4}, {"RGBA", "RGBA", 4}, {"ABGR", "ABGR", 4}, {"ARGB", "ARGB", 4}, {"CMYK", "CMYK", 4}}
)

var expectations struct {
	sync.Mutex
	known map[netgear.Colorspace][]string
}

// pictures returns what a receive end must receive of the clip. simplejpeg
// itself encodes and decodes the JPEGs for it.
func (c compression) pictures(t *testing.T) []string {
	t.Helper()
	if c.jpeg == netgear.JPEGOff {
		return c.clip().pictures
	}
	expectations.Lock()
	defer expectations.Unlock()
	if seen := expectations.known[c.jpeg]; seen != nil {
		return seen
	}
	p := startPeer(t, "expect", "--options", dictionary(netgear.Options{JPEGCompression: c.jpeg}), "--source", "npy-dir", c.clip().dir)
	seen := p.pictures(footageFrames)
	p.end("count")
	if expectations.known == nil {
		expectations.known = map[netgear.Colorspace][]string{}
	}
	expectations.known[c.jpeg] = seen
	return seen
}

// ---- the Python end ----

// peer is a running peer.py.
type peer struct {
	*peertest.Process[event]
	t testing.TB
}

// event is one line of peer.py: its values as JSON text, by key.
type event map[string]string

// text returns a value that is a text.
func (e event) text(key string) string {
	var s string
	if v, ok := e[key]; ok && pyjson.Unmarshal(pyjson.Raw(v), &s) != nil {
		return v
	}
	return s
}

// picture of the frame, or of an array within the event.
func (e event) picture() string { return e.text("dtype") + " " + e["shape"] + " " + e.text("sha256") }

func (e event) inner(key string) event { return parseEvent([]byte(e[key])) }

func parseEvent(line []byte) event {
	e := event{}
	err := pyjson.Fields(line, func(key string, v pyjson.Raw) error {
		e[strings.Clone(key)] = string(v)
		return nil
	})
	if err != nil {
		e["event"] = fmt.Sprintf("not JSON: %q", line)
	}
	return e
}

// startPeer starts peer.py.
func startPeer(t testing.TB, args ...string) *peer {
	t.Helper()
	cmd := exec.Command(peertest.Python(), append([]string{"peer.py"}, args...)...)
	p := &peer{peertest.Start(t, "Python end", cmd, parseEvent), t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the Python end's stderr:\n%v", &p.Stderr)
		}
	})
	return p
}

// poll returns the next event, if one arrives within the time.
func (p *peer) poll(within time.Duration) (event, bool) {
	p.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case e, ok := <-p.Lines:
		if !ok {
			p.Fail("the Python end is gone")
		}
		return e, true
	case <-timer.C:
		return nil, false
	}
}

// next returns the next event.
func (p *peer) next() event {
	p.t.Helper()
	e, ok := p.poll(waitLimit)
	if !ok {
		p.Fail("the Python end said nothing for %v", waitLimit)
	}
	return e
}

// expect returns the next event, which must be of the kind.
func (p *peer) expect(kind string) event {
	p.t.Helper()
	e := p.next()
	if e.text("event") != kind {
		p.Fail("the Python end said %v, not %q", e, kind)
	}
	return e
}

// until skips frames up to the event of the kind.
func (p *peer) until(kind string) event {
	p.t.Helper()
	for {
		if e := p.next(); e.text("event") != "frame" && e.text("event") != "resumed" {
			if e.text("event") != kind {
				p.Fail("the Python end said %v, not %q", e, kind)
			}
			return e
		}
	}
}

// end returns the last event, after any frames.
func (p *peer) end(reason string) {
	p.t.Helper()
	if e := p.until("end"); e.text("reason") != reason {
		p.Fail("the Python end ended as %q, not as %q", e.text("reason"), reason)
	}
}

// pictures returns the next n frames.
func (p *peer) pictures(n int) []string {
	p.t.Helper()
	seen := make([]string, n)
	for i := range seen {
		seen[i] = p.expect("frame").picture()
	}
	return seen
}

// dictionary returns the options as VidGear's dictionary.
func dictionary(o netgear.Options) string {
	d := map[string]any{}
	switch o.JPEGCompression {
	case netgear.JPEGDefault:
	case netgear.JPEGOff:
		d["jpeg_compression"] = false
	default:
		d["jpeg_compression"] = o.JPEGCompression
	}
	for key, on := range map[string]bool{
		"bidirectional_mode": o.BidirectionalMode, "multiserver_mode": o.MultiserverMode, "multiclient_mode": o.MulticlientMode,
	} {
		if on {
			d[key] = true
		}
	}
	if o.MaxRetries > 0 {
		d["max_retries"] = o.MaxRetries
	}
	if o.RequestTimeout > 0 && o.Wire == netgear.NetGearWire {
		d["request_timeout"] = int(o.RequestTimeout / time.Second)
	}
	if o.SecureMode != netgear.Grasslands {
		d["secure_mode"], d["custom_cert_location"] = int(o.SecureMode), o.CustomCertLocation
	}
	d["go"] = map[string]any{"stall_after": "1h"} // VidGear ignores the options of this library
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// peerFlags returns the options as peer.py's command line.
func peerFlags(o netgear.Options) []string {
	flags := []string{"--address", o.Address, "--pattern", strconv.Itoa(int(o.Pattern)), "--options", dictionary(o)}
	switch o.Wire {
	case netgear.AsyncWire:
		flags = append(flags, "--async")
	case netgear.ImageZMQWire:
		flags = append(flags, "--imagezmq")
	}
	if o.Protocol != "" {
		flags = append(flags, "--protocol", o.Protocol)
	}
	port := o.Port
	if len(o.Ports) > 0 {
		port = strings.Join(o.Ports, ",")
	}
	return append(flags, "--port", port)
}

// startSender starts a VidGear send end and waits until it is ready.
func startSender(t *testing.T, o netgear.Options, flags ...string) *peer {
	t.Helper()
	p := startPeer(t, append(append([]string{"send"}, peerFlags(o)...), flags...)...)
	p.expect("ready")
	return p
}

// startReceiver starts a VidGear receive end and waits until it listens. If o
// names no port, it finds free ones. Another program may bind such a port
// first, so it tries more than once.
func startReceiver(t testing.TB, o netgear.Options, flags ...string) (*peer, netgear.Options) {
	t.Helper()
	for try := 1; ; try++ {
		with := o
		with.RequestTimeout = 0 // VidGear's receive end may take three times as long to close
		for i, port := range with.Ports {
			if port == "0" {
				with.Ports = append([]string(nil), with.Ports...)
				with.Ports[i] = peertest.FreePort(t)
			}
		}
		if len(with.Ports) == 0 && with.Port == "" {
			with.Port = peertest.FreePort(t)
		}
		p := startPeer(t, append(append([]string{"recv"}, peerFlags(with)...), flags...)...)
		e := p.next()
		if e.text("event") == "ready" {
			with.RequestTimeout = o.RequestTimeout
			return p, with
		}
		if try == 5 || !strings.Contains(p.Stderr.String(), "Address already in use") {
			p.Fail("the Python end said %v, not ready", e)
		}
		p.Kill()
	}
}

// ---- the Go end ----

// address returns the endpoint of the two ends: a new socket file for ipc.
func address(t testing.TB, protocol string) string {
	t.Helper()
	if protocol != "ipc" {
		return "127.0.0.1"
	}
	dir := peertest.SocketDir(t)
	return filepath.Join(dir, "s")
}

// open opens a Go end, which is closed at the test's end.
func open(t testing.TB, o netgear.Options) *netgear.NetGear {
	t.Helper()
	n, err := netgear.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%+v", n.Stats())
		}
		n.Close()
	})
	return n
}

// openReceiver opens a Go receive end, and returns the options with its actual
// ports.
func openReceiver(t *testing.T, o netgear.Options) (*netgear.NetGear, netgear.Options) {
	t.Helper()
	if o.Port == "" && len(o.Ports) == 0 {
		o.Port = "0"
	}
	o.ReceiveMode = true
	n := open(t, o)
	o.ReceiveMode = false
	ports := n.Ports()
	if len(o.Ports) > 0 {
		o.Ports = ports
	} else {
		o.Port = ports[0]
	}
	return n, o
}

// receive returns the next frame at a Go end, which is closed at the test's
// end.
func receive(t *testing.T, n *netgear.NetGear) *netgear.Frame {
	t.Helper()
	f, err := tryReceive(n)
	if err != nil {
		t.Fatalf("%v (%+v)", err, n.Stats())
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func tryReceive(n *netgear.NetGear) (*netgear.Frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	return n.Recv(ctx)
}

// framePicture returns a received frame as a picture.
func framePicture(t *testing.T, f *netgear.Frame) string {
	t.Helper()
	a, err := f.Array()
	if err != nil {
		t.Fatal(err)
	}
	return picture(a)
}

// receivePicture returns the next frame as a picture.
func receivePicture(t *testing.T, n *netgear.NetGear) string {
	t.Helper()
	f := receive(t, n)
	defer f.Close()
	return framePicture(t, f)
}

// receiveEnd fails unless the stream ends, at a Go end.
func receiveEnd(t *testing.T, n *netgear.NetGear) {
	t.Helper()
	for range 2 { // it stays the end
		if f, err := tryReceive(n); err != io.EOF {
			t.Fatalf("Recv after the goodbye: %v, %v (%+v)", f, err, n.Stats())
		}
	}
}

// send sends an array or a Mat.
func send(t *testing.T, n *netgear.NetGear, frame, message any) netgear.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	var reply netgear.Reply
	var err error
	switch frame := frame.(type) {
	case gocv.Mat:
		reply, err = n.Send(ctx, frame, message)
	case netgear.Array:
		reply, err = n.SendArray(ctx, frame, message)
	}
	if err != nil {
		t.Fatalf("%v (%+v)", err, n.Stats())
	}
	return reply
}

// ---- checks ----

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Fatalf("%s:\n got %.300v\nwant %.300v", what, got, want)
	}
}

func equalPictures(t *testing.T, got, want []string) {
	t.Helper()
	equal(t, "number of frames", len(got), len(want))
	for i := range want {
		equal(t, fmt.Sprintf("frame %d", i), got[i], want[i])
	}
}

// inOrder fails unless got is what was sent, with some missing.
func inOrder(t *testing.T, got, sent []string) {
	t.Helper()
	at := 0
	for i, g := range got {
		for at < len(sent) && sent[at] != g {
			at++
		}
		if at == len(sent) {
			t.Fatalf("frame %d of %d that arrived is damaged or out of order: %s", i, len(got), g)
		}
		at++
	}
}

// ---- patterns ----

var (
	patternNames = map[netgear.Pattern]string{netgear.Pair: "pair", netgear.ReqRep: "reqrep", netgear.PubSub: "pubsub", netgear.PushPull: "pushpull"}
	lockstep     = []netgear.Pattern{netgear.Pair, netgear.ReqRep}
	allPatterns  = append(lockstep[:2:2], netgear.PubSub)
)

// eachPattern runs a test for each pattern, in parallel.
func eachPattern(t *testing.T, patterns []netgear.Pattern, test func(t *testing.T, o netgear.Options)) {
	t.Helper()
	for _, p := range patterns {
		t.Run(patternNames[p], func(t *testing.T) {
			t.Parallel()
			test(t, netgear.Options{Pattern: p, Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff, RequestTimeout: longTimeout})
		})
	}
}

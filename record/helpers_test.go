package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		beChild(dir)
		return
	}
	if port := os.Getenv(senderEnv); port != "" {
		beSender(port)
	}
	code := m.Run()
	runtime.GC()
	err := leaktest.Find()
	if buffers, messages := zmsg.Live(); err == nil && (buffers != 0 || messages != 0) {
		err = fmt.Errorf("%d buffers and %d messages were never released", buffers, messages)
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "left behind:", err)
		code = 1
	}
	os.Exit(code)
}

// program returns the path of a program. In CI it must be installed.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// long skips a test that takes long, or whose code is the same in every build.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long")
	}
}

// epoch is when the test's first frame arrives.
var epoch = time.Date(2026, 11, 29, 12, 0, 0, 250_000_000, time.UTC)

// at returns when the frame with a number arrives, at 30 frames a second.
func at(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second / 30) }

// picture returns a JPEG that differs from that of every other number.
func picture(n, width, height int) []byte {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = byte(n*7 + i/width)
	}
	img.SetGray(0, 0, color.Gray{byte(n)})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// elements returns n bytes that differ from those of every other number.
func elements(number, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(number*31 + i*7 + i>>8)
	}
	binary.LittleEndian.PutUint16(b, uint16(number))
	return b
}

// given is a frame to record.
type given struct {
	name    string
	jpeg    []byte
	array   netgear.Array
	message any
	at      time.Time
	stamp   *netgear.Stamp
	port    string
	peer    string
}

// build returns the frame, as it would be received.
func (g *given) build() (*netgear.Frame, error) {
	var f *netgear.Frame
	var err error
	if g.jpeg != nil {
		f, err = netgear.NewJPEGFrame(g.jpeg, g.message)
	} else {
		f, err = netgear.NewFrame(g.array, g.message)
	}
	if err != nil {
		return nil, err
	}
	f.ReceivedAt, f.Stamp, f.Port, f.Peer = g.at, g.stamp, g.port, g.peer
	return f, nil
}

func (g *given) frame(t testing.TB) *netgear.Frame {
	t.Helper()
	f, err := g.build()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// write records a frame.
func (g *given) write(t testing.TB, r *Recorder) error {
	t.Helper()
	f := g.frame(t)
	defer f.Close()
	return r.Write(g.name, f)
}

// quiet returns options that log nothing, unless they have a Logger.
func quiet(o Options) Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// recorded writes frames into a file and returns its path.
func recorded(t testing.TB, frames ...given) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.mkv")
	r := create(t, Options{Path: path, QueueFrames: 1 << 16, QueueBytes: 1 << 30})
	for i := range frames {
		if err := frames[i].write(t, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func create(t testing.TB, o Options) *Recorder {
	t.Helper()
	r, err := Create(quiet(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// jpegs returns so many JPEG frames of one sender.
func jpegs(n int) []given {
	all := make([]given, n)
	for i := range all {
		all[i] = given{name: "cam", jpeg: picture(i, 64, 48), at: at(i)}
	}
	return all
}

func open(t testing.TB, path string) *Player {
	t.Helper()
	p, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// readAll returns the frames of a recording, and why they end if not with
// io.EOF.
func readAll(t testing.TB, p *Player) ([]*Frame, error) {
	t.Helper()
	var all []*Frame
	for {
		f, err := p.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
}

// load returns a file's bytes.
func load(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pixels returns a frame's decoded pixels.
func pixels(t testing.TB, f *netgear.Frame) []byte {
	t.Helper()
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

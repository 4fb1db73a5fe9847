package natsbridge

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/leaktest"
)

// limit bounds each wait of a test.
const limit = time.Minute

func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 {
		if leaks := leaktest.Find(
			// The server does not wait for these.
			leaktest.IgnoreFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"),
			leaktest.IgnoreFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop")); leaks != nil {
			fmt.Fprintln(os.Stderr, leaks)
			status = 1
		}
	}
	os.Exit(status)
}

// startServer runs a server in this process.
func startServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { stop(s) })
	if !s.ReadyForConnections(limit) {
		t.Fatal("the server does not start")
	}
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// dial connects to servers.
func dial(t testing.TB, urls string, options ...nats.Option) *nats.Conn {
	t.Helper()
	options = append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.RetryOnFailedConnect(true),
	}, options...)
	nc, err := nats.Connect(urls, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// within returns a context that ends at the test's limit.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// must stops the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// publisher returns a Publisher that is closed with the test.
func publisher(t testing.TB, nc *nats.Conn, o PublisherOptions) *Publisher {
	t.Helper()
	p, err := NewPublisher(nc, o)
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// subscriber returns what a function has opened. It is closed with the test.
func subscriber(t testing.TB) func(*Subscriber, error) *Subscriber {
	return func(s *Subscriber, err error) *Subscriber {
		t.Helper()
		must(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}
}

// photo returns a JPEG whose content depends on n.
func photo(n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = byte(i*n + i>>8)
	}
	img.Set(n%64, 0, color.White)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// stamped returns a message with a number and a time.
func stamped(n int, message any) netgear.StampedMessage {
	return netgear.StampedMessage{At: time.Unix(1764547200, int64(n)*1000), Seq: uint64(n), Sender: 9007199254740991, Message: message}
}

// jpegFrame returns a frame with the number n, which is also its message.
func jpegFrame(t testing.TB, n int) *netgear.Frame {
	t.Helper()
	f, err := netgear.NewJPEGFrame(photo(n), stamped(n, n))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// rawFrame returns a frame of so many bytes with the number n.
func rawFrame(t testing.TB, n, size int) *netgear.Frame {
	t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8*n)
	}
	f, err := netgear.NewFrame(netgear.Array{DType: "uint8", Shape: []int{size}, Data: data}, stamped(n, n))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// content returns the JPEG or the elements of a frame.
func content(t testing.TB, f *netgear.Frame) []byte {
	t.Helper()
	if j := f.JPEG(); j != nil {
		return bytes.Clone(j)
	}
	b, err := f.Bytes()
	must(t, err)
	return bytes.Clone(b)
}

// equal fails the test unless a delivery has the frame.
func equal(t testing.TB, d *Delivery, camera string, want *netgear.Frame) {
	t.Helper()
	if d.Camera != camera || d.Frame.Port != camera {
		t.Errorf("camera %q, port %q instead of %q", d.Camera, d.Frame.Port, camera)
	}
	if !bytes.Equal(content(t, d.Frame), content(t, want)) || fmt.Sprint(d.Frame.FullShape()) != fmt.Sprint(want.FullShape()) || d.Frame.DType() != want.DType() {
		t.Errorf("another picture: %v of %s", d.Frame.FullShape(), d.Frame.DType())
	}
	if d.Frame.Message.String() != want.Message.String() {
		t.Errorf("message %.100v instead of %.100v", d.Frame.Message, want.Message)
	}
	if want.Stamp != nil && (d.Frame.Stamp.Seq != want.Stamp.Seq || d.Frame.Stamp.Sender != want.Stamp.Sender || !d.Frame.Stamp.Time.Equal(want.Stamp.Time)) {
		t.Errorf("stamp %v instead of %v", d.Frame.Stamp, want.Stamp)
	}
}

// receive returns the next delivery.
func receive(t testing.TB, s *Subscriber) *Delivery {
	t.Helper()
	d, err := s.Recv(within(t))
	if err != nil {
		t.Fatalf("%v; %+v", err, s.Stats())
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// await waits until a condition holds.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

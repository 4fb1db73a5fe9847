package netgear

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// slowLink passes TCP connections on at a rate that the test changes. It holds
// no more than a few kilobytes, so that the sender's system has the rest.
type slowLink struct {
	port string
	rate atomic.Int64 // bytes a second to the server; 0: nothing passes
	sent atomic.Int64 // bytes that have passed
}

const linkBuffer = 16 << 10

func newSlowLink(t testing.TB, to string, rate int64) *slowLink {
	t.Helper()
	small := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, linkBuffer) })
	}}
	in, err := small.Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", peertest.FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	l := &slowLink{}
	_, l.port, _ = net.SplitHostPort(in.Addr().String())
	l.rate.Store(rate)
	var running sync.WaitGroup
	var open sync.Map
	done := make(chan struct{})
	running.Go(func() {
		for {
			client, err := in.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			open.Store(client, nil)
			open.Store(server, nil)
			running.Go(func() { l.pass(server, client, done) })
			running.Go(func() { io.Copy(client, server); client.Close() })
		}
	})
	t.Cleanup(func() {
		close(done)
		in.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		running.Wait()
	})
	return l
}

// pass passes bytes on, 2 KB at a time.
func (l *slowLink) pass(to, from net.Conn, done chan struct{}) {
	defer to.Close()
	var b [2 << 10]byte
	next := time.Now()
	for {
		n, err := from.Read(b[:])
		if err != nil {
			return
		}
		rate := l.rate.Load()
		if now := time.Now(); next.Before(now.Add(-20 * time.Millisecond)) {
			next = now.Add(-20 * time.Millisecond) // a busy machine wakes late
		}
		next = next.Add(time.Duration(float64(n) / float64(max(rate, 1)) * float64(time.Second)))
		select {
		case <-done:
			return
		case <-time.After(time.Until(next)):
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
		l.sent.Add(int64(n))
	}
}

// noisePicture is a picture whose JPEG has about as many bytes as a
// photograph's.
func noisePicture(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	r := rand.New(rand.NewPCG(1, 2))
	for y := range height {
		for x := range width {
			i := img.PixOffset(x, y)
			base := byte(x/3 + y/5)
			img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = base+byte(r.IntN(40)), base/2+byte(r.IntN(30)), 255-base, 255
		}
	}
	return img
}

// adaptPair opens two ends that are joined by a slow link.
func adaptPair(t *testing.T, rate int64, o Options) (recv, send *NetGear, link *slowLink) {
	recv = mustNew(t, Options{ReceiveMode: true, Wire: o.Wire, Pattern: o.Pattern, Address: "127.0.0.1", Port: "0", Stamp: true})
	link = newSlowLink(t, recv.Endpoints()[0][len("tcp://"):], rate)
	o.Address, o.Port, o.Stamp = "127.0.0.1", link.port, true
	send = mustNew(t, o)
	awaitPeers(t, send, 1)
	return recv, send, link
}

// adaptedEvents collects the changes that an end reports.
type adaptedEvents struct {
	mu  sync.Mutex
	all []AdaptChange
}

func (e *adaptedEvents) add(ev Event) {
	if ev.Kind == EventAdapted {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, *ev.Adapt)
	}
}

// inTime receives until so many frames in a row are younger than MaxAge.
func inTime(t *testing.T, recv *NetGear, frames int, maxAge time.Duration) {
	t.Helper()
	for row := 0; row < frames; row++ {
		f := mustRecv(t, recv, testContext(t))
		if f.ReceivedAt.Sub(f.Stamp.Time) > maxAge {
			row = -1
		}
		f.Close()
	}
}

// TestAdaptOverASlowLink sends over a link that becomes slower and faster again.
// On a busy machine single frames are late, so it waits for frames in time.
func TestAdaptOverASlowLink(t *testing.T) {
	const maxAge = 500 * time.Millisecond
	img := noisePicture(320, 240)
	for _, o := range []Options{{Pattern: Pair}, {Pattern: ReqRep, SendLatest: true}, {Pattern: PubSub}, {Pattern: PubSub, SendLatest: true}} {
		t.Run(fmt.Sprint(o.Pattern, " latest=", o.SendLatest), func(t *testing.T) {
			t.Parallel()
			var events adaptedEvents
			o.Adapt, o.OnEvent = Adapt{MaxAge: maxAge, MinFPS: 10}, events.add
			recv, send, link := adaptPair(t, 10e6/8, o)
			sending, stop := context.WithCancel(testContext(t))
			var sender sync.WaitGroup
			sender.Go(func() {
				for tick := time.Tick(time.Second / 30); sending.Err() == nil; <-tick {
					if _, err := send.SendImage(sending, img, nil); err != nil && sending.Err() == nil {
						t.Error(err)
						return
					}
				}
			})
			defer sender.Wait()
			defer stop()
			inTime(t, recv, 10, maxAge)
			link.rate.Store(1e6 / 8)
			await(t, "a setting with fewer bytes", func() bool { return relativeSize(send.Stats().Adapt.Setting) < 0.3 })
			inTime(t, recv, 10, maxAge)
			link.rate.Store(1e9 / 8)
			await(t, "the best setting", func() bool { return send.Stats().Adapt.Setting == AdaptSetting{Quality: 90, Scale: 1} })
			inTime(t, recv, 10, maxAge)
			stop()
			sender.Wait()
			send.Close() // delivers all events
			events.mu.Lock()
			defer events.mu.Unlock()
			last := AdaptSetting{Quality: 90, Scale: 1}
			for _, c := range events.all {
				if c.From != last || c.From == c.To || c.Reason == "" || c.Delay <= 0 {
					t.Errorf("%+v after %+v", c, last)
				}
				last = c.To
			}
			if s := send.Stats().Adapt; last != s.Setting || s.Changes != uint64(len(events.all)) {
				t.Errorf("the last event has %+v, and Stats %+v", last, s)
			}
		})
	}
}

// TestAdaptForgetsUnsentFrames ends send calls that wait for room. Their frames
// do not count as sent, and their memory has no owner for which a call would
// wait after the end of its context.
func TestAdaptForgetsUnsentFrames(t *testing.T) {
	_, send, link := adaptPair(t, 1<<20, Options{Wire: AsyncWire, Pattern: PushPull, Adapt: Adapt{MaxAge: time.Second, MinFPS: 1000}})
	a := testArray(0, "uint8", 1000, 1000, 3)
	for unsent := 0; unsent < 2; {
		ctx, cancel := context.WithTimeout(testContext(t), 20*time.Millisecond)
		_, err := send.SendArray(ctx, a, nil)
		cancel()
		if err == nil {
			continue
		}
		unsent++
		adapt := send.send.adapt
		adapt.mu.Lock()
		sent, pending := adapt.sent/int64(len(a.Data)), len(adapt.pending)
		adapt.mu.Unlock()
		if frames := send.Stats().Frames; sent != int64(frames) || pending > int(frames) {
			t.Errorf("%d frames count as sent and %d wait, of %d", sent, pending, frames)
		}
	}
	link.rate.Store(1 << 30) // for Close
}

// TestAdaptLeavesRawFramesAlone checks what cannot be made smaller.
func TestAdaptLeavesRawFramesAlone(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: Pair}, func(_, s *Options) { s.Adapt.MaxAge = time.Second })
	send.send.adapt.ctl.now = AdaptSetting{Quality: 30, Scale: 0.5}
	raw := testArray(1, "uint16", 40, 30)
	jpeg := testJPEG(t, 64, 48)
	sendIn(t, func() error { _, err := send.SendArray(testContext(t), raw, nil); return err }, func() {
		f := mustRecv(t, recv, testContext(t))
		defer f.Close()
		if !slices.Equal(f.Shape(), raw.Shape) {
			t.Errorf("%v", f.Shape())
		}
	})
	sendIn(t, func() error { _, err := send.SendJPEG(testContext(t), jpeg, nil); return err }, func() {
		f := mustRecv(t, recv, testContext(t))
		defer f.Close()
		if !bytes.Equal(f.JPEG(), jpeg) {
			t.Error("the JPEG has changed")
		}
	})
	sendIn(t, func() error { _, err := send.SendImage(testContext(t), noisePicture(64, 48), nil); return err }, func() {
		f := mustRecv(t, recv, testContext(t))
		defer f.Close()
		if !slices.Equal(f.Shape(), []int{24, 32, 3}) {
			t.Errorf("%v", f.Shape())
		}
	})
}

// sendIn sends in a goroutine while receive runs.
func sendIn(t *testing.T, send func() error, receive func()) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- send() }()
	receive()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

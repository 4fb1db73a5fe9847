package netgear

import (
	"context"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"net"
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
	port  string
	rate  atomic.Int64 // bytes a second to the server; 0: nothing passes
	sent  atomic.Int64 // bytes that have passed
	slack time.Duration
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
	recv = mustNew(t, Options{ReceiveMode: true, Pattern: o.Pattern, Address: "127.0.0.1", Port: "0", Stamp: true, Latest: true})
	link = newSlowLink(t, recv.Endpoints()[0][len("tcp://"):], rate)
	o.Address, o.Port, o.Stamp = "127.0.0.1", link.port, true
	send = mustNew(t, o)
	awaitPeers(t, send, 1)
	return recv, send, link
}

func TestAdaptTry(t *testing.T) {
	img := noisePicture(640, 480)
	for _, o := range []Options{{Pattern: Pair}, {Pattern: PubSub, SendLatest: true}} {
		o.Adapt = Adapt{MaxAge: 400 * time.Millisecond}
		recv, send, link := adaptPair(t, 20e6/8, o)
		fmt.Println(o.Pattern, o.SendLatest)
		type got struct {
			at  time.Time
			age time.Duration
		}
		var mu sync.Mutex
		var all []got
		go func() {
			for {
				f, err := recv.Recv(context.Background())
				if err != nil {
					return
				}
				mu.Lock()
				all = append(all, got{f.ReceivedAt, f.ReceivedAt.Sub(f.Stamp.Time)})
				mu.Unlock()
				f.Close()
			}
		}()
		tick := time.NewTicker(time.Second / 30)
		start := time.Now()
		last := 0
		for phase, rate := range []int64{20e6 / 8, 2e6 / 8, 20e6 / 8} {
			link.rate.Store(rate)
			_ = phase
			for time.Since(start) < time.Duration(phase+1)*4*time.Second {
				sent0, t0 := link.sent.Load(), time.Now()
				for time.Since(t0) < 500*time.Millisecond {
					<-tick.C
					if _, err := send.SendImage(context.Background(), img, nil); err != nil {
						t.Fatal(err)
					}
				}
				mu.Lock()
				var worst time.Duration
				for _, g := range all[last:] {
					worst = max(worst, g.age)
				}
				n := len(all) - last
				last = len(all)
				mu.Unlock()
				s := send.Stats()
				fmt.Printf("%4.1f s: %d frames, oldest %v, %.2f of rate, %+v skipped %d\n", time.Since(start).Seconds(), n, worst.Round(time.Millisecond), float64(link.sent.Load()-sent0)/time.Since(t0).Seconds()/float64(rate), s.Adapt, s.Skipped)
			}
		}
		tick.Stop()
		send.Close()
		recv.Close()
	}
}

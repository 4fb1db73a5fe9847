package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// live is an end that is attacked, with its application.
type live struct {
	*netgear.NetGear
	t *testing.T
	o netgear.Options

	good    *netgear.NetGear // a good peer that stays connected; nil if each comes and goes
	served  int
	awaited atomic.Pointer[goodFrame]

	stop    context.CancelFunc
	running sync.WaitGroup

	handled     atomic.Uint64 // receive end: frames that the application has closed
	undecodable atomic.Uint64 // those whose JPEG could not be decoded
}

// goodFrame is what a good peer sends, or receives.
type goodFrame struct {
	text   string // begins the message; the number of the try follows
	pixels netgear.Array
	seen   chan int // the numbers of the tries that have arrived
}

// forbidden begins the text of a message that must not be delivered.
const forbidden = "!"

// answerText is what a receive end in bidirectional mode answers.
const answerText = "a good answer"

// base has the options that all ends have.
func base() netgear.Options {
	return netgear.Options{
		Address: "127.0.0.1", RequestTimeout: waitLimit / 2, MaxRetries: -1, MaxFrameBytes: 1 << 20, QueueFrames: 20, HighWaterMark: 10,
		TerminatePolicy: netgear.KeepWaiting, TerminateDelay: -1, JPEGCompression: netgear.JPEGOff,
		Logger:  slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnEvent: func(e netgear.Event) { _ = e.String() },
	}
}

// open opens an end. Without a port it gets a free one.
func open(t *testing.T, o netgear.Options) *live {
	t.Helper()
	if o.Port == "" && o.Ports == nil {
		o.Port = peertest.FreePort(t)
	}
	if o.Wire == netgear.AsyncWire {
		o.SubscriberTimeout = -1
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &live{t: t, o: o, stop: cancel}
	l.NetGear = mustNew(t, o)
	if o.ReceiveMode {
		if structured(&o) && o.Respond == nil {
			if err := l.SetReturnData(answerText); err != nil {
				t.Fatal(err)
			}
		}
		l.running.Go(func() { l.consume(ctx) })
	}
	t.Cleanup(l.close)
	return l
}

// mustNew opens an end. The port may be in use for a moment by an end that is
// being closed.
func mustNew(t testing.TB, o netgear.Options) (n *netgear.NetGear) {
	t.Helper()
	await(t, "a free port "+o.Port, func() bool {
		var err error
		if n, err = netgear.New(o); err != nil && !errors.Is(err, netgear.ErrAddress) {
			t.Fatal(err)
		}
		return err == nil
	})
	return n
}

// close ends the application and the end.
func (l *live) close() {
	l.stop()
	if l.good != nil {
		l.good.Close()
	}
	l.NetGear.Close()
	l.running.Wait()
}

// structured reports whether answers have data.
func structured(o *netgear.Options) bool {
	return (o.BidirectionalMode || o.MulticlientMode) && answers(o)
}

// answers reports whether frames are answered.
func answers(o *netgear.Options) bool {
	return o.Pattern == netgear.Pair || o.Pattern == netgear.ReqRep
}

// listens reports whether the end listens.
func (l *live) listens() bool { return listens(&l.o) }

func listens(o *netgear.Options) bool {
	switch {
	case o.Attach == netgear.AttachBind:
		return true
	case o.Attach == netgear.AttachConnect:
		return false
	case o.Wire == netgear.ImageZMQWire && o.Pattern == netgear.PubSub:
		return !o.ReceiveMode
	}
	return o.ReceiveMode
}

// port returns the port of a peer: in the modes with several ports a hostile
// peer has the first one and a good peer the last.
func (l *live) port(good bool) string {
	switch {
	case len(l.o.Ports) == 0:
		return l.o.Port
	case good:
		return l.o.Ports[len(l.o.Ports)-1]
	}
	return l.o.Ports[0]
}

// ---- the application ----

// named are the errors that calls return.
var named = []error{
	netgear.ErrPeerGone, netgear.ErrAuth, netgear.ErrAddress, netgear.ErrTimeout, netgear.ErrRejected, netgear.ErrFrame, netgear.ErrMessage, netgear.ErrClosed,
	io.EOF, context.Canceled, context.DeadlineExceeded,
}

// checkNamed fails for an error that wraps none of the named ones.
func (l *live) checkNamed(err error) {
	for _, each := range named {
		if errors.Is(err, each) {
			return
		}
	}
	l.t.Errorf("an error without a name: %v", err)
}

// consume receives frames until the end is closed.
func (l *live) consume(ctx context.Context) {
	for i := 0; ; i++ {
		f, err := l.Recv(ctx)
		switch {
		case err == nil:
			l.examine(f, i)
			f.Close()
			l.handled.Add(1)
		case ctx.Err() != nil || errors.Is(err, netgear.ErrClosed):
			return
		default:
			if l.checkNamed(err); errors.Is(err, io.EOF) {
				l.t.Errorf("the stream has ended: %v", err)
				return
			}
		}
	}
}

// examine does what an application may do with a frame. A frame whose pixels are
// not available is an ErrFrame in every call, and any other has just the bytes
// of its shape.
func (l *live) examine(f *netgear.Frame, i int) {
	text, _ := f.Message.Value().(string)
	_ = fmt.Sprint(f.Message, f.Port, f.Peer, f.Stamp)
	switch i % 4 {
	case 1:
		_, err := f.Image()
		l.checkFrameError("Image", err)
	case 2:
		_, err := f.YCbCr()
		l.checkFrameError("YCbCr", err)
	}
	if strings.HasPrefix(text, forbidden) {
		l.t.Errorf("a message that was cut or changed is delivered: %q", text)
	}
	pixels, err := f.Bytes()
	if l.checkFrameError("Bytes", err); err != nil {
		l.undecodable.Add(1)
		return
	}
	l.checkSize(f, pixels)
	if i%4 == 3 {
		part, err := f.Read(netgear.Reading{Reduce: 2, Region: image.Rect(1, 1, 9, 9)})
		if l.checkFrameError("Read", err); err == nil {
			_, err = part.Bytes()
			l.checkFrameError("Bytes of a part", err)
			part.Close()
		}
	}
	if g := l.awaited.Load(); g != nil {
		if try, ok := strings.CutPrefix(text, g.text); ok {
			l.checkGood(f, pixels, g)
			n, _ := strconv.Atoi(try)
			g.seen <- n
		}
	}
}

func (l *live) checkFrameError(call string, err error) {
	if err != nil && !errors.Is(err, netgear.ErrFrame) {
		l.t.Errorf("%s: %v is no ErrFrame", call, err)
	}
}

// checkSize checks that a frame has the bytes of its shape and type.
func (l *live) checkSize(f *netgear.Frame, pixels []byte) {
	elements, err := numpy.Elements(f.Shape())
	if err != nil {
		l.t.Errorf("a frame of the shape %v: %v", f.Shape(), err)
		return
	}
	if d, err := numpy.Parse(f.DType()); err == nil && d.Size > 0 && elements*d.Size != len(pixels) {
		l.t.Errorf("%v of %s has %d bytes", f.Shape(), f.DType(), len(pixels))
	}
}

func (l *live) checkGood(f *netgear.Frame, pixels []byte, g *goodFrame) {
	if !bytes.Equal(pixels, g.pixels.Data) || f.DType() != g.pixels.DType {
		l.t.Errorf("%s has arrived changed: %v of %s", g.text, f.Shape(), f.DType())
	}
}

// ---- good peers ----

// serve has a good peer exchange a frame with the end: it is delivered whole,
// and answered.
func (l *live) serve() {
	l.t.Helper()
	l.served++
	g := &goodFrame{
		text: fmt.Sprintf("good frame %d, try ", l.served), seen: make(chan int, 1000),
		pixels: netgear.Array{DType: "uint8", Shape: []int{13, 11, 3}, Data: []byte(strings.Repeat(fmt.Sprintf("%013d", l.served), 33))},
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), waitLimit)
	defer cancel()
	if l.o.ReceiveMode {
		l.serveFrom(ctx, g)
	} else {
		l.serveTo(ctx, g)
	}
}

// peerOptions returns the options of a good peer.
func (l *live) peerOptions() netgear.Options {
	o := base()
	o.Wire, o.Pattern, o.SecureMode, o.CustomCertLocation = l.o.Wire, l.o.Pattern, l.o.SecureMode, l.o.CustomCertLocation
	o.BidirectionalMode, o.MultiserverMode, o.MulticlientMode, o.Stamp = l.o.BidirectionalMode, l.o.MultiserverMode, l.o.MulticlientMode, l.o.Stamp
	o.ReceiveMode, o.Port, o.Attach = !l.o.ReceiveMode, l.port(true), netgear.AttachConnect
	if !l.listens() {
		o.Attach = netgear.AttachBind
	}
	if o.Pattern == netgear.ReqRep {
		// One part without an envelope, from a peer that has gone, makes libzmq's REP
		// (rep.cpp:98, and router.cpp:361, which does not end the message) lose the
		// next answer. The sender sends that frame again.
		o.RequestTimeout = 3 * time.Second
	}
	if o.Wire == netgear.ImageZMQWire && o.MultiserverMode && !o.ReceiveMode {
		o.MultiserverMode = false // it is for a receive end
	}
	if o.Pattern == netgear.ReqRep {
		o.RequestTimeout = lostAnswer
	}
	return o
}

// lostAnswer is when a REQ end sends its frame again. A request without a
// delimiter, of a peer that has gone, costs the next peer its answer: libzmq's
// REP (router_t::rollback, to 4.3.5 at least) takes what follows for the rest of
// the answer to it.
const lostAnswer = waitLimit / 12

// lasting reports whether a good peer stays connected while hostile ones come
// and go.
func (l *live) lasting() bool { return l.o.Pattern != netgear.Pair && l.listens() }

// serveFrom sends the frame to a receive end. A publisher sends it again until one
// has arrived, as its first frames are dropped, and then waits for the last, so
// that none comes later. That one may be lost as well, at a full queue or with its
// connection, so after a while without any there is one more.
func (l *live) serveFrom(ctx context.Context, g *goodFrame) {
	l.t.Helper()
	send := l.good
	if send == nil {
		send = mustNew(l.t, l.peerOptions())
		if l.lasting() {
			l.good = send
		}
	}
	l.awaited.Store(g)
	const aWhile = 50 // ticks
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	sent, quiet := 0, 0
	for try := 0; try == 0 || try < sent; {
		if sent == 0 || l.o.Pattern == netgear.PubSub && (try == 0 || quiet >= aWhile) {
			sent, quiet = sent+1, 0
			reply, err := send.SendArray(ctx, g.pixels, g.text+strconv.Itoa(sent))
			if errors.Is(err, netgear.ErrRejected) && l.o.Pattern == netgear.Pair && !l.listens() {
				// The pipe of a PAIR socket that connects outlives its connections: a
				// message of the last peer may be read, and answered, only now.
				sent--
				continue
			}
			if err != nil {
				l.t.Fatalf("%s is not answered: %v; %s; the sender: %s", g.text, err, l.counts(), countsOf(l.t, send))
			}
			if structured(&l.o) && l.o.Respond == nil && reply.Data.Value() != answerText {
				l.t.Errorf("%s is answered by %v", g.text, reply.Data.Value())
			}
		}
		select {
		case try = <-g.seen:
			quiet = 0
		case <-ctx.Done():
			l.t.Fatalf("%s does not arrive: %d were sent, number %d came last; %s; the sender: %s", g.text, sent, try, l.counts(), countsOf(l.t, send))
		case <-tick.C:
			quiet++
		}
	}
	if send != l.good {
		l.dismiss(send)
	}
}

// dismiss closes a good peer, and waits until the end has read its terminate
// message.
func (l *live) dismiss(send *netgear.NetGear) {
	l.t.Helper()
	before := l.Stats().TerminatesReceived
	send.Close()
	if sent := send.Stats().TerminatesSent; sent > 0 && answers(&l.o) {
		await(l.t, "the terminate message of a good peer", func() bool { return l.Stats().TerminatesReceived >= before+sent })
	}
	l.awaitPeers(0)
}

// awaitPeers waits until the end has that many peers.
func (l *live) awaitPeers(n int) {
	l.t.Helper()
	await(l.t, fmt.Sprintf("%d peers", n), func() bool { return l.Stats().Connected == n })
}

// serveTo has a send end send the frame to a good receive end.
func (l *live) serveTo(ctx context.Context, g *goodFrame) {
	l.t.Helper()
	peer := open(l.t, l.peerOptions())
	peer.awaited.Store(g)
	for {
		reply, err := l.SendArray(ctx, g.pixels, g.text+"1")
		if err != nil && ctx.Err() != nil {
			l.t.Fatalf("%s is not answered: %v; %s", g.text, err, l.counts())
		}
		if l.checkIfError(err); err == nil && structured(&l.o) && reply.Data.Value() != answerText {
			l.t.Errorf("%s is answered by %v", g.text, reply.Data.Value())
		}
		select {
		case <-g.seen:
			peer.close()
			l.awaitPeers(0) // a send end that listens may send the next frame to a peer that is leaving
			return
		case <-time.After(5 * time.Millisecond): // a publisher's first frames are dropped
		}
	}
}

func (l *live) checkIfError(err error) {
	if err != nil {
		l.checkNamed(err)
	}
}

// ---- hostile TCP connections ----

// connections returns what makes a TCP connection to the end, or accepts one if
// the end connects, and what ends that.
func (l *live) connections() (next func() (net.Conn, error), stop func()) {
	if l.listens() {
		return func() (net.Conn, error) { return net.DialTimeout("tcp", "127.0.0.1:"+l.port(false), time.Second) }, func() {}
	}
	listener := peertest.Listen(l.t, "127.0.0.1:"+l.port(false)).(*net.TCPListener)
	return func() (net.Conn, error) {
		listener.SetDeadline(time.Now().Add(time.Second))
		return listener.Accept()
	}, func() { listener.Close() }
}

package netgear

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// limit bounds how long a call may take to end once its context has ended or
// Close was called. What is promised is a second, or the documented linger; the
// rest is for a busy machine under the race detector. The log has the times.
const limit = 4 * time.Second

// subject is an end and a call that must end.
type subject struct {
	name    string
	options Options
	call    func(ctx context.Context, n *NetGear) error
	brief   bool // left out of the short form
}

func recvAll(ctx context.Context, n *NetGear) error {
	for {
		f, err := n.Recv(ctx)
		if err != nil {
			return err
		}
		f.Close()
	}
}

// sendUntil sends until a call fails for a reason other than the peer.
func sendUntil(ctx context.Context, n *NetGear) error {
	for {
		if _, err := n.SendArray(ctx, testArray(0, "uint8", 300, 300), nil); ended(n, ctx, err) {
			return err
		}
	}
}

func flushUntil(ctx context.Context, n *NetGear) error {
	for {
		n.SendArray(ctx, testArray(0, "uint8", 300, 300), nil)
		if err := n.Flush(ctx); ended(n, ctx, err) {
			return err
		}
	}
}

// recvShared receives frames, reads a part of each JPEG through another Frame,
// and closes both.
func recvShared(ctx context.Context, n *NetGear) error {
	for {
		f, err := n.Recv(ctx)
		if err != nil {
			return err
		}
		shared := f.Retain()
		f.Close()
		if part, err := shared.Read(Reading{Reduce: 8}); err == nil {
			part.Close()
		}
		shared.Close()
	}
}

// sendFramesUntil does as sendUntil, with SendFrame.
func sendFramesUntil(ctx context.Context, n *NetGear) error {
	for {
		f, err := NewFrame(testArray(0, "uint8", 300, 300), nil)
		if err != nil {
			return err
		}
		_, err = n.SendFrame(ctx, f, nil)
		f.Close()
		if ended(n, ctx, err) {
			return err
		}
	}
}

func ended(n *NetGear, ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || n.link.drainCtx.Err() != nil)
}

// subjects returns all patterns, both ends, and the options that change their
// loops.
func subjects() (all []subject) {
	for _, p := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
		o := Options{Pattern: p, JPEGCompression: JPEGOff, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1, SubscriberTimeout: time.Hour}
		if p == PushPull {
			o.Wire = AsyncWire
		}
		recv, latest, few, ahead, newest := o, o, o, o, o
		recv.ReceiveMode, latest.ReceiveMode, few.ReceiveMode = true, true, true
		latest.Latest, few.QueueFrames, ahead.SendAhead, newest.SendLatest = true, 1, 2, true
		all = append(all,
			subject{name: "Recv", options: recv, call: recvAll},
			subject{name: "Recv, Latest", options: latest, call: recvAll, brief: true},
			subject{name: "Recv of another goroutine, queue full", options: few, call: func(ctx context.Context, n *NetGear) error {
				select {
				case <-ctx.Done():
				case <-n.link.drainCtx.Done():
				}
				return nil
			}},
			subject{name: "Send", options: o, call: sendUntil},
			subject{name: "Send and Flush, SendAhead", options: ahead, call: flushUntil},
			subject{name: "Send and Flush, SendLatest", options: newest, call: flushUntil, brief: true})
		// What these do differently does not depend on the pattern otherwise.
		switch p {
		case Pair:
			onUse, half := recv, recv
			onUse.Decode, half.Decode, half.Reading = DecodeOnUse, DecodeAhead, Reading{Reduce: 2}
			all = append(all,
				subject{name: "Recv and Retain, DecodeOnUse", options: onUse, call: recvShared, brief: true},
				subject{name: "Recv and Retain, Reading", options: half, call: recvShared, brief: true},
				subject{name: "SendFrame, SendAhead", options: ahead, call: sendFramesUntil, brief: true})
		case PubSub:
			all = append(all, subject{name: "SendFrame", options: o, call: sendFramesUntil, brief: true})
		}
	}
	return all
}

// situation is what the peer does after the handshake. It returns when the
// connection ends.
type situation struct {
	name  string
	play  func(c net.Conn, n *NetGear)
	brief bool // left out of the short form
}

func situations() []situation {
	return []situation{
		{name: "silent peer", brief: true, play: func(c net.Conn, _ *NetGear) { io.Copy(io.Discard, c) }},
		{name: "frozen peer", play: func(c net.Conn, n *NetGear) { <-n.link.ctx.Done() }},
		{name: "flood", play: func(c net.Conn, n *NetGear) {
			go io.Copy(io.Discard, c)
			pour(c, strings.Repeat(unreadable(n.link.opts.ReceiveMode, n.link.opts.Pattern), 5000))
		}},
		{name: "flood of frames", brief: true, play: func(c net.Conn, n *NetGear) {
			go io.Copy(io.Discard, c)
			pour(c, strings.Repeat(goodMessage(n), 200))
		}},
		{name: "huge JPEG", play: func(c net.Conn, n *NetGear) {
			go io.Copy(io.Discard, c)
			pour(c, slowMessage(n))
		}},
	}
}

// pour writes repeatedly until the connection ends.
func pour(c net.Conn, text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// envelope begins every message to and from a REQ socket's peer.
func envelope(p Pattern) string {
	if p == ReqRep {
		return zmtp(isMore, "")
	}
	return ""
}

func unreadable(receive bool, p Pattern) string {
	if !receive && p == PubSub {
		return zmtp(0, "\x01t")
	}
	return envelope(p) + zmtp(0, "x")
}

// goodMessage is a small frame, or an answer to one.
func goodMessage(n *NetGear) string {
	switch {
	case !n.link.opts.ReceiveMode:
		return unreadable(false, n.link.opts.Pattern)
	case n.link.opts.Wire == AsyncWire:
		f := asyncFrame(false, "x")
		return zmtp(isMore, string(f[0])) + zmtp(0, string(f[1]))
	}
	return envelope(n.link.opts.Pattern) + zmtp(isMore, string(rawHeader("[1, 1]"))) + zmtp(0, "x")
}

// slowMessage returns a JPEG that takes long to decode, as a frame or as the
// array in an answer.
func slowMessage(n *NetGear) string {
	coding := `"compression": {"dct": true, "ups": false, "colorspace": "GRAY"}`
	head := `{"terminate_flag": false, ` + coding + `, "message": null, "pattern": "0", "dtype": "", "shape": ""}`
	if !n.link.opts.ReceiveMode {
		head = `{"return_type": "ndarray", ` + coding + `, "array_dtype": "", "array_shape": "", "data": null}`
	}
	return envelope(n.link.opts.Pattern) + zmtp(isMore, head) + zmtp(isLong, string(slowJPEG()))
}

// fits reports whether a situation applies to an end.
func (s situation) fits(o *Options) bool {
	if s.name != "huge JPEG" {
		return true
	}
	return o.Wire == NetGearWire && o.Decode != DecodeOnUse && (o.ReceiveMode || o.Pattern.spec().answers && o.SendAhead == 0 && !o.SendLatest)
}

// peerKinds are the socket types of a peer, for receive ends and send ends.
var peerKinds = map[bool]map[Pattern]string{
	true:  {Pair: "PAIR", ReqRep: "DEALER", PubSub: "PUB", PushPull: "PUSH"},
	false: {Pair: "PAIR", ReqRep: "ROUTER", PubSub: "SUB", PushPull: "PULL"},
}

// shakeHands performs a peer's half of a handshake without security. It sends
// nothing before the other half has arrived.
func shakeHands(c net.Conn, kind string) error {
	if _, err := io.WriteString(c, greeting+ready(kind)); err != nil {
		return err
	}
	head := make([]byte, len(greeting)+2)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c, int64(head[len(greeting)+1])) // READY
	return err
}

// meet connects peers to n, which listens or connects, one after the other, and
// runs play until the test ends.
func meet(t *testing.T, n *NetGear, l net.Listener, s situation) (met chan struct{}) {
	met = make(chan struct{}, 1)
	next := func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(n.Endpoints()[0], "tcp://")) }
	if l != nil {
		next = l.Accept
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n.link.ctx.Err() == nil {
			c, err := next()
			if err != nil {
				continue // a new socket is opened just now
			}
			stop := context.AfterFunc(n.link.ctx, func() { c.Close() })
			if shakeHands(c, peerKinds[n.link.opts.ReceiveMode][n.link.opts.Pattern]) == nil {
				if !n.link.opts.ReceiveMode && n.link.opts.Pattern == PubSub {
					io.WriteString(c, zmtp(0, "\x01"))
				}
				select {
				case met <- struct{}{}:
				default:
				}
				s.play(c, n)
			}
			stop()
			c.Close()
		}
	}()
	t.Cleanup(func() {
		n.Close()
		if l != nil {
			l.Close()
		}
		<-done
	})
	return met
}

// Every call ends with its context and with Close, whatever the peer does.
func TestEveryCallEnds(t *testing.T) {
	for _, who := range subjects() {
		for _, s := range situations() {
			for _, by := range []string{"context", "Close"} {
				if !s.fits(&who.options) || testing.Short() && (who.brief || s.brief) {
					continue
				}
				t.Run(fmt.Sprintf("%v/%s/%s/%s", who.options.Pattern, who.name, s.name, by), func(t *testing.T) {
					callEnds(t, who, s, by)
				})
			}
		}
	}
}

func callEnds(t *testing.T, who subject, s situation, by string) {
	o := who.options
	if s.name == "huge JPEG" {
		o.BidirectionalMode = !o.ReceiveMode
		o.MaxFrameBytes = slowOptions().MaxFrameBytes
	}
	o.Address, o.Port = "127.0.0.1", "0"
	var l net.Listener
	if !o.ReceiveMode {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		_, o.Port, _ = net.SplitHostPort(l.Addr().String())
	}
	n := mustNew(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	met := meet(t, n, l, s)
	result := make(chan error, 1)
	go func() { result <- who.call(ctx, n) }()
	<-met
	underWay(t, n, s)
	from := startStopwatch()
	if by == "context" {
		cancel()
	} else {
		n.Close()
	}
	select {
	case <-result:
	case <-time.After(testTimeout):
		t.Fatalf("the call goes on %v later", testTimeout)
	}
	endsWithin(t, "to end the call by "+by, from, limit)
	from = startStopwatch()
	n.Close()
	endsWithin(t, "Close", from, limit)
}

// underWay waits until the situation exists.
func underWay(t *testing.T, n *NetGear, s situation) {
	t.Helper()
	await(t, "the peer to connect", func() bool { st := n.Stats(); return st.Connected > 0 || st.Lost > 0 || st.Refused > 0 })
	if !n.link.opts.ReceiveMode {
		// A send call is in the middle of its wait, or full pipes refuse frames;
		// neither is an event.
		time.Sleep(50 * time.Millisecond)
		return
	}
	switch s.name {
	case "flood":
		await(t, "the flood", func() bool { st := n.Stats(); return st.Malformed > 200 || st.Lost > 0 || st.Retries > 0 })
	case "flood of frames":
		await(t, "the frames", func() bool { return n.Stats().Frames > 0 })
	case "huge JPEG":
		await(t, "a decoding", func() bool { return decodes(n) })
	}
}

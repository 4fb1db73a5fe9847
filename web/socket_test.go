package web

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vidgear-go/netgear"
)

// client is a viewer without a browser.
type client struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
}

func dial(t *testing.T, url string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, url+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(-1)
	return &client{t, ctx, conn}
}

// frame returns the next frame, and skips lists of streams.
func (c *client) frame() (frameHeader, []byte) {
	c.t.Helper()
	for {
		kind, data, err := c.conn.Read(c.ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if kind == websocket.MessageText {
			continue
		}
		return parseFrame(c.t, data)
	}
}

func parseFrame(t *testing.T, data []byte) (h frameHeader, jpeg []byte) {
	t.Helper()
	n := binary.BigEndian.Uint32(data)
	if err := json.Unmarshal(data[4:4+n], &h); err != nil {
		t.Fatal(err)
	}
	return h, data[4+n:]
}

func (c *client) send(kind websocket.MessageType, text string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, kind, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) acknowledge(id int) { c.send(websocket.MessageText, strconv.Itoa(id)) }

func TestNewestFrameAfterTheAcknowledgement(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	c := dial(t, url)
	publish(t, s, jpegFrame(t, 1, map[string]int{"n": 1}))
	h, _ := c.frame()
	if h.Seq != 1 || h.Message != `{"n": 1}` {
		t.Fatalf("%+v", h)
	}
	for n := 2; n <= 100; n++ {
		publish(t, s, jpegFrame(t, n, nil))
	}
	last := jpegFrame(t, 101, nil)
	publish(t, s, last)
	c.acknowledge(h.ID)
	if h, jpeg := c.frame(); h.Seq != 101 || string(jpeg) != string(last.JPEG()) {
		t.Errorf("frame %d came, of %d bytes", h.Seq, len(jpeg))
	}
}

// Streams take turns, so a fast one does not displace the others.
func TestStreamsTakeTurns(t *testing.T) {
	v, url := newViewer(t, Options{})
	var sources []*Source
	for range 4 {
		sources = append(sources, v.Source("camera"))
	}
	frame := jpegFrame(t, 1, nil)
	for _, s := range sources {
		publish(t, s, frame)
	}
	c := dial(t, url)
	order := ""
	for range 4 {
		h, _ := c.frame()
		order += strconv.Itoa(h.ID)
		publish(t, sources[0], frame)
		c.acknowledge(h.ID)
	}
	if order != "1234" {
		t.Errorf("the order is %s", order)
	}
}

// watching returns a socket without a connection, whose viewer has the list of
// all streams.
func watching(t testing.TB, v *Viewer) *socket {
	t.Helper()
	s := newSocket(v)
	v.watch(s.watch)
	t.Cleanup(func() { v.unwatch(s.watch) })
	s.list(v.describe())
	return s
}

// choose returns the streams whose frames are next, and sends none.
func (s *socket) choose() (ids []int) {
	for {
		p, id := s.next()
		if p == nil {
			return ids
		}
		p.release()
		ids = append(ids, id)
	}
}

// age makes everything that was noted of frames and reports older.
func (s *socket) age(by time.Duration) {
	s.heard = s.heard.Add(-by)
	for id, f := range s.unacked {
		f.began = f.began.Add(-by)
		s.unacked[id] = f
	}
}

// A frame follows the list with its stream, also if the stream is new: the page
// drops frames of streams that it does not know.
func TestFramesFollowTheirStream(t *testing.T) {
	v, url := newViewer(t, Options{})
	c := dial(t, url)
	publish(t, v.Source("known"), jpegFrame(t, 1, nil))
	h, _ := c.frame()
	s := watching(t, v)
	publish(t, v.Source("new"), jpegFrame(t, 1, nil))
	for _, want := range []int{h.ID, 0} {
		p, id := s.next()
		if id != want {
			t.Errorf("a frame of stream %d is next, not of %d", id, want)
		}
		if p != nil {
			p.release()
		}
	}
}

// A viewer of many streams that does not keep up has few frames on their way, so
// none of them grows old there.
func TestFewFramesAreOnTheirWay(t *testing.T) {
	v, url := newViewer(t, Options{})
	v.transitLimit = time.Hour
	const streams = 5 * minTransit
	for range streams {
		publish(t, v.Source("camera"), jpegFrame(t, 1, nil))
	}
	c := dial(t, url)
	// At least so many frames come, and others before the next list of streams,
	// which follows when there is nothing else to send.
	until := func(least int) (ids []int) {
		t.Helper()
		for {
			kind, data, err := c.conn.Read(c.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if kind == websocket.MessageBinary {
				h, _ := parseFrame(t, data)
				ids = append(ids, h.ID)
			} else if len(ids) >= least {
				return ids
			}
		}
	}
	first := until(minTransit)
	if len(first) != minTransit {
		t.Fatalf("%d frames are on their way at once", len(first))
	}
	for _, id := range first {
		c.acknowledge(-id) // it has arrived, and is held
	}
	second := until(minTransit)
	if len(second) > 2*minTransit || second[0] != first[len(first)-1]+1 {
		t.Errorf("after %v came %v", first, second)
	}
	publish(t, v.Source("camera"), jpegFrame(t, 1, nil))
	for _, id := range append(first, second...) {
		c.acknowledge(id)
	}
	for seen := len(first) + len(second); seen < streams+1; {
		h, _ := c.frame()
		c.acknowledge(h.ID)
		seen++
	}
}

// Frames that a slow line takes long for stay on their way until a report is
// about one of them or a later one, however old they are.
func TestFramesAreOnTheirWayUntilReported(t *testing.T) {
	for _, held := range []bool{false, true} {
		v, _ := newViewer(t, Options{})
		for range 5 * minTransit {
			publish(t, v.Source("camera"), jpegFrame(t, 1, nil))
		}
		s := watching(t, v)
		first := s.choose()
		if len(first) != minTransit {
			t.Fatalf("%d frames are on their way at once", len(first))
		}
		for _, id := range first {
			s.note(id, 1<<20)
			s.end()
		}
		s.age(transitLimit + v.transfer(minTransit<<20) - time.Minute)
		if more := s.choose(); more != nil {
			t.Errorf("held %v: %v follow %v without a report", held, more, first)
		}
		// The third has arrived, and so have the two before it.
		if !s.acknowledge(first[2], held) {
			t.Fatal("no frame waits for an acknowledgement")
		}
		s.age(time.Minute) // less than the frames take
		if more, want := s.choose(), s.window.limit()-1; len(more) != want {
			t.Errorf("held %v: %v follow, not %d frames", held, more, want)
		}
		if frames := len(s.ends); frames != s.window.limit() {
			t.Errorf("held %v: %d frames are on their way", held, frames)
		}
	}
}

// A page of an earlier version reports nothing of tiles that are not visible.
// Their frames do not end the others.
func TestPageThatDoesNotReport(t *testing.T) {
	v, url := newViewer(t, Options{})
	v.transitLimit = time.Millisecond
	v.slowest = 1 << 30
	const hidden = 3 * minTransit
	var visible *Source
	for n := range hidden + 1 {
		visible = v.Source("camera")
		publish(t, visible, jpegFrame(t, n, nil))
	}
	c := dial(t, url)
	for seen := map[int]bool{}; len(seen) < hidden; {
		h, _ := c.frame()
		seen[h.ID] = true
	}
	for n := range 10 {
		h, _ := c.frame()
		if h.ID != hidden+1 {
			t.Fatalf("a frame of stream %d came", h.ID)
		}
		publish(t, visible, jpegFrame(t, n, nil))
		c.acknowledge(h.ID)
	}
}

// Nothing stays noted of streams that have gone. Reports about them that the page
// sent before it had the list without them are accepted, but no others.
func TestStreamsThatHaveGone(t *testing.T) {
	v, _ := newViewer(t, Options{})
	sources := map[int]*Source{}
	for id := 1; id <= 3; id++ {
		sources[id] = v.Source("camera")
		publish(t, sources[id], jpegFrame(t, 1, nil))
	}
	s := watching(t, v)
	if ids := s.choose(); len(ids) != 3 {
		t.Fatalf("%v are next", ids)
	}
	s.acknowledge(2, true) // so 1 has arrived as well, and 3 is on its way
	for _, source := range sources {
		source.Close()
	}
	s.forget(v.describe())
	if len(s.unacked) != 1 || len(s.sent) != 1 {
		t.Errorf("%v and %v are noted", s.unacked, s.sent)
	}
	if !s.acknowledge(3, false) {
		t.Error("the frame on its way cannot be acknowledged")
	}
	s.forget(v.describe())
	if len(s.unacked) != 0 || len(s.sent) != 0 {
		t.Errorf("%v and %v stay noted", s.unacked, s.sent)
	}
	publish(t, v.Source("later"), jpegFrame(t, 1, nil))
	for _, id := range []int{0, 4, 5, math.MinInt} {
		if s.acknowledge(id, false) {
			t.Errorf("%d was accepted, which has not gone", id)
		}
	}
	for _, report := range []struct {
		id   int
		held bool
		ok   bool
	}{{1, true, true}, {1, false, true}, {2, false, true}, {2, false, false}, {3, true, false}} {
		if got := s.acknowledge(report.id, report.held); got != report.ok {
			t.Errorf("%+v: accepted is %v", report, got)
		}
	}
}

// A viewer that acknowledges a frame of a stream that has just gone stays.
func TestAcknowledgementOfAStreamThatHasGone(t *testing.T) {
	v, url := newViewer(t, Options{})
	gone, stays := v.Source("gone"), v.Source("stays")
	publish(t, gone, jpegFrame(t, 1, nil))
	c := dial(t, url)
	h, _ := c.frame()
	c.acknowledge(-h.ID)
	gone.Close()
	for {
		_, data, err := c.conn.Read(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `"gone"`) {
			break
		}
	}
	c.acknowledge(h.ID)
	for n := range 3 {
		publish(t, stays, jpegFrame(t, n, nil))
		h, _ := c.frame()
		c.acknowledge(h.ID)
	}
}

// A frame that a viewer acknowledges before it was sent is not noted again.
func TestAcknowledgementBeforeTheFrame(t *testing.T) {
	v, _ := newViewer(t, Options{})
	publish(t, v.Source("camera"), jpegFrame(t, 1, nil))
	s := watching(t, v)
	if ids := s.choose(); len(ids) != 1 || !s.acknowledge(ids[0], false) {
		t.Fatalf("%v are next", ids)
	}
	s.note(1, 1000)
	if len(s.unacked) != 0 {
		t.Errorf("%v is noted", s.unacked)
	}
}

func TestTransitWindow(t *testing.T) {
	var w transitWindow
	note := func(n int, after time.Duration) {
		for range n {
			w.acknowledged(after)
		}
	}
	for _, c := range []struct {
		acks  int
		after time.Duration
		want  int
	}{
		{10, 10 * time.Millisecond, minTransit + 10},
		{5, ackTime, minTransit + 15},
		{3, 2 * ackTime, minTransit + 12},
		{100, time.Minute, minTransit},
		{maxTransit, time.Millisecond, maxTransit},
	} {
		if note(c.acks, c.after); w.limit() != c.want {
			t.Errorf("%d frames after %d acknowledgements in %v, not %d", w.limit(), c.acks, c.after, c.want)
		}
	}
	far := transitWindow{}
	far.acknowledged(time.Second) // a long way
	if far.acknowledged(2 * time.Second); far.limit() != minTransit+2 {
		t.Errorf("%d frames on a long way", far.limit())
	}
}

func TestViewersThatBreakTheProtocol(t *testing.T) {
	for name, send := range map[string]func(*client){
		"garbage":                      func(c *client) { c.send(websocket.MessageText, "<script>") },
		"binary":                       func(c *client) { c.send(websocket.MessageBinary, "1") },
		"empty":                        func(c *client) { c.send(websocket.MessageText, "") },
		"too long":                     func(c *client) { c.send(websocket.MessageText, strings.Repeat("1", 1000)) },
		"an overflow":                  func(c *client) { c.send(websocket.MessageText, "-9223372036854775808") },
		"a frame that arrives twice":   func(c *client) { c.acknowledge(-1); c.acknowledge(-1) },
		"an acknowledgement too many":  func(c *client) { c.acknowledge(1); c.acknowledge(1) },
		"of an unknown stream":         func(c *client) { c.acknowledge(7) },
		"many acknowledgements at all": func(c *client) { flood(c) },
	} {
		t.Run(name, func(t *testing.T) {
			v, url := newViewer(t, Options{})
			publish(t, v.Source(""), jpegFrame(t, 1, nil))
			c := dial(t, url)
			c.frame()
			send(c)
			for {
				_, _, err := c.conn.Read(c.ctx)
				if err == nil {
					continue
				}
				if code := websocket.CloseStatus(err); code != websocket.StatusPolicyViolation && code != websocket.StatusMessageTooBig {
					t.Errorf("%v", err)
				}
				return
			}
		})
	}
}

func flood(c *client) {
	for range 1000 {
		if c.conn.Write(c.ctx, websocket.MessageText, []byte("1")) != nil {
			return
		}
	}
}

// A viewer that acknowledges nothing has one frame of each stream, and others
// have all that they want.
func TestViewerThatNeverAcknowledges(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("")
	publish(t, s, jpegFrame(t, 1, nil))
	silent, eager := dial(t, url), dial(t, url)
	h, _ := silent.frame()
	for n := range 50 {
		h, _ := eager.frame()
		publish(t, s, jpegFrame(t, n, nil))
		eager.acknowledge(h.ID)
	}
	// The list of streams changes after them, so it comes after what the silent
	// one was sent.
	v.Source("end")
	for {
		kind, data, err := silent.conn.Read(silent.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.MessageBinary {
			t.Fatal("a frame came without an acknowledgement")
		}
		if strings.Contains(string(data), `"end"`) {
			break
		}
	}
	silent.acknowledge(h.ID)
	if h, _ := silent.frame(); h.Seq != 51 {
		t.Errorf("frame %d came", h.Seq)
	}
}

func TestThousandSockets(t *testing.T) {
	v, url := newViewer(t, Options{MaxViewers: 10})
	publish(t, v.Source(""), jpegFrame(t, 1, nil))
	var wait sync.WaitGroup
	var mu sync.Mutex
	var admitted []*websocket.Conn
	refused := 0
	for range 50 {
		wait.Go(func() {
			for range 20 {
				conn, response, err := websocket.Dial(t.Context(), url+"/ws", nil)
				mu.Lock()
				switch {
				case err == nil:
					admitted = append(admitted, conn)
				case response != nil && response.StatusCode == http.StatusServiceUnavailable:
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(admitted) != 10 || refused != 990 {
		t.Errorf("%d admitted, %d refused", len(admitted), refused)
	}
	if w := get(t, url+"/frame.jpg"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a picture as well: %d", w.Code)
	}
	for _, conn := range admitted {
		conn.CloseNow()
	}
	for v.Viewers() > 0 {
		time.Sleep(time.Millisecond) // no event reports it
	}
	c := dial(t, url)
	c.frame()
}

// What a viewer holds is released, and Close ends everything.
func TestClose(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("")
	publish(t, s, jpegFrame(t, 1, nil))
	v.mu.Lock()
	p := v.streams[0].picture
	v.mu.Unlock()
	c := dial(t, url)
	c.frame()
	part, err := parts(t, url+"/stream.mjpg").NextRawPart()
	if err != nil || part == nil {
		t.Fatal(err)
	}
	v.Close()
	if n := p.refs.Load(); n != 0 {
		t.Errorf("%d references to a picture are left", n)
	}
	if err := s.Publish(jpegFrame(t, 2, nil)); !errors.Is(err, netgear.ErrClosed) {
		t.Errorf("Publish after Close: %v", err)
	}
	if w := get(t, url+"/"); w.Code != 503 {
		t.Errorf("after Close: %d", w.Code)
	}
	v.Close()
	c.conn.CloseNow()
}

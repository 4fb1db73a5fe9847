package web

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// statusEvery is how often a viewer receives the list of streams.
	statusEvery = time.Second
	// pingEvery is how often a viewer is asked for a sign of life.
	pingEvery = 20 * time.Second
	// maxAck is the longest message that a viewer may send.
	maxAck = 64
	// transitLimit is how long frames count as on their way without any report,
	// beyond the time that the slowest line takes for them. A page of an earlier
	// version does not report the frames that it holds.
	transitLimit = 2 * time.Second
)

// socket is a viewer on the WebSocket.
//
// It receives the list of streams as a text message, when it changes and every
// second, and frames as binary messages: four bytes with the length of a JSON
// object (frameHeader), big-endian, that object, the JPEG. Each stream's next
// frame follows when the viewer has acknowledged the last, by a text message
// with the stream's id. A viewer that requests no further frame of a stream for
// now reports with the negative id that the last has arrived, and acknowledges
// it later. It may send nothing else.
//
// A transitWindow limits how many frames of all streams are on their way. These
// are the frames that were sent after the last one that a report is about: the
// connection keeps the order, so those before it have arrived. Without a window
// one of each stream would be on its way. All but the first of them would wait in
// the connection of a viewer that is slower than its streams, and grow old there.
// In the Viewer they are replaced by newer ones.
type socket struct {
	delivery
	conn   *websocket.Conn
	watch  *watcher
	status uint64 // Viewer.changes at the last list

	// viewer.mu protects these. The maps are by the stream's id.
	listed  int                  // the largest id in the last list
	ready   []*stream            // the streams with a frame to send, in the order in which they take turns
	queued  map[int]bool         // whether a stream is in ready
	sent    map[int]uint64       // the last frame's number
	unacked map[int]unackedFrame // the frames without an acknowledgement
	window  transitWindow
	chosen  uint64    // frames chosen to be sent
	arrived uint64    // how many of them, the first ones, have arrived
	heard   time.Time // the last report, or the choice of a frame if that is later
	late    int       // reports that may come about frames that forget has dropped
	pingDue bool
	pong    []byte // the answer to a ping, without an array if none is due
}

// unackedFrame is a frame without an acknowledgement.
type unackedFrame struct {
	stream *stream
	order  uint64    // its number among the chosen frames, from 1
	began  time.Time // when it was chosen to be sent
	held   bool      // it has arrived, and the viewer requests none for now
}

// transitWindow limits how many frames are on their way to a viewer: to what it
// acknowledges in time. The zero value admits minTransit frames.
type transitWindow struct {
	more  int           // frames beyond minTransit
	least time.Duration // the shortest time until an acknowledgement
}

const (
	// minTransit is the least number of frames that may be on their way.
	minTransit = 4
	// maxTransit is the largest number.
	maxTransit = 1 << 12
	// ackTime is how long an acknowledgement may take, beyond twice the time that
	// the fastest has taken.
	ackTime = 200 * time.Millisecond
)

func (w *transitWindow) limit() int { return minTransit + w.more }

// acknowledged adjusts the window to an acknowledgement that took so long. It
// grows with each that was in time, and shrinks with each that was late.
func (w *transitWindow) acknowledged(after time.Duration) {
	if w.least == 0 || after < w.least {
		w.least = after
	}
	if after > ackTime+2*w.least {
		w.more = max(0, w.more-1)
	} else {
		w.more = min(maxTransit-minTransit, w.more+1)
	}
}

// frameHeader describes a frame to the page. Times are in milliseconds since
// 1970, by the clocks of this machine and of the sender.
type frameHeader struct {
	ID       int     `json:"id"`
	Seq      uint64  `json:"seq"`
	Received float64 `json:"received"`
	Captured float64 `json:"captured,omitempty"`
	DType    string  `json:"dtype"`
	Shape    []int   `json:"shape"`
	Message  string  `json:"message,omitempty"`
	Reason   string  `json:"reason,omitempty"` // why there is no picture
}

// serveSocket serves one viewer.
func (v *Viewer) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !v.acquire() {
		v.refuse(w)
		return
	}
	defer v.release()
	s := newSocket(v)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OriginPatterns: v.opts.Origins, OnPingReceived: s.onPing, OnPongReceived: s.onPong,
	})
	if err != nil {
		v.logApart(func(log *slog.Logger) { log.Debug("web: a WebSocket was refused", "err", err) })
		return // Accept has answered
	}
	s.conn = conn
	defer context.AfterFunc(v.ctx, func() { conn.CloseNow() })()
	v.watch(s.watch)
	defer v.unwatch(s.watch)
	defer conn.CloseNow()
	err = s.run()
	if errors.Is(err, errSilent) {
		v.logSilent(r)
		return
	}
	v.logApart(func(log *slog.Logger) { log.Debug("web: a viewer has left", "err", err) })
}

func newSocket(v *Viewer) *socket {
	s := &socket{delivery: delivery{viewer: v}, queued: map[int]bool{}, sent: map[int]uint64{}, unacked: map[int]unackedFrame{}}
	s.watch = newWatcher(s.offer)
	return s
}

// run serves the viewer until it leaves, is silent for too long, or the Viewer is
// closed.
func (s *socket) run() error {
	ctx, cancel := context.WithCancelCause(s.viewer.ctx)
	var others sync.WaitGroup
	others.Go(func() { cancel(s.read(ctx)) })
	others.Go(func() { cancel(s.listen(ctx, s.askForPings())) })
	cancel(s.write(ctx))
	err := context.Cause(ctx) // of the first that ended
	others.Wait()
	return err
}

// write sends what is new.
func (s *socket) write(ctx context.Context) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for due := true; ; {
		if due || s.outdated() {
			if err := s.sendStatus(ctx); err != nil {
				return err
			}
		}
		if err := s.sendControl(ctx); err != nil {
			return err
		}
		p, id := s.next()
		if p != nil {
			if err := s.sendFrame(ctx, p, id); err != nil {
				return err
			}
			select {
			case <-tick.C:
				due = true
			default:
				due = false
			}
			continue
		}
		due = false
		select {
		case <-s.watch.more:
		case <-tick.C:
			due = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// outdated reports whether the last list of streams is.
func (s *socket) outdated() bool {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	return s.status != s.viewer.changes
}

func (s *socket) sendStatus(ctx context.Context) error {
	v := s.viewer
	v.mu.Lock()
	s.status = v.changes
	v.mu.Unlock()
	list := v.describe()
	s.forget(list)
	s.list(list)
	text, err := json.Marshal(struct {
		Streams []described `json:"streams"`
	}{list})
	if err != nil {
		return err
	}
	return s.send(ctx, websocket.MessageText, text)
}

// list notes which streams the viewer has with the next list.
func (s *socket) list(list []described) {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	before := s.listed
	for i := range list {
		s.listed = max(s.listed, list[i].ID)
	}
	if s.listed == before {
		return
	}
	for _, st := range v.streams {
		s.offer(st)
	}
}

// forget drops what is noted of streams that have gone, except frames on their
// way. The page does not acknowledge a frame that it holds when it removes the
// tile.
func (s *socket) forget(list []described) {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	present := map[int]bool{}
	for i := range list {
		present[list[i].ID] = true
	}
	for id, f := range s.unacked {
		if present[id] || f.order > s.arrived {
			continue
		}
		delete(s.unacked, id)
		// The page may send these before it has this list.
		if s.late++; !f.held {
			s.late++
		}
	}
	for id := range s.sent {
		if _, waits := s.unacked[id]; !present[id] && !waits {
			delete(s.sent, id)
		}
	}
	s.ready = slices.DeleteFunc(s.ready, func(st *stream) bool {
		if !st.gone {
			return false
		}
		delete(s.queued, st.id)
		return true
	})
}

// full reports whether no further frame may be sent for now. Viewer.mu must be
// held.
func (s *socket) full() bool {
	if len(s.ends) < s.window.limit() {
		return false
	}
	v := s.viewer
	if time.Since(s.heard) < v.transitLimit+v.transfer(s.written-s.confirmed) {
		return true
	}
	s.arrived, s.ends = s.chosen, nil // or the line is slower than is permitted
	return false
}

// offer notes that a stream has a frame to send, and reports whether it has.
// Viewer.mu must be held.
func (s *socket) offer(st *stream) bool {
	if st.picture == nil || s.sent[st.id] == st.seq || st.id > s.listed {
		return false // the page drops a frame of a stream that it does not know
	}
	if s.queued[st.id] {
		return true
	}
	if _, waits := s.unacked[st.id]; waits {
		return false
	}
	s.ready = append(s.ready, st)
	s.queued[st.id] = true
	return true
}

// next returns the newest frame of a stream whose last frame was acknowledged,
// or nil, also while there are as many frames on their way as may be. Streams
// take turns: the one that waits for longest is the next. The caller must release
// the frame.
func (s *socket) next() (p *picture, id int) {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(s.ready) > 0 && !s.full() {
		st := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		delete(s.queued, st.id)
		if st.picture == nil {
			continue // the stream has gone
		}
		s.sent[st.id] = st.seq
		s.chosen++
		s.ends = append(s.ends, 0)
		s.heard = time.Now()
		s.unacked[st.id] = unackedFrame{stream: st, order: s.chosen, began: s.heard}
		return st.picture.acquire(), st.id
	}
	return nil, 0
}

// sendFrame sends a frame, and releases it.
func (s *socket) sendFrame(ctx context.Context, p *picture, id int) error {
	defer p.release()
	jpeg, err := p.bytes(&s.viewer.encoder)
	header := frameHeader{
		ID: id, Seq: p.seq, Received: millis(p.received), DType: p.dtype, Shape: p.shape, Message: p.text(),
	}
	if err != nil {
		header.Reason = err.Error()
	}
	if !p.captured.IsZero() {
		header.Captured = millis(p.captured)
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	start := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(min(len(text), math.MaxInt32)))
	start = append(start, text...)
	s.note(id, len(start)+len(jpeg))
	defer s.end()
	out, err := s.conn.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return err
	}
	if _, err = out.Write(start); err == nil && len(jpeg) > 0 {
		_, err = out.Write(jpeg)
	}
	return errors.Join(err, out.Close())
}

// note is begin for a frame. A viewer that keeps to no protocol may have
// acknowledged it already.
func (s *socket) note(id, n int) {
	s.begin(n)
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	if f, waits := s.unacked[id]; waits && f.order > s.arrived {
		s.ends[f.order-s.arrived-1] = s.written
	}
}

func millis(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }

// read reads acknowledgements. It disconnects a viewer that sends anything else.
func (s *socket) read(ctx context.Context) error {
	s.conn.SetReadLimit(maxAck)
	for {
		kind, text, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		id, err := strconv.Atoi(string(text))
		if err != nil || kind != websocket.MessageText {
			return s.reject("a viewer may send only acknowledgements")
		}
		if !s.acknowledge(max(id, -id), id < 0) {
			return s.reject("no frame of this stream waits for an acknowledgement")
		}
	}
}

// reject disconnects the viewer, and returns the reason as an error.
func (s *socket) reject(reason string) error {
	s.conn.Close(websocket.StatusPolicyViolation, reason)
	return errors.New("web: " + reason)
}

// acknowledge notes that a stream's frame has arrived, and permits the next one
// unless it is held. It returns false if there is nothing to acknowledge, and no
// frame of that stream was forgotten. So a viewer cannot send more than twice what
// it receives.
func (s *socket) acknowledge(id int, held bool) bool {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	s.news++
	f, waits := s.unacked[id]
	if !waits && s.late > 0 && id > 0 && id <= v.lastID && !slices.ContainsFunc(v.streams, func(st *stream) bool { return st.id == id }) {
		s.late--
		return true
	}
	if !waits || f.held && held {
		return false
	}
	s.heard = time.Now()
	if n := int(f.order) - int(s.arrived); n > 0 {
		s.confirmed = max(s.confirmed, s.ends[n-1])
		s.arrived, s.ends = f.order, s.ends[n:]
	}
	if !f.held {
		s.window.acknowledged(time.Since(f.began))
	}
	if f.held = held; held {
		s.unacked[id] = f
	} else {
		delete(s.unacked, id)
		s.offer(f.stream)
	}
	s.watch.wake()
	return true
}

// RFC 6455's opcodes of pings and pongs. A message of such a type is a control
// frame, which Conn.Write sends like any other. Conn.Ping, and the answers that Conn
// sends by itself, disconnect a viewer to which they cannot be written within five
// seconds, such as behind a large frame on a slow line.
const (
	pingMessage websocket.MessageType = 9
	pongMessage websocket.MessageType = 10
)

// onPing answers a ping, the last one if there are several, by a message of write.
func (s *socket) onPing(_ context.Context, payload []byte) bool {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	s.pong = append(make([]byte, 0, maxControl), payload...)
	s.watch.wake()
	return false
}

// maxControl is the most bytes that a control frame has.
const maxControl = 125

// onPong notes that the ping was answered. A pong that answers none does not show
// that the viewer receives, and nor do its pings: one that only sends them takes
// a place like one that is silent.
func (s *socket) onPong(context.Context, []byte) {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	if s.pinged == 0 {
		return
	}
	s.news++
	s.confirmed = max(s.confirmed, s.pinged)
	s.pinged = 0
}

// sendControl sends the pong and the ping that are due.
func (s *socket) sendControl(ctx context.Context) error {
	s.viewer.mu.Lock()
	pong, ping := s.pong, s.pingDue
	s.pong, s.pingDue = nil, false
	s.viewer.mu.Unlock()
	if pong != nil {
		if err := s.send(ctx, pongMessage, pong); err != nil {
			return err
		}
	}
	if !ping {
		return nil
	}
	s.viewer.mu.Lock()
	s.pinged = s.written + 1 // its payload counts as one byte
	s.viewer.mu.Unlock()
	return s.send(ctx, pingMessage, nil)
}

// send sends a message that is no frame.
func (s *socket) send(ctx context.Context, kind websocket.MessageType, payload []byte) error {
	s.begin(max(1, len(payload)))
	defer s.end()
	return s.conn.Write(ctx, kind, payload)
}

// askForPings returns a function that asks for a sign of life when that is due.
// Browsers answer by themselves, also for a page that is hidden.
func (s *socket) askForPings() func() {
	asked := time.Now()
	return func() {
		if time.Since(asked) >= pingEvery {
			asked = time.Now()
			s.askForPing()
		}
	}
}

// askForPing has write send a ping, unless one is without an answer.
func (s *socket) askForPing() {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	if s.pinged == 0 {
		s.pingDue = true
		s.watch.wake()
	}
}

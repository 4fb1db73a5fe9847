package web

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
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
)

// socket is a viewer on the WebSocket.
//
// It receives the list of streams as a text message, when it changes and every
// second, and frames as binary messages: four bytes with the length of a JSON
// object (frameHeader), big-endian, that object, the JPEG. Each stream's next
// frame follows when the viewer has acknowledged the last, by a text message
// with the stream's id. It may send nothing else.
type socket struct {
	viewer *Viewer
	conn   *websocket.Conn
	watch  *watcher
	status uint64 // Viewer.changes at the last list

	// viewer.mu protects these. Both are by the stream's id.
	sent    map[int]uint64 // the last frame's number
	unacked map[int]int    // bytes of frames without an acknowledgement
	last    int            // the stream that the last frame was of
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
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: v.opts.Origins})
	if err != nil {
		v.logApart(func(log *slog.Logger) { log.Debug("web: a WebSocket was refused", "err", err) })
		return // Accept has answered
	}
	defer context.AfterFunc(v.ctx, func() { conn.CloseNow() })()
	s := &socket{viewer: v, conn: conn, watch: v.watch(), sent: map[int]uint64{}, unacked: map[int]int{}}
	defer v.unwatch(s.watch)
	defer conn.CloseNow()
	err = s.run()
	v.logApart(func(log *slog.Logger) { log.Debug("web: a viewer has left", "err", err) })
}

// run serves the viewer until it leaves or the Viewer is closed.
func (s *socket) run() error {
	ctx, cancel := context.WithCancelCause(s.viewer.ctx)
	var others sync.WaitGroup
	others.Go(func() { cancel(s.read(ctx)) })
	others.Go(func() { cancel(s.ping(ctx)) })
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
	text, err := json.Marshal(struct {
		Streams []described `json:"streams"`
	}{list})
	if err != nil {
		return err
	}
	ctx, cancel := s.allow(ctx, len(text))
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, text)
}

// forget drops what is noted of streams that have gone.
func (s *socket) forget(list []described) {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	present := map[int]bool{}
	for i := range list {
		present[list[i].ID] = true
	}
	for id := range s.sent {
		// An acknowledgement may still come.
		if _, waits := s.unacked[id]; !present[id] && !waits {
			delete(s.sent, id)
		}
	}
}

// allow returns a context for sending n bytes. It includes the frames on their
// way, which the connection transfers first.
func (s *socket) allow(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	s.viewer.mu.Lock()
	for _, bytes := range s.unacked {
		n += bytes
	}
	s.viewer.mu.Unlock()
	return context.WithTimeout(ctx, s.viewer.allowance(n))
}

// next returns the newest frame of a stream whose last frame was acknowledged,
// or nil. Streams take turns. The caller must release the frame.
func (s *socket) next() (p *picture, id int) {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	var best *stream
	for _, st := range v.streams {
		if _, waits := s.unacked[st.id]; waits || st.picture == nil || s.sent[st.id] == st.seq {
			continue
		}
		if best == nil || best.id <= s.last && st.id > s.last {
			best = st
		}
	}
	if best == nil {
		return nil, 0
	}
	s.last = best.id
	s.sent[best.id] = best.seq
	s.unacked[best.id] = 0
	return best.picture.acquire(), best.id
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
	ctx, cancel := s.allow(ctx, len(start)+len(jpeg))
	defer cancel()
	s.viewer.mu.Lock()
	s.unacked[id] = len(start) + len(jpeg)
	s.viewer.mu.Unlock()
	out, err := s.conn.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return err
	}
	if _, err = out.Write(start); err == nil && len(jpeg) > 0 {
		_, err = out.Write(jpeg)
	}
	return errors.Join(err, out.Close())
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
		if !s.acknowledge(id) {
			return s.reject("no frame of this stream waits for an acknowledgement")
		}
	}
}

// reject disconnects the viewer, and returns the reason as an error.
func (s *socket) reject(reason string) error {
	s.conn.Close(websocket.StatusPolicyViolation, reason)
	return errors.New("web: " + reason)
}

// acknowledge permits the stream's next frame. It returns false if there is
// nothing to acknowledge. So a viewer cannot send more than it receives.
func (s *socket) acknowledge(id int) bool {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, waits := s.unacked[id]; !waits {
		return false
	}
	delete(s.unacked, id)
	select {
	case s.watch.more <- struct{}{}:
	default:
	}
	return true
}

// ping asks for signs of life, and returns when there is none. Browsers answer by
// themselves, also for a page that is hidden.
func (s *socket) ping(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		limit, done := s.allow(ctx, 0)
		err := s.conn.Ping(limit)
		done()
		if err != nil {
			return err
		}
	}
}

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// watcherCounts is what the process of the watchers answers.
type watcherCounts struct {
	Frames  []map[int]uint64 // of each watcher, by the stream's number
	Ages    []float64        // of frames since the last answer, in milliseconds: sorted
	Gone    uint64           // how often one has left
	Refused uint64           // how often the viewer was full
	Broken  uint64           // how often a connection ended otherwise
	Why     string           // the last of those
}

// watchers are WebSocket clients of package web's viewer, which acknowledge
// each frame at once. Its format is described by type socket there.
type watchers struct {
	role *role

	mu     sync.Mutex
	counts watcherCounts
}

// maxAges bounds the ages that are kept for one answer.
const maxAges = 1 << 20

func runWatchers(r *role, c *commands) error {
	w := &watchers{role: r}
	for range r.Count {
		w.counts.Frames = append(w.counts.Frames, map[int]uint64{})
	}
	var watching sync.WaitGroup
	for i := range r.Count {
		watching.Go(func() {
			for c.ctx.Err() == nil {
				w.watch(c.ctx, i)
			}
		})
	}
	err := c.answer(func() (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		slices.Sort(w.counts.Ages)
		text, err := json.Marshal(w.counts)
		w.counts.Ages = nil
		return json.RawMessage(text), err
	})
	watching.Wait()
	return err
}

// watch is one visit of a watcher.
func (w *watchers) watch(ctx context.Context, i int) {
	err := w.visit(ctx, i)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var full fullError
	switch {
	case err == nil:
		w.counts.Gone++
	case errors.As(err, &full):
		w.counts.Refused++
	default:
		w.counts.Broken++
		w.counts.Why = err.Error()
	}
}

// fullError is the viewer's answer to one viewer too many.
type fullError struct{ error }

func (w *watchers) visit(ctx context.Context, i int) error {
	conn, answer, err := websocket.Dial(ctx, "ws://"+w.role.URL+"/ws", nil)
	if err != nil && answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
		return fullError{err}
	}
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	for n := 0; w.role.Stay == 0 || n < w.role.Stay; {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			continue
		}
		id, captured, err := parseFrame(data)
		if err != nil {
			return err
		}
		n++
		w.count(i, id, captured)
		if err := conn.Write(ctx, websocket.MessageText, strconv.AppendInt(nil, int64(id), 10)); err != nil {
			return err
		}
	}
	return nil
}

// parseFrame returns the stream of a frame, and when it was captured, in
// milliseconds since 1970, or 0.
func parseFrame(data []byte) (id int, captured float64, err error) {
	var header struct {
		ID       int     `json:"id"`
		Captured float64 `json:"captured"`
	}
	if len(data) < 4 || uint64(len(data)-4) < uint64(binary.BigEndian.Uint32(data)) {
		return 0, 0, fmt.Errorf("a frame of %d bytes is too short", len(data))
	}
	err = json.Unmarshal(data[4:4+binary.BigEndian.Uint32(data)], &header)
	return header.ID, header.Captured, err
}

func (w *watchers) count(i, id int, captured float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.Frames[i][id]++
	if captured > 0 && len(w.counts.Ages) < maxAges {
		w.counts.Ages = append(w.counts.Ages, float64(time.Now().UnixMicro())/1000-captured)
	}
}

// minus returns the frames since earlier counts: of each watcher, and the shares
// of the streams at the watcher where they differ most.
func (c *watcherCounts) minus(earlier *watcherCounts) (each []float64, streams shares) {
	streams.min = 2
	for i, now := range c.Frames {
		var of []float64
		sum := 0.0
		for _, id := range slices.Sorted(maps.Keys(now)) {
			n := float64(now[id] - earlier.Frames[i][id])
			of, sum = append(of, n), sum+n
		}
		each = append(each, sum)
		if s := sharesOf(of); s.min < streams.min {
			streams = s
		}
	}
	return each, streams
}

// percentile returns a percentile of sorted values, 0 without any.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p/100*float64(len(sorted))))]
}

package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// lookEvery is how often the silence of a viewer is measured.
const lookEvery = time.Second

// delivery is what a viewer is to receive, and what is known to have arrived.
// viewer.mu protects it. Positions are numbers of bytes.
type delivery struct {
	viewer    *Viewer
	written   uint64   // the end of what was sent, or is being sent
	confirmed uint64   // what has arrived at least
	ends      []uint64 // written after each frame on its way; 0 before its write has begun
	pinged    uint64   // the end of the ping without an answer; 0: there is none
	writes    uint64   // writes that have begun and that have ended, so it is odd during one
	news      uint64   // acknowledgements and answers to pings from the viewer
}

// begin notes that a message of n bytes is being sent. The caller must call end.
func (d *delivery) begin(n int) {
	d.viewer.mu.Lock()
	defer d.viewer.mu.Unlock()
	d.writes++
	d.written += uint64(n)
}

// end notes that the message was sent.
func (d *delivery) end() {
	d.viewer.mu.Lock()
	defer d.viewer.mu.Unlock()
	d.writes++
}

// errSilent is the reason to disconnect a viewer.
var errSilent = errors.New("web: nothing is heard of the viewer")

// listen returns when the viewer has been silent for too long, or ctx has ended. It
// calls each at every look.
func (d *delivery) listen(ctx context.Context, each func()) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for silence := (silence{}); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		each()
		if d.silent(&silence) {
			return errSilent
		}
	}
}

// silence is for how long a viewer has sent nothing, while it was to answer a ping
// or to receive something. It is a number of ticks, because time in which this process
// does not run is no silence.
type silence struct {
	ticks        int
	pinged       uint64 // the delivery's at the last tick, as these
	writes, news uint64
}

// silent measures the silence, once at each tick, and reports whether it is longer
// than is permitted. That is as long as the slowest line takes for everything until
// the message at whose arrival the viewer gives a sign of life, and
// Options.WriteTimeout.
func (d *delivery) silent(was *silence) bool {
	d.viewer.mu.Lock()
	defer d.viewer.mu.Unlock()
	awaited := d.pinged > 0 || d.writes%2 == 1
	same := d.news == was.news && d.pinged == was.pinged && (d.pinged > 0 || d.writes == was.writes)
	*was = silence{ticks: was.ticks + 1, pinged: d.pinged, writes: d.writes, news: d.news}
	if !awaited || !same {
		was.ticks = 0
		return false
	}
	next := d.written
	if d.pinged > 0 {
		next = d.pinged
	}
	if len(d.ends) > 0 && d.ends[0] > d.confirmed {
		next = min(next, d.ends[0])
	}
	// A program may acknowledge a frame before it answers the ping before that.
	return time.Duration(was.ticks)*lookEvery > d.viewer.allowance(next-min(next, d.confirmed))
}

// response is a response whose client sends nothing: that a write has ended is the
// sign of life.
type response struct {
	http.ResponseWriter
	delivery
}

func (r *response) Write(b []byte) (int, error) {
	r.begin(len(b))
	defer r.received()
	return r.ResponseWriter.Write(b)
}

// FlushError sends what the server has buffered, for http.ResponseController.
func (r *response) FlushError() error {
	r.begin(0)
	defer r.received()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Unwrap returns the response of the server, for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// received notes that a write has ended.
func (r *response) received() {
	r.end()
	r.viewer.mu.Lock()
	defer r.viewer.mu.Unlock()
	r.confirmed = r.written
}

// logSilent logs that the client of a request was disconnected.
func (v *Viewer) logSilent(r *http.Request) {
	v.logApart(func(log *slog.Logger) {
		log.Info("web: a viewer was disconnected because nothing was heard of it", "peer", r.RemoteAddr)
	})
}

// closeTime is how long a response lasts after Close at most.
const closeTime = 500 * time.Millisecond

// watched returns a handler whose response lasts for as long as its client takes
// what is written, whatever the server's WriteTimeout is. After Close it lasts for
// closeTime at most.
func (v *Viewer) watched(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		deadline := func(t time.Time) {
			// Not every ResponseWriter has deadlines; then the server's own hold.
			_ = http.NewResponseController(w).SetWriteDeadline(t)
		}
		deadline(time.Time{})
		served := &response{ResponseWriter: w, delivery: delivery{viewer: v}}
		ctx, cancel := context.WithCancel(v.ctx)
		var listening sync.WaitGroup
		ended := false
		listening.Go(func() {
			err := served.listen(ctx, func() {})
			switch {
			case errors.Is(err, errSilent):
				v.logSilent(r)
				deadline(time.Now())
			case v.ctx.Err() != nil: // for what is being sent, and the end of the response
				deadline(time.Now().Add(v.closeTime))
			default:
				return // the handler has ended
			}
			ended = true
		})
		defer func() { // also if the handler panics
			cancel()
			listening.Wait()
			if !ended {
				deadline(time.Now().Add(v.allowance(0))) // for what the server has buffered
			}
		}()
		handler(served, r)
	}
}

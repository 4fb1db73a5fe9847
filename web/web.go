// Package web shows received streams in a browser.
//
// A [Viewer] is an http.Handler with one embedded page: a tile for each sender,
// with its picture, name, state, rate, latency and message. Streams come from
// receive ends, through a [Source]:
//
//	view, err := web.New(web.Options{})
//	…
//	defer view.Close()
//	source := view.Source("gate")
//	end, err := netgear.New(netgear.Options{ReceiveMode: true, Latest: true, OnEvent: source.Event})
//	…
//	go http.ListenAndServe("127.0.0.1:8080", view)
//	err = source.Serve(ctx, end)
//
// # Paths
//
//   - / is the page. It needs no other server.
//   - /ws has all streams on one WebSocket. It is for the page, and may change.
//   - /stream.mjpg is one stream as multipart/x-mixed-replace, for img elements
//     and programs.
//   - /frame.jpg is the newest picture of a stream, at once.
//   - /api/streams describes all streams as JSON: a list of [Stream].
//
// The last three take ?stream=NAME, a name from /api/streams; without it the
// first stream is meant. The paths are relative, so a Viewer may be below a
// prefix (http.StripPrefix).
//
// # Costs
//
// A JPEG is passed on as it was received. A raw frame is encoded once for all
// viewers, and only if at least one asks for it. Each viewer receives the newest
// frame of each stream, and the next one after it has displayed the last. So a
// slow viewer misses frames, and delays neither another viewer nor the sender.
// The page has no more frames on their way than it displays soon, so those of a
// slow viewer do not grow old there. A Viewer holds the newest frame of each
// stream, and for each viewer at most one more.
//
// # Security
//
// Without User and Token everybody who reaches the address sees the pictures:
// listen on loopback. Then the Viewer answers only requests for localhost, an
// IP address or one of Options.Hosts. That keeps web sites away whose names
// resolve to this machine (DNS rebinding). The WebSocket accepts browsers from
// the page's own origin. Names and messages are displayed as text.
package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
)

// ErrOption is wrapped by the errors of New.
var ErrOption = errors.New("web: wrong option")

// Options are the settings of a Viewer. The zero value has the defaults.
type Options struct {
	// Title is the page's title. The default is "netgear".
	Title string
	// User and Password are for HTTP basic authentication. Either both are set
	// or neither.
	User     string
	Password netgear.Secret
	// Token admits requests with the header "Authorization: Bearer TOKEN", or
	// with ?token=TOKEN. A browser needs the latter only once, because the
	// Viewer sets a cookie. With User as well, either suffices.
	Token netgear.Secret
	// Hosts are the names by which browsers reach this Viewer, without a port.
	// They are needed only without User, Token and TLS: then requests are
	// refused for every host but these, IP addresses, localhost and the
	// machine's own name.
	Hosts []string
	// Origins are hosts of other pages that may open the WebSocket, as patterns
	// of path.Match: "cameras.example.com", "*.example.com".
	Origins []string
	// MaxViewers limits how many viewers are served at once: WebSockets, MJPEG
	// streams, and single pictures on their way. The default is 64.
	MaxViewers int
	// MaxStreams limits the number of streams. One more replaces a stream of
	// its source that is not live, or is ignored. The default is 64. It exists
	// because senders choose their ports' texts and how often they connect.
	MaxStreams int
	// Quality is the JPEG quality of raw frames, 1 to 100. The default is 90,
	// as at a send end.
	Quality int
	// StallAfter is how long a stream may be without a frame until its state is
	// StateStalled. The default is 3 s.
	StallAfter time.Duration
	// WriteTimeout is how long a viewer may take to receive something, beyond a
	// second for each 16 KiB of it. Later the viewer is disconnected. The
	// default is 10 s.
	//
	// A viewer on the WebSocket is asked for a sign of life every 20 s, and may
	// be silent for that long after it, or while it is to receive something. So
	// one that stands still for less keeps its connection, and one that has gone
	// without a word is disconnected within about 20 s and WriteTimeout. An MJPEG
	// client gives no such signs: one that has gone without a word is disconnected
	// once that much time has passed with a picture it does not take.
	//
	// Time in which this process does not run does not count.
	WriteTimeout time.Duration
	// Logger receives what a Viewer reports, which is never a line for each
	// frame. No frame and no viewer waits for its handler, which may call the
	// Viewer's methods except Close. The default is silent.
	Logger *slog.Logger
}

// slowest is the least number of bytes a second that a viewer must accept.
const slowest = 16 << 10

// withDefaults returns the options with the defaults filled in, or ErrOption.
func (o Options) withDefaults() (Options, error) {
	for _, n := range []struct {
		name   string
		value  *int
		normal int
		most   int
	}{
		{"MaxViewers", &o.MaxViewers, 64, 1 << 20},
		{"MaxStreams", &o.MaxStreams, 64, 1 << 20},
		{"Quality", &o.Quality, 90, 100},
	} {
		if *n.value == 0 {
			*n.value = n.normal
		}
		if *n.value < 1 || *n.value > n.most {
			return o, fmt.Errorf("%w: %s is %d, it must be in 1..%d", ErrOption, n.name, *n.value, n.most)
		}
	}
	if o.StallAfter < 0 || o.WriteTimeout < 0 {
		return o, fmt.Errorf("%w: StallAfter and WriteTimeout must not be negative", ErrOption)
	}
	if (o.User == "") != o.Password.IsZero() {
		return o, fmt.Errorf("%w: User and Password go together", ErrOption)
	}
	for _, pattern := range o.Origins {
		if _, err := path.Match(pattern, ""); err != nil {
			return o, fmt.Errorf("%w: the pattern %q in Origins: %w", ErrOption, pattern, err)
		}
	}
	o.Title = cmp.Or(o.Title, "netgear")
	o.StallAfter = cmp.Or(o.StallAfter, 3*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Viewer shows streams in browsers. It is an http.Handler. All its methods may
// be called concurrently.
type Viewer struct {
	opts         Options
	access       access
	mux          *http.ServeMux
	encoder      encoder
	slowest      int             // bytes a second that a viewer must accept at least
	transitLimit time.Duration   // see the constant
	closeTime    time.Duration   // as well
	ctx          context.Context // ends with Close
	cancel       context.CancelFunc

	tooManyStreams, tooManyViewers sync.Once // log that there are

	lines chan struct{} // a value for each line that Logger has not taken yet

	mu       sync.Mutex
	closed   bool
	running  sync.WaitGroup // requests and Serve calls; Add needs mu and !closed
	viewers  int            // of at most opts.MaxViewers
	watchers map[*watcher]struct{}
	streams  []*stream // in the order in which they appeared
	lastID   int
	changes  uint64 // counts changes of what a Stream describes, except its figures
}

// New returns a Viewer without streams. The caller must Close it. Errors wrap
// ErrOption.
func New(o Options) (*Viewer, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Viewer{opts: o, slowest: slowest, transitLimit: transitLimit, closeTime: closeTime, watchers: map[*watcher]struct{}{}, lines: make(chan struct{}, maxLines)}
	v.encoder = encoder{quality: o.Quality, cores: make(chan struct{}, runtime.GOMAXPROCS(0))}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	v.access = newAccess(&v.opts, rand.Text())
	v.mux = v.routes()
	return v, nil
}

// ServeHTTP implements http.Handler. Responses that take long have
// Options.WriteTimeout, whatever the server's is.
func (v *Viewer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !v.begin() {
		http.Error(w, "The viewer is closed.", http.StatusServiceUnavailable)
		return
	}
	defer v.running.Done()
	setHeaders(w.Header())
	if r.ContentLength != 0 {
		// No request needs a body. The server would wait for it, without limit.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		http.Error(w, "A request must have no body.", http.StatusRequestEntityTooLarge)
		return
	}
	if v.access.admit(w, r) {
		v.mux.ServeHTTP(w, r)
	}
}

// maxLines is how many lines may wait for the Logger. More are dropped.
const maxLines = 16

// logApart calls f with the Logger in a goroutine of its own, so that nothing
// waits for the Logger: v.mu may be held, and a request ends whatever the Logger
// does.
func (v *Viewer) logApart(f func(log *slog.Logger)) {
	select {
	case v.lines <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-v.lines }()
		f(v.opts.Logger)
	}()
}

// begin counts a request or a Serve call that Close waits for. It returns false
// after Close.
func (v *Viewer) begin() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	v.running.Add(1)
	return true
}

// Close disconnects all viewers, ends all Serve calls, waits for them, and
// releases all frames. It must not be called inside a request. It returns nil.
func (v *Viewer) Close() error {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.cancel()
	v.running.Wait()
	v.mu.Lock()
	for _, s := range v.streams {
		s.remove()
	}
	v.streams = nil
	v.mu.Unlock()
	v.encoder.close()
	return nil
}

// acquire reserves a place for a viewer. The caller must call release, unless it
// returns false because there are too many.
func (v *Viewer) acquire() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.viewers >= v.opts.MaxViewers {
		return false
	}
	v.viewers++
	return true
}

func (v *Viewer) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.viewers--
}

// Viewers returns how many viewers are served at this moment.
func (v *Viewer) Viewers() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.viewers
}

// allowance returns how long a viewer may take to receive n bytes.
func (v *Viewer) allowance(n uint64) time.Duration {
	return v.opts.WriteTimeout + v.transfer(n)
}

// transfer returns how long the slowest line takes for n bytes.
func (v *Viewer) transfer(n uint64) time.Duration {
	return time.Duration(min(n, maxTransfer)) * time.Second / time.Duration(v.slowest)
}

// maxTransfer keeps transfer from an overflow.
const maxTransfer = 1 << 32

// watcher is woken when there may be something new to send. A watcher that is
// busy finds it afterwards.
type watcher struct {
	more chan struct{}
	// offer reports whether a new frame of a stream is to be sent. Viewer.mu is
	// held.
	offer func(*stream) bool
}

func newWatcher(offer func(*stream) bool) *watcher {
	return &watcher{more: make(chan struct{}, 1), offer: offer}
}

// watch adds a watcher. The caller must call unwatch.
func (v *Viewer) watch(w *watcher) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watchers[w] = struct{}{}
}

func (v *Viewer) unwatch(w *watcher) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.watchers, w)
}

// wake wakes the watcher, and does not wait for it.
func (w *watcher) wake() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// published wakes the watchers to which a stream's new frame is to be sent. v.mu
// must be held.
func (v *Viewer) published(st *stream) {
	for w := range v.watchers {
		if w.offer(st) {
			w.wake()
		}
	}
}

// changed notes that a stream has appeared, has gone, or has another state, and
// wakes all watchers. v.mu must be held.
func (v *Viewer) changed() {
	v.changes++
	for w := range v.watchers {
		w.wake()
	}
}

package web

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/leaktest"
)

// The tests in this file run in a bubble of testing/synctest, whose clock goes on
// when all goroutines wait. So minutes take milliseconds, and a busy machine
// changes nothing.

// link is a client's connection. It carries a number of bytes a second to the
// client, holds some of them on the way, and none arrives while it is frozen.
type link struct {
	net.Conn
	rate   int // bytes a second; 0 is without limit
	chunks chan []byte
	rest   []byte
	done   chan struct{} // closed with the connection
	once   sync.Once
	gate   chan struct{} // full while the client is frozen; a Mutex would stop the clock
}

// linkChunk is the most that passes at once.
const linkChunk = 1 << 10

func newLink(conn net.Conn, rate, held int) *link {
	l := &link{Conn: conn, rate: rate, chunks: make(chan []byte, held/linkChunk), gate: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(l.chunks)
		for {
			chunk := make([]byte, linkChunk)
			n, err := conn.Read(chunk)
			if n > 0 {
				select {
				case l.chunks <- chunk[:n]:
				case <-l.done:
					return
				}
			}
			if err != nil {
				return
			}
			if l.rate > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(l.rate))
			}
		}
	}()
	return l
}

func (l *link) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		chunk, ok := <-l.chunks
		if !ok {
			return 0, io.EOF
		}
		l.rest = chunk
	}
	l.freeze()
	l.thaw()
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Conn.Close()
}

func (l *link) freeze() { l.gate <- struct{}{} }

func (l *link) thaw() { <-l.gate }

// pipes is a listener whose connections are net.Pipes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// remote is a viewer at the end of a link. It acknowledges everything at once.
type remote struct {
	*link
	conn *websocket.Conn
	left chan struct{} // closed when the connection has ended

	mu     sync.Mutex
	frames int
}

// inBubble runs a test with a Viewer and a client on the WebSocket, at the end of a
// link.
func inBubble(t *testing.T, o Options, rate, held int, test func(t *testing.T, v *Viewer, r *remote)) {
	withClient(t, o, rate, held, func(t *testing.T, v *Viewer, client *http.Client, link func() *link) {
		conn, _, err := websocket.Dial(t.Context(), "ws://127.0.0.1/ws", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		r := &remote{link: link(), conn: conn, left: make(chan struct{})}
		r.conn.SetReadLimit(-1)
		defer r.conn.CloseNow()
		go r.read(t)
		test(t, v, r)
	})
}

// withClient runs a test with a Viewer and a client whose connections are links. The
// function returns the last of them.
func withClient(t *testing.T, o Options, rate, held int, test func(t *testing.T, v *Viewer, client *http.Client, link func() *link)) {
	synctest.Test(t, func(t *testing.T) {
		v, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		server := &http.Server{Handler: v}
		defer server.Close()
		defer v.Close()
		go server.Serve(listener)
		var last *link
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			listener.conns <- there
			last = newLink(here, rate, held)
			return last, nil
		}}
		defer transport.CloseIdleConnections()
		test(t, v, &http.Client{Transport: transport}, func() *link { return last })
	})
}

func (r *remote) read(t *testing.T) {
	defer close(r.left)
	for {
		kind, data, err := r.conn.Read(context.Background())
		if err != nil {
			return
		}
		if kind == websocket.MessageText {
			continue
		}
		h, _ := parseFrame(t, data)
		r.mu.Lock()
		r.frames++
		r.mu.Unlock()
		if r.conn.Write(context.Background(), websocket.MessageText, fmt.Append(nil, h.ID)) != nil {
			return
		}
	}
}

func (r *remote) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames
}

func (r *remote) hasLeft() bool {
	synctest.Wait()
	select {
	case <-r.left:
		return true
	default:
		return false
	}
}

// largeFrame returns a JPEG frame of about so many bytes.
func largeFrame(t *testing.T, bytes int) *netgear.Frame {
	t.Helper()
	text := jpegOf(t, blocks(1, 320, 180))
	segment := append([]byte{0xff, 0xfe, 0xff, 0xff}, make([]byte, 0xfffd)...) // a comment
	large := append([]byte{}, text[:2]...)
	for len(large)+len(text) < bytes {
		large = append(large, segment...)
	}
	f, err := netgear.NewJPEGFrame(append(large, text[2:]...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.ReceivedAt = time.Now()
	return f
}

// A viewer that does nothing for a time below WriteTimeout keeps its connection,
// whatever was going on when that began, and however much is held on the way.
func TestFrozenViewerStays(t *testing.T) {
	for _, held := range []int{0, 4 << 10, 1 << 20} {
		for _, frames := range []bool{false, true} {
			for begin := time.Duration(0); begin < 2*pingEvery; begin += 2900 * time.Millisecond {
				inBubble(t, Options{}, 0, held, func(t *testing.T, v *Viewer, r *remote) {
					s, f := v.Source("camera"), largeFrame(t, 20<<10)
					until := func(d time.Duration) {
						for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
							if frames {
								publish(t, s, f)
							}
						}
					}
					until(begin)
					r.freeze()
					until(9 * time.Second)
					r.thaw()
					before := r.seen()
					until(2 * pingEvery)
					if r.hasLeft() || frames && r.seen() < before+50 {
						t.Errorf("held %d, frames %v: lost after a pause that began after %v; %d frames since", held, frames, begin, r.seen()-before)
					}
				})
			}
		}
	}
}

// A viewer that has gone without a word is noticed, whatever was going on.
func TestSilentViewerIsDisconnected(t *testing.T) {
	const size = 100 << 10
	for _, held := range []int{0, 4 << 10, 1 << 20} {
		for _, frames := range []bool{false, true} {
			for begin := time.Duration(0); begin < pingEvery; begin += 3100 * time.Millisecond {
				inBubble(t, Options{}, 0, held, func(t *testing.T, v *Viewer, r *remote) {
					s, f := v.Source("camera"), largeFrame(t, size)
					gone := func() {
						if frames {
							publish(t, s, f)
						}
						time.Sleep(250 * time.Millisecond)
					}
					for end := time.Now().Add(begin); time.Now().Before(end); {
						gone()
					}
					r.freeze()
					end := time.Now().Add(pingEvery + v.allowance(2*size) + 2*time.Second)
					for time.Now().Before(end) {
						gone()
					}
					if n := v.Viewers(); n != 0 {
						t.Errorf("held %d, frames %v: a viewer that was gone after %v is there %v later", held, frames, begin, pingEvery+v.allowance(2*size))
					}
					r.thaw()
				})
			}
		}
	}
}

// A client that takes nothing does not stay for pongs that answer no ping, nor for
// pings of its own.
func TestUnaskedPongsAreNoNews(t *testing.T) {
	for name, kind := range map[string]websocket.MessageType{"pongs": pongMessage, "pings": pingMessage} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, 0, 4<<10, func(t *testing.T, v *Viewer, r *remote) {
				s, f := v.Source("camera"), largeFrame(t, 400<<10)
				r.freeze()
				defer r.thaw()
				for begun := time.Now(); v.Viewers() > 0; time.Sleep(5 * time.Second) {
					if time.Since(begun) > time.Hour {
						t.Fatal("it is connected still")
					}
					publish(t, s, f)
					r.conn.Write(t.Context(), kind, nil) // fails once it is disconnected
				}
			})
		})
	}
}

// A viewer on the slowest line that is admitted keeps its connection, also while
// a frame takes longer than WriteTimeout.
func TestViewerOnTheSlowestLine(t *testing.T) {
	for _, held := range []int{0, 64 << 10, 1 << 20} {
		inBubble(t, Options{}, slowest*11/10, held, func(t *testing.T, v *Viewer, r *remote) {
			s, f := v.Source("camera"), largeFrame(t, 400<<10)
			for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
				publish(t, s, f)
			}
			if r.hasLeft() || r.seen() < 10 {
				t.Errorf("held %d: left %v, %d frames", held, r.hasLeft(), r.seen())
			}
		})
	}
}

// A program that sends pings gets their answers, also behind a frame that takes
// long.
func TestPingsOfAViewer(t *testing.T) {
	inBubble(t, Options{}, slowest*11/10, 0, func(t *testing.T, v *Viewer, r *remote) {
		publish(t, v.Source("camera"), largeFrame(t, 400<<10))
		time.Sleep(2 * time.Second)
		if r.seen() > 0 {
			t.Fatal("the frame has arrived already")
		}
		if err := r.conn.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if r.hasLeft() || r.seen() != 1 {
			t.Errorf("left %v, %d frames", r.hasLeft(), r.seen())
		}
	})
}

// watchMJPEG runs a test with a Viewer and a client of its MJPEG stream. The function
// returns how many pictures that has read, and whether the stream has ended.
func watchMJPEG(t *testing.T, rate, held int, frame *netgear.Frame, test func(t *testing.T, v *Viewer, s *Source, l *link, seen func() (int, bool))) {
	withClient(t, Options{}, rate, held, func(t *testing.T, v *Viewer, client *http.Client, link func() *link) {
		s := v.Source("camera")
		publish(t, s, frame)
		answer, err := client.Get("http://127.0.0.1/stream.mjpg")
		if err != nil {
			t.Fatal(err)
		}
		var pictures atomic.Int32
		ended := make(chan struct{})
		defer func() {
			link().Close()
			<-ended
			answer.Body.Close()
		}()
		go func() {
			defer close(ended)
			parts := multipart.NewReader(answer.Body, boundary)
			for {
				part, err := parts.NextPart()
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, part); err != nil {
					return
				}
				pictures.Add(1)
			}
		}()
		test(t, v, s, link(), func() (int, bool) {
			synctest.Wait()
			select {
			case <-ended:
				return int(pictures.Load()), true
			default:
				return int(pictures.Load()), false
			}
		})
	})
}

// A client of the MJPEG stream that does nothing for a time below WriteTimeout keeps
// its connection, and one that has gone without a word is disconnected.
func TestFrozenMJPEG(t *testing.T) {
	for _, held := range []int{0, 4 << 10, 1 << 20} {
		f := largeFrame(t, 100<<10)
		watchMJPEG(t, 0, held, f, func(t *testing.T, v *Viewer, s *Source, l *link, seen func() (int, bool)) {
			until := func(d time.Duration) {
				for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
					publish(t, s, f)
				}
			}
			until(time.Second)
			l.freeze()
			until(9 * time.Second)
			l.thaw()
			before, _ := seen()
			until(pingEvery)
			if now, ended := seen(); ended || now < before+50 {
				t.Errorf("held %d: ended %v after a pause; %d pictures since", held, ended, now-before)
			}
			l.freeze()
			defer l.thaw()
			until(v.allowance(2*100<<10) + 5*time.Second)
			if n := v.Viewers(); n != 0 {
				t.Errorf("held %d: a client that has gone is there still", held)
			}
		})
	}
}

// A client of the MJPEG stream on the slowest line that is admitted keeps its
// connection, also while a picture takes longer than WriteTimeout.
func TestMJPEGOnTheSlowestLine(t *testing.T) {
	for _, held := range []int{0, 64 << 10, 1 << 20} {
		f := largeFrame(t, 400<<10)
		watchMJPEG(t, slowest*11/10, held, f, func(t *testing.T, v *Viewer, s *Source, _ *link, seen func() (int, bool)) {
			for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
				publish(t, s, f)
			}
			if n, ended := seen(); ended || n < 9 {
				t.Errorf("held %d: ended %v, %d pictures", held, ended, n)
			}
		})
	}
}

// deadlines is a ResponseWriter that counts the writes with a time limit. Its client
// leaves when it has got something.
type deadlines struct {
	*httptest.ResponseRecorder
	limit           time.Time
	limited, writes int
	leave           func()
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.limit = t
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) {
	if d.writes++; !d.limit.IsZero() {
		d.limited++
	}
	defer d.leave()
	return d.ResponseRecorder.Write(b)
}

// Nothing is written within a time limit. When this process goes on after it was
// stopped, that would be over, also for a client that takes everything.
func TestNoTimeLimitWhileClientsReceive(t *testing.T) {
	v, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	publish(t, v.Source("camera"), largeFrame(t, 100<<10))
	for _, path := range []string{"/stream.mjpg", "/frame.jpg", "/api/streams"} {
		ctx, cancel := context.WithCancel(t.Context())
		w := &deadlines{ResponseRecorder: httptest.NewRecorder(), leave: cancel}
		v.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1"+path, nil))
		if w.writes == 0 || w.limited > 0 {
			t.Errorf("%s: %d of %d writes have a time limit", path, w.limited, w.writes)
		}
		cancel()
	}
}

// A handler that panics, as with http.ErrAbortHandler from the ResponseWriter of a
// middleware, leaves no goroutine.
func TestPanicInAHandler(t *testing.T) {
	before := leaktest.IgnoreCurrent()
	v, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	func() {
		defer func() { recover() }()
		v.watched(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if err := leaktest.Find(before); err != nil {
		t.Error(err)
	}
}

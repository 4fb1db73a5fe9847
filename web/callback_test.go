package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// A Logger that blocks, ends its goroutine or calls the Viewer holds up neither
// frames nor viewers, nor Close.
func TestLoggers(t *testing.T) {
	open := make(chan struct{})
	defer close(open)
	var v *Viewer
	for name, log := range map[string]peertest.LogHook{
		"blocks":             func() { <-open },
		"ends its goroutine": func() { runtime.Goexit() },
		"calls the Viewer":   func() { v.Streams(); v.Viewers() },
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if v, err = New(Options{MaxViewers: 1, MaxStreams: 1, Logger: slog.New(log)}); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(v)
			defer server.Close()
			one, two := v.Source("one"), v.Source("")
			publish(t, one, jpegFrame(t, 1, nil))
			frame := jpegFrame(t, 2, nil)
			peertest.Ends(t, browserLimit, "Publish to one stream too many", func() {
				for range 2 {
					if err := two.Publish(frame); err != nil {
						t.Error(err)
					}
				}
			})
			c := dial(t, server.URL)
			c.frame()
			for range 2 {
				if r := get(t, server.URL+"/frame.jpg"); r.Code != http.StatusServiceUnavailable {
					t.Errorf("one viewer too many: %d", r.Code)
				}
			}
			c.conn.CloseNow()
			peertest.Ends(t, browserLimit, "the viewer's end", func() { v.await(t, 0) })
			publish(t, one, jpegFrame(t, 3, nil))
			peertest.Ends(t, browserLimit, "Close", func() { v.Close() })
			if err := one.Publish(frame); !errors.Is(err, netgear.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// await waits until so many viewers are served.
func (v *Viewer) await(t *testing.T, viewers int) {
	t.Helper()
	for v.Viewers() != viewers {
		time.Sleep(time.Millisecond)
	}
}

// panicking is the ResponseWriter of an application whose Write ends the call.
type panicking struct {
	*httptest.ResponseRecorder
	end func()
}

func (p panicking) Write([]byte) (int, error) { p.end(); return 0, nil }

// An application's ResponseWriter panics, as http.TimeoutHandler's may, or ends
// the goroutine. The request then counts no longer, and its frame is released.
func TestResponseWriters(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic(http.ErrAbortHandler) }, "Goexit": runtime.Goexit} {
		v, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, v.Source("one"), jpegFrame(t, 1, nil))
		for _, path := range []string{"/", "/frame.jpg", "/stream.mjpg", "/api/streams", "/nothing", "/ws"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = "localhost"
			peertest.Ends(t, browserLimit, name+": "+path, func() { v.ServeHTTP(panicking{httptest.NewRecorder(), end}, r) })
		}
		p := v.streams[0].picture
		if n := v.Viewers(); n != 0 || p.refs.Load() != 1 || len(v.watchers) != 0 {
			t.Errorf("%s: %d viewers, %d references, %d watchers", name, n, p.refs.Load(), len(v.watchers))
		}
		peertest.Ends(t, browserLimit, "Close", func() { v.Close() })
	}
}

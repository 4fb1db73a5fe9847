package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// assets are the page's files besides index.html, with their types. Go's own
// table of types depends on the system.
var assets = map[string]string{
	"view.js":   "text/javascript; charset=utf-8",
	"style.css": "text/css; charset=utf-8",
	"icon.svg":  "image/svg+xml",
}

// routes returns the paths of a Viewer.
func (v *Viewer) routes() *http.ServeMux {
	mux := http.NewServeMux()
	page, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux.Handle("GET /{$}", v.watched(v.page(page)))
	for name, kind := range assets {
		mux.HandleFunc("GET /"+name, v.watched(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, page, name)
		}))
	}
	mux.HandleFunc("GET /ws", v.serveSocket)
	mux.HandleFunc("GET /stream.mjpg", v.limited(v.serveMJPEG))
	mux.HandleFunc("GET /frame.jpg", v.limited(v.serveFrame))
	mux.HandleFunc("GET /api/streams", v.watched(v.serveStreams))
	return mux
}

// page returns the handler of the page. A browser without JavaScript shows the first
// stream, and loads the page again while that has no frame.
func (v *Viewer) page(files fs.FS) http.HandlerFunc {
	t := template.Must(template.ParseFS(files, "index.html"))
	render := func(frame bool) []byte {
		var text bytes.Buffer
		if err := t.Execute(&text, struct {
			Title string
			Frame bool // /stream.mjpg has a frame
		}{cleanName(v.opts.Title), frame}); err != nil {
			panic(err) // the template is embedded
		}
		return text.Bytes()
	}
	waiting, live := render(false), render(true)
	return func(w http.ResponseWriter, r *http.Request) {
		text := waiting
		if v.hasFrame() {
			text = live
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}

// hasFrame reports whether the first stream has a frame.
func (v *Viewer) hasFrame() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	st := v.named(nil)
	return st != nil && st.picture != nil
}

// limited returns a handler that counts as a viewer while it runs.
func (v *Viewer) limited(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !v.acquire() {
			v.refuse(w)
			return
		}
		defer v.release()
		v.watched(handler)(w, r)
	}
}

// refuse answers one viewer too many.
func (v *Viewer) refuse(w http.ResponseWriter) {
	v.tooManyViewers.Do(func() {
		v.logApart(func(log *slog.Logger) {
			log.Warn("web: there are too many viewers, and more are refused; this is logged once", "MaxViewers", v.opts.MaxViewers)
		})
	})
	w.Header().Set("Retry-After", "10")
	http.Error(w, fmt.Sprintf("There are too many viewers: %d are admitted at once (MaxViewers). Try again later.", v.opts.MaxViewers), http.StatusServiceUnavailable)
}

// serveStreams answers with the list of streams as JSON.
func (v *Viewer) serveStreams(w http.ResponseWriter, _ *http.Request) {
	text, err := json.MarshalIndent(v.Streams(), "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}

// newest returns the newest picture of the stream that the request names, if its
// number is above after. The caller must release it. ok is false if the stream
// does not exist. A watcher, which may be nil, is woken by that stream's frames
// from then on.
func (v *Viewer) newest(r *http.Request, after uint64, w *watcher) (p *picture, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	st := v.named(r.URL.Query()["stream"])
	if w != nil {
		w.offer = func(new *stream) bool { return new == st }
	}
	if st == nil {
		return nil, false
	}
	if st.picture == nil || st.seq <= after {
		return nil, true
	}
	return st.picture.acquire(), true
}

// named returns the stream with a name, the first one if none is given, or nil.
// v.mu must be held.
func (v *Viewer) named(name []string) *stream {
	switch {
	case len(name) > 0:
		return v.byName(name[0])
	case len(v.streams) > 0:
		return v.streams[0]
	}
	return nil
}

func noStream(w http.ResponseWriter, r *http.Request) {
	text := "There is no stream yet."
	if r.URL.Query().Has("stream") {
		text = "There is no stream with this name; api/streams lists them."
	}
	http.Error(w, text, http.StatusNotFound)
}

// newestOrError returns the newest picture, which the caller must release. If there
// is none it answers with the error, and returns nil.
func (v *Viewer) newestOrError(w http.ResponseWriter, r *http.Request) *picture {
	p, ok := v.newest(r, 0, nil)
	switch {
	case !ok:
		noStream(w, r)
	case p == nil:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "No frame has arrived yet.", http.StatusServiceUnavailable)
	}
	return p
}

// serveFrame answers with the newest picture.
func (v *Viewer) serveFrame(w http.ResponseWriter, r *http.Request) {
	p := v.newestOrError(w, r)
	if p == nil {
		return
	}
	defer p.release()
	jpeg, err := p.bytes(&v.encoder)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
		return
	}
	h := w.Header()
	pictureHeaders(h, "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(jpeg)))
	h.Set("Last-Modified", p.received.UTC().Format(http.TimeFormat))
	h.Set("Age", strconv.Itoa(int(max(0, time.Since(p.received).Seconds()))))
	if r.Method != http.MethodHead {
		w.Write(jpeg)
	}
}

// pictureHeaders permits other sites to show a picture in an img element. They
// cannot read its pixels.
func pictureHeaders(h http.Header, kind string) {
	h.Set("Content-Type", kind)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// boundary separates the parts of an MJPEG stream, and partType begins the headers
// of each.
const (
	boundary = "netgear-frame"
	partType = "Content-Type: image/jpeg\r\n"
)

// partEnd returns what follows a part at once: the next boundary and, for a browser,
// all headers of the next part. Chromium shows a part when it has read those (its
// MultipartImageResourceParser). So a browser gets no Content-Length, without which
// FFmpeg needs the beginning of the next part to find the end of one.
func partEnd(browser bool) string {
	if browser {
		return "--" + boundary + "\r\n" + partType + "\r\n"
	}
	return "--" + boundary + "\r\n"
}

// isBrowser reports whether a request is one of a browser, for an img element or a
// tab: programs ask for anything.
func isBrowser(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "image/") }

// serveMJPEG sends pictures until the client leaves, each time the newest. It goes
// on when the sender has ended, for one that returns.
func (v *Viewer) serveMJPEG(w http.ResponseWriter, r *http.Request) {
	p := v.newestOrError(w, r)
	if p == nil {
		return
	}
	p.release()
	pictureHeaders(w.Header(), "multipart/x-mixed-replace; boundary="+boundary)
	if r.Method == http.MethodHead {
		return
	}
	watcher := newWatcher(func(*stream) bool { return true })
	v.watch(watcher)
	defer v.unwatch(watcher)
	flush := http.NewResponseController(w).Flush
	browser := isBrowser(r)
	io.WriteString(w, partEnd(browser))
	for last := uint64(0); ; {
		p, ok := v.newest(r, last, watcher)
		if !ok {
			return
		}
		if p != nil {
			last = p.seq
			if err := v.writePart(w, p, browser); err != nil {
				return
			}
		}
		if p == nil || last == 0 {
			if flush() != nil {
				return
			}
			select {
			case <-watcher.more:
			case <-r.Context().Done():
				return
			case <-v.ctx.Done():
				return
			}
		}
	}
}

// writePart writes a picture as a part of an MJPEG stream, and releases it.
func (v *Viewer) writePart(w http.ResponseWriter, p *picture, browser bool) error {
	defer p.release()
	jpeg, err := p.bytes(&v.encoder)
	if err != nil {
		return nil // not a picture: it is left out
	}
	if !browser {
		fmt.Fprintf(w, partType+"Content-Length: %d\r\n\r\n", len(jpeg))
	}
	w.Write(jpeg)
	if _, err := io.WriteString(w, "\r\n"+partEnd(browser)); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

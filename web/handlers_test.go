package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image/jpeg"
	"io"
	"log/slog"
	"maps"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// The page has the first stream for browsers without JavaScript once it has a frame,
// and is loaded again until then.
func TestPageWithoutJavaScript(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	check := func(frame bool) {
		t.Helper()
		text := get(t, url).Body.String()
		if strings.Contains(text, `<img src="stream.mjpg"`) != frame || strings.Contains(text, `<noscript><meta http-equiv="refresh"`) == frame {
			t.Errorf("frame: %v\n%s", frame, text)
		}
	}
	check(false)
	publish(t, s, jpegFrame(t, 5, nil))
	check(true)
	s.Event(netgear.Event{Kind: netgear.EventTerminated})
	check(true) // the stream goes on
}

// get returns the response to a GET, read to its end.
func get(t testing.TB, url string) *httptest.ResponseRecorder {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	w := httptest.NewRecorder()
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestFrame(t *testing.T) {
	v, url := newViewer(t, Options{})
	if w := get(t, url+"/frame.jpg"); w.Code != 404 {
		t.Errorf("without a stream: %d", w.Code)
	}
	s := v.Source("gate <1>")
	if w := get(t, url+"/frame.jpg"); w.Code != 503 {
		t.Errorf("without a frame: %d", w.Code)
	}
	f := jpegFrame(t, 5, nil)
	want := bytes.Clone(f.JPEG())
	publish(t, s, f)
	f.Close() // the caller's frame is the caller's
	for _, path := range []string{"/frame.jpg", "/frame.jpg?stream=gate+%3C1%3E"} {
		w := get(t, url+path)
		if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), want) || w.Header().Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s: %d, %d bytes of %d", path, w.Code, w.Body.Len(), len(want))
		}
	}
	if w := get(t, url+"/frame.jpg?stream=yard"); w.Code != 404 {
		t.Errorf("unknown stream: %d", w.Code)
	}
	head, err := http.Head(url + "/frame.jpg")
	if err != nil || head.ContentLength != int64(len(want)) {
		t.Errorf("HEAD: %v, %v", head, err)
	}
}

func TestRawFrames(t *testing.T) {
	for _, c := range []struct {
		name  string
		array netgear.Array
		want  [3]uint32 // the color of the first pixel; ignored if ok is false
		ok    bool
	}{
		{"gray", fill("uint8", []int{16, 16}, 200), [3]uint32{200, 200, 200}, true},
		{"gray with a channel", fill("uint8", []int{16, 16, 1}, 100), [3]uint32{100, 100, 100}, true},
		{"BGR", fill("uint8", []int{16, 16, 3}, 255, 0, 0), [3]uint32{0, 0, 255}, true},
		{"BGRA", fill("uint8", []int{16, 16, 4}, 0, 0, 255, 0), [3]uint32{255, 0, 0}, true},
		{"large, in strips", fill("uint8", []int{720, 1280, 3}, 0, 255, 0), [3]uint32{0, 255, 0}, true},
		{"float", fill("float32", []int{16, 16}, 0, 0, 0, 0), [3]uint32{}, false},
		{"16 bits", fill("uint16", []int{16, 16, 3}, 1, 2), [3]uint32{}, false},
		{"two channels", fill("uint8", []int{16, 16, 2}, 1), [3]uint32{}, false},
		{"one dimension", fill("uint8", []int{16}, 1), [3]uint32{}, false},
		{"four dimensions", fill("uint8", []int{2, 2, 2, 3}, 1), [3]uint32{}, false},
		{"too wide", fill("uint8", []int{1, 70000}, 1), [3]uint32{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, url := newViewer(t, Options{})
			publish(t, v.Source(""), arrayFrame(t, c.array))
			w := get(t, url+"/frame.jpg")
			if !c.ok {
				if w.Code != 415 || !strings.Contains(w.Body.String(), c.array.DType) {
					t.Errorf("%d: %s", w.Code, w.Body)
				}
				return
			}
			img, err := jpeg.Decode(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			r, g, b, _ := img.At(0, 0).RGBA()
			for i, got := range []uint32{r >> 8, g >> 8, b >> 8} {
				if max(got, c.want[i])-min(got, c.want[i]) > 6 {
					t.Errorf("channel %d is %d, not %d", i, got, c.want[i])
				}
			}
		})
	}
}

// fill returns an array that repeats some bytes.
func fill(dtype string, shape []int, values ...byte) netgear.Array {
	n := map[string]int{"uint8": 1, "uint16": 2, "float32": 4}[dtype]
	for _, d := range shape {
		n *= d
	}
	return netgear.Array{DType: dtype, Shape: shape, Data: bytes.Repeat(values, n/len(values)+1)[:n]}
}

func TestEncodedOnceAndOnlyIfWatched(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("")
	publish(t, s, arrayFrame(t, fill("uint8", []int{16, 16, 3}, 1, 2, 3)))
	newest := func() *picture {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.streams[0].picture.acquire()
	}
	p := newest()
	defer p.release()
	if p.jpeg != nil {
		t.Error("encoded without a viewer")
	}
	get(t, url+"/frame.jpg")
	first := p.jpeg
	get(t, url+"/frame.jpg")
	if len(first) == 0 || &first[0] != &p.jpeg[0] {
		t.Error("not encoded once")
	}
}

// parts returns a reader of an MJPEG stream.
func parts(t *testing.T, url string) *multipart.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	kind, params, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		t.Fatalf("%d, %s, %v", response.StatusCode, kind, err)
	}
	return multipart.NewReader(response.Body, params["boundary"])
}

func TestMJPEG(t *testing.T) {
	v, url := newViewer(t, Options{})
	if w := get(t, url+"/stream.mjpg"); w.Code != 404 {
		t.Errorf("without a stream: %d", w.Code)
	}
	s := v.Source("gate")
	if w := get(t, url+"/stream.mjpg"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("without a frame: %d", w.Code)
	}
	publish(t, s, jpegFrame(t, 0, nil))
	stream := parts(t, url+"/stream.mjpg?stream=gate")
	for n := range 5 {
		if n == 2 { // what is no picture is left out
			publish(t, s, arrayFrame(t, fill("float32", []int{4, 4}, 0)))
		}
		f := jpegFrame(t, n, nil)
		if n > 0 {
			publish(t, s, f)
		}
		// A part ends with the next boundary, so reading it to its end shows that
		// the boundary has been sent as well.
		part, err := stream.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(part)
		if err != nil || !bytes.Equal(got, f.JPEG()) {
			t.Fatalf("part %d: %d bytes, %v", n, len(got), err)
		}
	}
	if got := v.Viewers(); got != 1 {
		t.Errorf("%d viewers", got)
	}
}

// A browser has all headers of the next part behind each part.
func TestMJPEGForBrowsers(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	publish(t, s, jpegFrame(t, 0, nil))
	r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/stream.mjpg", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	const head = "--" + boundary + "\r\nContent-Type: image/jpeg\r\n\r\n"
	for n := range 3 {
		f := jpegFrame(t, n, nil)
		want := head + string(f.JPEG()) + "\r\n" + head
		if n > 0 {
			publish(t, s, f)
			want = want[len(head):]
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != want {
			t.Fatalf("part %d: %v, %.200q", n, err, got)
		}
	}
}

// The response goes on when a sender returns that has ended. With Close it ends in
// order, with its last chunk.
func TestMJPEGEnds(t *testing.T) {
	v, url := newViewer(t, Options{})
	v.closeTime = time.Minute // however busy the machine is
	s := v.Source("gate")
	publish(t, s, jpegFrame(t, 1, nil))
	response, err := http.Get(url + "/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	s.Event(netgear.Event{Kind: netgear.EventTerminated, Time: time.Now()})
	last := jpegFrame(t, 2, nil)
	publish(t, s, last)
	end := append(last.JPEG(), "\r\n--"+boundary+"\r\n"...)
	var text []byte
	for !bytes.HasSuffix(text, end) {
		part := make([]byte, 1)
		if _, err := io.ReadFull(response.Body, part); err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	v.Close()
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 {
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
}

// A picture that is being sent when the Viewer is closed arrives whole.
func TestCloseWhileSending(t *testing.T) {
	v, url := newViewer(t, Options{})
	v.closeTime = time.Minute // however busy the machine is
	s := v.Source("")
	f := jpegFrame(t, 1, nil)
	publish(t, s, f)
	response, err := http.Get(url + "/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for s.Publish(f) == nil {
		}
	})
	if _, err := io.CopyN(io.Discard, response.Body, 100<<10); err != nil {
		t.Fatal(err)
	}
	var closing sync.WaitGroup
	closing.Go(func() { v.Close() })
	text, err := io.ReadAll(response.Body)
	if err != nil || !bytes.HasSuffix(text, []byte("\r\n--"+boundary+"\r\n")) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	closing.Wait()
	publishing.Wait()
}

func TestStreamsAsJSON(t *testing.T) {
	v, url := newViewer(t, Options{})
	if got := strings.TrimSpace(get(t, url+"/api/streams").Body.String()); got != "[]" {
		t.Errorf("without streams: %s", got)
	}
	f := jpegFrame(t, 1, nil)
	f.Peer, f.Port = "10.0.0.4:41022", "5566"
	f.Stamp = &netgear.Stamp{Seq: 1, Time: f.ReceivedAt.Add(-250 * time.Millisecond)}
	publish(t, v.Source("gate"), f)
	var got []Stream
	if err := json.Unmarshal(get(t, url+"/api/streams").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Name != "gate 5566" || got[0].State != StateLive || got[0].Peer != f.Peer ||
		*got[0].Latency != 0.25 || !slices.Equal(got[0].Shape, []int{180, 320, 3}) || got[0].Dropped != nil {
		t.Errorf("%+v", got)
	}
}

// A client that reads nothing is disconnected, and delays nothing meanwhile.
func TestStalledMJPEG(t *testing.T) {
	v, url := newViewer(t, Options{WriteTimeout: 100 * time.Millisecond, MaxViewers: 1})
	v.slowest = 100 << 20
	s := v.Source("")
	f := arrayFrame(t, noise(1000))
	publish(t, s, f)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for wait := time.Now().Add(browserLimit); v.Viewers() > 0; {
		publish(t, s, f)
		time.Sleep(time.Millisecond)
		if time.Now().After(wait) {
			t.Fatal("the stalled viewer was not disconnected")
		}
	}
}

// A client cannot keep a connection by a body that it never sends.
func TestBodyThatNeverComes(t *testing.T) {
	_, url := newViewer(t, Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /api/streams HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
	conn.SetReadDeadline(time.Now().Add(browserLimit))
	if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 413 ") {
		t.Errorf("%v: %.40s", err, text)
	}
}

// Close does not wait for viewers that read nothing.
func TestCloseWithStalledViewers(t *testing.T) {
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	f := arrayFrame(t, noise(4000)) // more than the system's buffers hold
	for path, headers := range map[string]string{"/stream.mjpg": "", "/frame.jpg": "", "/ws": upgrade} {
		t.Run(path, func(t *testing.T) {
			v, url := newViewer(t, Options{WriteTimeout: time.Hour})
			publish(t, v.Source(""), f)
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+headers+"\r\n")
			// The JPEG is being sent when its first byte has come.
			if _, err := bufio.NewReaderSize(conn, 16).ReadBytes(0xff); err != nil {
				t.Fatal(err)
			}
			v.Close()
		})
	}
}

// Close does not wait for a client that reads nothing of the page either.
func TestCloseWithAStalledPage(t *testing.T) {
	v, err := New(Options{WriteTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	client, conn := net.Pipe() // it holds nothing, as full buffers
	defer client.Close()
	listener, server := newPipes(), &http.Server{Handler: v}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(listener) })
	listener.conns <- conn
	io.WriteString(client, "GET /view.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	v.Close()
	server.Close()
	serving.Wait()
}

// noise returns a square picture that does not compress.
func noise(side int) netgear.Array {
	a := netgear.Array{DType: "uint8", Shape: []int{side, side}, Data: make([]byte, side*side)}
	x := uint32(1)
	for i := range a.Data {
		x = x*1664525 + 1013904223
		a.Data[i] = byte(x >> 24)
	}
	return a
}

// A refusal names the limit, to the viewer and once in the log.
func TestTooManyViewers(t *testing.T) {
	lines := make(chan string, 10)
	v, url := newViewer(t, Options{MaxViewers: 1, Logger: slog.New(slog.NewTextHandler(lineWriter(lines), nil))})
	if !v.acquire() {
		t.Fatal("the first viewer is refused")
	}
	for range 2 {
		if r := get(t, url+"/frame.jpg"); r.Code != http.StatusServiceUnavailable || !strings.Contains(r.Body.String(), "1 are admitted at once (MaxViewers)") {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}
	v.release()
	if got := <-lines; !strings.Contains(got, "too many viewers") || !strings.Contains(got, "MaxViewers=1") {
		t.Errorf("the log is %q", got)
	}
	if len(lines) > 0 {
		t.Errorf("and %q", <-lines)
	}
}

// lineWriter passes on what is written.
type lineWriter chan string

func (l lineWriter) Write(b []byte) (int, error) { l <- string(b); return len(b), nil }

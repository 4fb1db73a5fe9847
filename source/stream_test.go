package source

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/avi"
)

// TestStreamVariants reads streams as cameras write them: with and without
// lengths, with wrong ones, and with boundaries that do not match.
func TestStreamVariants(t *testing.T) {
	jpegs := [][]byte{testJPEG(t, 1), testJPEG(t, 2), testJPEG(t, 3)}
	for _, c := range []struct{ name, kind, part, end string }{
		{"as in RFC 2046", "multipart/x-mixed-replace; boundary=frame", "\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", ""},
		{"no preamble", "multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
		{"no length", "multipart/x-mixed-replace;boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
		{"dashes in the header", "multipart/x-mixed-replace;boundary=--frame", "--frame\r\nContent-Length: %d\r\n\r\n", "\r\n"},
		{"quotes", `multipart/x-mixed-replace; boundary="--a b"`, "--a b\r\nContent-length: %d\r\n\r\n", "\r\n"},
		{"another boundary", "multipart/x-mixed-replace; boundary=other", "--frame\r\nContent-Length: %d\r\n\r\n", "\r\n"},
		{"no boundary", "multipart/x-mixed-replace", "--frame\r\nContent-Length: %d\r\n\r\n", "\r\n"},
		{"bare line feeds", "multipart/x-mixed-replace; boundary=frame", "--frame\nContent-Type: image/jpeg\n\n", "\n"},
		{"length too small", "multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Length: 7\r\n\r\n", "\r\n"},
		{"length too large", "multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Length: 99999\r\n\r\n", "\r\n"},
		{"no number", "multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Length: all\r\n\r\n", "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				for _, j := range jpegs {
					head := c.part
					if strings.Contains(head, "%d") {
						head = fmt.Sprintf(head, len(j))
					}
					io.WriteString(w, head)
					w.Write(j)
					io.WriteString(w, c.end)
				}
				boundary, _, _ := strings.Cut(strings.TrimSpace(c.part), "\n")
				io.WriteString(w, "\r\n"+strings.TrimSpace(boundary)+"\r\n\r\n")
			}))
			defer server.Close()
			src, err := Open(testContext(t), Settings{Name: server.URL, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			for i, want := range jpegs {
				f, err := src.Next(testContext(t))
				if err != nil || !bytes.Equal(bytes.TrimRight(f.JPEG, "\r\n"), want) {
					t.Fatalf("frame %d: %v, %d bytes, want %d", i, err, len(f.JPEG), len(want))
				}
				if time.Since(f.At) > testLimit {
					t.Errorf("frame %d: captured at %v", i, f.At)
				}
			}
		})
	}
}

// mjpegServer serves a JPEG on each connection, and drops it.
func mjpegServer(t *testing.T, handler func(w http.ResponseWriter, n int)) *httptest.Server {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "joe" || password != "S3cr3t" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=b")
		handler(w, int(requests.Add(1)))
	}))
	t.Cleanup(server.Close)
	return server
}

func withUser(t *testing.T, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("joe", user)
	return u.String()
}

// TestStreamReconnects loses a stream in the middle of a picture, finds the
// server failing, and goes on with the next whole picture.
func TestStreamReconnects(t *testing.T) {
	server := mjpegServer(t, func(w http.ResponseWriter, n int) {
		if n == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		j := testJPEG(t, uint8(n))
		fmt.Fprintf(w, "--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b\r\nContent-Length: %d\r\n\r\n%s", len(j), j, len(j), j[:len(j)/2])
	})
	src, err := Open(testContext(t), Settings{Name: withUser(t, server.URL, "S3cr3t"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	src.in.(*stream).pause = time.Millisecond
	for _, n := range []uint8{1, 3, 4} {
		f, err := src.Next(testContext(t))
		if err != nil || !bytes.Equal(f.JPEG, testJPEG(t, n)) {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	if src.in.(*stream).settings.Outage = 30 * time.Millisecond; true {
		server.CloseClientConnections()
		server.Close()
	}
	if _, err := src.Next(testContext(t)); err == nil || !strings.Contains(err.Error(), "no picture for") || strings.Contains(err.Error(), "S3cr3t") {
		t.Errorf("without a server: %v", err)
	}
}

// TestStreamThatStalls ends a connection on which no bytes come.
func TestStreamThatStalls(t *testing.T) {
	release := make(chan struct{})
	server := mjpegServer(t, func(w http.ResponseWriter, n int) {
		j := testJPEG(t, uint8(n))
		fmt.Fprintf(w, "--b\r\nContent-Length: %d\r\n\r\n%s\r\n", len(j), j)
		w.(http.Flusher).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the server is closed
	src, err := Open(testContext(t), Settings{Name: withUser(t, server.URL, "S3cr3t"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	s := src.in.(*stream)
	s.pause, s.idle = time.Millisecond, 20*time.Millisecond
	if _, err := src.Next(testContext(t)); err != nil {
		t.Fatal(err)
	}
	s.disconnect() // so that the next connection has the short limit
	for n := range 2 {
		if f, err := src.Next(testContext(t)); err != nil || !bytes.Equal(f.JPEG, testJPEG(t, uint8(n+2))) {
			t.Fatalf("connection %d: %v", n+2, err)
		}
	}
}

// TestStreamWithoutPictures ends streams that send bytes for ever, and never a
// whole picture.
func TestStreamWithoutPictures(t *testing.T) {
	for name, forever := range map[string]string{"empty parts": "--b\r\nContent-Type: image/jpeg\r\n\r\n\r\n", "slow bytes": "x"} {
		t.Run(name, func(t *testing.T) {
			server := mjpegServer(t, func(w http.ResponseWriter, n int) {
				j := testJPEG(t, 1)
				fmt.Fprintf(w, "--b\r\nContent-Length: %d\r\n\r\n%s\r\n", len(j), j)
				if forever == "x" {
					io.WriteString(w, "--b\r\n\r\n")
				}
				for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
					if _, err := io.WriteString(w, forever); err != nil {
						return
					}
					w.(http.Flusher).Flush()
				}
			})
			src, err := Open(testContext(t), Settings{Name: withUser(t, server.URL, "S3cr3t"), Logger: quiet, Outage: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if _, err = src.Next(testContext(t)); err == nil { // of Open
				_, err = src.Next(testContext(t))
			}
			if err == nil || !strings.Contains(err.Error(), "no picture for") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestStreamErrors checks that a URL that is no stream is refused by name.
func TestStreamErrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/digest":
			w.Header().Set("WWW-Authenticate", `Digest realm="camera"`)
			w.WriteHeader(http.StatusUnauthorized)
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/garbage":
			w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=b")
			w.Write(bytes.Repeat([]byte("garbage\n"), 10000))
		case "/line":
			w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=b")
			w.Write(bytes.Repeat([]byte("x"), 1<<20))
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{"/digest": "digest authentication", "/missing": "404", "/garbage": "no line that begins with --", "/line": "no part"} {
		_, err := openStream(testContext(t), Settings{Name: withUser(t, server.URL+path, "S3cr3t")})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestStreamOfFFmpeg reads the stream of a real server.
func TestStreamOfFFmpeg(t *testing.T) {
	needFFmpeg(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command("ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-c:v", "mjpeg", "-q:v", "5",
		"-f", "mpjpeg", "-listen", "1", "-content_type", "multipart/x-mixed-replace;boundary=ffmpeg", "http://"+address+"/camera.mjpg")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	ctx := testContext(t)
	var src *Source
	for src == nil {
		if src, err = Open(ctx, Settings{Name: "http://" + address + "/camera.mjpg", Logger: quiet}); err != nil && ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	defer src.Close()
	for i := range 10 {
		f, err := src.Next(ctx)
		if err != nil || !isJPEG(f.JPEG) || !avi.EndsJPEG(f.JPEG) {
			t.Fatalf("frame %d: %v, %d bytes", i, err, len(f.JPEG))
		}
	}
}

package web

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// hijacked is a ResponseWriter whose connection a WebSocket takes over.
type hijacked struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// message returns a short frame of a WebSocket, as a browser sends it.
func message(opcode byte, text string) string {
	return string([]byte{0x80 | opcode, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text
}

// frames returns how many frames a viewer has received.
func frames(all []byte) int { return bytes.Count(all, []byte(`"seq":`)) }

// readViewer reads what a viewer receives, until it ends, and returns it. It sends
// on news for each list of streams, and for each frame.
func readViewer(from io.Reader, news chan<- struct{}) (all []byte) {
	b, known := make([]byte, 32<<10), 0
	for {
		n, err := from.Read(b)
		all = append(all, b[:n]...)
		for ; known < frames(all)+bytes.Count(all, []byte(`{"streams":`)); known++ {
			select {
			case news <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return all
		}
	}
}

// FuzzSocketMessages sends any bytes on the WebSocket, behind the handshake,
// while frames are published. A viewer ends with them, and receives no more
// frames than it has acknowledged, and one.
func FuzzSocketMessages(f *testing.F) {
	v, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { v.Close() })
	gate, frame := v.Source("gate"), jpegFrame(f, 5, "a message")
	publishNow := func(t *testing.T) {
		frame.ReceivedAt = time.Now()
		publish(t, gate, frame)
	}
	const text, binary, closing, ping = 1, 2, 8, 9
	for _, sent := range []string{
		"", message(text, "1"), message(text, "1") + message(text, "1"), message(text, "x"), message(binary, "1"), message(text, "+1"), message(text, strings.Repeat("9", 100)),
		message(ping, "") + message(text, "1") + message(closing, "\x03\xe8"), "\x81\x01" + "1", "\x01\x80\x00\x00\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xfe\xff\xff\x00\x00\x00\x00",
		message(closing, "\x00"), "GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(sent))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		publishNow(t)
		server, client := net.Pipe()
		deadline := time.Now().Add(browserLimit)
		if err := client.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/ws", nil)
		for key, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			r.Header.Set(key, value)
		}
		ended, news, received := make(chan struct{}), make(chan struct{}, 100), make(chan []byte, 1)
		go func() {
			defer close(ended)
			v.ServeHTTP(hijacked{httptest.NewRecorder(), server}, r)
			server.Close()
		}()
		go func() { received <- readViewer(client, news) }()
		await := func() {
			select {
			case <-news:
			case <-ended:
			}
		}
		// After the first list and frame, a frame that need not be acknowledged is
		// sent between the next two lists.
		await()
		await()
		publishNow(t)
		for _, kind := range []netgear.EventKind{netgear.EventLost, netgear.EventTerminated} {
			gate.Event(netgear.Event{Kind: kind, Time: time.Now()})
			await()
		}
		_, _ = client.Write(sent) // the viewer may end before
		client.Close()
		<-ended
		acks := 0 // at most: each begins with the code of a text
		for _, b := range sent {
			if b&0x0f == text {
				acks++
			}
		}
		if n := frames(<-received); n > 1+acks {
			t.Errorf("%q: %d frames are received", sent, n)
		}
		if n := v.Viewers(); n != 0 || time.Now().After(deadline) {
			t.Errorf("%q: %d viewers stay", sent, n)
		}
	})
}

// FuzzRequests answers requests of any method, path, host and header. Without
// the token there is no picture, and a response is one that is documented.
func FuzzRequests(f *testing.F) {
	const token = "the-token-of-this-viewer"
	viewers := map[string]*Viewer{}
	for name, o := range map[string]Options{"open": {}, "closed": {Token: netgear.NewSecret(token)}} {
		v, err := New(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { v.Close() })
		publish(f, v.Source("gate"), jpegFrame(f, 5, nil))
		viewers[name] = v
	}
	for _, c := range [][4]string{
		{"GET", "/frame.jpg", "localhost", ""}, {"GET", "/frame.jpg?stream=gate", "127.0.0.1:80", "Bearer x"}, {"HEAD", "/api/streams", "[::1]:80", "Basic OnRoZQ=="},
		{"GET", "/?token=x", "evil.example", ""}, {"POST", "/", "localhost", ""}, {"GET", "/../../etc/passwd", "localhost", ""}, {"GET", "/view.js?%zz", "a.localhost", ""},
		{"GET", "//", "[", ""}, {"GET", "/frame.jpg?stream=%00&stream=gate;", "localhost.", "Bearer"}, {"GET", "/ws", "localhost", ""}, {"OPTIONS", "*", "", ""},
		{"GET", "/./style.css", "fe80::1%25eth0", ""},
	} {
		f.Add(c[0], c[1], c[2], c[3])
	}
	f.Fuzz(func(t *testing.T, method, target, host, authorization string) {
		address, err := url.ParseRequestURI(target)
		if err != nil || strings.Contains(address.Path, "stream.mjpg") || strings.Contains(authorization+target, token) {
			return
		}
		for name, v := range viewers {
			r := (&http.Request{Method: method, URL: address, Host: host, Header: http.Header{"Authorization": {authorization}, "Cookie": {authorization}}, RequestURI: target}).WithContext(t.Context())
			w := httptest.NewRecorder()
			v.ServeHTTP(w, r)
			switch w.Code {
			case 200, 206, 301, 303, 307, 400, 401, 404, 405, 421, 426:
			default:
				t.Errorf("%s %q of %q: %d", method, target, host, w.Code)
			}
			if name == "closed" && w.Code != 401 && w.Code != 405 {
				t.Errorf("%s %q of %q without the token: %d", method, target, host, w.Code)
			}
			if w.Code == 200 && (method != http.MethodGet && method != http.MethodHead) {
				t.Errorf("%s %q: %d", method, target, w.Code)
			}
			if w.Header().Get("Content-Security-Policy") == "" || bytes.Contains(w.Body.Bytes(), []byte(token)) {
				t.Errorf("%s %q: %v %s", method, target, w.Header(), w.Body)
			}
		}
	})
}

package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/avi"
)

// served is a server that answers with one response.
type served func() *http.Response

func (s served) RoundTrip(*http.Request) (*http.Response, error) { return s(), nil }

// FuzzMJPEG reads the responses of cameras. A reader ends with the response,
// returns only what was in it, and takes no more memory than that.
func FuzzMJPEG(f *testing.F) {
	jpeg := "\xff\xd8\xff\xd9"
	part := func(head string) string { return "--b\r\n" + head + "\r\n" + jpeg + "\r\n" }
	const kind = "multipart/x-mixed-replace; boundary=b"
	for _, body := range []string{
		part("Content-Length: 4\r\n") + part("") + "--b--\r\n", part("Content-Length: 3\r\n"), part("Content-Length: 99999999999\r\n") + part("Content-Length: -1\r\n"),
		"\r\n\r\n--b\n\n" + jpeg + "\n--b\n\n\n--b--", "--b", "", "--", part("Content-Type: image/jpeg\r\nX\r\n"), "no boundary\n", "--b--\r\n\r\nx\r\n--b----\r\n",
	} {
		f.Add(200, kind, []byte(body))
	}
	f.Add(200, "text/html", []byte("<html>"))
	f.Add(401, kind, []byte{})
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		response := func() *http.Response {
			return &http.Response{StatusCode: status, Status: "its status", Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(body))}
		}
		settings := Settings{Name: "http://joe:secret@camera/", Logger: slog.New(slog.DiscardHandler), Outage: time.Nanosecond}
		s := &stream{settings: settings, client: &http.Client{Transport: served(response)}, idle: time.Minute}
		defer s.disconnect()
		var failure error
		alloctest.AtMost(t, "a response", 1<<17+4*len(body)+2048*bytes.Count(body, []byte("\n")), func() { failure = readStream(t, s, body) })
		if text := fmt.Sprint(failure); bytes.Contains([]byte(text), []byte("secret")) {
			t.Error(text)
		}
		if errors.Is(failure, errNoStream) && status != 200 {
			t.Errorf("status %d: %v", status, failure)
		}
	})
}

// readStream reads a response to its end, and returns why it ended.
func readStream(t *testing.T, s *stream, body []byte) error {
	if err := s.connect(t.Context()); err != nil {
		return err
	}
	for total := 0; ; {
		f, err := s.part(t.Context())
		if err != nil {
			return err
		}
		if total += len(f.JPEG); total > len(body) || !bytes.Contains(body, f.JPEG) {
			t.Fatalf("%q is not in %q", f.JPEG, body)
		}
		if isJPEG(f.JPEG) && avi.EndsJPEG(f.JPEG) && len(f.JPEG) < 4 {
			t.Fatalf("%q is no JPEG", f.JPEG)
		}
	}
}

package web

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// newViewer returns a Viewer and the address of its server. The test's cleanup
// closes both.
func newViewer(t testing.TB, o Options) (*Viewer, string) {
	t.Helper()
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(v)
	t.Cleanup(func() {
		v.Close()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return v, server.URL
}

// blocks returns a picture of 16 blocks in a row, which are white where a bit of
// n is set. The first block is the lowest bit.
func blocks(n, width, height int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			if n>>(16*x/width)&1 == 1 {
				img.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	return img
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// jpegFrame returns a frame that shows n, as if it had been received now.
func jpegFrame(t testing.TB, n int, message any) *netgear.Frame {
	t.Helper()
	f, err := netgear.NewJPEGFrame(jpegOf(t, blocks(n, 320, 180)), message)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.ReceivedAt = time.Now()
	return f
}

// arrayFrame returns a frame with a raw array, as if it had been received now.
func arrayFrame(t testing.TB, a netgear.Array) *netgear.Frame {
	t.Helper()
	f, err := netgear.NewFrame(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.ReceivedAt = time.Now()
	return f
}

func publish(t testing.TB, s *Source, f *netgear.Frame) {
	t.Helper()
	if err := s.Publish(f); err != nil {
		t.Fatal(err)
	}
}

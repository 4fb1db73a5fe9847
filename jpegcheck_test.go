package netgear

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// decodedTo is a JPEG's pixels, in one piece, and what libjpeg warns of.
func decodedTo(t *testing.T, jpeg []byte, cs turbojpeg.Colorspace) (pix []byte, warning string) {
	t.Helper()
	info, err := turbojpeg.ReadInfo(jpeg)
	if err != nil {
		t.Fatal(err)
	}
	d, err := turbojpeg.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	row := info.Width * cs.Channels()
	pix = make([]byte, row*info.Height)
	if err := d.DecodeInto(pix, jpeg, row, cs, turbojpeg.DecodeOptions{FastDCT: true}); err != nil {
		t.Fatal(err)
	}
	return pix, d.Warning()
}

// A JPEG with extra bytes is delivered with all its pixels and counted, for
// every number of strips. A truncated one is dropped.
func TestFaultyJPEGsAreDelivered(t *testing.T) {
	faulty, cut := jpegFile(t, "small-rst-2-bytes.jpg"), jpegFile(t, "cut-90.jpg")
	want, _ := decodedTo(t, jpegFile(t, "ok-small.jpg"), turbojpeg.BGR)
	for strips := range turbojpeg.MaxStrips + 1 {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", JPEGStrips: strips})
		peer := newBare(t, zmq4.PAIR, recv)
		for _, jpeg := range [][]byte{cut, faulty} {
			peer.send([]byte(jpegHeader), jpeg)
			if peer.recv(testTimeout) == nil {
				t.Fatal("no answer")
			}
		}
		f := mustRecv(t, recv, testContext(t))
		if !bytes.Equal(frameBytes(f), want) {
			t.Errorf("%d strips: other pixels", strips)
		}
		if s := recv.Stats(); s.Damaged != 1 || s.Malformed != 1 {
			t.Errorf("%d strips: %d damaged, %d malformed", strips, s.Damaged, s.Malformed)
		}
		f.Close()
		recv.Close()
	}
}

// SendJPEG sends nothing that libjpeg warns of. It mends a complete picture,
// refuses an incomplete one, and leaves others unchanged.
func TestSendJPEGMendsOrRefuses(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	for name, mended := range map[string]bool{
		"ok-small.jpg": false, "small-eoi-2-bytes.jpg": false, "zeros-4096.jpg": false, "fill-ff-before-eoi.jpg": false,
		"nodht-420.jpg": false, "nodht-avi1-422.jpg": false, "nodht-gray.jpg": false, "1x2.jpg": false, "app1-thumbnail.jpg": false,
		"small-rst-2-bytes.jpg": true,
	} {
		jpeg := jpegFile(t, name)
		before := send.Stats().Damaged
		if _, err := send.SendJPEG(ctx, jpeg, nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f := mustRecv(t, recv, ctx)
		want, _ := decodedTo(t, jpeg, turbojpeg.BGR)
		got, warning := decodedTo(t, f.JPEG(), turbojpeg.BGR)
		if !bytes.Equal(got, want) || !bytes.Equal(frameBytes(f), want) || warning != "" {
			t.Errorf("%s: other pixels, or %q", name, warning)
		}
		if same := bytes.Equal(f.JPEG(), jpeg); same == mended || send.Stats().Damaged-before > 0 != mended {
			t.Errorf("%s: sent as it is: %v, counted: %v", name, same, send.Stats().Damaged > before)
		}
		f.Close()
	}
	for name, says := range map[string]string{"cut-90.jpg": "Premature end of JPEG file", "two-soi.jpg": "SOI", "scans-480-2000x2000.jpg": "more than 268 scans"} {
		if _, err := send.SendJPEG(ctx, jpegFile(t, name), nil); !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := recv.Stats(); s.Damaged != 0 || s.Malformed != 0 {
		t.Errorf("%d damaged, %d malformed have arrived", s.Damaged, s.Malformed)
	}
}

// With JPEGCheck off any JPEG is sent unchanged.
func TestSendJPEGWithoutCheck(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCheck: ToggleOff})
	ctx := testContext(t)
	faulty := jpegFile(t, "small-rst-2-bytes.jpg")
	for _, jpeg := range [][]byte{jpegFile(t, "cut-90.jpg"), faulty} {
		if _, err := send.SendJPEG(ctx, jpeg, nil); err != nil {
			t.Fatal(err)
		}
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	if !bytes.Equal(f.JPEG(), faulty) || recv.Stats().Malformed != 1 || recv.Stats().Damaged != 1 || send.Stats().Damaged != 0 {
		t.Errorf("another JPEG, or %+v", recv.Stats())
	}
}

// A received frame with a fault is sent on, and returned, without it; one
// without a fault as it came.
func TestFaultyFramesAreSentOnMended(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCheck: ToggleOff})
	further, relay := openPair(t, Options{BidirectionalMode: true})
	ctx := testContext(t)
	for _, c := range []struct {
		name   string
		mended bool
	}{{"small-rst-2-bytes.jpg", true}, {"ok-small.jpg", false}} {
		if _, err := send.SendJPEG(ctx, jpegFile(t, c.name), nil); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, ctx)
		if err := further.SetReturnData(f); err != nil {
			t.Fatal(err)
		}
		reply, err := relay.SendFrame(ctx, f, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := mustRecv(t, further, ctx)
		if _, warning := decodedTo(t, g.JPEG(), turbojpeg.BGR); warning != "" || bytes.Equal(g.JPEG(), f.JPEG()) == c.mended {
			t.Errorf("%s: sent on with %q", c.name, warning)
		}
		if !bytes.Equal(frameBytes(g), frameBytes(f)) || !bytes.Equal(reply.Array.Data, frameBytes(f)) {
			t.Errorf("%s: other pixels", c.name)
		}
		f.Close()
		g.Close()
	}
	// The one that was sent on, and the one that was returned.
	if there, here := relay.Stats().Damaged, further.Stats().Damaged; there != 1 || here != 1 {
		t.Errorf("%d and %d mended", there, here)
	}
}

// SendJPEG's JPEG arrives in the options' colorspace, also if it contains inks.
// A JPEG without inks is not converted to inks.
func TestSendJPEGArrivesInTheOptionsColorSpace(t *testing.T) {
	for _, c := range []Colorspace{JPEGDefault, JPEGRGB, JPEGGray, "RGBA", "CMYK", JPEGOff} {
		recv, send := openPair(t, Options{JPEGCompression: c})
		ctx := testContext(t)
		for _, name := range []string{"cmyk-adobe.jpg", "cmyk-no-adobe.jpg", "ycck-adobe.jpg", "ok-small.jpg"} {
			jpeg := jpegFile(t, name)
			want := send.link.colorspace
			if want == turbojpeg.CMYK && name == "ok-small.jpg" {
				want = turbojpeg.BGR
			}
			if _, err := send.SendJPEG(ctx, jpeg, nil); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, ctx)
			pix, _ := decodedTo(t, jpeg, want)
			if f.Colorspace() != want.String() || !bytes.Equal(frameBytes(f), pix) || !bytes.Equal(f.JPEG(), jpeg) {
				t.Errorf("%s with %q arrives as %s, or with other pixels", name, c, f.Colorspace())
			}
			f.Close()
		}
		send.Close()
		recv.Close()
	}
}

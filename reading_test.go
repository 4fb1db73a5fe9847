package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// directly decodes a JPEG without a frame.
func directly(t *testing.T, jpeg []byte, cs turbojpeg.Colorspace, opts turbojpeg.DecodeOptions) ([]byte, image.Rectangle) {
	t.Helper()
	info, err := turbojpeg.ReadInfo(jpeg)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := turbojpeg.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	r := opts.Rect(info)
	pix := make([]byte, r.Dx()*r.Dy()*cs.Channels())
	if err := dec.DecodeStrips(pix, jpeg, info, r.Dx()*cs.Channels(), cs, opts, 1); err != nil {
		t.Fatal(err)
	}
	return pix, r
}

var readings = []Reading{
	{}, {Reduce: 1}, {Reduce: 2}, {Reduce: 4, Gray: true}, {Reduce: 8}, {Gray: true}, {Region: image.Rect(10, 20, 70, 61)},
	{Reduce: 2, Region: image.Rect(11, 21, 70, 61)}, {Gray: true, Region: image.Rect(-5, 90, 500, 500)},
}

// hasReading checks all that a frame reports and returns, for one Reading.
func hasReading(t *testing.T, f *Frame, r Reading) {
	t.Helper()
	cs := turbojpeg.BGR
	if r.Gray {
		cs = turbojpeg.GRAY
	}
	want, rect := directly(t, f.JPEG(), cs, turbojpeg.DecodeOptions{FastDCT: true, Reduce: r.Reduce, Region: r.Region})
	shape := []int{rect.Dy(), rect.Dx(), 3}[:2+cs.Channels()/3]
	if got, err := f.Bytes(); err != nil || !slices.Equal(f.Shape(), shape) || !bytes.Equal(got, want) {
		t.Errorf("%+v: %v, shape %v, want %v with libjpeg's pixels", r, err, f.Shape(), shape)
	}
	if full := f.FullShape(); !slices.Equal(full, []int{100, 120, 3}) || f.Colorspace() != cs.String() {
		t.Errorf("%+v: the whole is %v, the pixels %s", r, full, f.Colorspace())
	}
	own := f.Reading()
	by := max(1, r.Reduce)
	if shown := own.Region; own.Reduce != by || own.Gray != r.Gray || shown.Min != rect.Min.Mul(by) || (shown.Dx()+by-1)/by != rect.Dx() || (shown.Dy()+by-1)/by != rect.Dy() {
		t.Errorf("%+v: Reading returns %+v", r, own)
	}
	img, err := f.Image()
	if err != nil || img.Bounds() != rect {
		t.Fatalf("%+v: Image is %v, %v, want %v", r, img, err, rect)
	}
	planes, err := f.YCbCr()
	if r.Gray {
		if gray, ok := img.(*image.Gray); !ok || !bytes.Equal(gray.Pix, want) || !errors.Is(err, ErrFrame) {
			t.Errorf("%+v: a %T, or other pixels; YCbCr: %v", r, img, err)
		}
		return
	}
	if err != nil || planes.Rect != rect {
		t.Fatalf("%+v: YCbCr: %v", r, err)
	}
	rgba, ok := img.(*image.RGBA)
	if !ok {
		t.Fatalf("%+v: a %T", r, img)
	}
	luma, _ := directly(t, f.JPEG(), turbojpeg.GRAY, turbojpeg.DecodeOptions{FastDCT: true, Reduce: r.Reduce, Region: r.Region})
	for i := range rect.Dx() * rect.Dy() {
		x, y := rect.Min.X+i%rect.Dx(), rect.Min.Y+i/rect.Dx()
		p, q := want[3*i:3*i+3], rgba.Pix[rgba.PixOffset(x, y):]
		if q[0] != p[2] || q[1] != p[1] || q[2] != p[0] || q[3] != 255 || planes.Y[planes.YOffset(x, y)] != luma[i] {
			t.Fatalf("%+v, pixel %d,%d: RGBA % x, luma %d, want BGR % x, %d", r, x, y, q[:4], planes.Y[planes.YOffset(x, y)], p, luma[i])
		}
	}
}

// TestReadings reads frames in every way: as the end has it by default, and by
// Read, before and after the frame that it reads is closed.
func TestReadings(t *testing.T) {
	for _, policy := range []DecodePolicy{DecodeAhead, DecodeOnUse} {
		for _, r := range readings {
			recv, send := openPair(t, Options{}, func(recv, _ *Options) { recv.Reading, recv.Decode = r, policy })
			ctx := testContext(t)
			if _, err := send.SendImage(ctx, yCbCrPicture(120, 100, image.YCbCrSubsampleRatio420), "of all"); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, ctx)
			if policy == DecodeOnUse {
				if img, err := f.Image(); err != nil || isDecoded(f) {
					t.Errorf("%+v: Image decodes the pixels beside the picture %v: %v", r, img.Bounds(), err)
				}
			}
			hasReading(t, f, r)
			whole, err := f.Read(Reading{})
			if err != nil {
				t.Fatal(err)
			}
			part, err := whole.Read(Reading{Region: image.Rect(50, 50, 60, 60)})
			if err != nil || part.Message.Value() != "of all" || !part.ReceivedAt.Equal(f.ReceivedAt) {
				t.Fatalf("%v, %v", part, err)
			}
			f.Close()
			hasReading(t, whole, Reading{})
			whole.Close()
			hasReading(t, part, Reading{Region: image.Rect(50, 50, 60, 60)})
			if open := recv.Stats().Open; open == 0 {
				t.Error("no frame is open")
			}
			part.Close()
			if open := recv.Stats().Open; open != 0 {
				t.Errorf("%d frames are open", open)
			}
		}
	}
}

// The matrix of what is read: pattern × policy × Reading. Each frame goes over a
// relay, which closes it at once, and is read through a second Frame.
func TestMatrixOfReadings(t *testing.T) {
	for _, pattern := range allPatterns {
		for _, policy := range []DecodePolicy{DecodeFollowUse, DecodeAhead, DecodeOnUse} {
			t.Run(fmt.Sprintf("%v/%v", pattern, policy), func(t *testing.T) {
				o := Options{Pattern: pattern, HighWaterMark: 100}
				recv, send := openPair(t, o, func(recv, _ *Options) { recv.Decode = policy })
				last, relay := openPair(t, o, func(recv, _ *Options) { recv.Decode = policy })
				if pattern == PubSub {
					awaitSubscription(t, recv, send)
					awaitSubscription(t, last, relay)
				}
				ctx := testContext(t)
				for _, r := range readings {
					if _, err := send.SendImage(ctx, yCbCrPicture(120, 100, image.YCbCrSubsampleRatio420), nil); err != nil {
						t.Fatal(err)
					}
					f := mustRecv(t, recv, ctx)
					jpeg := bytes.Clone(f.JPEG())
					if _, err := relay.SendFrame(ctx, f, nil); err != nil {
						t.Fatal(err)
					}
					f.Close()
					g := mustRecv(t, last, ctx)
					if !bytes.Equal(g.JPEG(), jpeg) {
						t.Error("another JPEG came out of the relay")
					}
					part, err := g.Read(r)
					if err != nil {
						t.Fatal(err)
					}
					shared := part.Retain()
					part.Close()
					hasReading(t, shared, r)
					shared.Close()
					hasReading(t, g, Reading{})
					g.Close()
				}
			})
		}
	}
}

// TestReadingsAtOnce reads parts of a frame in several goroutines.
func TestReadingsAtOnce(t *testing.T) {
	f, err := NewJPEGFrame(testJPEG(t, 120, 100), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for _, r := range readings {
		part, err := f.Read(r)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { done <- true }()
			defer part.Close()
			hasReading(t, part, r)
		}()
	}
	f.Close()
	for range readings {
		<-done
	}
}

// TestReadingsThatFail checks the errors, and that a JPEG without the end's
// region is counted.
func TestReadingsThatFail(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: "BGR"}, func(recv, _ *Options) { recv.Reading.Region = image.Rect(100, 0, 200, 50) })
	ctx := testContext(t)
	for _, width := range []int{100, 101} {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 50, width, 3), nil); err != nil && width > 100 {
			t.Fatal(err)
		}
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	if s := recv.Stats(); !slices.Equal(f.Shape(), []int{50, 1, 3}) || s.Malformed != 1 {
		t.Errorf("shape %v, %d malformed", f.Shape(), s.Malformed)
	}
	for name, r := range map[string]Reading{
		"by 3": {Reduce: 3}, "negative": {Reduce: -1}, "beside": {Region: image.Rect(101, 0, 102, 9)}, "above": {Region: image.Rect(0, -9, 9, 0)},
		"inside out": {Region: image.Rectangle{image.Pt(5, 5), image.Pt(4, 4)}},
	} {
		if g, err := f.Read(r); !errors.Is(err, ErrFrame) || g != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw, err := NewFrame(testArray(0, "uint8", 4, 4, 3), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Read(Reading{}); !errors.Is(err, ErrFrame) {
		t.Errorf("raw: %v", err)
	}
	if _, err := raw.YCbCr(); !errors.Is(err, ErrFrame) {
		t.Errorf("planes of a raw frame: %v", err)
	}
	if raw.Reading() != (Reading{}) || !slices.Equal(raw.FullShape(), raw.Shape()) {
		t.Errorf("raw: %+v of %v", raw.Reading(), raw.FullShape())
	}
}

// TestDamageInEveryReading checks that damage is an error of every call that
// needs pixels, and is counted once for a frame.
func TestDamageInEveryReading(t *testing.T) {
	good := testJPEG(t, 120, 100)
	recv, send := openPair(t, Options{}, func(recv, send *Options) { recv.Decode, send.JPEGCheck = DecodeOnUse, ToggleOff })
	ctx := testContext(t)
	if _, err := send.SendJPEG(ctx, good[:len(good)*2/3], nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	for range 2 {
		if img, err := f.Image(); !errors.Is(err, ErrFrame) || img != nil {
			t.Errorf("Image: %v", err)
		}
		if img, err := f.YCbCr(); !errors.Is(err, ErrFrame) || img != nil {
			t.Errorf("YCbCr: %v", err)
		}
		if _, err := f.Bytes(); !errors.Is(err, ErrFrame) {
			t.Errorf("Bytes: %v", err)
		}
	}
	if n := recv.Stats().Malformed; n != 1 {
		t.Errorf("%d malformed, want 1", n)
	}
	top, err := f.Read(Reading{Region: image.Rect(0, 0, 40, 20)})
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	want, _ := directly(t, good, turbojpeg.BGR, turbojpeg.DecodeOptions{FastDCT: true, Region: image.Rect(0, 0, 40, 20)})
	if got, err := top.Bytes(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("a region above the damage: %v, or other pixels", err)
	}
}

// TestReadingsCountOnce checks that a frame with damage, or with a fault, is
// counted once, whichever Readings find it and in whatever order.
func TestReadingsCountOnce(t *testing.T) {
	for file, want := range map[string][2]uint64{"cut-90.jpg": {1, 0}, "small-rst-2-bytes.jpg": {0, 1}} {
		for _, policy := range []DecodePolicy{DecodeAhead, DecodeOnUse} {
			recv, send := openPair(t, Options{BidirectionalMode: true}, func(recv, send *Options) {
				recv.Decode, send.JPEGCheck = policy, ToggleOff
				recv.Respond = func(_ context.Context, f *Frame) (any, error) {
					useInReadings(t, f)
					return nil, nil
				}
			})
			for _, jpeg := range [][]byte{jpegFile(t, file), jpegFile(t, "ok-small.jpg")} {
				if _, err := send.SendJPEG(testContext(t), jpeg, nil); err != nil && !errors.Is(err, ErrRejected) {
					t.Fatal(err)
				}
			}
			for range recv.Stats().Frames - recv.Stats().Malformed*uint64(DecodeOnUse-policy) {
				f := mustRecv(t, recv, testContext(t))
				useInReadings(t, f)
				f.Close()
			}
			if s := recv.Stats(); s.Malformed != want[0] || s.Damaged != want[1] {
				t.Errorf("%s, policy %d: %d malformed, %d damaged, want %d", file, policy, s.Malformed, s.Damaged, want)
			}
		}
	}
}

// useInReadings needs the pixels of a frame in several Readings.
func useInReadings(t *testing.T, f *Frame) {
	t.Helper()
	for _, r := range []Reading{{}, {Reduce: 2}, {Gray: true}} {
		g, err := f.Read(r)
		if err != nil {
			t.Error(err)
			return
		}
		g.Image()
		g.Bytes()
		g.Close()
	}
	f.Bytes()
}

// TestReadingsAreSentOnWhole sends Readings on: the JPEG is the one that came.
func TestReadingsAreSentOnWhole(t *testing.T) {
	recv, send := openPair(t, Options{}, func(recv, _ *Options) { recv.Reading = Reading{Reduce: 4, Gray: true} })
	last, relay := openPair(t, Options{})
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 64, 48, 3), nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	part, err := f.Read(Reading{Region: image.Rect(0, 0, 8, 8)})
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	for _, f := range []*Frame{f, part} {
		if _, err := relay.SendFrame(ctx, f, nil); err != nil {
			t.Fatal(err)
		}
		g := mustRecv(t, last, ctx)
		if !bytes.Equal(g.JPEG(), f.JPEG()) || !slices.Equal(g.Shape(), []int{64, 48, 3}) || g.Colorspace() != "BGR" {
			t.Errorf("%+v arrived as %v %s", f.Reading(), g.Shape(), g.Colorspace())
		}
		g.Close()
	}
}

// TestImagesKeepTheirSubsampling checks the JPEG that SendImage sends.
func TestImagesKeepTheirSubsampling(t *testing.T) {
	for c, want := range map[Colorspace]map[image.YCbCrSubsampleRatio]string{
		JPEGDefault: {
			image.YCbCrSubsampleRatio444: "444", image.YCbCrSubsampleRatio440: "440", image.YCbCrSubsampleRatio422: "422",
			image.YCbCrSubsampleRatio420: "420", image.YCbCrSubsampleRatio411: "411", image.YCbCrSubsampleRatio410: "411",
		},
		JPEGGray: {image.YCbCrSubsampleRatio420: "Gray"},
	} {
		recv, send := openPair(t, Options{JPEGCompression: c})
		for r, subsampling := range want {
			img := yCbCrPicture(64, 48, r)
			if _, err := send.SendImage(testContext(t), img, nil); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, testContext(t))
			if f.info.Subsampling != subsampling {
				t.Errorf("%v: the JPEG has %s", r, f.info.Subsampling)
			}
			got, err := f.YCbCr()
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Y[:64] {
				if diff := int(v) - int(img.Y[i]); diff < -4 || diff > 4 {
					t.Fatalf("%v: luma %d is %d, want %d", r, i, v, img.Y[i])
				}
			}
			f.Close()
		}
	}
}

// TestLateReadings checks that Readings of a closed end's frames can be used.
func TestLateReadings(t *testing.T) {
	recv, send := openPair(t, Options{Decode: DecodeOnUse})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 64, 48, 3), nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, testContext(t))
	defer f.Close()
	recv.Close()
	part, err := f.Read(Reading{Reduce: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	if _, err := part.Image(); err != nil || time.Since(f.ReceivedAt) < 0 {
		t.Error(err)
	}
}

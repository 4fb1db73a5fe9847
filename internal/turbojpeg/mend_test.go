package turbojpeg

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/jpegtest"
)

// mend calls Encoder.Mend without a limit.
func mend(tb testing.TB, e *Encoder, jpeg []byte) ([]byte, error) {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil {
		return nil, err
	}
	return e.Mend(jpeg, info, 1<<30)
}

// TestMendLeavesSoundJPEGsAlone checks that what simplejpeg decodes is returned
// unchanged, even if tables are missing that every reader has.
func TestMendLeavesSoundJPEGsAlone(t *testing.T) {
	e := newEncoder(t)
	for name, g := range golden(t).Decode {
		if made, err := mend(t, e, g.JPEG); err != nil || &made[0] != &g.JPEG[0] || len(made) != len(g.JPEG) {
			t.Errorf("%s: another JPEG, or %v", name, err)
		}
	}
	for name, spaces := range golden(t).Files {
		jpeg := file(t, name)
		want := spaces["BGR"][0]
		made, err := mend(t, e, jpeg)
		if refused[name].kind != nil {
			if !errors.Is(err, refused[name].kind) || !strings.Contains(err.Error(), refused[name].says) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if same := err == nil && &made[0] == &jpeg[0]; same != !strings.HasPrefix(want, "~") {
			t.Errorf("%s: as it was: %v, %v; simplejpeg: %q", name, same, err, want)
		}
	}
}

// TestMend checks that a JPEG with a warning is mended if its picture is
// complete, and refused otherwise. The result has no warning, and has the
// pixels, restart markers and comments of the original.
func TestMend(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	comment := []byte{0xFF, mCOM, 0, 6, 'H', 'i', '!', '!'}
	for _, f := range faults(t) {
		if !f.whole {
			if _, err := mend(t, e, f.jpeg); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), f.says) {
				t.Errorf("%s: got %v, want %q", f.name, err, f.says)
			}
			continue
		}
		jpeg := slices.Insert(bytes.Clone(f.jpeg), 2, comment...)
		made, err := mend(t, e, jpeg)
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		for _, opts := range decodeFlags {
			want := pixels(t, d, f.jpeg, BGR, opts, 1)
			if !bytes.Equal(pixels(t, d, made, BGR, opts, 1), want) || d.Warning() != "" {
				t.Errorf("%s %+v: other pixels, or %q", f.name, opts, d.Warning())
			}
		}
		if !inStrips(t, d, made, 4) {
			t.Errorf("%s: its restart markers are lost", f.name)
		}
		if !bytes.Contains(made, comment) {
			t.Errorf("%s: its comment is lost", f.name)
		}
	}
}

// TestMendOtherKinds mends JPEGs of every kind with extra bytes before the end,
// and checks that they keep their pixels.
func TestMendOtherKinds(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	mended := 0
	for name, g := range golden(t).Decode {
		end := bytes.LastIndex(g.JPEG, eoi)
		bad := slices.Insert(bytes.Clone(g.JPEG), end, make([]byte, 30)...)
		made, err := mend(t, e, bad)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cs := BGR
		if g.Info.CMYK() {
			cs = CMYK
		}
		if !bytes.Equal(pixels(t, d, made, cs, DecodeOptions{}, 1), pixels(t, d, g.JPEG, cs, DecodeOptions{}, 1)) || d.Warning() != "" {
			t.Errorf("%s: other pixels, or %q", name, d.Warning())
		}
		if info, err := ReadInfo(made); err != nil || described(info) != g.Info {
			t.Errorf("%s: now %+v, %v", name, info, err)
		}
		mended++
	}
	if mended < 30 {
		t.Errorf("only %d", mended)
	}
}

// TestMendOfAnIncompleteOne checks that a progressive JPEG that lacks scans is
// not mended. A reader smooths it, and would not smooth a copy in one scan.
func TestMendOfAnIncompleteOne(t *testing.T) {
	jpeg := golden(t).Decode["progressive 49x35"].JPEG
	at := bytes.LastIndex(jpeg, []byte{0xFF, mSOS})
	bad := slices.Concat(jpeg[:at], make([]byte, 20), eoi)
	if _, err := mend(t, newEncoder(t), bad); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "lacks scans") {
		t.Errorf("got %v", err)
	}
	if made, err := mend(t, newEncoder(t), append(bytes.Clone(jpeg[:at]), eoi...)); err != nil || len(made) != at+2 {
		t.Errorf("without bytes too many: %d bytes, %v", len(made), err)
	}
}

// An inconsistent color profile, about which simplejpeg warns as it reads
// profiles with the header, is removed.
func TestMendOfABadProfile(t *testing.T) {
	profile := append([]byte{0xFF, 0xE2, 0, 2 + 14 + 4}, "ICC_PROFILE\x00\x02\x01abcd"...)
	jpeg := slices.Insert(faultless(t), 2, profile...)
	made, err := mend(t, newEncoder(t), jpeg)
	if err != nil || bytes.Contains(made, []byte("ICC_PROFILE")) {
		t.Errorf("%v, or the profile is still there", err)
	}
	d := newDecoder(t)
	if !bytes.Equal(pixels(t, d, made, BGR, DecodeOptions{}, 1), pixels(t, d, jpeg, BGR, DecodeOptions{}, 1)) {
		t.Error("other pixels")
	}
}

func TestMendLimits(t *testing.T) {
	e := newEncoder(t)
	jpeg := jpegtest.Scans(1024, 1024, 3)
	info, err := ReadInfo(jpeg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Mend(jpeg, info, info.Memory-1); !errors.Is(err, ErrLimit) {
		t.Errorf("with too little memory: %v", err)
	}
	if made, err := e.Mend(jpeg, info, info.Memory); err != nil || len(made) != len(jpeg) {
		t.Errorf("with enough memory: %v", err)
	}
	closed := make(chan struct{})
	close(closed)
	e.Stop[1] = closed
	if _, err := e.Mend(jpeg, info, info.Memory); !errors.Is(err, ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
	e.Close()
	if _, err := e.Mend(jpeg, info, info.Memory); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// FuzzMend checks that a mended JPEG has no warning, and has its original
// pixels.
func FuzzMend(f *testing.F) {
	for _, fault := range faults(f) {
		f.Add(fault.jpeg)
	}
	for _, g := range golden(f).Decode {
		if len(g.JPEG) < 3000 {
			f.Add(g.JPEG)
		}
	}
	f.Fuzz(func(t *testing.T, jpeg []byte) {
		info, err := ReadInfo(jpeg)
		if err != nil || info.Width*info.Height > 1<<18 {
			return
		}
		e, d := newEncoder(t), newDecoder(t)
		made, err := e.Mend(jpeg, info, 1<<24)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			return
		}
		want := pixels(t, d, jpeg, RGB, DecodeOptions{}, 1)
		if !bytes.Equal(pixels(t, d, made, RGB, DecodeOptions{}, 1), want) || d.Warning() != "" {
			t.Fatalf("other pixels, or %q", d.Warning())
		}
	})
}

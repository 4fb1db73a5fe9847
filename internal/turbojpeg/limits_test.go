package turbojpeg

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/jpegtest"
	"github.com/vidgear-go/netgear/internal/peertest"
)

func TestScansAllowed(t *testing.T) {
	for _, c := range []struct{ width, height, want int }{
		{1, 1, 500}, {1280, 720, 500}, {1920, 1080, 500}, {2000, 2000, 268}, {4096, 4096, 64}, {8192, 8192, 16}, {MaxDimension, MaxDimension, 16},
	} {
		if got := scansAllowed(c.width, c.height); got != c.want {
			t.Errorf("%dx%d: %d scans, want %d", c.width, c.height, got, c.want)
		}
	}
}

// TestTooManyScansAreRefusedAtOnce checks that a JPEG of too many scans is
// refused by its bytes alone, and that one at the limit is decoded.
func TestTooManyScansAreRefusedAtOnce(t *testing.T) {
	for _, c := range []struct{ width, height, scans int }{
		{16384, 16384, 17}, {16384, 16384, 480}, {2000, 2000, 269}, {8, 8, 501},
	} {
		jpeg := jpegtest.Scans(c.width, c.height, c.scans)
		before := alloctest.Memory()
		if _, err := ReadInfo(jpeg); !errors.Is(err, ErrLimit) {
			t.Errorf("%+v: got %v, want ErrLimit", c, err)
		}
		if more := alloctest.Memory() - before; more > 10<<20 {
			t.Errorf("%+v: %d bytes more in memory", c, more)
		}
	}
	d := newDecoder(t)
	for _, c := range []struct{ width, height, scans int }{{2000, 2000, 268}, {8, 8, 500}} {
		var pix []byte
		if err := decodeFile(d, jpegtest.Scans(c.width, c.height, c.scans), GRAY, DecodeOptions{}, 1, &pix); err != nil || d.Warning() != "" {
			t.Errorf("%+v: %v %s", c, err, d.Warning())
		}
		if gray := bytes.Repeat([]byte{128}, len(pix)); !bytes.Equal(pix, gray) {
			t.Errorf("%+v: not a gray picture", c)
		}
	}
}

// TestScansAreCountedAsLibjpegDoes checks that scans are counted by their
// markers, as in libjpeg, without what looks like a marker inside a segment.
func TestScansAreCountedAsLibjpegDoes(t *testing.T) {
	jpeg := jpegtest.Scans(64, 64, 12)
	comment := slices.Concat([]byte{0xFF, mCOM, 0, 2 + 6}, bytes.Repeat([]byte{0xFF, mSOS}, 3))
	at := bytes.LastIndex(jpeg, []byte{0xFF, mSOS})
	for name, data := range map[string][]byte{
		"as made":               jpeg,
		"in a comment":          slices.Insert(bytes.Clone(jpeg), at, comment...),
		"fill bytes":            slices.Insert(bytes.Clone(jpeg), at, 0xFF, 0xFF),
		"after the end":         append(bytes.Clone(jpeg), jpeg...),
		"bytes too many before": slices.Insert(bytes.Clone(jpeg), at, 1, 2, 0xFF, 0, 3),
	} {
		if n := countScans(data[bytes.Index(data, []byte{0xFF, mSOS}):][10:], 1000); n != 12 {
			t.Errorf("%s: %d scans, want 12", name, n)
		}
		if err := decodeFile(newDecoder(t), data, GRAY, DecodeOptions{}, 1, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := countScans(jpeg, 5); n > 6 {
		t.Errorf("went on to count %d", n)
	}
}

// TestRubbishBehindAndBefore checks that what a JPEG may hold in any number
// costs a decoder no time and Mend no memory.
func TestRubbishBehindAndBefore(t *testing.T) {
	good := faultless(t)
	want := pixels(t, newDecoder(t), good, BGR, DecodeOptions{}, 1)
	for name, rubbish := range map[string][]byte{"restart markers": {0xFF, mRST0}, "comments": {0xFF, mCOM, 0, 2}} {
		much := bytes.Repeat(rubbish, (maxHeaderBytes+1<<20)/len(rubbish))
		before := slices.Insert(bytes.Clone(good), 2, much...)
		if _, err := ReadInfo(before); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s before: %v", name, err)
		}
		behind := slices.Insert(bytes.Clone(good), len(good)-2, much...)
		d := newDecoder(t)
		if !bytes.Equal(pixels(t, d, behind, BGR, DecodeOptions{}, 1), want) || d.Warning() == "" {
			t.Errorf("%s behind: other pixels, or no warning", name)
		}
		if _, err := mend(t, newEncoder(t), behind); name == "comments" && !errors.Is(err, ErrLimit) {
			t.Errorf("%s behind, to be mended: %v", name, err)
		}
	}
}

// TestMemoryOfDecoding checks that libjpeg allocates Info.Memory for the
// coefficients, and no more, even if the Info is another JPEG's.
func TestMemoryOfDecoding(t *testing.T) {
	jpeg := jpegtest.Scans(4096, 2048, 3)
	info, err := ReadInfo(jpeg)
	if err != nil || info.Memory != 4096*2048*2 {
		t.Fatalf("%+v, %v", info, err)
	}
	d := newDecoder(t)
	pix := make([]byte, 4096*2048)
	info.Memory = 0
	if err := d.DecodeStrips(pix, jpeg, info, 4096, GRAY, DecodeOptions{}, 1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with memory for no coefficients: %v", err)
	}
}

// TestInksTakeNoMemory checks that converting printing colors allocates a row,
// not a picture that stays with the decoder.
func TestInksTakeNoMemory(t *testing.T) {
	const side = 4096
	jpeg := encode(t, newEncoder(t), make([]byte, side*side*4), side, side, CMYK, EncodeOptions{Quality: 50})
	d := newDecoder(t)
	pix := make([]byte, side*side)
	clear(pix) // so that it is resident before
	runtime.GC()
	before := alloctest.Memory()
	if err := d.DecodeInto(pix, jpeg, side, GRAY, DecodeOptions{}); err != nil {
		t.Fatal(err)
	}
	more := alloctest.Memory() - before
	t.Logf("%d bytes more in memory after %dx%d inks", more, side, side)
	if more > 24<<20 {
		t.Errorf("%d bytes more in memory, a row of inks is %d", more, side*4)
	}
}

// TestStopEndsDecoding stops what would take long, with and without a pool. A
// stopped decoder decodes the next picture.
func TestStopEndsDecoding(t *testing.T) {
	jpeg := jpegtest.Scans(4096, 4096, 64)
	good := encode(t, newEncoder(t), picture(64, 64, 3), 64, 64, BGR, EncodeOptions{90, true})
	want := pixels(t, newDecoder(t), good, BGR, DecodeOptions{}, 1)
	// stopped reports whether the decoder ended before it had decoded all.
	stopped := func(which int, pooled bool) bool {
		d, restore := newDecoder(t), func() {}
		start := time.Now()
		if err := decodeFile(d, jpeg, GRAY, DecodeOptions{}, 1, nil); err != nil {
			t.Fatal(err)
		}
		whole := time.Since(start)
		if !pooled {
			d.Close()
			d, restore = newDecoder(t), noFiles(t)
		}
		stop := make(chan struct{})
		timer := time.AfterFunc(whole/10, func() { close(stop) })
		defer timer.Stop()
		d.Stop[which] = stop
		start = time.Now()
		err := decodeFile(d, jpeg, GRAY, DecodeOptions{}, 1, nil)
		took := time.Since(start)
		restore()
		if _, exists := poolRefs(); exists != pooled {
			t.Fatalf("a pool exists: %v", exists)
		}
		t.Logf("channel %d, pool %v: %v after %v; all of it takes %v", which, pooled, err, took, whole)
		if !errors.Is(err, ErrStopped) {
			t.Errorf("channel %d, pool %v: %v", which, pooled, err)
		}
		if err := decodeFile(d, good, BGR, DecodeOptions{}, 1, nil); !errors.Is(err, ErrStopped) {
			t.Errorf("channel %d, pool %v: with the channel closed: %v", which, pooled, err)
		}
		d.Stop = Stop{}
		if !bytes.Equal(pixels(t, d, good, BGR, DecodeOptions{}, 1), want) {
			t.Errorf("channel %d, pool %v: other pixels after a stop", which, pooled)
		}
		d.Close()
		return took < whole*2/3
	}
	for _, which := range []int{0, 1} {
		for _, pooled := range []bool{true, false} {
			tries := 10 // other threads may have the processors meanwhile
			for !stopped(which, pooled) {
				if tries--; tries == 0 {
					t.Errorf("channel %d, pool %v: the decoder never ended early", which, pooled)
					break
				}
			}
		}
	}
}

// TestStopWithdrawsWhatWaits stops pictures that wait for a thread: they end
// while the others are still decoded.
func TestStopWithdrawsWhatWaits(t *testing.T) {
	slow := jpegtest.Scans(4096, 4096, 64)
	stop, busy := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	threads := runtime.GOMAXPROCS(0)
	for range threads {
		d := newDecoder(t)
		d.Stop[0] = busy
		go func() { ended <- decodeFile(d, slow, GRAY, DecodeOptions{}, 1, nil) }()
	}
	awaitPosted(t, threads)
	d, e, waits := newDecoder(t), newEncoder(t), make(chan error)
	d.Stop[0], e.Stop[1] = stop, stop
	go func() { waits <- decodeFile(d, slow, GRAY, DecodeOptions{}, 1, nil) }()
	pix, width, height := large(t)
	go func() {
		dst := make([]byte, e.StripsBound(width, height, BGR, 3))
		_, err := e.EncodeStrips(dst, pix, width, height, 3*width, BGR, EncodeOptions{Quality: 90}, 3)
		waits <- err
	}()
	awaitPosted(t, threads+2)
	close(stop)
	for range 2 {
		if err := <-waits; !errors.Is(err, ErrStopped) {
			t.Errorf("got %v", err)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("another ended before: %v", err)
	default:
	}
	close(busy)
	for range threads {
		if err := <-ended; !errors.Is(err, ErrStopped) {
			t.Errorf("got %v", err)
		}
	}
}

// awaitPosted waits until the pool has so many batches.
func awaitPosted(t *testing.T, batches int) {
	t.Helper()
	peertest.Await(t, 30*time.Second, strconv.Itoa(batches)+" batches", func() bool { return postedBatches() >= batches })
}

func postedBatches() int {
	shared.Lock()
	defer shared.Unlock()
	if shared.pool == nil {
		return 0
	}
	return shared.pool.posted()
}

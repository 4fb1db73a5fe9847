package source

import (
	"bytes"
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"
)

// recorded is a device that plays buffers back. No test has a real camera: that
// takes a kernel module.
type recorded struct {
	batches [][]recordedBuffer // what is ready after each wait
	ready   []recordedBuffer
	held    map[uint32]bool
	now     uint32
	current map[uint32]v4l2Buffer
	err     error
	closed  bool
	t       *testing.T
}

type recordedBuffer struct {
	data  []byte
	flags uint32
	ago   time.Duration
}

func (r *recorded) WaitForFrame(uint32) error {
	if len(r.batches) == 0 {
		return new(webcam.Timeout)
	}
	r.ready, r.batches = append(r.ready, r.batches[0]...), r.batches[1:]
	return nil
}

func (r *recorded) GetFrame() ([]byte, uint32, error) {
	if r.err != nil {
		return nil, 0, r.err
	}
	if len(r.ready) == 0 {
		return nil, 0, unix.EAGAIN
	}
	b := r.ready[0]
	r.ready = r.ready[1:]
	r.now++
	if r.held[r.now] = true; len(r.held) > cameraBuffers {
		r.t.Error("more buffers are held than there are")
	}
	r.current[r.now] = v4l2Buffer{flags: b.flags, timestamp: unix.NsecToTimeval((monotonic() - b.ago).Nanoseconds())}
	return b.data, r.now, nil
}

func (r *recorded) ReleaseFrame(index uint32) error {
	if !r.held[index] {
		r.t.Errorf("buffer %d is released twice", index)
	}
	delete(r.held, index)
	return nil
}

func (r *recorded) Close() error { r.closed = true; return nil }

func newRecorded(t *testing.T, batches ...[]recordedBuffer) (*recorded, *camera) {
	r := &recorded{t: t, batches: batches, held: map[uint32]bool{}, current: map[uint32]v4l2Buffer{}}
	return r, &camera{in: r, silence: 10 * time.Millisecond, describe: func(i uint32) (v4l2Buffer, error) { return r.current[i], nil }}
}

// TestCamera reads the newest buffer, leaves out what is damaged or empty, and
// takes the driver's time.
func TestCamera(t *testing.T) {
	first, second, third := testJPEG(t, 1), testJPEG(t, 2), testJPEG(t, 3)
	r, c := newRecorded(t,
		[]recordedBuffer{{data: first, flags: v4l2Monotonic, ago: 50 * time.Millisecond}},
		[]recordedBuffer{{data: first[:9], flags: v4l2Monotonic | v4l2Error}, {data: nil}},
		[]recordedBuffer{{data: first, flags: v4l2Monotonic, ago: time.Second}, {data: second, flags: v4l2Monotonic, ago: 20 * time.Millisecond}},
		[]recordedBuffer{{data: third}})
	for i, want := range []struct {
		jpeg []byte
		ago  time.Duration // 0: unknown
	}{{first, 50 * time.Millisecond}, {second, 20 * time.Millisecond}, {third, 0}} {
		f, err := c.next(testContext(t))
		if err != nil || !bytes.Equal(f.JPEG, want.jpeg) {
			t.Fatalf("picture %d: %v", i, err)
		}
		if f.At.IsZero() != (want.ago == 0) || f.At.After(time.Now()) {
			t.Errorf("picture %d was captured at %v, want about %v ago", i, f.At, want.ago)
		}
		if len(r.held) != 1 {
			t.Errorf("picture %d: %d buffers are held", i, len(r.held))
		}
	}
	if _, err := c.next(testContext(t)); err == nil || !strings.Contains(err.Error(), "no picture for") {
		t.Errorf("a silent camera: %v", err)
	}
	r.err = unix.ENODEV
	if _, err := c.next(testContext(t)); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a camera that is unplugged: %v", err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.next(over); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if c.close(); len(r.held) != 0 || !r.closed {
		t.Error("buffers are held after the end")
	}
}

// TestV4L2Numbers compares what this package assumes of the kernel and of
// package webcam.
func TestV4L2Numbers(t *testing.T) {
	if size := unsafe.Sizeof(v4l2Buffer{}); unsafe.Sizeof(uintptr(0)) == 8 && size != 88 {
		t.Errorf("v4l2_buffer has %d bytes, the kernel's 88", size)
	}
	if fd, err := descriptor(&webcam.Webcam{}); err != nil || fd != 0 {
		t.Errorf("descriptor: %d, %v", fd, err)
	}
	if _, err := jpegFormat(map[webcam.PixelFormat]string{0x56595559: "YUYV 4:2:2"}); err == nil || !strings.Contains(err.Error(), "only: YUYV 4:2:2") {
		t.Error(err)
	}
	if f, err := jpegFormat(map[webcam.PixelFormat]string{0x47504A4D: "Motion-JPEG"}); err != nil || f != 0x47504A4D {
		t.Errorf("%x, %v", f, err)
	}
}

func TestCapturedAt(t *testing.T) {
	now := time.Unix(1764547200, 0)
	at := func(seconds int64, flags uint32) time.Time {
		b := v4l2Buffer{flags: flags, timestamp: unix.Timeval{Sec: seconds}}
		return b.captured(100*time.Second, now)
	}
	if got := at(99, v4l2Monotonic); !got.Equal(now.Add(-time.Second)) {
		t.Error(got)
	}
	for _, unknown := range []time.Time{at(99, 0), at(0, v4l2Monotonic), at(101, v4l2Monotonic), at(99, 0x4000)} {
		if !unknown.IsZero() {
			t.Error(unknown)
		}
	}
}

func TestLargest(t *testing.T) {
	sizes := []webcam.FrameSize{{MaxWidth: 640, MaxHeight: 480}, {MaxWidth: 3840, MaxHeight: 2160}, {MaxWidth: 1920, MaxHeight: 1080}, {MaxWidth: 1280, MaxHeight: 720}}
	if got := largest(sizes); got != image.Pt(1920, 1080) {
		t.Error(got)
	}
	if got := largest(nil); got != image.Pt(640, 480) {
		t.Error(got)
	}
}

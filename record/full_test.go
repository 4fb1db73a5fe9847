package record

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

const waitLimit = time.Minute

// smallFile is a file on a disk that may be full.
type smallFile struct {
	file
	room *atomic.Int64 // the bytes that a file may have
	err  error
}

func (f smallFile) WriteAt(b []byte, off int64) (int, error) {
	if room := f.room.Load(); off+int64(len(b)) > room {
		n, _ := f.file.WriteAt(b[:max(0, min(int64(len(b)), room-off))], off)
		return n, f.err
	}
	return f.file.WriteAt(b, off)
}

// A full disk, or one that fails, is reported. Recording continues when there is
// room, and everything that was recorded can be read.
func TestFailingDisk(t *testing.T) {
	long(t)
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		dir   bool
		files int
	}{
		"full":                {syscall.ENOSPC, false, 1},
		"full, rotated files": {syscall.ENOSPC, true, 1},
		"over the quota":      {syscall.EDQUOT, true, 1},
		"failed":              {syscall.EIO, true, 2},
		"failed, one file":    {syscall.EIO, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			room := &atomic.Int64{}
			room.Store(300_000)
			o := Options{Path: filepath.Join(dir, "netgear-1.mkv"), create: func(path string) (file, error) {
				f, err := createFile(path)
				return smallFile{f, room, test.err}, err
			}}
			if test.dir {
				o.Path, o.Dir = "", dir
			}
			runFull(t, o, func() { room.Store(1 << 40) }, test.err)
			if files := recordings(t, dir, "netgear"); len(files) != test.files {
				t.Errorf("%d files, not %d", len(files), test.files)
			}
		})
	}
}

// runFull records until the disk is full, makes room, and records again.
func runFull(t *testing.T, o Options, makeRoom func(), why error) {
	t.Helper()
	r := create(t, o)
	n := 0
	write := func() {
		g := given{name: "cam", array: netgear.Array{DType: "uint8", Shape: []int{100, 100}, Data: elements(n, 10_000)}, at: at(n), message: n}
		if err := g.write(t, r); err != nil {
			t.Fatal(err)
		}
		n++
	}
	peertest.Await(t, waitLimit, "the full disk", func() bool {
		write()
		return errors.Is(r.Stats().Err, why)
	})
	before := r.Stats().Frames
	makeRoom()
	peertest.Await(t, waitLimit, "room", func() bool {
		write()
		time.Sleep(10 * time.Millisecond)
		return r.Stats().Frames > before
	})
	if s := r.Stats(); s.Err != nil || s.Failed == 0 || before < 10 {
		t.Errorf("%+v", s)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	dir := o.Dir
	if dir == "" {
		dir = filepath.Dir(o.Path)
	}
	var read uint64
	for _, file := range recordings(t, dir, "netgear") {
		frames, err := readAll(t, open(t, file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, f := range frames {
			if i, ok := f.Message.Value().(int64); !ok || string(f.Array.Data) != string(elements(int(i), 10_000)) {
				t.Errorf("frame %v differs", f.Message)
			}
		}
		read += uint64(len(frames))
	}
	if s := r.Stats(); read != s.Frames {
		t.Errorf("%d frames read, %+v", read, s)
	}
}

// Close reports that the last frames are missing.
func TestCloseWithFullDisk(t *testing.T) {
	long(t)
	t.Parallel()
	room := &atomic.Int64{}
	room.Store(100_000)
	r := create(t, Options{Path: filepath.Join(t.TempDir(), "a.mkv"), create: func(path string) (file, error) {
		f, err := createFile(path)
		return smallFile{f, room, syscall.ENOSPC}, err
	}})
	for i := range 100 {
		g := given{jpeg: picture(i, 100, 100), array: netgear.Array{}, at: at(i)}
		if err := g.write(t, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
}

// A disk that does not take anything never holds up the stream.
func TestStuckDisk(t *testing.T) {
	stuck := make(chan struct{})
	r := create(t, Options{Path: filepath.Join(t.TempDir(), "a.mkv"), QueueFrames: 5, create: func(path string) (file, error) {
		f, err := createFile(path)
		return stuckFile{f, stuck}, err
	}})
	g := given{jpeg: picture(1, 16, 16), at: at(0)}
	dropped := 0
	for range 20 {
		switch err := g.write(t, r); {
		case errors.Is(err, ErrQueueFull):
			dropped++
		case err != nil:
			t.Fatal(err)
		}
	}
	s := r.Stats()
	if dropped < 14 || dropped > 15 || s.Dropped != uint64(dropped) || s.Queue != 5 || s.QueueBytes == 0 {
		t.Errorf("%d dropped, %+v", dropped, s)
	}
	close(stuck)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if s := r.Stats(); s.Frames+s.Dropped != 20 || s.QueueBytes != 0 {
		t.Errorf("%+v", s)
	}
}

// What waits for a disk takes as much memory as counts in QueueBytes, also where
// most of it is messages of any form.
func TestStuckDiskMemory(t *testing.T) {
	const size = 100 << 10
	packed := func(head ...byte) func(int) any {
		return func(n int) any {
			m, err := netgear.MessageFromMsgpack(append(head, elements(n, size)...))
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	}
	for name, message := range map[string]func(int) any{
		"JSON":                 func(int) any { return strings.Repeat("m", size) },
		"msgpack":              packed(0xC6, 0, size>>16, size>>8&0xFF, size&0xFF),    // bytes
		"msgpack without JSON": packed(0xC9, 0, size>>16, size>>8&0xFF, size&0xFF, 7), // an Ext
	} {
		t.Run(name, func(t *testing.T) { testStuckDiskMemory(t, message) })
	}
}

func testStuckDiskMemory(t *testing.T, message func(int) any) {
	const limit = 32 << 20
	stuck := make(chan struct{})
	r := create(t, Options{Path: filepath.Join(t.TempDir(), "a.mkv"), QueueBytes: limit, QueueFrames: 1 << 16, create: func(path string) (file, error) {
		f, err := createFile(path)
		return stuckFile{f, stuck}, err
	}})
	defer close(stuck)
	heap := func() int64 {
		var m runtime.MemStats
		for range 2 { // frames have finalizers
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) //nolint:gosec // far below
	}
	before := heap()
	for n := 0; ; n++ {
		g := given{jpeg: picture(1, 16, 16), at: at(n), message: message(n)}
		if err := g.write(t, r); errors.Is(err, ErrQueueFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	more, counted := heap()-before, r.Stats().QueueBytes
	if counted > limit || counted < limit-limit/16 || more > counted+counted/12 || more < counted-counted/12 {
		t.Errorf("%d KB wait, %d KB count, of %d KB", more>>10, counted>>10, limit>>10)
	}
}

// A sender whose pictures and arrays change their form often leaves nothing in the
// count of the queue's bytes, which would move its limit.
func TestQueueBytesOfManyForms(t *testing.T) {
	r := create(t, Options{Path: filepath.Join(t.TempDir(), "a.mkv")})
	for n := range 4 * maxVideoTracks {
		g := given{jpeg: picture(n, 16+n, 16), at: at(n), message: n}
		if n%2 == 1 {
			g = given{array: netgear.Array{DType: "uint8", Shape: []int{n, 4, 3}, Data: elements(n, n*12)}, at: at(n)}
		}
		if err := g.write(t, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.QueueBytes != 0 || s.Frames != 4*maxVideoTracks {
		t.Errorf("%+v", s)
	}
}

type stuckFile struct {
	file
	stuck chan struct{}
}

func (f stuckFile) WriteAt(b []byte, off int64) (int, error) {
	<-f.stuck
	return f.file.WriteAt(b, off)
}

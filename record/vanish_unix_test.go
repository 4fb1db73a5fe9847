//go:build unix

package record

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// framesFarApart returns a function that writes the next frame, and sets the time
// forward so that the file is looked at.
func framesFarApart(t *testing.T, r *Recorder, now *atomic.Int64) (write func()) {
	n := 0
	return func() {
		t.Helper()
		frame := given{name: "cam", jpeg: picture(n, 64, 48), at: at(n), message: n}
		if err := frame.write(t, r); err != nil && !errors.Is(err, ErrQueueFull) {
			t.Fatal(err)
		}
		n += 100 // seconds
		now.Store(int64(n))
	}
}

// A file, or the folder with it, is deleted while it is recorded. Another one is
// begun, also after the folders above were missing for a time.
func TestDeletedWhileRecording(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path   bool
		remove string // below the test's folder
		create string // what has to be created before recording can continue
	}{
		"the file":                {false, "a/b", ""},
		"the folder":              {false, "a/b", ""},
		"the folder above":        {false, "a", "a"},
		"the file of Path":        {true, "a/b/c.mkv", ""},
		"the folder of Path":      {true, "a/b", "a/b"},
		"the folder above a Path": {true, "a", "a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			dir := filepath.Join(top, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			now := &atomic.Int64{}
			o := Options{Dir: dir, now: func() time.Time { return at(int(now.Load())) }}
			if c.path {
				o.Dir, o.Path = "", filepath.Join(dir, "c.mkv")
			}
			r := create(t, o)
			write := framesFarApart(t, r, now)
			write()
			peertest.Await(t, waitLimit, "the first frame", func() bool { return r.Stats().Frames == 1 })
			gone := filepath.Join(top, c.remove)
			if name == "the file" {
				gone = recordings(t, dir, "netgear")[0]
			}
			files := r.Stats().Files // later, what was queued may have begun another
			if err := os.RemoveAll(gone); err != nil {
				t.Fatal(err)
			}
			if c.create != "" {
				peertest.Await(t, waitLimit, "the error", func() bool { write(); return errors.Is(r.Stats().Err, os.ErrNotExist) })
				if err := os.MkdirAll(filepath.Join(top, c.create), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			peertest.Await(t, waitLimit, "another file", func() bool { write(); return r.Stats().Files > max(files, 1) && r.Stats().Err == nil })
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			path := o.Path
			if !c.path {
				path = recordings(t, dir, "netgear")[0]
			}
			if frames, err := readAll(t, open(t, path)); err != nil || len(frames) == 0 {
				t.Errorf("%d frames: %v", len(frames), err)
			}
		})
	}
}

// headerless is a file on a disk that has no room for its header.
type headerless struct {
	file
	full *atomic.Bool
}

func (h headerless) WriteAt(b []byte, at int64) (int, error) {
	if h.full.Load() {
		return 0, syscall.ENOSPC
	}
	return h.file.WriteAt(b, at)
}

// The file of Path is deleted because the disk is full, and the disk is full when
// it is created again. Recording continues when there is room.
func TestDeletedOnAFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.mkv")
	now, full, files := &atomic.Int64{}, &atomic.Bool{}, &atomic.Int64{}
	r := create(t, Options{Path: path, now: func() time.Time { return at(int(now.Load())) }, create: func(path string) (file, error) {
		f, err := createFile(path)
		if err != nil || files.Add(1) == 1 {
			return f, err // an *os.File, which is looked at
		}
		return headerless{f, full}, nil
	}})
	write := framesFarApart(t, r, now)
	write()
	peertest.Await(t, waitLimit, "the first frame", func() bool { return r.Stats().Frames == 1 })
	full.Store(true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	peertest.Await(t, waitLimit, "the full disk", func() bool { write(); return errors.Is(r.Stats().Err, syscall.ENOSPC) })
	full.Store(false)
	peertest.Await(t, waitLimit, "another file", func() bool { write(); s := r.Stats(); return s.Files == 2 && s.Err == nil })
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if n := files.Load(); n != 2 {
		t.Errorf("%d files were created", n)
	}
	if frames, err := readAll(t, open(t, path)); err != nil || len(frames) == 0 {
		t.Errorf("%d frames: %v", len(frames), err)
	}
}

// A file system that does not count the names of files reports none of a new one.
func TestFileSystemWithoutLinkCounts(t *testing.T) {
	t.Parallel()
	now := &atomic.Int64{}
	r := create(t, Options{Dir: t.TempDir(), now: func() time.Time { return at(int(now.Load())) }, create: func(path string) (file, error) {
		f, err := createFile(path)
		if err == nil {
			err = os.Remove(path)
		}
		return f, err
	}})
	const frames = 5
	for n := range frames {
		now.Store(int64(100 * n))
		frame := given{name: "cam", jpeg: picture(n, 64, 48), at: at(100 * n), message: n}
		if err := frame.write(t, r); err != nil {
			t.Fatal(err)
		}
	}
	peertest.Await(t, waitLimit, "the frames", func() bool { return r.Stats().Frames == frames })
	if s := r.Stats(); s.Files != 1 {
		t.Errorf("%d files", s.Files)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// retryAfter is how long a writer waits after an error before it tries again.
const retryAfter = 500 * time.Millisecond

// writer takes items from a Recorder's queue to the disk. It runs in one
// goroutine.
type writer struct {
	r       *Recorder
	o       *Options
	senders senders
	disk    *disk // nil without DiskBudget

	m        *matroska // nil before a file's first frame
	path     string
	opened   file      // Options.Path before the first frame
	again    bool      // Options.Path is to be created again, because it was deleted
	looked   time.Time // when endDeleted has looked at the file
	nameless bool      // the file system reports no name of a file that has one
	number   int       // of the last file in Dir

	failed  error     // why the last frame was not written
	retryAt time.Time // when the next one is tried
	missing uint64    // frames that were not written since
	warned  time.Time // when refuse has logged
}

// newWriter creates the folder, or the file of Options.Path.
func newWriter(r *Recorder) (_ *writer, err error) {
	w := &writer{r: r, o: &r.o}
	if w.o.Path != "" {
		w.path = w.o.Path
		w.opened, err = w.o.create(w.path)
		return w, err
	}
	if err := os.MkdirAll(w.o.Dir, 0o755); err != nil { //nolint:gosec // as other programs' folders
		return nil, err
	}
	if w.o.DiskBudget > 0 {
		w.disk, err = newDisk(w.o)
	}
	return w, err
}

// run writes what is queued until the queue is closed and empty. It returns why
// the end of the recording is missing or without an index.
func (w *writer) run() error {
	for i := w.r.queue.next(); i != nil; i = w.r.queue.next() {
		w.record(i)
		w.r.queue.finished(i)
	}
	err := w.endFile()
	if w.opened != nil {
		// No frame came.
		w.opened.Close()
		os.Remove(w.path)
	}
	if w.failed != nil {
		return fmt.Errorf("record: frames missing at the end: %d: %w", w.missing, w.failed)
	}
	return err
}

// record writes one item, and notes success or failure.
func (w *writer) record(i *item) {
	if w.failed != nil && w.o.now().Before(w.retryAt) {
		w.missing++
		w.r.count(func(s *Stats) { s.Failed++ })
		return
	}
	size := uint64(len(i.data))
	err := w.write(i)
	switch {
	case errors.Is(err, ErrTooManySenders), errors.Is(err, ErrTooLarge):
		w.refuse(i, err)
	case err != nil:
		w.fail(err)
	default:
		w.recovered()
		w.r.count(func(s *Stats) { s.Frames++; s.Bytes += size; s.Senders = len(w.m.senders) })
	}
}

// refuse drops an item for which a file has no room. It is logged once a minute.
func (w *writer) refuse(i *item, why error) {
	if now := w.o.now(); now.Sub(w.warned) >= time.Minute {
		w.warned = now
		w.o.Logger.Warn("record: frames cannot be recorded", "sender", i.name, "error", why)
	}
	w.r.count(func(s *Stats) { s.Failed++ })
}

// fail notes that frames cannot be written. The same file continues after a
// full disk. After any other error the next frame begins a file.
func (w *writer) fail(err error) {
	if w.failed == nil {
		w.o.Logger.Error("record: frames cannot be written; recording continues when they can", "file", w.path, "error", err)
	}
	w.failed, w.retryAt = err, w.o.now().Add(retryAfter)
	w.missing++
	if !isFull(err) && w.o.Dir != "" {
		w.endFile()
	}
	w.r.count(func(s *Stats) { s.Failed++; s.Err = err })
}

// recovered notes that a frame has been written.
func (w *writer) recovered() {
	if w.failed == nil {
		return
	}
	w.o.Logger.Info("record: recording continues", "file", w.path, "missing", w.missing)
	w.failed, w.missing = nil, 0
	w.r.count(func(s *Stats) { s.Err = nil })
}

// isFull reports whether an error goes away when there is room on the disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// write writes an item, in the next file if it is time for one.
func (w *writer) write(i *item) error {
	s, err := w.senders.of(i)
	if err != nil {
		return err
	}
	at := s.time(i, w.o.ArrivalTime)
	w.endDeleted()
	if w.isFileFull(i, at) {
		if err := w.endFile(); err != nil {
			w.o.Logger.Warn("record: a file has no index", "error", err)
		}
	}
	if w.disk != nil {
		if err := w.makeRoom(i); err != nil {
			return err
		}
	}
	if w.m == nil {
		if err := w.beginFile(at); err != nil {
			return err
		}
	}
	return w.m.write(s, i, at)
}

// lookEvery is how often the current file is looked at.
const lookEvery = time.Second

// endDeleted ends a file that was deleted, with its folder perhaps. The frames
// that follow begin another one.
func (w *writer) endDeleted() {
	now := w.o.now()
	if w.m == nil || now.Sub(w.looked).Abs() < lookEvery {
		return
	}
	if w.looked = now; w.nameless || !deleted(w.m.f) {
		return
	}
	w.o.Logger.Error("record: the file was deleted while it was recorded; another one is begun", "file", w.path)
	w.m.f.Close()
	w.m, w.again = nil, w.o.Path != ""
	w.r.count(func(s *Stats) { s.File, s.Senders = "", 0 })
}

// isFileFull reports whether an item belongs into the next file.
func (w *writer) isFileFull(i *item, at time.Time) bool {
	switch {
	case w.m == nil || w.m.end == 0 && w.m.cluster.pos == 0:
		return false
	case w.o.MaxFileBytes > 0 && w.m.fullSize()+i.size() > w.o.MaxFileBytes:
		return true
	}
	// After a clock was set back only the times in the file count.
	return w.o.MaxFileDuration > 0 && max(at.Sub(w.m.start), w.m.end-time.Second) >= w.o.MaxFileDuration
}

// makeRoom deletes files so that an item fits into the budget.
func (w *writer) makeRoom(i *item) error {
	current := int64(headerBytes)
	if w.m != nil {
		current = w.m.fullSize()
	}
	deleted, err := w.disk.makeRoom(current + i.size())
	if deleted > 0 {
		w.r.count(func(s *Stats) { s.Deleted += uint64(deleted) }) //nolint:gosec // a small number
	}
	return err
}

// beginFile creates the next file.
func (w *writer) beginFile(at time.Time) (err error) {
	f, path := w.opened, w.path
	switch {
	case w.o.Dir != "":
		f, path, err = w.createNext(at)
	case w.again:
		if f, err = w.o.create(path); err == nil {
			w.opened, w.again = f, false // also if the disk is full now
		}
	case f == nil:
		err = fmt.Errorf("record: %s: %w", path, os.ErrClosed)
	}
	if err != nil {
		return err
	}
	m, err := newMatroska(f, at)
	if err != nil {
		if w.o.Dir != "" {
			f.Close()
			os.Remove(path)
		}
		return err
	}
	w.m, w.path, w.opened = m, path, nil
	w.nameless = deleted(f)
	w.o.Logger.Debug("record: file begun", "file", path)
	w.r.count(func(s *Stats) { s.Files++; s.File = path })
	return nil
}

// fileTime is the time in a file's name, which orders the names.
const fileTime = "20060102T150405.000Z"

// createNext creates a file with the next free name. A folder that was deleted is
// created again, but not those above it: they may be where a disk is missing.
func (w *writer) createNext(at time.Time) (file, string, error) {
	for {
		w.number++
		path := filepath.Join(w.o.Dir, fmt.Sprintf("%s-%s-%04d.mkv", w.o.Name, at.UTC().Format(fileTime), w.number))
		f, err := w.o.create(path)
		if errors.Is(err, os.ErrNotExist) && os.Mkdir(w.o.Dir, 0o755) == nil { //nolint:gosec // as newWriter
			f, err = w.o.create(path)
		}
		if !errors.Is(err, os.ErrExist) {
			return f, path, err
		}
	}
}

// endFile ends the current file, if there is one.
func (w *writer) endFile() error {
	if w.m == nil {
		return nil
	}
	err := w.m.close()
	if w.disk != nil {
		w.disk.add(w.path, w.m.size)
	}
	w.m = nil
	w.r.count(func(s *Stats) { s.File, s.Senders = "", 0 })
	if err != nil {
		return fmt.Errorf("record: %s: %w", w.path, err)
	}
	return nil
}

package record

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// disk keeps the files of one Name in one folder within their budget.
type disk struct {
	budget int64
	log    *slog.Logger
	files  []ownFile // complete ones, the oldest first
	bytes  int64     // of files
}

type ownFile struct {
	path   string
	size   int64
	warned bool // that it cannot be deleted
}

// newDisk finds the files of earlier recordings.
func newDisk(o *Options) (*disk, error) {
	entries, err := os.ReadDir(o.Dir) // sorted by name, and so by time
	if err != nil {
		return nil, err
	}
	d := &disk{budget: o.DiskBudget, log: o.Logger}
	name := regexp.MustCompile(`^` + regexp.QuoteMeta(o.Name) + `-\d{8}T\d{6}\.\d{3}Z-\d{4,}\.mkv$`)
	for _, e := range entries {
		path := filepath.Join(o.Dir, e.Name())
		if !e.Type().IsRegular() || !name.MatchString(e.Name()) || !isOwn(path) {
			continue
		}
		if i, err := e.Info(); err == nil {
			d.add(path, i.Size())
		}
	}
	return d, nil
}

// isOwn reports whether a file has this package's mark.
func isOwn(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, markBytes)
	n, _ := io.ReadFull(f, head)
	return bytes.HasPrefix(head, []byte{0x1A, 0x45, 0xDF, 0xA3}) && bytes.Contains(head[:n], []byte(writingApp))
}

// markBytes is how many bytes of a file contain its mark.
const markBytes = 512

// add adds a complete file.
func (d *disk) add(path string, size int64) {
	d.files = append(d.files, ownFile{path: path, size: size})
	d.bytes += size
}

// makeRoom deletes the oldest files until the current one may have so many
// bytes. It returns how many it has deleted.
func (d *disk) makeRoom(current int64) (deleted int, err error) {
	for i := 0; d.bytes+current > d.budget && i < len(d.files); {
		f := d.files[i]
		switch err := remove(f.path); {
		case err == nil:
			deleted++
			d.log.Info("record: file deleted for the disk budget", "file", f.path)
		case os.IsNotExist(err): // the user has deleted it
		default:
			if !f.warned {
				d.log.Warn("record: a file cannot be deleted for the disk budget", "file", f.path, "error", err)
			}
			d.files[i].warned = true
			i++
			continue
		}
		d.bytes -= f.size
		d.files = slices.Delete(d.files, i, i+1)
	}
	if d.bytes+current > d.budget {
		return deleted, fmt.Errorf("%w: the disk budget of %d bytes has no room for it", ErrTooLarge, d.budget)
	}
	return deleted, nil
}

// remove deletes a file that is still one of this package's, and that no
// Recorder writes.
func remove(path string) error {
	i, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case !i.Mode().IsRegular() || !isOwn(path):
		return fmt.Errorf("it is no recording any more")
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if !lock(f) {
		return fmt.Errorf("another process writes it")
	}
	return os.Remove(path)
}

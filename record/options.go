package record

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"time"

	"github.com/vidgear-go/netgear/internal/applog"
)

// The defaults that replace a zero field of Options.
const (
	defaultName        = "netgear"
	defaultQueueFrames = 256
	defaultQueueBytes  = 128 << 20
)

// minFileBytes is the smallest MaxFileBytes. A file has a header of 33 KB.
const minFileBytes = 256 << 10

// Options holds the settings of a Recorder. Path or Dir is required.
type Options struct {
	// Path is the one file to write. It must not exist. With Path, files are
	// not rotated.
	Path string
	// Dir is a folder for files that are rotated: NAME-TIME-NUMBER.mkv, such as
	// netgear-20261129T182459.123Z-0001.mkv, with the time of the file's first
	// frame in UTC. The folder is created if it does not exist. If the folder or
	// the current file is deleted, the next frame after a second begins another
	// file: what the deleted one had is lost. So it is with Path.
	Dir string
	// Name is the first part of the names in Dir: letters, digits, "_" and "-".
	// Default "netgear".
	Name string
	// MaxFileBytes is the size at which the next file begins. A single larger
	// frame still has a file of its own. At least 256 KiB. Default 0: no limit;
	// with DiskBudget an eighth of it.
	MaxFileBytes int64
	// MaxFileDuration is the time after which the next file begins. Default 0:
	// no limit.
	MaxFileDuration time.Duration
	// DiskBudget bounds the bytes of the files of this Name in Dir. The oldest
	// are deleted to make room. Other files are never deleted: a file must have
	// the name of a recording, be a regular file, contain the mark of this
	// package, and not be open in another Recorder. One that is open there does
	// not count either. At least four times the smallest MaxFileBytes. Default
	// 0: no limit.
	DiskBudget int64
	// QueueFrames and QueueBytes bound the frames that wait for the disk. A
	// frame for which there is no room is dropped. A single frame larger than
	// QueueBytes is accepted. Default 256 frames and 128 MiB.
	QueueFrames int
	QueueBytes  int64
	// ArrivalTime records the time of arrival, also for frames that have the
	// time of capture in their Stamp. Default off.
	ArrivalTime bool
	// Logger gets a record when a disk is full, when recording continues, and
	// for each file that is begun or deleted. Its handler may call Stats. One
	// that blocks holds up the disk: frames are queued, and then dropped. Default
	// slog.Default().
	Logger *slog.Logger

	create func(path string) (file, error) // replaced by tests
	now    func() time.Time
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// complete returns the options with the defaults, or an ErrOption.
func (o Options) complete() (Options, error) {
	bad := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("%w: %s", ErrOption, fmt.Sprintf(format, args...))
	}
	if o.Name == "" {
		o.Name = defaultName
	}
	switch {
	case (o.Path == "") == (o.Dir == ""):
		return bad("set either Path or Dir")
	case o.Path != "" && (o.MaxFileBytes != 0 || o.MaxFileDuration != 0 || o.DiskBudget != 0):
		return bad("MaxFileBytes, MaxFileDuration and DiskBudget require Dir instead of Path")
	case !validName.MatchString(o.Name):
		return bad("Name is %q; use at most 64 letters, digits, _ and -", o.Name)
	case o.MaxFileDuration < 0 || o.MaxFileBytes < 0 || o.DiskBudget < 0 || o.QueueFrames < 0 || o.QueueBytes < 0:
		return bad("a limit is negative")
	case o.DiskBudget > 0 && o.DiskBudget < 4*minFileBytes:
		return bad("DiskBudget is %d bytes, the smallest is %d", o.DiskBudget, 4*minFileBytes)
	}
	if o.DiskBudget > 0 && o.MaxFileBytes == 0 {
		o.MaxFileBytes = max(o.DiskBudget/8, minFileBytes)
	}
	switch {
	case o.MaxFileBytes > 0 && o.MaxFileBytes < minFileBytes:
		return bad("MaxFileBytes is %d, the smallest is %d", o.MaxFileBytes, minFileBytes)
	case o.DiskBudget > 0 && o.MaxFileBytes > o.DiskBudget/2:
		return bad("MaxFileBytes is %d, more than half of DiskBudget, %d", o.MaxFileBytes, o.DiskBudget)
	}
	if o.QueueFrames == 0 {
		o.QueueFrames = defaultQueueFrames
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = defaultQueueBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Logger = applog.Guard(o.Logger)
	if o.create == nil {
		o.create = createFile
	}
	if o.now == nil {
		o.now = time.Now
	}
	o.Path, o.Dir = clean(o.Path), clean(o.Dir)
	return o, nil
}

func clean(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Clean(path)
}

// Package regular opens only regular files. Opening a FIFO waits for a writer,
// which no context can end. Reading a device may never end either.
package regular

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is the reason for which a FIFO, a device, a socket or a folder
// is refused.
var ErrNotRegular = errors.New("it is not a regular file")

// ErrTooLong is the reason for which Read refuses a file.
var ErrTooLong = errors.New("it is too long")

// Open opens a file for reading, and does not block. Errors are *fs.PathError.
func Open(path string) (*os.File, error) {
	// The type is checked first: opening a device may already have an effect.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, refusal(path, ErrNotRegular)
	}
	// The path may refer to another file by now, so the opened file is checked
	// too.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = refusal(path, ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Read returns the content of a file of at most limit bytes. Errors are
// *fs.PathError.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = refusal(path, ErrTooLong)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

func refusal(path string, why error) error {
	return &fs.PathError{Op: "read", Path: path, Err: why}
}

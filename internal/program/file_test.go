package program

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that cannot be written to its end, as on a full disk, does not stay,
// and does not replace an older one.
func TestWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "frame-000010.jpg")
	whole := func(w io.Writer) error { _, err := w.Write([]byte("whole")); return err }
	cut := func(w io.Writer) error { w.Write(make([]byte, 1<<20)); return syscall.ENOSPC }
	for _, write := range []func(io.Writer) error{cut, whole, cut} {
		if err := WriteFile(name, write); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if _, err := os.Stat(name + ".part"); err == nil {
			t.Error("a cut file stays")
		}
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "whole" {
		t.Errorf("%.20q, %v", text, err)
	}
}

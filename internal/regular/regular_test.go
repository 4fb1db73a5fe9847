package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Only regular files are read, also through a symbolic link, and no call
// blocks.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("file", "text")
	write("empty", "")
	write("long", strings.Repeat("x", 101))
	if err := errors.Join(syscall.Mkfifo(at("fifo"), 0o600), os.Symlink(at("file"), at("link")), os.Symlink(at("fifo"), at("link to a fifo"))); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, want := range map[string]error{
		at("file"): nil, at("link"): nil, at("empty"): nil,
		at("long"): ErrTooLong, at("none"): fs.ErrNotExist,
		at("fifo"): ErrNotRegular, at("link to a fifo"): ErrNotRegular, at("s"): ErrNotRegular, dir: ErrNotRegular, "/dev/zero": ErrNotRegular,
	} {
		done := make(chan error, 1)
		go func() {
			text, err := Read(path, 100)
			if err == nil && string(text) != "text" && path != at("empty") {
				err = errors.New("another text: " + string(text))
			}
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: %v, want %v", path, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the call waits", path)
		}
	}
}

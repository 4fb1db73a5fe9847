package source

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// memFile is a file in memory, which counts how often it is read.
type memFile struct {
	*bytes.Reader
	calls int
}

func (m *memFile) Read(b []byte) (int, error) {
	m.calls++
	return m.Reader.Read(b)
}

func (m *memFile) ReadAt(b []byte, at int64) (int, error) {
	m.calls++
	return m.Reader.ReadAt(b, at)
}

func (*memFile) Close() error { return nil }

// FuzzAVI reads files that are damaged. A reader must end, take no more memory
// than the file has, and not read the file again and again.
func FuzzAVI(f *testing.F) {
	files, err := filepath.Glob("testdata/*.avi")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds:", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		alloctest.AtMost(t, "an AVI file", 4*len(b)+1<<16, func() { readAVI(t, b) })
	})
}

func readAVI(t *testing.T, b []byte) {
	file := &memFile{Reader: bytes.NewReader(b)}
	defer func() {
		if file.calls > 64+len(b) {
			t.Errorf("%d calls read a file of %d bytes", file.calls, len(b))
		}
	}()
	a, err := newAVI(file)
	if err != nil {
		return
	}
	defer a.close()
	if r := a.rate(); r < 0 || r > 1e5 {
		t.Fatalf("%v pictures per second", r)
	}
	for n, total := 0, 0; ; n++ {
		frame, err := a.next(t.Context())
		if err != nil {
			if err != io.EOF {
				t.Log(err)
			}
			return
		}
		if total += len(frame.JPEG); total > len(b) || n > len(b)/8 {
			t.Fatalf("%d pictures of %d bytes in a file of %d", n, total, len(b))
		}
	}
}

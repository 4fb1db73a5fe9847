package source

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// memFile is a file in memory.
type memFile struct{ *bytes.Reader }

func (memFile) Close() error { return nil }

// FuzzAVI reads files that are damaged. A reader must end, and take no more
// memory than the file has.
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
		if used := alloctest.Bytes(func() { readAVI(t, b) }); used > uint64(4*len(b)+1<<16) {
			t.Fatalf("%d bytes of memory for a file of %d", used, len(b))
		}
	})
}

func readAVI(t *testing.T, b []byte) {
	a, err := newAVI(memFile{bytes.NewReader(b)})
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

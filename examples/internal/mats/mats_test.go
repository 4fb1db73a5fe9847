//go:build !nogocv

package mats

import (
	"bytes"
	"errors"
	"image"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/source"
)

// all reads a source to its end, but at most limit frames, and returns their
// pixels.
func all(t *testing.T, s source.Settings, limit int) [][]byte {
	t.Helper()
	src, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var frames [][]byte
	for len(frames) < limit {
		mat, err := src.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, Pixels(mat).Data)
	}
	return frames
}

func TestTestPictureDependsOnTheIndexAlone(t *testing.T) {
	for _, size := range []image.Point{{}, {X: 1, Y: 1}, {X: 33, Y: 7}, {X: 320, Y: 240}} {
		a, b := all(t, source.Settings{Name: "test", Size: size}, 30), all(t, source.Settings{Name: "test", Size: size}, 30)
		for i := range a {
			if !bytes.Equal(a[i], b[i]) {
				t.Errorf("size %v: frame %d differs between two runs", size, i)
			}
			if i > 0 && size.X > 100 && bytes.Equal(a[i], a[i-1]) {
				t.Errorf("size %v: frame %d does not move", size, i)
			}
		}
	}
}

func TestSample(t *testing.T) {
	path, err := sample.WriteTemp()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	frames := all(t, source.Settings{Name: path}, 1000)
	if len(frames) != sample.Frames || len(frames[0]) != sample.Width*sample.Height*3 {
		t.Errorf("%d frames of %d bytes", len(frames), len(frames[0]))
	}
	if looped := all(t, source.Settings{Name: path, Loop: true}, sample.Frames+1); !bytes.Equal(looped[sample.Frames], looped[0]) {
		t.Error("a loop does not begin again with the first frame")
	}
	if still := all(t, source.Settings{Name: path, Still: true}, 3); !bytes.Equal(still[2], frames[0]) {
		t.Error("-still moves")
	}
}

func TestPicturesAreKeptAsTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep.png")
	deep := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(40000, 0, 0, 0), 3, 5, gocv.MatTypeCV16UC1)
	defer deep.Close()
	if !gocv.IMWrite(file, deep) {
		t.Fatal("cannot write", file)
	}
	src, err := Open(t.Context(), source.Settings{Name: file})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	mat, err := src.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := Pixels(mat); got.DType != "uint16" || len(got.Data) != 30 || got.Data[0] != 0x40 || got.Data[1] != 0x9c {
		t.Errorf("%+v", got)
	}
}

// A picture is written whole or not at all: on a full disk the one from before
// stays.
func TestWriteFile(t *testing.T) {
	folder := t.TempDir()
	picture := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(1, 2, 3, 0), 3, 5, gocv.MatTypeCV8UC3)
	defer picture.Close()
	for name, beginning := range map[string]string{"a.png": "\x89PNG", "b.jpg": "\xff\xd8", "c.JPEG": "\xff\xd8"} {
		file := filepath.Join(folder, name)
		if err := WriteFile(file, picture); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(before, []byte(beginning)) {
			t.Fatalf("%s: %v, %d bytes", name, err, len(before))
		}
		if err := os.Symlink("/dev/full", file+".part"); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(file, picture); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s on a full disk: %v", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s: %v, %d bytes instead of %d", name, err, len(after), len(before))
		}
	}
	if err := WriteFile(filepath.Join(folder, "d.txt"), picture); err == nil {
		t.Error("a text is written as a picture")
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
}

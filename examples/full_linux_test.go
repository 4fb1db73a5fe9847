//go:build !nogocv

package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// On a full disk receive leaves no cut picture.
func TestPicturesOnAFullDisk(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(folder, "frame-000001.png.part")); err != nil {
		t.Fatal(err)
	}
	_, receiver := pair(t, 0, args("-n", "3"), args("-out", folder))
	if _, stderr := receiver.exits(1); !strings.Contains(stderr, "no space left on device") {
		t.Error(stderr)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 || files[0].Name() != "frame-000000.png" {
		t.Errorf("%v, %v", files, err)
	}
}

package turbojpeg

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
)

// Whole finds that a JPEG is truncated, or that a part of it is missing at a
// restart marker. It accepts whatever libjpeg decodes without a warning, except
// for a second SOI.
func TestWhole(t *testing.T) {
	files, err := filepath.Glob("testdata/jpeg/*.jpg")
	if err != nil || len(files) < 15 {
		t.Fatal(len(files), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		jpeg := file(t, name)
		if got, want := Whole(jpeg), name != "cut-90.jpg" && name != "two-soi.jpg"; got != want {
			t.Errorf("%s is whole: %v", name, got)
		}
	}
	jpeg := encodeStrips(t, newEncoder(t), photo(160, 120, BGR), 160, 120, BGR, EncodeOptions{90, true}, 4)
	if !Whole(jpeg) || !Whole(append(bytes.Clone(jpeg), 0, 0, 0)) {
		t.Error("four strips are not whole")
	}
	for n := range len(jpeg) {
		if Whole(jpeg[:n]) {
			t.Fatalf("%d of %d bytes are whole", n, len(jpeg))
		}
	}
	second, third := bytes.Index(jpeg, []byte{0xFF, mRST0}), bytes.Index(jpeg, []byte{0xFF, mRST0 + 1})
	if Whole(slices.Concat(jpeg[:second], jpeg[third:])) {
		t.Error("without its second strip it is whole")
	}
}

func BenchmarkWhole1080p(b *testing.B) {
	jpeg := encodeStrips(b, newEncoder(b), photo(1920, 1080, BGR), 1920, 1080, BGR, EncodeOptions{90, true}, 4)
	b.SetBytes(int64(len(jpeg)))
	for b.Loop() {
		if !Whole(jpeg) {
			b.Fatal("not whole")
		}
	}
}

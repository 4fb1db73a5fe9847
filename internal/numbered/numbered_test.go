package numbered

import (
	"slices"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for _, size := range []int{MinBytes, 29, 512, 7680} {
		frame := make([]byte, size)
		want := Numbers{3, 1 << 40, -5}
		Write(frame, want)
		if got, err := Read(frame); err != nil || got != want {
			t.Errorf("%d bytes: %+v, %v", size, got, err)
		}
		for i := range frame {
			changed := slices.Clone(frame)
			changed[i] ^= 1 << (i % 8)
			if _, err := Read(changed); err == nil {
				t.Errorf("of %d bytes, byte %d was changed without an error", size, i)
			}
		}
		if _, err := Read(frame[:size-1]); err == nil {
			t.Errorf("%d bytes: the last one is missing without an error", size)
		}
	}
}

// Two frames of one stream differ, so a frame with the bytes of another one is
// found.
func TestFramesDiffer(t *testing.T) {
	one, two := make([]byte, 512), make([]byte, 512)
	Write(one, Numbers{Life: 1, Index: 1})
	Write(two, Numbers{Life: 1, Index: 2})
	copy(two[256:], one[256:])
	if _, err := Read(two); err == nil {
		t.Error("a frame with the half of another one has no error")
	}
}

func TestPictures(t *testing.T) {
	want := Numbers{3, 1 << 40, -5}
	pixels := make([]byte, PictureBytes)
	WritePicture(pixels, want)
	for i := range pixels {
		pixels[i] += byte(i % 9) // as a JPEG may
	}
	if got, err := ReadPicture(pixels); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, i := range []int{0, 1, 2, 5000, PictureBytes - 1} {
		changed := slices.Clone(pixels)
		changed[i] ^= 0x80
		if _, err := ReadPicture(changed); err == nil {
			t.Errorf("byte %d was changed without an error", i)
		}
	}
	if _, err := ReadPicture(pixels[1:]); err == nil {
		t.Error("a byte is missing without an error")
	}
}

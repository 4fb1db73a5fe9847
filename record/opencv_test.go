//go:build !nogocv

package record

import (
	"testing"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

// OpenCV finds the frames, their times and their pixels, and seeks.
func TestOpenCV(t *testing.T) {
	const count = 90
	all := jpegs(count)
	for i := range all {
		all[i].message = i
		all = append(all, given{name: "depth", array: depth(i), at: at(i)})
	}
	video, err := gocv.VideoCaptureFile(recorded(t, all...))
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	if n, fps := video.Get(gocv.VideoCaptureFrameCount), video.Get(gocv.VideoCaptureFPS); n != count || fps < 29.9 || fps > 30.1 {
		t.Errorf("%v frames, %v a second", n, fps)
	}
	m := gocv.NewMat()
	defer m.Close()
	for i := 0; video.Read(&m); i++ {
		if i == count {
			t.Fatal("there are more frames")
		}
		if ms := at(i).Sub(epoch).Seconds() * 1000; video.Get(gocv.VideoCapturePosMsec) < ms-1 || video.Get(gocv.VideoCapturePosMsec) > ms+1 {
			t.Errorf("frame %d is at %v ms, not %v", i, video.Get(gocv.VideoCapturePosMsec), ms)
		}
		sameMat(t, i, m)
	}
	video.Set(gocv.VideoCapturePosFrames, 70)
	if !video.Read(&m) {
		t.Fatal("no frame after seeking")
	}
	sameMat(t, 70, m)
}

// sameMat compares a frame's pixels with those of its JPEG. FFmpeg and libjpeg
// round in other ways.
func sameMat(t *testing.T, i int, m gocv.Mat) {
	t.Helper()
	want, err := gocv.IMDecode(picture(i, 64, 48), gocv.IMReadColor)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	difference := gocv.NewMat()
	defer difference.Close()
	gocv.AbsDiff(m, want, &difference)
	if mean := difference.Mean(); m.Rows() != 48 || m.Cols() != 64 || mean.Val1 > 1 {
		t.Errorf("frame %d of %dx%d differs by %v on average", i, m.Cols(), m.Rows(), mean.Val1)
	}
}

// depth returns an array that no player shows.
func depth(n int) netgear.Array {
	return netgear.Array{DType: "uint16", Shape: []int{6, 10}, Data: elements(n, 120)}
}

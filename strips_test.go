package netgear

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// inStrips reports whether a JPEG has restart markers: a DRI segment of 4
// bytes.
func inStrips(jpeg []byte) bool { return bytes.Contains(jpeg, []byte{0xFF, 0xDD, 0, 4}) }

// Whatever the number of strips at either end, the pixels that arrive are those
// of the JPEG in one piece.
func TestStripsArriveAsOnePiece(t *testing.T) {
	for _, c := range []Colorspace{JPEGBGR, JPEGGray, "CMYK"} {
		var whole []byte
		for _, strips := range []int{1, 0, 2, 3, 8} {
			for _, readIn := range []int{0, 1, 8} {
				recv, send := openPair(t, Options{JPEGCompression: c}, func(recv, send *Options) {
					recv.JPEGStrips, send.JPEGStrips = readIn, strips
				})
				ctx := testContext(t)
				shape := []int{301, 203, send.link.colorspace.Channels()}
				if c == JPEGGray {
					shape = shape[:2]
				}
				if _, err := send.SendArray(ctx, testArray(5, "uint8", shape...), nil); err != nil {
					t.Fatal(err)
				}
				f := mustRecv(t, recv, ctx)
				if got := inStrips(f.JPEG()); got != (strips > 1) {
					t.Errorf("%s: JPEGStrips %d: in strips: %v", c, strips, got)
				}
				if whole == nil {
					whole = bytes.Clone(frameBytes(f))
				}
				if !bytes.Equal(frameBytes(f), whole) {
					t.Errorf("%s: other pixels with JPEGStrips %d, read with %d", c, strips, readIn)
				}
				f.Close()
				send.Close()
				recv.Close()
			}
		}
	}
}

// By default a large frame goes in strips where there are cores for them, a
// small one never; JPEGStrips: 1 is VidGear's JPEG.
func TestWhichFramesGoInStrips(t *testing.T) {
	for _, c := range []struct{ jpegStrips, height, cores, want int }{
		{0, 1080, 1, 1}, {0, 1080, 2, 4}, {0, 480, 2, 4}, {0, 360, 2, 2}, {0, 64, 8, 1}, {1, 1080, 8, 1}, {3, 1080, 1, 3}, {8, 64, 1, 8},
	} {
		n := newSettings(Options{JPEGStrips: c.jpegStrips})
		if got := n.strips(c.height*16/9, c.height, c.cores); got != c.want {
			t.Errorf("%+v: %d strips", c, got)
		}
	}
}

// A frame that is alone in the queue has all cores; frames that wait together
// have one each.
func TestShareOfCores(t *testing.T) {
	for _, c := range []struct {
		workers int
		states  []itemState
		want    int
	}{
		{4, []itemState{decoding}, 4},
		{4, []itemState{decoded, decoding, decoded}, 4},
		{4, []itemState{decoding, undecoded}, 2},
		{4, []itemState{decoding, decoding, undecoded}, 1},
		{2, []itemState{decoding, decoding, undecoded, undecoded, undecoded}, 1},
		{1, []itemState{decoding}, 1},
	} {
		q := &recvQueue{workers: c.workers, maxBytes: 1}
		for _, s := range c.states {
			q.items = append(q.items, item{state: s, frame: &Frame{frameMemory: &frameMemory{shape: []int{0}}}})
		}
		if got := q.share(); got != c.want {
			t.Errorf("%s: %d cores", fmt.Sprint(c), got)
		}
	}
}

// One piece and strips in turn, both ends in one process: "alone" is one frame
// on its way from Send to Recv, "stream" one of 20 sent back to back. What is
// reported are medians in ms, and the median ratio of neighbors in time.
func BenchmarkStripsOnTheWay(b *testing.B) {
	for _, height := range []int{480, 720, 1080} {
		width := height * 16 / 9
		a := testArray(0, "uint8", height, width, 3)
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range a.Data {
			x, y := i/3%width, i/3/width
			a.Data[i] = byte(40 + x*100/width + y*60/height + (x/64+y/48)%2*30 + rnd.IntN(12))
		}
		for name, frames := range map[string]int{"alone": 1, "stream": 20} {
			b.Run(fmt.Sprintf("%d/%s", height, name), func(b *testing.B) {
				whole, strips := stripRounds(b, a, frames, 1), stripRounds(b, a, frames, 0)
				var times [3][]float64 // one piece, strips, ratio
				for b.Loop() {
					w, s := whole(), strips()
					times[0], times[1], times[2] = append(times[0], w), append(times[1], s), append(times[2], s/w)
				}
				for i, unit := range []string{"ms-whole", "ms-strips", "ratio"} {
					slices.Sort(times[i])
					b.ReportMetric(times[i][len(times[i])/2], unit)
				}
			})
		}
	}
}

// stripRounds opens two ends, and returns a function that sends the frames and
// returns how many ms each took.
func stripRounds(b *testing.B, a Array, frames, strips int) func() float64 {
	recv, send := openPair(b, Options{JPEGStrips: strips})
	ctx := context.Background()
	return func() float64 {
		start := time.Now()
		go func() {
			for range frames {
				if _, err := send.SendArray(ctx, a, nil); err != nil {
					b.Error(err)
				}
			}
		}()
		for range frames {
			f, err := recv.Recv(ctx)
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
		return time.Since(start).Seconds() * 1e3 / float64(frames)
	}
}

//go:build unix

package netgear

import (
	"image"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// cpuCase is one of several ways to do something, which are compared.
type cpuCase struct {
	name string
	run  func() error
}

// compareCPU runs the cases in turn, and reports the median CPU time of each,
// of all threads of the process, and its ratio to the first. Cases that take
// turns see the same load of the machine.
func compareCPU(b *testing.B, cases []cpuCase) {
	times := make([][]time.Duration, len(cases))
	for b.Loop() {
		for i, c := range cases {
			before := processCPU(b)
			if err := c.run(); err != nil {
				b.Fatalf("%s: %v", c.name, err)
			}
			times[i] = append(times[i], processCPU(b)-before)
		}
	}
	for i, c := range cases {
		slices.Sort(times[i])
		median, first := times[i][len(times[i])/2], times[0][len(times[0])/2]
		b.ReportMetric(float64(median.Microseconds())/1000, c.name+"-ms")
		if i > 0 {
			b.ReportMetric(float64(median)/float64(first), c.name+"-ratio")
		}
	}
}

func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sceneryPlanes returns the picture of scenery as 4:2:0 planes, and as pixels.
func sceneryPlanes(b *testing.B, width, height int) (*image.YCbCr, *image.RGBA) {
	a := scenery(width, height)
	rgba := image.NewRGBA(image.Rect(0, 0, width, height))
	if err := turbojpeg.Reorder(rgba.Pix, rgba.Stride, turbojpeg.RGBA, a.Data, 3*width, turbojpeg.BGR, width, height); err != nil {
		b.Fatal(err)
	}
	f, err := NewJPEGFrame(benchJPEG(b, a), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	from, err := f.YCbCr()
	if err != nil {
		b.Fatal(err)
	}
	to := image.NewYCbCr(from.Rect, image.YCbCrSubsampleRatio420)
	copy(to.Y, from.Y)
	for y := range height / 2 {
		copy(to.Cb[y*to.CStride:(y+1)*to.CStride], from.Cb[2*y*from.CStride:])
		copy(to.Cr[y*to.CStride:(y+1)*to.CStride], from.Cr[2*y*from.CStride:])
	}
	return to, rgba
}

// benchJPEG returns the JPEG that a send end makes of an array.
func benchJPEG(b *testing.B, a Array) []byte {
	n := newSettingsOf(b, JPEGDefault)
	p, err := n.arrayPayload(a)
	return encoded(b, n, p, err)
}

// encoded returns the JPEG of a payload.
func encoded(b *testing.B, n *settings, p payload, err error) []byte {
	if err != nil {
		b.Fatal(err)
	}
	enc, err := turbojpeg.NewEncoder()
	if err != nil {
		b.Fatal(err)
	}
	defer enc.Close()
	buf, err := n.encodeJPEG(&p, enc)
	if err != nil {
		b.Fatal(err)
	}
	defer buf.Release()
	return slices.Clone(buf.Bytes())
}

// BenchmarkSendImage sends the same 1080p picture as pixels and as planes. Both
// ends are in this process; the receive end reads no pixels.
func BenchmarkSendImage(b *testing.B) {
	planes, rgba := sceneryPlanes(b, 1920, 1080)
	recv, send := openPair(b, Options{Decode: DecodeOnUse})
	nrgba := image.NRGBA(*rgba)
	gray := &image.Gray{Pix: planes.Y, Stride: planes.YStride, Rect: planes.Rect}
	var cases []cpuCase
	for _, c := range []struct {
		name string
		img  image.Image
	}{{"RGBA", rgba}, {"YCbCr", planes}, {"NRGBA", &nrgba}, {"Gray", gray}} {
		cases = append(cases, cpuCase{c.name, func() error {
			if _, err := send.SendImage(b.Context(), c.img, nil); err != nil {
				return err
			}
			f, err := recv.Recv(b.Context())
			if err == nil {
				f.Close()
			}
			return err
		}})
	}
	compareCPU(b, cases)
}

// BenchmarkReadings reads a 1080p JPEG in every way, as a send end makes it of
// pixels (4:2:2) and of planes (4:2:0). The first way is Bytes.
func BenchmarkReadings(b *testing.B) {
	planes, _ := sceneryPlanes(b, 1920, 1080)
	n := newSettingsOf(b, JPEGDefault)
	for _, kind := range []string{"422", "420"} {
		b.Run(kind, func(b *testing.B) {
			jpeg := benchJPEG(b, scenery(1920, 1080))
			if kind == "420" {
				p, err := n.imagePayload(planes)
				jpeg = encoded(b, n, p, err)
			}
			f, err := NewJPEGFrame(jpeg, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			compareCPU(b, []cpuCase{
				{"Bytes", readAs(f, Reading{}, (*Frame).Bytes)},
				{"Image", readAs(f, Reading{}, (*Frame).Image)},
				{"YCbCr", readAs(f, Reading{}, (*Frame).YCbCr)},
				{"half", readAs(f, Reading{Reduce: 2}, (*Frame).Bytes)},
				{"quarter", readAs(f, Reading{Reduce: 4}, (*Frame).Bytes)},
				{"eighth", readAs(f, Reading{Reduce: 8}, (*Frame).Bytes)},
				{"gray", readAs(f, Reading{Gray: true}, (*Frame).Bytes)},
				{"region-640x360", readAs(f, Reading{Region: image.Rect(640, 360, 1280, 720)}, (*Frame).Bytes)},
			})
		})
	}
}

// readAs returns a function that reads a frame once.
func readAs[T any](f *Frame, r Reading, get func(*Frame) (T, error)) func() error {
	return func() error {
		g, err := f.Read(r)
		if err != nil {
			return err
		}
		defer g.Close()
		_, err = get(g)
		return err
	}
}

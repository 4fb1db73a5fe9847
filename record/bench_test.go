package record

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// camera1080p returns a JPEG of 1920x1080 as a camera would send it: about 300 KB.
func camera1080p(b *testing.B) []byte {
	b.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, 1920, 1080), image.YCbCrSubsampleRatio422)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range img.Y {
		img.Y[i] = byte(i/1920/8 + i%1920/16 + random.IntN(12))
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = byte(i/960/5), byte(i%960/4)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 85}); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// cpu returns the time that the process has used: user and system.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRecord1080p records one camera of 30 frames a second, with a message
// and a stamp with each frame. It reports the process's user and system time as
// a part of one core. For ten seconds: -benchtime 300x.
func BenchmarkRecord1080p(b *testing.B) {
	for name, fps := range map[string]int{"30fps": 30, "unpaced": 0} {
		b.Run(name, func(b *testing.B) {
			data := camera1080p(b)
			r, err := Create(Options{Path: filepath.Join(b.TempDir(), "a.mkv")})
			if err != nil {
				b.Fatal(err)
			}
			f, err := netgear.NewJPEGFrame(data, map[string]any{"camera": "front door", "temperature": 21.5})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.SetBytes(int64(len(data)))
			used, start := cpu(b), time.Now()
			b.ResetTimer()
			for n := range b.N {
				now := time.Now()
				f.ReceivedAt, f.Stamp = now, &netgear.Stamp{Seq: uint64(n), Time: now}
				for r.Write("camera", f) != nil {
					time.Sleep(time.Millisecond)
				}
				if fps > 0 {
					time.Sleep(time.Until(start.Add(time.Duration(n+1) * time.Second / time.Duration(fps))))
				}
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			used = cpu(b) - used
			b.ReportMetric(used.Seconds()*1e6/float64(b.N), "cpu-us/frame")
			b.ReportMetric(used.Seconds()*100*30/float64(b.N), "%core-at-30fps")
		})
	}
}

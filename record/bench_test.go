package record

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// camera1080p returns a JPEG of 1920x1080 as a camera would send it: about 300 KB.
func camera1080p() []byte {
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
		panic(err)
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
			data := camera1080p()
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
			reportCPU(b, cpu(b)-used)
		})
	}
}

// reportCPU reports the process's time for b.N frames.
func reportCPU(b *testing.B, used time.Duration) {
	b.Helper()
	b.ReportMetric(used.Seconds()*1e6/float64(b.N), "cpu-us/frame")
	b.ReportMetric(used.Seconds()*100*30/float64(b.N), "%core-at-30fps")
}

// senderEnv has the port to which a child process sends.
const senderEnv = "NETGEAR_RECORD_SENDER"

// beSender sends 30 JPEGs of 1080p a second until the process is killed.
func beSender(port string) {
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, JPEGCheck: netgear.ToggleOff, Stamp: true})
	if err != nil {
		panic(err)
	}
	data := camera1080p()
	for range time.Tick(time.Second / 30) {
		if _, err := send.SendJPEG(context.Background(), data, map[string]any{"camera": "front door"}); err != nil {
			panic(err)
		}
	}
}

// BenchmarkReceive1080p measures a process that receives one camera, and records
// it or not. The camera is another process. For ten seconds: -benchtime 300x.
func BenchmarkReceive1080p(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		b.Run(fmt.Sprintf("recorded=%v", recorded), func(b *testing.B) {
			recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Stamp: true, Decode: netgear.DecodeOnUse})
			if err != nil {
				b.Fatal(err)
			}
			defer recv.Close()
			self, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), senderEnv+"="+recv.Port())
			child := peertest.Start(b, "camera", cmd, func([]byte) bool { return true })
			defer child.Kill()
			r, err := Create(Options{Path: filepath.Join(b.TempDir(), "a.mkv")})
			if err != nil {
				b.Fatal(err)
			}
			next := func() {
				f, err := recv.Recv(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				if recorded {
					err = r.Write("camera", f)
				}
				if f.Close(); err != nil {
					b.Fatal(err)
				}
			}
			next()
			used := cpu(b)
			b.ResetTimer()
			for range b.N {
				next()
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			reportCPU(b, cpu(b)-used)
		})
	}
}

//go:build !nogocv

package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

// TestCameraJPEGs sends what cameras make of a JPEG to a VidGear receive end:
// without Huffman tables, with bytes around it, without an end, truncated and
// damaged at many places. VidGear must receive the pixels that simplejpeg
// decodes of each one that SendJPEG accepts, and must survive all.
func TestCameraJPEGs(t *testing.T) {
	const folder = "../internal/turbojpeg/testdata/jpeg/"
	junk := []byte("\x00\xFF\xD8--boundary\r\nContent-Type: image/jpeg\r\n\r\n")
	type variant struct {
		jpeg  []byte
		whole bool // it must be accepted
	}
	var variants []variant
	for _, name := range []string{"nodht-420.jpg", "nodht-avi1-422.jpg", "nodht-gray.jpg", "small-rst-2-bytes.jpg"} {
		jpeg, err := os.ReadFile(folder + name)
		if err != nil {
			t.Fatal(err)
		}
		end := bytes.LastIndex(jpeg, []byte{0xFF, 0xD9})
		padding := make([]byte, 1000)
		variants = append(variants,
			variant{jpeg, true}, variant{slices.Concat(junk, jpeg), true}, variant{slices.Concat(junk, jpeg, padding, junk), true},
			variant{jpeg[:end], true}, variant{slices.Concat(jpeg[:end], padding), true}, variant{slices.Concat(junk, jpeg[:end], padding, jpeg[end:]), true})
		for at := 1; at < len(jpeg); at += 1 + len(jpeg)/25 {
			bad := bytes.Clone(jpeg)
			bad[at] ^= 0x55
			variants = append(variants, variant{jpeg[:at], false}, variant{bad, false}, variant{slices.Delete(bytes.Clone(jpeg), at, at+1), false})
		}
	}
	receiver, o := startReceiver(t, netgear.Options{Address: address(t, "tcp")})
	sender := open(t, o)
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	refused := 0
	for i, v := range variants {
		_, err := sender.SendJPEG(ctx, v.jpeg, nil)
		if errors.Is(err, netgear.ErrFrame) && !v.whole {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("variant %d: %v", i, err)
		}
		same, err := netgear.NewJPEGFrame(v.jpeg, nil)
		if err != nil {
			t.Fatalf("variant %d: it was sent, but: %v", i, err)
		}
		pixels, err := same.Bytes()
		if err != nil {
			t.Fatalf("variant %d: it was sent, but: %v", i, err)
		}
		want := fmt.Sprintf("%x", sha256.Sum256(pixels))
		same.Close()
		if got := receiver.expect("frame"); got.text("sha256") != want {
			t.Errorf("variant %d: VidGear has other pixels", i)
		}
	}
	if refused < len(variants)/4 {
		t.Errorf("only %d of %d refused", refused, len(variants))
	}
	sender.Close()
	receiver.end("terminated")
}

// BenchmarkCamera measures a send end's CPU time for each 1080p JPEG of a
// camera, sent to a VidGear receive end: passed through, passed through without
// the check, and decoded and encoded. It takes turns, so that the machine's
// load is the same for all.
func BenchmarkCamera(b *testing.B) {
	mat := gocv.NewMat()
	defer mat.Close()
	gocv.Resize(footage[3].mats[0], &mat, image.Pt(1920, 1080), 0, 0, gocv.InterpolationArea)
	for _, quality := range []int{75, 90} {
		buf, err := gocv.IMEncodeWithParams(".jpg", mat, []int{gocv.IMWriteJpegQuality, quality})
		if err != nil {
			b.Fatal(err)
		}
		jpeg := bytes.Clone(buf.GetBytes())
		buf.Close()
		b.Run(fmt.Sprintf("quality %d, %d KB", quality, len(jpeg)>>10), func(b *testing.B) { benchmarkCamera(b, jpeg) })
	}
}

func benchmarkCamera(b *testing.B, jpeg []byte) {
	ctx := context.Background()
	through := func(end *netgear.NetGear) error { _, err := end.SendJPEG(ctx, jpeg, nil); return err }
	ways := []struct {
		name  string
		check netgear.Toggle
		send  func(*netgear.NetGear) error
		end   *netgear.NetGear
		peer  *peer
		cpu   []float64 // ms for each frame
	}{
		{name: "decode+encode", send: func(end *netgear.NetGear) error {
			f, err := netgear.NewJPEGFrame(jpeg, nil)
			if err != nil {
				return err
			}
			defer f.Close()
			pixels, err := f.Array()
			if err != nil {
				return err
			}
			_, err = end.SendArray(ctx, pixels, nil)
			return err
		}},
		{name: "through", send: through},
		{name: "unchecked", check: netgear.ToggleOff, send: through},
	}
	for i := range ways {
		w := &ways[i]
		var o netgear.Options
		w.peer, o = startReceiver(b, netgear.Options{Address: address(b, "tcp")})
		o.JPEGCheck = w.check
		w.end = open(b, o)
	}
	for b.Loop() {
		for i := range ways {
			const frames = 10
			w := &ways[i]
			before := cpuTime(b)
			for range frames {
				if err := w.send(w.end); err != nil {
					b.Fatal(err)
				}
			}
			w.cpu = append(w.cpu, (cpuTime(b)-before).Seconds()*1e3/frames)
			for range frames {
				w.peer.expect("frame")
			}
		}
	}
	slices.Sort(ways[0].cpu)
	whole := ways[0].cpu[len(ways[0].cpu)/2]
	for i := range ways {
		w := &ways[i]
		slices.Sort(w.cpu)
		b.ReportMetric(w.cpu[len(w.cpu)/2], w.name+"-ms")
		b.ReportMetric(w.cpu[len(w.cpu)/2]/whole, w.name+"-ratio")
		w.end.Close()
		w.peer.end("terminated")
	}
}

// cpuTime returns the CPU time of this process.
func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

//go:build !nogocv

package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

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
	receiver, o := startReceiver(t, netgear.Options{Address: address(t, "tcp"), RequestTimeout: longTimeout})
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

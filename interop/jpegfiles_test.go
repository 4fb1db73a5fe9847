//go:build !nogocv

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
)

// TestJPEGFiles sends cameras' JPEGs to a VidGear receive end: with printing
// colors, without Huffman tables, with extra bytes, truncated. It must receive
// simplejpeg's pixels of each complete one. None may end it: such JPEGs are
// mended or refused.
func TestJPEGFiles(t *testing.T) {
	const folder = "../internal/turbojpeg/testdata/"
	raw, err := os.ReadFile(folder + "golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Files map[string]map[string][]string
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	receiver, o := startReceiver(t, netgear.Options{Address: address(t, "tcp"), RequestTimeout: longTimeout})
	sender := open(t, o)
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	sent, bad := 0, map[string]bool{"cut-90.jpg": true, "two-soi.jpg": true, "scans-480-2000x2000.jpg": true}
	for name, spaces := range golden.Files {
		jpeg, err := os.ReadFile(filepath.Join(folder, "jpeg", name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = sender.SendJPEG(ctx, jpeg, nil)
		if bad[name] != errors.Is(err, netgear.ErrFrame) || !bad[name] && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		sent++
		// The third is VidGear's decoder setting: the fast DCT.
		want := strings.TrimPrefix(spaces["BGR"][2], "~")
		if got := receiver.expect("frame"); !strings.HasPrefix(got.text("sha256"), want) {
			t.Errorf("%s: VidGear has other pixels than simplejpeg", name)
		}
	}
	if damaged := sender.Stats().Damaged; sent != 14 || damaged != 1 {
		t.Errorf("%d sent, %d of them mended", sent, damaged)
	}
	sender.Close()
	receiver.end("terminated")
}

package web

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/vidgear-go/netgear"
)

// The screenshots of the documentation:
//
//	go test -tags nogocv -run TestScreenshots -screenshots ../docs/images ./web
//
// It needs chromium and ffmpeg.
var screenshots = flag.String("screenshots", "", "the folder to write the documentation's screenshots to, relative to web/")

// cameras are the four cameras of the screenshots: views of the sample video by
// ffmpeg's filters.
var cameras = []struct{ name, filter, peer string }{
	{"street", "null", "10.0.0.11:50712"},
	{"entrance", "crop=432:324:300:100,scale=768:576", "10.0.0.12:40122"},
	{"yard", "hflip,hue=h=30", "10.0.0.13:37650"},
	{"night camera", "hue=s=0,eq=brightness=-0.15", "10.0.0.14:58214"},
}

func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("only with -screenshots")
	}
	v, url := newViewer(t, Options{Title: "Cameras", StallAfter: time.Hour})
	var frames [][][]byte
	var sources []*Source
	for _, c := range cameras {
		frames = append(frames, sampleVideo(t, c.filter))
		sources = append(sources, v.Source(c.name))
	}
	tab := newTab(t, newBrowser(t))
	show := func(seconds int, lost int) {
		for n := range 10 * seconds {
			for i, s := range sources {
				if i != lost {
					publish(t, s, sampleFrame(t, frames[i], n, i))
				}
			}
			time.Sleep(100 * time.Millisecond) // the rate of the video
		}
	}
	run(t, tab, chromedp.EmulateViewport(1100, 960), colorScheme("light"))
	open(t, tab, url)
	show(4, -1)
	save(t, tab, "view-light.jpg")
	run(t, tab, colorScheme("dark"))
	save(t, tab, "view-dark.jpg")
	event(sources[2], netgear.EventReconnecting, "", "")
	show(3, 2)
	run(t, tab, until("state('yard') === 'lost'"), colorScheme("light"))
	save(t, tab, "view-lost.jpg")
	run(t, tab, phone(), colorScheme("dark"), chromedp.Click(chromedp.CSS("summary")))
	show(2, 2)
	save(t, tab, "view-phone.jpg")
}

// sampleFrame returns frame n of a camera, as it would have been received now.
func sampleFrame(t *testing.T, jpegs [][]byte, n, camera int) *netgear.Frame {
	t.Helper()
	now := time.Now()
	f, err := netgear.NewJPEGFrame(jpegs[n%len(jpegs)], netgear.StampedMessage{
		At: now.Add(-time.Duration(8+3*camera) * time.Millisecond), Seq: uint64(n + 1),
		Message: map[string]any{"frame": n + 1, "people": 5 + n/7%3, "exposure": 0.01},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.ReceivedAt, f.Peer = now, cameras[camera].peer
	return f
}

// sampleVideo returns the JPEGs of the repository's sample video, with a filter.
func sampleVideo(t *testing.T, filter string) (jpegs [][]byte) {
	t.Helper()
	folder := t.TempDir()
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", "../examples/internal/sample/vtest-excerpt.avi", //nolint:gosec // the filters are above
		"-vf", filter, "-q:v", "4", filepath.Join(folder, "%03d.jpg")).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	for n := 1; ; n++ {
		jpeg, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("%03d.jpg", n)))
		if err != nil {
			break
		}
		jpegs = append(jpegs, jpeg)
	}
	if len(jpegs) == 0 {
		t.Fatal("ffmpeg has written no picture")
	}
	return jpegs
}

// save writes a screenshot of what is visible.
func save(t *testing.T, tab context.Context, name string) {
	t.Helper()
	quality := int64(80)
	shot, err := chromedp.Call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatJpeg, Quality: &quality,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name), shot.Data, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d KB", name, len(shot.Data)>>10)
}

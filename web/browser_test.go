package web

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browserLimit bounds a test in a browser.
const browserLimit = time.Minute

// newBrowser returns the context of a new tab in a new browser. The test's
// cleanup ends the browser.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 800))
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit) // cleanups run after the end of t.Context
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Log(err)
		}
		cancel()
	})
	run(t, ctx)
	return ctx
}

// readBlocks is JavaScript that returns the number which a tile's picture shows,
// as blocks draws it; -1 without a picture.
const readBlocks = `(name => {
  for (const tile of document.querySelectorAll('.tile')) {
    if (tile.querySelector('.name').textContent !== name) continue;
    const from = tile.querySelector('canvas');
    if (!from.dataset.seq || from.width < 16) return -1;
    const to = Object.assign(document.createElement('canvas'), {width: 16, height: 1});
    const context = to.getContext('2d');
    context.imageSmoothingEnabled = false;
    context.drawImage(from, 0, 0, 16, 1);
    const pixels = context.getImageData(0, 0, 16, 1).data;
    let n = 0;
    for (let i = 0; i < 16; i++) if (pixels[4 * i] > 127) n |= 1 << i;
    return n;
  }
  return -1;
})`

func TestPictureMoves(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	tab := newBrowser(t)
	publish(t, s, jpegFrame(t, 0x1234, nil))
	run(t, tab, chromedp.Navigate(url), until(readBlocks+"('gate') === 0x1234"))
	publish(t, s, jpegFrame(t, 0xfedc, nil))
	run(t, tab, until(readBlocks+"('gate') === 0xfedc"))
}

func run(t *testing.T, tab context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, actions...); err != nil {
		t.Fatal(err)
	}
}

// until waits until a JavaScript expression is true.
func until(expression string) chromedp.Action[chromedp.Void] {
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond))
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := poll(ctx, target); err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
		return nil
	})
}

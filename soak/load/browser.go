package main

import (
	"context"
	"fmt"
	"os"

	"github.com/chromedp/chromedp"
)

// browser is a Chromium that shows the page of a viewer. A nil browser does
// nothing.
type browser struct {
	ctx   context.Context
	close func()
}

// openBrowser opens a page, if there is a browser.
func (l *load) openBrowser(ctx context.Context, url string) (*browser, error) {
	if l.browser == "" {
		return &browser{close: func() {}}, nil
	}
	profile, err := os.MkdirTemp("", "load-browser-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(l.browser), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 800))
	allocated, cancel := chromedp.NewExecAllocator(ctx, options...)
	tab, leave := chromedp.NewContext(allocated)
	b := &browser{ctx: tab, close: func() {
		leave()
		cancel()
		os.RemoveAll(profile)
	}}
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		b.close()
		return nil, fmt.Errorf("the browser: %w", err)
	}
	return b, nil
}

// sequences is the number of the frame that each tile shows.
const sequences = `[...document.querySelectorAll('.tile canvas')].map(canvas => Number(canvas.dataset.seq || 0))`

// begin notes what the page shows.
func (b *browser) begin() error {
	if b.ctx == nil {
		return nil
	}
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`globalThis.before = `+sequences+`; before.length`))
	return err
}

// shown describes what the page has shown since begin.
func (b *browser) shown() (string, error) {
	if b.ctx == nil {
		return "–", nil
	}
	const moved = `(() => { const now = ` + sequences + `; return now.filter((n, i) => n > (before[i] || 0)).length + ' of ' + now.length + ' tiles moved' })()`
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](moved))
	if err == nil && text[0] == '0' {
		err = fmt.Errorf("the browser: %s", text)
	}
	return text, err
}

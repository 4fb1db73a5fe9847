package web

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// browserLimit bounds a test with a viewer.
const browserLimit = 2 * time.Minute

var reloads = flag.Int("reloads", 30, "how often TestBrowser reloads the page")

// newBrowser returns the context of a new browser. The test's cleanup ends it.
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
	// Cleanups run after the end of t.Context.
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
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

// newTab returns the context of a new tab.
func newTab(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, browserLimit+time.Duration(*reloads)*time.Second)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	run(t, ctx)
	return ctx
}

type action = chromedp.Action[chromedp.Void]

func run(t *testing.T, tab context.Context, actions ...action) {
	t.Helper()
	if err := chromedp.Do(tab, actions...); err != nil {
		t.Fatal(err)
	}
}

// value returns the value of a JavaScript expression.
func value[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	got, err := chromedp.Run(tab, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// call is a command of the DevTools protocol without a result.
func call[P, R any](command cdp.Command[P, R], params P) action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	})
}

// until waits until a JavaScript expression is true. The document may be replaced
// meanwhile: a page that was left may have its load event only then.
func until(expression string) action {
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond))
	define := chromedp.Evaluate[bool](scripts)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for {
			_, err := poll(ctx, target)
			if err == nil {
				return nil
			}
			if !strings.Contains(err.Error(), "Cannot find context") {
				return fmt.Errorf("%s: %w", expression, err)
			}
			_, _ = define(ctx, target) // they may be defined
		}
	})
}

// scripts are functions for the tests' expressions: tile returns a tile by its
// name, shown the number that its picture shows, as blocks draws it, or -1, and drawn
// that of any picture.
const scripts = `
const wrong = [];
addEventListener('error', event => wrong.push(String(event.message)));
addEventListener('unhandledrejection', event => wrong.push(String(event.reason)));
document.addEventListener('securitypolicyviolation', event => wrong.push(event.violatedDirective + ' ' + event.blockedURI));
function tile(name) {
  for (const tile of document.querySelectorAll('.tile')) {
    if (tile.querySelector('.name').textContent === name) return tile;
  }
}
function state(name) { return tile(name)?.querySelector('.state').textContent; }
function shown(name) {
  const from = tile(name)?.querySelector('canvas');
  return from?.dataset.seq && from.width >= 16 ? drawn(from) : -1;
}
function drawn(from) {
  const to = Object.assign(document.createElement('canvas'), {width: 16, height: 1});
  const context = to.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(from, 0, 0, 16, 1);
  const pixels = context.getImageData(0, 0, 16, 1).data;
  let n = 0;
  for (let i = 0; i < 16; i++) if (pixels[4 * i] > 127) n |= 1 << i;
  return n;
}
true`

// open opens the page, with scripts.
func open(t *testing.T, tab context.Context, url string) {
	t.Helper()
	run(t, tab, chromedp.Navigate(url))
	value[bool](t, tab, scripts)
}

// TestBrowser looks at the page in a real browser.
func TestBrowser(t *testing.T) {
	b := newBrowser(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, context.Context)
	}{
		{"PictureMoves", testPictureMoves},
		{"SenderDiesAndReturns", testSenderDiesAndReturns},
		{"EightCameras", testEightCameras},
		{"ThrottledViewer", testThrottledViewer},
		{"Reloads", testReloads},
		{"Reconnects", testReconnects},
		{"HTML", testHTML},
		{"Changes", testChanges},
		{"Background", testBackground},
		{"Keyboard", testKeyboard},
		{"Snapshot", testSnapshot},
		{"ColorSchemes", testColorSchemes},
		{"Phone", testPhone},
		{"SignIn", testSignIn},
		{"WithoutJavaScript", testWithoutJavaScript},
		{"ImageElement", testImageElement},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newTab(t, b)) })
	}
}

func testPictureMoves(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	open(t, tab, url)
	run(t, tab, until("state('gate') === 'waiting'"))
	for _, n := range []int{0x1234, 0xfedc, 0x0ff0} {
		publish(t, s, jpegFrame(t, n, nil))
		run(t, tab, until(fmt.Sprintf("shown('gate') === %d", n)))
	}
	publish(t, s, arrayFrame(t, grayArray(0x5a5a)))
	run(t, tab, until("shown('gate') === 0x5a5a"), until("state('gate') === 'live'"))
	if got := value[[]string](t, tab, "wrong"); len(got) > 0 {
		t.Errorf("the page reports %q", got)
	}
}

func grayArray(n int) netgear.Array {
	img := blocks(n, 320, 180)
	return netgear.Array{DType: "uint8", Shape: []int{180, 320}, Data: img.Pix}
}

func testSenderDiesAndReturns(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	port := receive(t, v.Source("gate"))
	open(t, tab, url)
	for range 2 {
		kill := startSender(t, port)
		run(t, tab, until("state('gate') === 'live'"), until("(globalThis.before = shown('gate')) > 0"),
			until("shown('gate') > before"), until("/ms$/.test(tile('gate').querySelector('.latency').textContent)"))
		kill()
		run(t, tab, until("state('gate') === 'lost'"), until("/^No frame for /.test(tile('gate').querySelector('.nothing').textContent)"))
	}
	startSender(t, port)
	run(t, tab, until("state('gate') === 'live'"))
	if got := value[int](t, tab, "document.querySelectorAll('.tile').length"); got != 1 {
		t.Errorf("%d tiles of one sender", got)
	}
}

func testEightCameras(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	open(t, tab, url)
	var all []*Source
	for i := range 8 {
		all = append(all, v.Source(fmt.Sprintf("camera %d", i)))
	}
	for round := range 2 {
		for i, s := range all {
			publish(t, s, jpegFrame(t, 100*round+i+1, nil))
		}
		for i := range all {
			run(t, tab,
				chromedp.ScrollIntoView(chromedp.CSS(fmt.Sprintf(".tile:nth-child(%d)", i+1))),
				until(fmt.Sprintf("shown('camera %d') === %d", i, 100*round+i+1)))
		}
	}
	run(t, tab, until("document.getElementById('summary').textContent === '8 of 8 live'"))
}

// One viewer has a slow network. The other has every frame, and the slow one in
// the end the last.
func testThrottledViewer(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	slow := newTab(t, tab)
	run(t, slow, call(network.Enable, network.EnableParams{}),
		call(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Latency: 100, DownloadThroughput: 100 << 10, UploadThroughput: 100 << 10}},
		}))
	open(t, slow, url)
	publish(t, s, noisyFrame(t, 1))
	run(t, slow, until("shown('gate') === 1"))
	open(t, tab, url)
	value[bool](t, slow, `globalThis.count = 0; new MutationObserver(() => count++).observe(tile('gate').querySelector('canvas'), {attributes: true}); true`)
	const frames = 20
	for n := 2; n <= frames; n++ {
		publish(t, s, noisyFrame(t, n))
		run(t, tab, until(fmt.Sprintf("shown('gate') === %d", n)))
	}
	run(t, slow, until(fmt.Sprintf("shown('gate') === %d", frames)))
	if got := value[int](t, slow, "count"); got >= frames-1 {
		t.Errorf("the slow viewer has displayed %d frames of %d: it is not slow", got, frames-1)
	}
}

// noisyFrame is a frame that shows n and has about 40 KB.
func noisyFrame(t *testing.T, n int) *netgear.Frame {
	t.Helper()
	img := blocks(n, 320, 320)
	copy(img.Pix[220*320:], noise(320).Data)
	f, err := netgear.NewJPEGFrame(jpegOf(t, img), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.ReceivedAt = time.Now()
	return f
}

// Reloading leaves no viewer and no goroutine behind.
func testReloads(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{MaxViewers: 3})
	s := v.Source("gate")
	publish(t, s, jpegFrame(t, 7, nil))
	var before, after runtime.MemStats
	goroutines := 0
	for i := range *reloads {
		open(t, tab, url)
		run(t, tab, until("shown('gate') === 7"))
		if i == *reloads/3 {
			goroutines = settled(v, 1)
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
	}
	// The browser keeps up to six connections; a leak would be one each time.
	if left := settled(v, 1); left > goroutines+*reloads/3 {
		t.Errorf("%d goroutines, and %d before", left, goroutines)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d reloads: %d goroutines, %d KB in use, %d KB after a third of them", *reloads, goroutines, after.HeapInuse>>10, before.HeapInuse>>10)
	run(t, tab, chromedp.Navigate("about:blank"))
	settled(v, 0)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.watchers) > 0 || v.streams[0].picture.refs.Load() != 1 {
		t.Errorf("%d watchers, %d references to the picture", len(v.watchers), v.streams[0].picture.refs.Load())
	}
}

// settled waits until there are so many viewers, and returns the number of
// goroutines.
func settled(v *Viewer, viewers int) int {
	for end := time.Now().Add(browserLimit); v.Viewers() != viewers && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // no event reports it
	}
	return runtime.NumGoroutine()
}

func testReconnects(t *testing.T, tab context.Context) {
	v, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(v)
	server.Start()
	defer server.Close()
	s := v.Source("gate")
	publish(t, s, jpegFrame(t, 1, nil))
	open(t, tab, server.URL)
	run(t, tab, until("shown('gate') === 1"))
	// The program ends and starts again.
	v.Close()
	run(t, tab, until("document.getElementById('link').dataset.state === 'lost'"))
	v2, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v2.Close()
	server.Config.Handler = v2
	publish(t, v2.Source("gate"), jpegFrame(t, 2, nil))
	run(t, tab, until("shown('gate') === 2"), until("document.getElementById('link').textContent === 'connected'"))
}

func testHTML(t *testing.T, tab context.Context) {
	const evil = `<img src=x onerror=alert(1)><script>alert(1)</script>`
	v, url := newViewer(t, Options{Title: evil})
	open(t, tab, url)
	f := jpegFrame(t, 1, map[string]string{"html": evil})
	f.Port, f.Peer = evil, evil
	publish(t, v.Source(""), f)
	run(t, tab, until("shown("+fmt.Sprintf("%q", evil)+") === 1"), chromedp.Click(chromedp.CSS("summary")),
		until("document.querySelector('pre').textContent.includes('onerror')"))
	if got := value[int](t, tab, "document.querySelectorAll('img, .tile script').length"); got > 0 {
		t.Errorf("%d elements come from names or messages", got)
	}
	if got := value[string](t, tab, "document.querySelector('pre').textContent"); got != "{\n  \"html\": \""+evil+"\"\n}" {
		t.Errorf("the message is shown as %q", got)
	}
	if got := value[[]string](t, tab, "[document.title, document.querySelector('h1').textContent]"); got[0] != evil || got[1] != evil {
		t.Errorf("the title is shown as %q", got)
	}
}

// A stream changes its size and type, and the number of senders changes.
func testChanges(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	open(t, tab, url)
	publish(t, s, jpegFrame(t, 3, nil))
	run(t, tab, until("shown('gate') === 3"))
	publish(t, s, arrayFrame(t, fill("float32", []int{2, 3}, 0)))
	run(t, tab, until("tile('gate').querySelector('.nothing').textContent === 'float32 [2, 3]'"))
	publish(t, s, noisyFrame(t, 9))
	run(t, tab, until("shown('gate') === 9"), until("tile('gate').querySelector('canvas').height === 320"),
		until("tile('gate').querySelector('.nothing').textContent === ''"))
	second := v.Source("gate")
	run(t, tab, until("state('gate (2)') === 'waiting'"))
	second.Close()
	run(t, tab, until("!tile('gate (2)')"))
}

// A page in the background, which has no animation frames, reports that a frame
// has arrived, and acknowledges it when it is visible again.
func testBackground(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	open(t, tab, url)
	value[bool](t, tab, `
const reports = [], send = WebSocket.prototype.send, animate = requestAnimationFrame;
let hidden = false;
WebSocket.prototype.send = function (text) { reports.push(text); send.call(this, text); };
window.requestAnimationFrame = (f) => hidden ? 0 : animate(f);
Object.defineProperty(document, 'hidden', {get: () => hidden});
function hide(now) {
  hidden = now;
  document.dispatchEvent(new Event('visibilitychange'));
  return true;
}
true`)
	publish(t, s, jpegFrame(t, 1, nil))
	run(t, tab, until("reports.join() === '1'"))
	value[bool](t, tab, "hide(true)")
	publish(t, s, jpegFrame(t, 2, nil))
	run(t, tab, until("reports.join() === '1,-1'"))
	publish(t, s, jpegFrame(t, 3, nil))
	value[bool](t, tab, "hide(false)")
	run(t, tab, until("reports.join() === '1,-1,1,1'"), until("shown('gate') === 3"))
}

func testKeyboard(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	for i := range 2 {
		publish(t, v.Source(fmt.Sprintf("camera %d", i)), jpegFrame(t, i+1, "hello"))
	}
	open(t, tab, url)
	run(t, tab, until("shown('camera 1') === 2"))
	focused := func(want string) {
		t.Helper()
		if got := value[string](t, tab, "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"); got != want {
			t.Errorf("the focus is on %q, not %q", got, want)
		}
	}
	key := func(keys string) { t.Helper(); run(t, tab, chromedp.KeyEvent(keys)) }
	key(kb.Tab)
	focused("camera 0, live: full size")
	key(kb.Tab)
	focused("Snapshot of camera 0")
	key(kb.Tab)
	focused("Message")
	key(kb.Enter)
	run(t, tab, until("tile('camera 0').querySelector('pre').textContent === '\"hello\"'"))
	key(kb.Tab + kb.Tab)
	focused("camera 1, live: full size")
	key(kb.Enter)
	run(t, tab, until("tile('camera 1').getBoundingClientRect().width === innerWidth && tile('camera 1').getBoundingClientRect().height === innerHeight"))
	focused("camera 1, live: back to all")
	key(kb.Escape)
	run(t, tab, until("!document.querySelector('.full') && !document.querySelector('[inert]')"))
	focused("camera 1, live: full size")
	run(t, tab, chromedp.Click(chromedp.CSS(".picture")), until("tile('camera 0').classList.contains('full')"),
		chromedp.Click(chromedp.CSS(".full .picture")), until("!document.querySelector('.full')"))
}

// A snapshot is the JPEG as it was received.
func testSnapshot(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	f := jpegFrame(t, 1, nil)
	f.Port = "../a/b"
	publish(t, v.Source("gate"), f)
	folder, events := t.TempDir(), true
	finished := chromedp.BrowserEvents(tab, browser.DownloadProgress)
	if _, err := chromedp.CallBrowser(tab, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, EventsEnabled: &events,
	}); err != nil {
		t.Fatal(err)
	}
	open(t, tab, url)
	run(t, tab, until("shown('gate ../a/b') === 1"), chromedp.Click(chromedp.CSS(".snapshot")))
	for event, err := range finished {
		if err != nil {
			t.Fatal(err)
		}
		if event.State == browser.DownloadProgressStateCompleted {
			break
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "gate _a_b 20*.jpg"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if got, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(got, f.JPEG()) {
		t.Errorf("%d bytes were saved, %v", len(got), err)
	}
}

// contrast is JavaScript that returns the least contrast of the page's texts, as
// WCAG 2 defines it. Level AA asks for 4.5.
const contrast = `(() => {
  const light = color => {
    const [r, g, b] = color.match(/[\d.]+/g).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let least = 21;
  for (const element of document.querySelectorAll('h1, h2, header p, dt, dd, .state, .snapshot:enabled, summary')) {
    let back = element;
    while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement;
    const [a, b] = [light(getComputedStyle(element).color), light(getComputedStyle(back).backgroundColor)];
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
})()`

func colorScheme(scheme string) action {
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

func testColorSchemes(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{StallAfter: time.Hour})
	sources := map[State]*Source{}
	for _, state := range []State{StateWaiting, StateLive, StateStalled, StateLost} {
		sources[state] = v.Source(string(state))
	}
	stalled := jpegFrame(t, 1, nil)
	stalled.ReceivedAt = time.Now().Add(-2 * time.Hour)
	publish(t, sources[StateStalled], stalled)
	publish(t, sources[StateLive], jpegFrame(t, 1, "message"))
	publish(t, sources[StateLost], jpegFrame(t, 1, nil))
	event(sources[StateLost], netgear.EventReconnecting, "", "")
	open(t, tab, url)
	for state := range sources {
		run(t, tab, until(fmt.Sprintf("state('%s') === '%[1]s'", state)))
	}
	backs := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		run(t, tab, colorScheme(scheme))
		backs[value[string](t, tab, "getComputedStyle(document.body).backgroundColor")] = true
		if got := value[float64](t, tab, contrast); got < 4.5 {
			t.Errorf("%s: the least contrast is %.1f", scheme, got)
		}
	}
	if len(backs) != 2 {
		t.Errorf("the backgrounds are %v", backs)
	}
}

func phone() action { return chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile) }

func testPhone(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	for i := range 4 {
		f := jpegFrame(t, i+1, "message")
		f.Peer = "[2001:db8:1111:2222:3333:4444:5555:6666]:41022"
		publish(t, v.Source(fmt.Sprintf("a camera with a name that is much too long for a phone: %d", i)), f)
	}
	run(t, tab, phone())
	open(t, tab, url)
	run(t, tab, until("document.querySelectorAll('.tile[data-state=live]').length === 4"))
	if got := value[int](t, tab, "document.scrollingElement.scrollWidth"); got > 390 {
		t.Errorf("the page is %d pixels wide", got)
	}
	if got := value[float64](t, tab, "document.querySelector('.snapshot').getBoundingClientRect().height"); got < 44 {
		t.Errorf("the button is %v pixels high", got)
	}
	run(t, tab, chromedp.TapXY(200, 200), until("!!document.querySelector('.full')"))
}

// The page without JavaScript shows the first stream as soon as it has a frame,
// without a user who loads it again.
func testWithoutJavaScript(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	run(t, tab, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}), chromedp.Navigate(url))
	if value[bool](t, tab, "document.images.length > 0") || !value[bool](t, tab, "document.body.innerText.includes('No frame has arrived yet')") {
		t.Errorf("before the first frame: %s", value[string](t, tab, "document.body.innerText"))
	}
	publish(t, s, jpegFrame(t, 5, nil))
	peertest.Await(t, browserLimit, "the picture, though no other follows", func() bool {
		// The page may be loaded at this moment.
		shown, err := chromedp.Run(tab, chromedp.Evaluate[bool]("document.images[0]?.naturalWidth === 320"))
		return err == nil && shown
	})
}

// An img element shows each frame when it comes, not when the next one does.
func testImageElement(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	publish(t, s, jpegFrame(t, 1, nil))
	open(t, tab, url)
	value[bool](t, tab, "document.body.append(Object.assign(new Image(), {src: 'stream.mjpg'})), true")
	for n := 1; ; n += 0x123 {
		run(t, tab, until(fmt.Sprintf("document.images[0].naturalWidth > 0 && drawn(document.images[0]) === %d", n)))
		if n > 0x1000 {
			break
		}
		publish(t, s, jpegFrame(t, n+0x123, nil))
	}
}

func testSignIn(t *testing.T, tab context.Context) {
	v, url := newViewer(t, Options{Token: netgear.NewSecret("t0ken")})
	publish(t, v.Source("gate"), jpegFrame(t, 5, nil))
	if response, err := chromedp.Run(tab, chromedp.NavigateResponse(url)); err != nil || response.Status != http.StatusUnauthorized {
		t.Fatalf("%v, %v", response, err)
	}
	open(t, tab, url+"/?token=t0ken")
	run(t, tab, until("shown('gate') === 5"))
	if got := value[string](t, tab, "location.href"); got != url+"/" {
		t.Errorf("the address is %s", got)
	}
}

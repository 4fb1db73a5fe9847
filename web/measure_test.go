package web

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/vidgear-go/netgear"
)

// The figures of docs/web.md:
//
//	go test -tags nogocv -run TestMeasure -measure 20s -v ./web
//
// It needs chromium, and for VidGear's WebGear a Python with vidgear[asyncio]:
// -webgear PYTHON.
var (
	measure = flag.Duration("measure", 0, "how long TestMeasure measures each case; 0 skips it")
	webgear = flag.String("webgear", "", "the Python that has vidgear[asyncio], for TestMeasure")
)

// The environment variables that make the test binary another program. The
// camera's has the port that it sends to.
const (
	cameraVariable = "NETGEAR_WEB_TEST_CAMERA"
	viewVariable   = "NETGEAR_WEB_TEST_VIEW"
)

// sendCamera sends what the camera of testdata/webgear.py films.
func sendCamera(port string) error {
	const width, height = 1920, 1080
	background := make([]byte, 3*width*height)
	random := rand.New(rand.NewSource(1)) //nolint:gosec // noise
	for i := range background {
		background[i] = byte(40 + 140*(i/3%width)/width + random.Intn(14))
	}
	raw := port[0] == 'r'
	o := netgear.Options{Address: "127.0.0.1", Port: strings.TrimPrefix(port, "r"), JPEGCompression: netgear.JPEGBGR, Stamp: true, MaxRetries: -1}
	if raw {
		o.JPEGCompression = netgear.JPEGOff
	}
	send, err := netgear.New(o)
	if err != nil {
		return err
	}
	frame := slices.Clone(background)
	for tick := time.Tick(time.Second / 30); ; <-tick {
		now := time.Now().UnixMilli()
		for y := range 64 {
			for x := range width {
				v := byte(255 * (now >> (16 * x / width) & 1)) //nolint:gosec // 0 or 255
				i := 3 * (y*width + x)
				frame[i], frame[i+1], frame[i+2] = v, v, v
			}
		}
		if _, err := send.SendArray(context.Background(), netgear.Array{DType: "uint8", Shape: []int{height, width, 3}, Data: frame}, nil); err != nil {
			return err
		}
	}
}

// viewForever is a program that shows what one receive end receives. It prints
// the page's address and the receive end's port.
func viewForever() error {
	v, err := New(Options{})
	if err != nil {
		return err
	}
	s := v.Source("camera")
	end, err := netgear.New(netgear.Options{
		ReceiveMode: true, Address: "127.0.0.1", Port: "0", Latest: true, Stamp: true, OnEvent: s.Event,
		Decode: netgear.DecodeOnUse, TerminatePolicy: netgear.KeepWaiting, MaxRetries: -1,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://"+listener.Addr().String(), end.Port())
	server := http.Server{Handler: v, ReadHeaderTimeout: time.Second}
	go server.Serve(listener)
	return s.Serve(context.Background(), end)
}

// startView starts viewForever in a process of its own.
func startView(t *testing.T) (url, port string, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), viewVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, port, _ = strings.Cut(strings.TrimSpace(line), " ")
	return url, port, cmd.Process.Pid
}

// readClock is JavaScript that notes, for each new picture of an element, its age
// by the camera's clock: format it with the element's expression.
const readClock = `
globalThis.ages = [];
(() => {
  const to = Object.assign(document.createElement('canvas'), {width: 16, height: 1});
  const context = to.getContext('2d', {willReadFrequently: true});
  context.imageSmoothingEnabled = false;
  let last = -1;
  const look = () => {
    requestAnimationFrame(look);
    const from = %s;
    const [width, height] = [from?.naturalWidth || from?.width, from?.naturalHeight || from?.height];
    if (width !== 1920) return;
    context.drawImage(from, 0, 0, width, 60, 0, 0, 16, 1);
    const pixels = context.getImageData(0, 0, 16, 1).data;
    let n = 0;
    for (let i = 0; i < 16; i++) if (pixels[4 * i] > 127) n |= 1 << i;
    if (n !== last) ages.push((Date.now() - n) & 0xffff);
    last = n;
  };
  look();
})();
true`

// showImage is JavaScript that shows an MJPEG stream of the same server.
const showImage = `document.body.replaceChildren(Object.assign(new Image(), {src: '%s', width: 960})); true`

func TestMeasure(t *testing.T) {
	if *measure == 0 {
		t.Skip("only with -measure")
	}
	b := newBrowser(t)
	url, port, _ := startView(t)
	for range 3 {
		kill := startProcess(t, cameraVariable+"="+port)
		measureAge(t, b, "the page", url, "", "document.querySelector('canvas')")
		measureAge(t, b, "/stream.mjpg", url+"/api/streams", "/stream.mjpg", "document.images[0]")
		kill()
		measureWebGear(t, b)
	}
	for _, form := range []string{"", "r"} {
		url, port, pid := startView(t)
		kill := startProcess(t, cameraVariable+"="+form+port)
		for _, viewers := range []int{0, 1, 8} {
			measureCPU(t, map[string]string{"": "JPEG", "r": "raw"}[form], url, pid, viewers)
		}
		kill()
	}
}

// measureWebGear runs WebGear and its camera for one measurement.
func measureWebGear(t *testing.T, b context.Context) {
	t.Helper()
	if *webgear == "" {
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	cmd := exec.Command(*webgear, "testdata/webgear.py", address[strings.LastIndex(address, ":")+1:])
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	for end := time.Now().Add(browserLimit); ; time.Sleep(100 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("WebGear does not start")
		}
	}
	measureAge(t, b, "WebGear", "http://"+address+"/", "/video", "document.images[0]")
}

// measureAge reports how old the frames are when an element shows them. With an
// image's path the page is replaced by that image.
func measureAge(t *testing.T, b context.Context, name, url, image, element string) {
	t.Helper()
	tab, cancel := chromedp.NewContext(b)
	defer cancel()
	run(t, tab, chromedp.Navigate(url))
	if image != "" {
		value[bool](t, tab, fmt.Sprintf(showImage, image))
	}
	value[bool](t, tab, fmt.Sprintf(readClock, element))
	run(t, tab, until("ages.length > 30"))
	value[bool](t, tab, "ages.length = 0; true")
	time.Sleep(*measure)
	ages := value[[]int](t, tab, "ages")
	slices.Sort(ages)
	if len(ages) == 0 {
		t.Fatalf("%s: no picture", name)
	}
	t.Logf("%-13s %5.1f fps, age p50 %4d ms, p99 %4d ms", name, float64(len(ages))/measure.Seconds(),
		ages[len(ages)/2], ages[len(ages)*99/100])
}

// measureCPU reports the CPU time of the process that serves viewers.
func measureCPU(t *testing.T, name, url string, pid, viewers int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type count struct{ frames, bytes int }
	counts := make(chan count, viewers)
	for range viewers {
		go func() {
			frames, bytes, err := countFrames(ctx, url)
			if ctx.Err() == nil {
				t.Error(err)
			}
			counts <- count{frames, bytes}
		}()
	}
	time.Sleep(2 * time.Second)
	percent := cpu(t, pid)
	cancel()
	var total count
	for range viewers {
		c := <-counts
		total.frames += c.frames
		total.bytes += c.bytes
	}
	t.Logf("%-4s %d viewers: %5.1f %% of a core, %.0f frames a second of %d KB to all of them", name, viewers, percent,
		float64(total.frames)/(measure.Seconds()+2), total.bytes/max(1, total.frames)>>10)
}

// countFrames is a viewer that acknowledges everything at once.
func countFrames(ctx context.Context, url string) (frames, bytes int, err error) {
	conn, _, err := websocket.Dial(ctx, url+"/ws", nil)
	if err != nil {
		return 0, 0, err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	for {
		kind, r, err := conn.Reader(ctx)
		if err != nil {
			return frames, bytes, err
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			return frames, bytes, err
		}
		if kind != websocket.MessageBinary {
			continue
		}
		frames, bytes = frames+1, bytes+int(n)
		if err := conn.Write(ctx, websocket.MessageText, []byte("1")); err != nil {
			return frames, bytes, err
		}
	}
}

// cpu returns what a process uses while the measurement lasts, in percent of a
// core.
func cpu(t *testing.T, pid int) float64 {
	t.Helper()
	before := ticks(t, pid)
	time.Sleep(*measure)
	return float64(ticks(t, pid)-before) / measure.Seconds() // 100 ticks a second
}

// ticks returns the CPU time that a process has used.
func ticks(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		t.Fatalf("/proc/%d/stat is %q", pid, stat)
	}
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return user + system
}

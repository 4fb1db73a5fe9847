package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/natsbridge"
)

// The limits of the inputs, in bytes, and what malloc keeps of freed memory.
const (
	largestFrame = 4 << 20
	inputQueue   = 16 << 20
	freedMemory  = 128 << 20
)

// inputArgs are the flags that set these limits.
var inputArgs = []string{"--max-frame", strconv.Itoa(largestFrame), "--options", fmt.Sprintf(`{"go": {"queue_bytes": %d}}`, inputQueue)}

// inputMemory is how much an input takes at most, according to docs/deploy.md, if
// its one sender is no flood. The command has one frame open.
const inputMemory = inputQueue + (4+2+3)*largestFrame + freedMemory

// outputMemory is the same for an output with so many subscribers.
func outputMemory(subscribers int64) int64 { return (2 + 2 + 2*subscribers) * largestFrame }

// limitedFrames is how many frames each program gets: 400 MB, or 3 GB with
// NETGEAR_TEST_LIMITS.
func limitedFrames() int {
	if os.Getenv("NETGEAR_TEST_LIMITS") != "" {
		return 750
	}
	return 100
}

// limited is a program whose memory is limited.
type limited struct {
	*process
	bound, base int64
	grouped     bool
}

// groupBase is more than a program has when it has started.
const groupBase = 96 << 20

// startLimited starts a program that may take so many bytes beside what it has
// when it has started: in a control group, if one can be created.
func startLimited(t *testing.T, bound int64, cmd *exec.Cmd) *limited {
	t.Helper()
	err := peertest.GroupsEndProcesses(t, 64<<20, func(ctx context.Context, folder string) *exec.Cmd {
		dd := exec.CommandContext(ctx, "dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1")
		peertest.EnterGroup(dd, folder)
		return dd
	})
	if err == nil {
		folder, failed := peertest.MemoryGroup(t, groupBase+bound)
		if failed != nil {
			t.Fatal(failed)
		}
		peertest.EnterGroup(cmd, folder)
	} else {
		t.Logf("only the peak is compared, without a control group: %v", err)
	}
	p := startCommand(t, cmd)
	p.await(&p.stderr, `endpoint`)
	l := &limited{process: p, bound: bound, grouped: err == nil}
	if l.base = l.peak(); l.base == 0 && !l.grouped {
		t.Skip("and the system does not count it")
	}
	return l
}

// peak returns the most memory that the program has had, without the pages of files
// that it maps.
func (l *limited) peak() int64 {
	return alloctest.PeakMemoryOf(l.cmd.Process.Pid)
}

// check compares the peak with the bound.
func (l *limited) check() {
	l.t.Helper()
	more := l.peak() - l.base
	l.t.Logf("%d MB more at the peak, of %d MB; %d MB at the start", more>>20, l.bound>>20, l.base>>20)
	select {
	case <-l.done:
		l.t.Fatalf("it has ended: %v\n%s", l.cmd.ProcessState, &l.stderr)
	default:
	}
	if more > l.bound || l.base > groupBase {
		l.t.Errorf("%d MB more than the %d MB at the start, of %d MB", more>>20, l.base>>20, l.bound>>20)
	}
}

// noise returns frames of a size that differ and are hard to compress.
func noise(size int) (next func() netgear.Array) {
	data := make([]byte, size)
	r := rand.NewChaCha8([32]byte{})
	r.Read(data)
	return func() netgear.Array {
		r.Read(data[:64])
		return netgear.Array{DType: "uint8", Shape: []int{1024, size / 1024 / 3, 3}, Data: data}
	}
}

// camera is a send end of the test.
type camera struct {
	*netgear.NetGear
	ctx context.Context // ends with the program to which it sends
}

// camera connects to the program's input at a port, which answers each frame.
func (l *limited) camera(port string) *camera {
	t := l.t
	t.Helper()
	end, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, Pattern: netgear.ReqRep, JPEGCompression: netgear.JPEGOff, RequestTimeout: timeLimit, TerminateDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		select {
		case <-l.done:
		case <-ctx.Done():
		}
	}()
	return &camera{end, ctx}
}

// send sends frames of almost the largest size, each of which the program takes.
func (l *limited) send(c *camera, n int) {
	l.t.Helper()
	next := noise(largeSize)
	for i := range n {
		if _, err := c.SendArray(c.ctx, next(), i); err != nil {
			l.check()
			l.t.Fatal(err)
		}
	}
}

// largeSize is almost the largest size.
const largeSize = 1024 * 1365 * 3

// frozen starts a receive end, and stops it when it has the first frame.
func frozen(t *testing.T) (p *process, freeze func()) {
	t.Helper()
	p = start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--json")
	return p, func() {
		p.await(&p.stdout, `"index": 0`)
		p.signal(syscall.SIGSTOP)
	}
}

// slowSubscribers connects subscribers to a port that read nothing.
func slowSubscribers(t *testing.T, port string, n int) {
	t.Helper()
	for range n {
		s, err := zmq4.NewSocket(zmq4.SUB)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		s.SetLinger(0)
		s.SetRcvhwm(1)
		s.SetSubscribe("")
		if err := s.Connect("tcp://127.0.0.1:" + port); err != nil {
			t.Fatal(err)
		}
	}
}

// A relay takes no more memory than docs/deploy.md computes, while one receiver is
// frozen and subscribers read nothing. When the receiver goes on, it gets frames.
func TestMemoryOfRelay(t *testing.T) {
	alloctest.SkipRace(t)
	const queue, subscribers = 64 << 20, 3
	to, freeze := frozen(t)
	relay := startLimited(t, inputMemory+queue+outputMemory(0)+outputMemory(subscribers), command(append([]string{"relay", "--json",
		"--output", "tcp://127.0.0.1:" + to.port() + "?name=frozen&queue=10000&queue-size=64MiB",
		"--output", "tcp://127.0.0.1:0?name=slow&attach=bind&pattern=2&queue=10000&queue-size=64MiB",
		"--input", "tcp://127.0.0.1:0?pattern=1"}, inputArgs...)...))
	ports := relay.ports(3)
	slowSubscribers(t, ports[1], subscribers)
	relay.await(&relay.stdout, fmt.Sprintf(`"name":"slow","peers":%d`, subscribers))
	camera := relay.camera(ports[2])
	relay.send(camera, 1)
	freeze()
	relay.send(camera, limitedFrames())
	relay.awaitLater(`"name":"frozen",[^}]*"queue":[1-9]\d*}`)
	relay.check()
	to.signal(syscall.SIGCONT)
	relay.await(&relay.stdout, `"name":"frozen",[^}]*"frames":17,[^}]*"queue":0}`)
	relay.signal(syscall.SIGTERM)
	relay.succeed()
}

// The pixels of JPEGs that one output decodes count in the queues of the others.
func TestMemoryOfDecodingRelay(t *testing.T) {
	alloctest.SkipRace(t)
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewRGBA(image.Rect(0, 0, 1365, 1024)), nil); err != nil {
		t.Fatal(err)
	}
	const queue = 64 << 20
	to, freeze := frozen(t)
	other := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--wire", "NetGear_Async")
	relay := startLimited(t, inputMemory+2*(queue+outputMemory(0)), command(append([]string{"relay", "--json",
		"--output", "tcp://127.0.0.1:" + to.port() + "?name=frozen&queue=10000&queue-size=64MiB",
		"--output", "tcp://127.0.0.1:" + other.port() + "?name=decodes&queue=10000&queue-size=64MiB&wire=NetGear_Async",
		"--input", "tcp://127.0.0.1:0?pattern=1"}, inputArgs...)...))
	camera := relay.camera(relay.ports(3)[2])
	for i := range limitedFrames() {
		if _, err := camera.SendJPEG(camera.ctx, small.Bytes(), nil); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			freeze()
		}
	}
	relay.awaitLater(`"name":"frozen",[^}]*"queue":[1-9]\d*},{"name":"decodes",[^}]*"frames":[1-9]\d*,[^}]*"queue":0}`)
	relay.check()
}

// awaitLater waits until stdout has a matching text that is written from now on.
func (p *process) awaitLater(pattern string) {
	p.t.Helper()
	re, from := regexp.MustCompile(pattern), len(p.stdout.String())
	peertest.Await(p.t, timeLimit, pattern, func() bool { return re.MatchString(p.stdout.String()[from:]) })
}

// ports waits until the program has so many endpoints, and returns their ports.
func (p *process) ports(n int) (all []string) {
	p.t.Helper()
	for _, line := range lines(p.await(&p.stderr, fmt.Sprintf(`((?:endpoint tcp://\S+:\d+\s*){%d})`, n))) {
		all = append(all, line[strings.LastIndex(line, ":")+1:])
	}
	return all
}

// So it is with a recording on a full disk, and after that the recording is whole.
func TestMemoryOfRecord(t *testing.T) {
	alloctest.SkipRace(t)
	const queue = 128 << 20
	for _, disk := range []string{"full", "not full"} {
		t.Run(disk, func(t *testing.T) {
			dir := t.TempDir()
			cmd := command(append([]string{"record", "--dir", dir, "--input", "tcp://127.0.0.1:0?pattern=1&name=gate"}, inputArgs...)...)
			if disk == "full" {
				if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
					t.Skip("a file system is mounted by root")
				}
				cmd.Args = append([]string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=1m none "$0" && exec "$@"`, dir, cmd.Path}, cmd.Args[1:]...)
				cmd.Path = "/usr/bin/unshare"
			}
			rec := startLimited(t, inputMemory+2*queue+16<<20, cmd)
			camera := rec.camera(rec.port())
			rec.send(camera, limitedFrames())
			rec.check()
			rec.signal(syscall.SIGTERM)
			if status := rec.status(); disk == "full" && (status != exitFailure || !strings.Contains(rec.stderr.String(), "no space left on device")) {
				t.Errorf("status %d: %s", status, &rec.stderr)
			}
			if disk != "full" {
				rec.succeed()
				rec.await(&rec.stderr, `recorded \d+ frames? in 1 file,.*, 0 failed`)
			}
		})
	}
}

// So it is with viewers that read nothing. Others see the newest picture.
func TestMemoryOfView(t *testing.T) {
	alloctest.SkipRace(t)
	const viewers = 8
	view := startLimited(t, inputMemory+2*largestFrame*(1+viewers+2), command(append([]string{"view", "--listen", "127.0.0.1:0", "--max-streams", "1",
		"--max-viewers", strconv.Itoa(viewers + 1), "--input", "tcp://127.0.0.1:0?pattern=1&name=gate"}, inputArgs...)...))
	page := view.await(&view.stderr, `viewer http://(\S+)`)
	camera := view.camera(view.port())
	view.send(camera, 1)
	for range viewers {
		conn, err := net.Dial("tcp", page)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(conn, "GET /stream.mjpg?stream=gate HTTP/1.1\r\nHost: %s\r\n\r\n", page)
	}
	view.send(camera, limitedFrames())
	if status, body := get(t, "http://"+page+"/frame.jpg"); status != "200 OK" || len(body) < 1<<20 {
		t.Errorf("%s, %d bytes", status, len(body))
	}
	view.check()
	view.signal(syscall.SIGTERM)
	view.succeed()
}

// get returns the answer to a request.
func get(t *testing.T, url string) (status string, body []byte) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.Status, body
}

// natsProcess starts a NATS server as a process, and returns its address.
func natsProcess(t *testing.T, maxPayload int) (*process, string) {
	t.Helper()
	cmd := command()
	cmd.Env = append(cmd.Env, runAsNATS+"="+strconv.Itoa(maxPayload))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	cmd.Stdin = r
	p := startCommand(t, cmd)
	return p, p.await(&p.stdout, `listens at (\S+)`)
}

// So it is with a bridge whose NATS server is frozen. When the server goes on, frames
// are published again.
func TestMemoryOfBridgeIntoNATS(t *testing.T) {
	alloctest.SkipRace(t)
	const payload = 64 << 10
	server, url := natsProcess(t, payload)
	bridge := startLimited(t, inputMemory+(4+1+1)*largestFrame+4*payload, command(append([]string{"bridge", "--nats", url, "--json", "--input", "tcp://127.0.0.1:0?pattern=1&name=gate"}, inputArgs...)...))
	camera := bridge.camera(bridge.port())
	bridge.send(camera, 1)
	bridge.await(&bridge.stdout, `"name":"nats gate",[^}]*"frames":1,`)
	server.signal(syscall.SIGSTOP)
	bridge.send(camera, limitedFrames())
	bridge.check()
	server.signal(syscall.SIGCONT)
	bridge.await(&bridge.stdout, `"name":"nats gate",[^}]*"frames":([2-9]|1\d)`)
	bridge.signal(syscall.SIGTERM)
	bridge.status()
}

// So it is with a bridge from NATS whose receive end is frozen.
func TestMemoryOfBridgeFromNATS(t *testing.T) {
	alloctest.SkipRace(t)
	const payload, queue, messages = 64 << 10, 8, 256
	_, url := natsProcess(t, payload)
	to, freeze := frozen(t)
	bound := int64(2*(messages*payload+(queue+1+2)*largestFrame+24<<20) + 2*largestFrame + freedMemory)
	bridge := startLimited(t, bound, command("bridge", "--nats", url, "--from-nats", "--json", "--max-frame", strconv.Itoa(largestFrame), "--address", "127.0.0.1", "--port", to.port()))
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	pub, err := natsbridge.NewPublisher(nc, natsbridge.PublisherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	publish := func(size int) {
		t.Helper()
		f, err := netgear.NewFrame(noise(size)(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := pub.Publish(t.Context(), "gate", f); err != nil {
			t.Fatal(err)
		}
	}
	publish(largeSize)
	freeze()
	for range limitedFrames() {
		publish(largeSize)
	}
	publish(1024 * 1366 * 3) // larger than --max-frame
	if err := pub.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	bridge.await(&bridge.stdout, `"dropped":\d+`)
	bridge.check()
	to.signal(syscall.SIGCONT)
	bridge.await(&bridge.stdout, `"frames":([2-9]|1\d),`)
	bridge.signal(syscall.SIGTERM)
	bridge.succeed()
	if !strings.Contains(bridge.stderr.String(), "TooLarge") {
		t.Errorf("%s", &bridge.stderr)
	}
}

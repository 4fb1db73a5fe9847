package netgear

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// memoryBound returns how much memory a receive end takes at most, according to
// docs/deploy.md, beside what its process took before, while so many peers flood
// it and the application has so many frames open.
func memoryBound(o childSpec, peers, open int64) int64 {
	queue := o.QueueBytes + 4*o.MaxFrameBytes
	frames := 2 * open * o.MaxFrameBytes
	return queue + frames + (peers+1)*3*(o.MaxFrameBytes+64<<20) + freedMemory
}

// freedMemory is what malloc keeps of what was freed, and the pool of pixels.
const freedMemory = 128 << 20

// takenMemory is what takeMemory takes.
const takenMemory = 192 << 20

// takeMemory takes memory, and returns how much the process has then.
func takeMemory() []string {
	taken := make([]byte, takenMemory)
	for i := 0; i < len(taken); i += os.Getpagesize() {
		taken[i] = 1
	}
	results := []string{fmt.Sprint(alloctest.Memory())}
	runtime.KeepAlive(taken)
	return results
}

// groupsEndProcesses returns nil if a process that takes more memory than its
// control group has is ended.
func groupsEndProcesses(t *testing.T) error {
	return peertest.GroupsEndProcesses(t, takenMemory/2, func(ctx context.Context, folder string) *exec.Cmd {
		return childCommand(ctx, t, childSpec{Role: "take memory", Cgroup: folder})
	})
}

// memoryGroups reports whether control groups end processes that take more memory.
// Where none can be created, the peak is to be compared alone.
func memoryGroups(t *testing.T) bool {
	t.Helper()
	noGroups := groupsEndProcesses(t)
	if noGroups == nil {
		t.Log("each process is in a control group with that limit")
		return true
	}
	t.Logf("only the peak is compared, without control groups: %v", noGroups)
	if alloctest.PeakMemory() == 0 {
		t.Skip("and the system does not count it")
	}
	return false
}

// limitMemory puts the process into a control group in which it may take so many
// bytes beside what the tests' own binary takes, if grouped.
func (s *childSpec) limitMemory(t *testing.T, grouped bool, bound int64) {
	t.Helper()
	if !grouped {
		return
	}
	const base = 40 << 20
	var err error
	if s.Cgroup, err = peertest.MemoryGroup(t, base+bound); err != nil {
		t.Fatal(err)
	}
}

// smallParts are parts that take more memory than they bring bytes.
var smallParts = zmtp(isMore, strings.Repeat("x", 40))

// floodFor connects so many peers to a port, which flood it.
func floodFor(d time.Duration, peers int, port, kind, bytes string) (sent int64, connections int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range peers {
		all.Go(func() {
			s, c := flood(port, kind, bytes, d)
			mu.Lock()
			defer mu.Unlock()
			sent, connections = sent+s, connections+c
		})
	}
	all.Wait()
	return sent, connections
}

// Floods take no more memory than docs/deploy.md computes from the options, and a
// process survives them that has that much. Where control groups can be created,
// the system ends it otherwise.
func TestMemoryLimit(t *testing.T) {
	alloctest.SkipRace(t)
	grouped := memoryGroups(t)
	lasting, long := 1200*time.Millisecond, os.Getenv("NETGEAR_TEST_LIMITS")
	if d, err := time.ParseDuration(long); err == nil {
		lasting = d // slower machines need more
	}
	picture := string(testJPEG(t, 1024, 1024))
	sent := map[string]string{
		"small parts":  smallParts,
		"empty parts":  floods["empty parts"],
		"large parts":  zmtp(isMore|isLong, strings.Repeat("x", 4<<20-1)),
		"frames":       zmtp(isMore, string(rawHeader("[1024, 1024]"))) + zmtp(isLong, strings.Repeat("x", 1<<20)),
		"small frames": zmtp(isMore, string(rawHeader("[1, 40]"))) + zmtp(0, strings.Repeat("x", 40)),
		"JPEGs":        zmtp(isMore, jpegHeader) + zmtp(isLong, picture),
		"messages":     zmtp(isMore|isLong, strings.Replace(string(rawHeader("[1, 1]")), "null", `"`+strings.Repeat("m", 1<<20)+`"`, 1)) + zmtp(0, "x"),
	}
	for _, end := range []struct {
		name, peer string
		peers      int
		childSpec
	}{
		{"SUB", "PUB", 1, childSpec{Pattern: PubSub, Pause: 20 * time.Millisecond}},
		{"idle REP", "DEALER", 1, childSpec{Pattern: ReqRep, Idle: true}},
		{"idle REP", "DEALER", 4, childSpec{Pattern: ReqRep, Idle: true}},
		{"SUB", "PUB", 4, childSpec{Pattern: PubSub, Pause: 20 * time.Millisecond}},
		{"idle SUB", "PUB", 1, childSpec{Pattern: PubSub, Idle: true}},
		{"PAIR", "PAIR", 2, childSpec{Pattern: Pair, Pause: 20 * time.Millisecond}},
		{"idle PAIR", "PAIR", 2, childSpec{Pattern: Pair, Idle: true}},
		{"PULL", "PUSH", 2, childSpec{Pattern: PushPull, Pause: 20 * time.Millisecond}},
	} {
		for name, bytes := range sent {
			if long == "" && !(end.peers == 1 && (end.name == "SUB" && name == "JPEGs" || end.name == "idle REP" && name == "small parts")) {
				continue
			}
			t.Run(fmt.Sprintf("%d at %s/%s", end.peers, end.name, name), func(t *testing.T) {
				s := end.childSpec
				s.Role, s.Receive, s.Bind, s.MaxFrameBytes, s.QueueBytes = "end", true, true, 4<<20, 16<<20
				bound := memoryBound(s, int64(end.peers), 1)
				s.limitMemory(t, grouped, bound)
				c := startChild(t, s)
				before := c.account()
				n, connections := floodFor(lasting, end.peers, c.port, end.peer, bytes)
				after := c.account()
				t.Logf("%d MB taken over %d connections; %d MB more at the peak of %d MB that are computed; %+v", n>>20, connections,
					(after.Peak-before.Peak)>>20, bound>>20, after)
				if more := after.Peak - before.Peak; more > bound {
					t.Errorf("%d MB more", more>>20)
				}
				if !s.Idle && s.Pattern != PushPull {
					servesAfter(t, c, s.Pattern)
				}
			})
		}
	}
}

// sendBound returns how much memory a send end takes at most, according to
// docs/deploy.md, beside what its process took before, for frames of a size, while
// so many peers take none.
func sendBound(o childSpec, peers, size int64) int64 {
	frames := int64(o.SendAhead) + 2
	if o.Pattern == PubSub || o.Pattern == PushPull {
		frames = 2 + peers*int64(o.HighWaterMark+1)
	}
	return frames*size + freedMemory
}

// Send ends whose peers take nothing keep no more frames than docs/deploy.md
// computes from the options.
func TestMemoryLimitOfSendEnds(t *testing.T) {
	alloctest.SkipRace(t)
	const size = 4<<20 - 4<<10
	grouped := memoryGroups(t)
	long := os.Getenv("NETGEAR_TEST_LIMITS") != ""
	for _, c := range []struct {
		peer  string
		peers int64
		long  bool
		childSpec
	}{
		{"SUB", 3, false, childSpec{Pattern: PubSub, HighWaterMark: 4}},
		{"SUB", 8, true, childSpec{Pattern: PubSub, HighWaterMark: 4}},
		{"SUB", 32, true, childSpec{Pattern: PubSub, HighWaterMark: 1}},
		{"SUB", 16, true, childSpec{Pattern: PubSub, HighWaterMark: 16}},
		{"PULL", 4, true, childSpec{Pattern: PushPull, HighWaterMark: 8}},
		{"PULL", 16, true, childSpec{Pattern: PushPull, HighWaterMark: 16}},
		{"PAIR", 1, false, childSpec{Pattern: Pair, SendAhead: 32}},
		{"REP", 1, true, childSpec{Pattern: ReqRep, SendAhead: 32}},
		{"PAIR", 1, true, childSpec{Pattern: Pair, SendAhead: 256}},
		{"PAIR", 1, true, childSpec{Pattern: Pair}},
		{"REP", 1, true, childSpec{Pattern: ReqRep}},
	} {
		if c.long && !long {
			continue
		}
		t.Run(fmt.Sprintf("%d %s/high-water mark %d/ahead %d", c.peers, c.peer, c.HighWaterMark, c.SendAhead), func(t *testing.T) {
			s := c.childSpec
			s.Role, s.Bind, s.Sends, s.Size = "end", true, true, size
			bound := sendBound(s, c.peers, size)
			s.limitMemory(t, grouped, bound)
			end := startChild(t, s)
			before := end.account()
			for range c.peers {
				conn := end.dial(c.peer)
				conn.(*net.TCPConn).SetReadBuffer(4 << 10)
				conn.SetDeadline(time.Time{})
				if s.Pattern != PubSub {
					continue
				}
				io.WriteString(conn, zmtp(0, "\x01"))
				// Each keeps frames that the others have not.
				more := end.account().Frames + uint64(s.HighWaterMark) + 2
				await(t, "frames", func() bool { return end.account().Frames >= more })
			}
			switch s.Pattern {
			case PubSub:
				more := end.account().Frames + 64
				await(t, "more frames", func() bool { return end.account().Frames >= more })
			case PushPull:
				await(t, "full queues", func() bool { return end.account().Frames >= uint64(c.peers)*uint64(s.HighWaterMark) })
			default:
				await(t, "a full queue", func() bool { return end.account().Queue >= s.SendAhead })
			}
			after := end.account()
			t.Logf("%d MB more at the peak of %d MB that are computed; %+v", (after.Peak-before.Peak)>>20, bound>>20, after)
			if more := after.Peak - before.Peak; more > bound {
				t.Errorf("%d MB more", more>>20)
			}
		})
	}
}

// Parts of 40 bytes take four times their bytes, and those of none 32 times. With
// the default limits that would be more than a gigabyte. A connection is looked at
// every half second at least, so it may bring that much more than what shows what
// they are: the growth of the process (tinyGrowth of internal/transport), which is
// 128 MB.
func TestSmallPartsAreLimited(t *testing.T) {
	alloctest.SkipRace(t)
	empty := strings.Repeat(zmtp(isMore, ""), 1<<10)
	for name, c := range map[string]struct {
		pattern Pattern
		peer    string
		takes   int64 // times their bytes
		parts   string
	}{
		"plain":              {PubSub, "PUB", 4, strings.Repeat(smallParts, 25)},
		"reserved bits":      {PubSub, "PUB", 4, strings.Repeat("\xf9"+smallParts[1:], 25)},
		"commands":           {PubSub, "PUB", 32, empty + zmtp(4, "\x04PING\x00\x00")},
		"large ones, too":    {PubSub, "PUB", 27, strings.Repeat(empty, 10) + zmtp(isMore|isLong, strings.Repeat("x", 4<<10))},
		"look like messages": {PushPull, "PUSH", 22, strings.Repeat(zmtp(isMore, "\x00"), 350)},
	} {
		t.Run(name, func(t *testing.T) { limitSmallParts(t, c.pattern, c.peer, c.parts, c.takes) })
	}
}

func limitSmallParts(t *testing.T, pattern Pattern, peer, parts string, takes int64) {
	const (
		most   = 192 << 20 // bytes that are sent
		growth = 128 << 20
	)
	c := startChild(t, childSpec{Role: "end", Pattern: pattern, Receive: true, Bind: true})
	before := c.account()
	conn := c.dial(peer)
	start := time.Now()
	conn.SetDeadline(start.Add(testTimeout))
	block := strings.Repeat(parts, max(1<<19/len(parts), 1))
	sent, err := int64(0), error(nil)
	for err == nil && sent < most {
		var n int
		n, err = io.WriteString(conn, block)
		sent += int64(n)
	}
	lasted := time.Since(start)
	after := c.account()
	late := int64(float64(sent) * min(1, float64(500*time.Millisecond)/float64(lasted)))
	allowed, more := growth+freedMemory+takes*late, after.Peak-before.Peak
	t.Logf("%d MB sent in %v, %d MB more at the peak, of %d MB; %v; %+v", sent>>20, lasted, more>>20, allowed>>20, err, after)
	if more > allowed {
		t.Errorf("%d MB more, not %d", more>>20, allowed>>20)
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() { // a slow machine takes long to bring much
		return
	}
	await(t, "the connection to be ended for a flood", func() bool { return c.account().Flooded == 1 })
}

// addressSpaceRoom is how much address space the process gets beside what it has.
const addressSpaceRoom = 192 << 20

// fewAddresses uses ends while there is little address space, and returns what
// becomes of large frames.
func fewAddresses() (results []string) {
	const large = 2 * addressSpaceRoom
	ctx := context.Background()
	result := func(format string, args ...any) { results = append(results, fmt.Sprintf(format, args...)) }
	newEnd := func(o Options) *NetGear {
		o.Address, o.MaxFrameBytes, o.TerminateDelay = "127.0.0.1", 2*large, -1
		n, err := New(o)
		if err != nil {
			result("%v", err)
		}
		return n
	}
	recv := newEnd(Options{ReceiveMode: true, Port: "0", Pattern: ReqRep})
	defer recv.Close()
	send := newEnd(Options{Port: recv.Port(), Pattern: ReqRep})
	defer send.Close()
	publisher := newEnd(Options{Port: "0", Pattern: PubSub, Attach: AttachBind, JPEGCompression: JPEGOff})
	defer publisher.Close()
	exchange := func(when string) {
		_, err := send.SendArray(ctx, Array{DType: "uint8", Shape: []int{64, 64, 3}, Data: make([]byte, 64*64*3)}, when)
		if err == nil {
			var f *Frame
			if f, err = recv.Recv(ctx); err == nil {
				_, err = f.Bytes()
				f.Close()
			}
		}
		result("a frame %s: %v", when, err)
	}
	exchange("before")
	array := Array{DType: "uint8", Shape: []int{large}, Data: make([]byte, large)}
	jpeg, err := encodeSmall()
	if err != nil {
		result("%v", err)
	}
	at := bytes.Index(jpeg, []byte{0xff, 0xc0})
	copy(jpeg[at+5:], []byte{0x23, 0x28, 0x23, 0x28}) // height and width of a picture of 243 MB
	unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: uint64(alloctest.AddressSpace() + addressSpaceRoom), Max: unix.RLIM_INFINITY})

	f, err := NewJPEGFrame(jpeg, nil)
	if err == nil {
		_, err = f.Bytes()
		f.Close()
	}
	result("decoding: %v, no memory: %t, damaged: %t", err, errors.Is(err, zmsg.ErrNoMemory) || errors.Is(err, turbojpeg.ErrNoMemory), errors.Is(err, turbojpeg.ErrCorrupt))
	_, err = publisher.SendArray(ctx, array, nil)
	result("sending: %v, no memory: %t", err, errors.Is(err, zmsg.ErrNoMemory))
	exchange("between")
	conn, err := net.Dial("tcp", "127.0.0.1:"+recv.Port())
	if err == nil {
		conn.SetDeadline(time.Now().Add(testTimeout))
		if err = shakeHands(conn, "REQ"); err == nil {
			io.WriteString(conn, zmtp(isMore, "")+"\x02"+string(binary.BigEndian.AppendUint64(nil, large)))
			_, err = io.Copy(io.Discard, conn)
		}
		conn.Close()
	}
	result("receiving: %v", err)
	exchange("after")
	return results
}

// encodeSmall returns a JPEG of 64 x 64 pixels.
func encodeSmall() ([]byte, error) {
	var out bytes.Buffer
	err := stdjpeg.Encode(&out, image.NewRGBA(image.Rect(0, 0, 64, 64)), nil)
	return out.Bytes(), err
}

// A frame for which there is no address space (ulimit -v) is an error of its call,
// or ends the connection over which it comes. Smaller ones still pass.
func TestFewAddresses(t *testing.T) {
	if alloctest.Race {
		t.Skip("the race detector's address space has no limit")
	}
	c := startProcess(t, childSpec{Role: "few addresses"})
	got := c.hear().Results
	want := []string{
		"a frame before: <nil>",
		"decoding: .*, no memory: true, damaged: false",
		"sending: .*out of memory.*, no memory: true",
		"a frame between: <nil>",
		"receiving: (<nil>|.*connection reset by peer)",
		"a frame after: <nil>",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i, w := range want {
		if !regexp.MustCompile("^" + w + "$").MatchString(got[i]) {
			t.Errorf("%s, not %s", got[i], w)
		}
	}
}

// limitEndings are how a process may end that gets no more memory: Go's runtime and C++
// end it, and libzmq does where it cannot go on (docs/reliability.md). Go 1.26
// does not check one of its collector's allocations, and faults (newSpanSPMC in
// mgcmark_greenteagc.go).
var limitEndings = regexp.MustCompile(`out of memory|cannot allocate memory|pthread_create failed|failed to create new OS thread|FATAL ERROR: OUT OF MEMORY|std::bad_alloc|Resource temporarily unavailable|runtime\.\(\*spanQueue\)`)

// With too little address space a process that is flooded survives, or ends in a
// known way. It neither hangs nor faults.
func TestAddressSpaceFloods(t *testing.T) {
	if os.Getenv("NETGEAR_TEST_LIMITS") == "" || alloctest.Race {
		t.Skip("a part of scripts/environment.sh")
	}
	counts := map[string]int{}
	picture := string(testJPEG(t, 1024, 1024))
	for _, end := range []struct {
		name, peer string
		childSpec
	}{
		{"SUB", "PUB", childSpec{Pattern: PubSub, Receive: true, Pause: 20 * time.Millisecond}},
		{"idle REP", "DEALER", childSpec{Pattern: ReqRep, Receive: true, Idle: true}},
		{"PAIR", "PAIR", childSpec{Pattern: Pair, Receive: true, Pause: 20 * time.Millisecond}},
		{"PUB", "SUB", childSpec{Pattern: PubSub, Sends: true, Size: 1 << 20}},
	} {
		for name, bytes := range map[string]string{
			"small parts": smallParts,
			"large parts": zmtp(isMore|isLong, strings.Repeat("x", 4<<20-1)),
			"JPEGs":       zmtp(isMore, jpegHeader) + zmtp(isLong, picture),
			"subscribes":  zmtp(0, "\x01"),
		} {
			if (end.name == "PUB") != (name == "subscribes") {
				continue
			}
			for _, room := range []int64{-1, 0, 1, 4, 16, 64, 96, 128, 192, 256, 512} {
				t.Run(fmt.Sprintf("%s/%s/%d MB", end.name, name, room), func(t *testing.T) {
					s := end.childSpec
					s.Role, s.Bind, s.MaxFrameBytes, s.QueueBytes, s.AddressSpace = "end", true, 16<<20, 32<<20, room<<20
					if room < 1 {
						s.AddressSpace = room - 1 // one byte less than it has, or nothing more
					}
					how := floodLimited(t, s, end.peer, bytes)
					counts[how]++
					t.Log(how)
				})
			}
		}
	}
	t.Logf("%v", counts)
}

// floodLimited floods an end in a process with a limit, and returns how that ends.
func floodLimited(t *testing.T, s childSpec, peer, sent string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	cmd := childCommand(ctx, t, s)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var first account
	if lines.Scan() && json.Unmarshal(lines.Bytes(), &first) == nil && first.Port != "" {
		floodFor(300*time.Millisecond, 2, first.Port, peer, sent)
		io.WriteString(in, "account\nclose\n")
		for lines.Scan() {
		}
	}
	in.Close()
	err = cmd.Wait()
	said := stderr.String()
	switch {
	case ctx.Err() != nil:
		t.Errorf("it hangs\n%s", said)
	case err == nil:
		return "survives"
	case limitEndings.MatchString(said):
		return limitEndings.FindString(said)
	default:
		t.Errorf("%v\n%s", err, said)
	}
	return fmt.Sprint(err)
}

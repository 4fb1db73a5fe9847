package netgear

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
)

// An end in a process of its own, for tests that measure how a peer affects the
// process, or that would end it.

// childEnv holds the childSpec of such a process.
const childEnv = "NETGEAR_TEST_CHILD"

// childSpec describes what the process does.
type childSpec struct {
	Role          string // "end", "rebind", or one of resultsOf
	Pattern       Pattern
	Receive       bool
	Bind          bool
	Port          string // of the other end, if this one connects
	QueueFrames   int
	Idle          bool   // the application does not receive
	Sends         bool   // the application sends a small frame now and then
	Size          int    // the bytes of that frame; 0 is 1
	Descriptors   int    // the limit; 0 leaves it
	Reopened      string // the port of the end that "rebind" opens; "" is any
	Location      string
	MaxFrameBytes int64
	QueueBytes    int64
	HighWaterMark int
	MaxPeers      int
	SendAhead     int
	Secure        SecureMode
	Pause         time.Duration // the application reads the pixels of a frame, and then pauses
	AddressSpace  int64         // so many bytes more than the process takes with the end are its limit (ulimit -v); 0 for none
	Cgroup        string        // the folder of the control group that the process enters
}

func (s childSpec) options() Options {
	o := Options{Pattern: s.Pattern, ReceiveMode: s.Receive, Address: "127.0.0.1", Port: "0", QueueFrames: s.QueueFrames, SecureMode: s.Secure,
		CustomCertLocation: s.Location, TerminatePolicy: KeepWaiting, Attach: AttachConnect, JPEGCompression: JPEGOff, MaxFrameBytes: s.MaxFrameBytes, QueueBytes: s.QueueBytes, HighWaterMark: s.HighWaterMark, MaxPeers: s.MaxPeers, SendAhead: s.SendAhead, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if s.Pattern == PushPull {
		o.Wire = AsyncWire
	}
	if s.Bind {
		o.Attach = AttachBind
	} else {
		o.Port = s.Port
	}
	return o
}

// account is the report of the process.
type account struct {
	Port                                       string
	Frames, Malformed, Flooded, Refused, Opens uint64
	Peak                                       int64         // memory of its own, in bytes
	Memory, Before                             int64         // now, and before the end was opened
	CPU                                        time.Duration // taken so far
	Results                                    []string
	Retries                                    uint64
	Queue, Connected                           int
	Socket                                     bool // the end has one
	HalfOpen                                   bool // the peer may hold a lost connection
	Error                                      string
}

// resultsOf are the roles that report results and end.
var resultsOf = map[string]func() []string{
	"few descriptors": fewDescriptors,
	"few addresses":   fewAddresses,
	"take memory":     takeMemory,
	"inherited":       inherited,
	"many ends":       manyEnds,
}

// runChild is the main function of a child process; in other processes it
// returns.
func runChild() {
	text := os.Getenv(childEnv)
	if text == "" {
		return
	}
	var s childSpec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if s.Descriptors > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(s.Descriptors), Max: uint64(s.Descriptors)}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	if s.Cgroup != "" {
		if err := os.WriteFile(filepath.Join(s.Cgroup, "cgroup.procs"), []byte("0"), 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	if results, ok := resultsOf[s.Role]; ok {
		report(account{Results: results()})
		os.Exit(0)
	}
	os.Exit(runEnd(s))
}

func report(a account) {
	a.Peak, a.Memory, a.Before = alloctest.PeakMemory(), alloctest.Memory(), memoryBefore
	var use unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &use)
	a.CPU = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	line, _ := json.Marshal(a)
	fmt.Println(string(line))
}

// memoryBefore is the memory of this process before its end was opened.
var memoryBefore int64

// runEnd runs an end that reports its counts when it is asked.
func runEnd(s childSpec) int {
	debug.FreeOSMemory() // of the tests' tables, which were built first
	memoryBefore = alloctest.Memory()
	n, err := New(s.options())
	if err != nil {
		report(account{Error: err.Error()})
		return 1
	}
	if s.AddressSpace != 0 {
		if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: uint64(alloctest.AddressSpace() + s.AddressSpace), Max: unix.RLIM_INFINITY}); err != nil {
			report(account{Error: err.Error()})
			return 1
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	opens := make(chan uint64, 1)
	opens <- 0
	if s.Receive && !s.Idle {
		busy.Go(func() {
			for f, err := range n.Frames(ctx) {
				if err != nil {
					continue
				}
				if s.Pause > 0 {
					f.Bytes()
					time.Sleep(s.Pause) // its work
				}
				f.Close()
			}
		})
	}
	if s.Sends {
		busy.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) { // its pace
				n.SendArray(ctx, testArray(0, "uint8", 1, max(s.Size, 1)), nil)
			}
		})
	}
	if s.Role == "rebind" {
		busy.Go(func() {
			for ctx.Err() == nil {
				if other, err := New(Options{ReceiveMode: true, Address: "127.0.0.1", Port: cmp.Or(s.Reopened, "0"), Pattern: ReqRep}); err == nil {
					if s.Reopened != "" {
						time.Sleep(5 * time.Millisecond) // in which peers connect
					}
					other.Close()
					opens <- 1 + <-opens
				}
			}
		})
	}
	in := bufio.NewScanner(os.Stdin)
	free := func() {}
	for more := true; more && in.Text() != "close"; more = in.Scan() {
		switch in.Text() {
		case "silence": // the peer has not answered for long
			n.send.halfOpen.Answered(time.Now().Add(-transport.Silence), time.Hour)
		case "take descriptors":
			free = takeDescriptors()
		case "free descriptors":
			free()
		}
		st, times := n.Stats(), <-opens
		opens <- times
		open, halfOpen := n.link.current() != nil, false
		if n.send != nil {
			from, _ := n.send.halfOpen.Ends()
			halfOpen = from != ""
		}
		report(account{Port: n.Port(), Frames: st.Frames, Malformed: st.Malformed, Flooded: st.Flooded, Refused: st.Refused, Opens: times, Retries: st.Retries, Queue: st.Queue, Connected: st.Connected, Socket: open, HalfOpen: halfOpen})
	}
	cancel()
	busy.Wait()
	n.Close()
	if in.Text() == "close" {
		report(account{})
	}
	return 0
}

// takeDescriptors occupies every descriptor that is free or becomes free, until
// free is called.
func takeDescriptors() (free func()) {
	var held []*os.File
	take := func() {
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return
			}
			held = append(held, f)
		}
	}
	take()
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond):
				take()
			}
		}
	}()
	return func() {
		close(end)
		<-done
		for _, f := range held {
			f.Close()
		}
	}
}

// child is such a process, as the test uses it.
type child struct {
	*peertest.Process[account]
	t    *testing.T
	port string
}

// startChild starts an end in a process of its own and waits until it is open.
func startChild(t *testing.T, s childSpec) *child {
	t.Helper()
	c := startProcess(t, s)
	c.port = c.hear().Port
	return c
}

func startProcess(t *testing.T, s childSpec) *child {
	t.Helper()
	c := &child{t: t}
	c.Process = peertest.Start(t, "end", childCommand(context.Background(), t, s), func(line []byte) (a account) {
		if err := json.Unmarshal(line, &a); err != nil {
			a.Error = string(line)
		}
		return a
	})
	return c
}

// childCommand returns the command that runs such a process.
func childCommand(ctx context.Context, t *testing.T, s childSpec) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	return cmd
}

// dial connects a peer of a kind of socket to an end that listens without
// security. The connection is closed with the test.
func (c *child) dial(kind string) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+c.port)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(testTimeout))
	if err := shakeHands(conn, kind); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// hear returns the next account.
func (c *child) hear() account {
	c.t.Helper()
	select {
	case a, ok := <-c.Lines:
		if !ok {
			c.Fail("the end's process is gone")
		}
		if a.Error != "" {
			c.Fail("the end: %s", a.Error)
		}
		return a
	case <-time.After(2 * testTimeout):
		c.Fail("the end says nothing")
	}
	return account{}
}

// account requests one report.
func (c *child) account() account {
	c.t.Helper()
	c.Tell("account")
	return c.hear()
}

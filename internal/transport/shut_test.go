package transport

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// shutEnv has the kind of the socket, the linger time, and the port, in a process
// that TestResetsDuringShut starts.
const shutEnv = "NETGEAR_TEST_SHUT"

// shutKinds are the sockets that send, with their peers.
var shutKinds = map[string]struct {
	kind zmq4.Type
	peer string
}{"PUB": {zmq4.PUB, "SUB"}, "PUSH": {zmq4.PUSH, "PULL"}, "PAIR": {zmq4.PAIR, "PAIR"}}

// A socket that sends is closed again and again, while peers that read nothing
// reset their connections at any moment. libzmq aborts the process if one is lost
// in the middle of a message while its pipe ends, mostly in the first closing.
func TestResetsDuringShut(t *testing.T) {
	if text := os.Getenv(shutEnv); text != "" {
		shutAgainAndAgain(t, text)
		return
	}
	for name, k := range shutKinds {
		for _, linger := range []time.Duration{0, 5 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", linger), func(t *testing.T) {
				t.Parallel()
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
				l.Close()
				victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestResetsDuringShut$")
				victim.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", shutEnv, name, linger, port))
				over := make(chan struct{})
				var peers sync.WaitGroup
				for i := range uint64(8) {
					peers.Go(func() { resetAgainAndAgain(rand.New(rand.NewPCG(i, 0)), port, k.peer, over) })
				}
				out, err := victim.CombinedOutput()
				close(over)
				peers.Wait()
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// shutAgainAndAgain opens a socket, sends much more than its peers read, and
// closes it.
func shutAgainAndAgain(t *testing.T, text string) {
	var name, port string
	var linger time.Duration
	if _, err := fmt.Sscan(text, &name, (*int64)(&linger), &port); err != nil {
		t.Fatal(err)
	}
	closings := 8
	if testing.Short() {
		closings = 3
	}
	config := Config{Kind: shutKinds[name].kind, Bind: true, MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler),
		Setup: func(s *zmq4.Socket) error { return s.SetSndhwm(0) }}
	for n := 0; n < closings; {
		connected := make(chan struct{}, 1)
		s, err := Open(config, []string{"tcp://127.0.0.1:" + port}, func(e Event) {
			select {
			case connected <- struct{}{}:
			default:
			}
		})
		if err != nil { // a peer may have the port for its own end
			time.Sleep(time.Millisecond)
			continue
		}
		<-connected
		head, body := make([]byte, 700), make([]byte, 40)
		for range 100 {
			for range 20 {
				if s.TrySend(head, true) == nil {
					s.TrySend(body, false)
				}
			}
			s.SettlePeers()
		}
		s.Shut(linger)
		n++
	}
}

// resetAgainAndAgain connects, reads nothing, and resets the connection at any
// moment.
func resetAgainAndAgain(r *rand.Rand, port, kind string, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil { // just now the socket is closed
			time.Sleep(time.Millisecond)
			continue
		}
		c.(*net.TCPConn).SetReadBuffer(2 << 10)
		c.Write(greetingOf(kind))
		c.Write([]byte("\x00\x01\x01")) // a subscription, and at PAIR a message
		time.Sleep(time.Duration(r.IntN(20_000)) * time.Microsecond)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// What a socket that listens has not sent when it is closed is sent during the
// linger time, as at one that connects.
func TestShutLingersWhereItListens(t *testing.T) {
	const number, size = 60, 400_000 // more than the system takes
	connected := make(chan EventKind, 10)
	s, err := Open(Config{Kind: zmq4.PUSH, Bind: true, MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler),
		Setup: func(s *zmq4.Socket) error { return s.SetSndhwm(0) }}, []string{"tcp://127.0.0.1:0"}, func(e Event) { connected <- e.Kind })
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoints[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	hello := greetingOf("PULL")
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
	await(t, connected, Connected)
	s.SettlePeers()
	for range number {
		if err := s.TrySend(make([]byte, size), false); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Shut(5 * time.Second)
	}()
	time.Sleep(50 * time.Millisecond) // it closes; that it lingers is no event
	n, _ := io.Copy(io.Discard, c)
	if least := int64(number * size); n < least {
		t.Errorf("%d of %d bytes came", n, least)
	}
	<-ended
}

// libzmq does not report the end of a connection to an endpoint that the socket
// leaves. Shut must not wait for that report.
func TestShutAfterPart(t *testing.T) {
	for range 20 {
		if !endsAfterPart(t) {
			t.Error("endAll waits for a connection that has ended")
		}
	}
}

// endsAfterPart reports whether a monitor notices that the connection has ended to
// an endpoint that the socket has left.
func endsAfterPart(t *testing.T) (ended bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := plain(zmq4.PAIR)
	c.Bind = false
	ep := "tcp://" + l.Addr().String()
	s, err := Open(c, []string{ep}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	silent, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.SetReadDeadline(time.Now().Add(testTimeout))
	if _, err := silent.Read(make([]byte, 1)); err != nil { // libzmq's greeting: it has reported the connection
		t.Fatal(err)
	}
	if s.Parted(ep) || !s.Parted("tcp://127.0.0.1:1") {
		t.Error("Parted before Part")
	}
	s.Part(ep)
	if !s.Parted(ep) {
		t.Error("not Parted after Part")
	}
	closed := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, silent)
		closed <- err
	}()
	for open := true; open; {
		s.ProcessCommands()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
			open = false
		case <-time.After(time.Millisecond):
		}
	}
	s.monitor.endAll()
	select {
	case <-s.monitor.ended:
		ended = true
	default:
	}
	s.Shut(0)
	return ended
}

// A connection that is reported after all were ended, and that libzmq has closed
// by then without a report (Part), is not waited for.
func TestEndedBeforeItWasReported(t *testing.T) {
	m := newTestMonitor()
	m.ended = make(chan struct{})
	m.endConnections()
	m.account(libzmqEvent{kind: zmq4.EVENT_CONNECTED, value: noConnection, endpoint: "tcp://127.0.0.1:5555"})
	m.noteEnded()
	select {
	case <-m.ended:
	default:
		t.Errorf("waits for %+v", m.conns[0])
	}
}

// A program that is being started has a copy of each descriptor, until it runs.
// The port is free, and the path of ipc, when Shut has returned all the same.
func TestPortIsFreeWhileProgramsStart(t *testing.T) {
	c := plain(zmq4.PAIR)
	c.Bind = true
	for _, ep := range []string{"tcp://127.0.0.1:0", "ipc://" + filepath.Join(t.TempDir(), "socket")} {
		t.Run(strings.ReplaceAll(ep, "/", "_"), func(t *testing.T) {
			s, err := Open(c, []string{ep}, func(Event) {})
			if err != nil {
				t.Fatal(err)
			}
			inherited, err := unix.FcntlInt(listening(t, s.Endpoints[0]), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(inherited)
			s.Shut(0)
			again, err := Open(c, s.Endpoints, func(Event) {})
			if err != nil {
				t.Fatal(err)
			}
			again.Shut(0)
		})
	}
}

// listening returns the descriptor of the socket that listens at an endpoint.
func listening(t *testing.T, ep string) uintptr {
	t.Helper()
	for fd := range 1024 {
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
			if _, local, _ := identifySocket(fd); atEndpoint(local, ep) {
				return uintptr(fd)
			}
		}
	}
	t.Fatalf("nothing listens at %s", ep)
	return 0
}

// fewEnv is set in a process that TestShutLeavesDescriptors starts.
const fewEnv = "NETGEAR_TEST_FEW_DESCRIPTORS"

// A socket that is closed takes no descriptors on which another counts that is
// opened meanwhile: libzmq aborts the process where one is missing.
func TestShutLeavesDescriptors(t *testing.T) {
	if os.Getenv(fewEnv) != "" {
		shutWithFewDescriptors(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestShutLeavesDescriptors$")
	cmd.Env = append(os.Environ(), fewEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func shutWithFewDescriptors(t *testing.T) {
	const limit, ports, spare = 400, 100, 4
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	bound := plain(zmq4.PAIR)
	bound.Bind = true
	open := func(c Config, endpoints ...string) *Socket {
		t.Helper()
		s, err := Open(c, endpoints, func(Event) {})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	defer open(bound, "tcp://127.0.0.1:0").Shut(0) // keeps the context, so that the other has one of its own
	for range 30 {
		closes := open(bound, slices.Repeat([]string{"tcp://127.0.0.1:0"}, ports)...)
		var fill []int
		for freeDescriptors(limit, limit) > neededDescriptors(limit)+spare {
			fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			fill = append(fill, fd)
		}
		over := make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if s, err := Open(plain(zmq4.REP), []string{"tcp://127.0.0.1:1"}, func(Event) {}); err == nil {
					s.Shut(0)
				}
			}
		})
		closes.Shut(0)
		close(over)
		others.Wait()
		for _, fd := range fill {
			unix.Close(fd)
		}
	}
}

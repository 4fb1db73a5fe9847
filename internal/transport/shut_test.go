package transport

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
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
// leaves. Shut must not wait for that report. It does for a connection that ended
// before the monitor had identified it, so one of several tries must do.
func TestShutAfterPart(t *testing.T) {
	for range 20 {
		if endsAfterPart(t) {
			return
		}
	}
	t.Error("endAll waits for a connection that has ended")
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

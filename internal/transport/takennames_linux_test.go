package transport

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	protocol "github.com/vidgear-go/netgear/internal/zmtp"
)

// namesEnv has the endpoint in a process that TestTakenNames starts.
const namesEnv = "NETGEAR_TEST_NAMES"

// unseeded is what glibc's rand() returns in a process that has not seeded it.
var unseeded = []uint32{
	1804289383, 846930886, 1681692777, 1714636915, 1957747793, 424238335, 719885386, 1649760492, 596516649, 1189641421, 1025202362, 1350490027,
	783368690, 1102520059, 2044897763, 1967513926, 1365180540, 1540383426, 304089172, 1303455736,
}

// REP gives its peers names, which it counts from a random number. Peers that have
// foreseen that number take the name of a later one, at which libzmq would abort
// the process (socket_base.cpp, add_out_pipe).
func TestTakenNames(t *testing.T) {
	if endpoint := os.Getenv(namesEnv); endpoint != "" {
		s, err := Open(Config{Kind: zmq4.REP, Bind: true, MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler), Setup: func(*zmq4.Socket) error { return nil }},
			[]string{endpoint}, func(Event) {})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Shut(0)
		over := make(chan struct{})
		go func() {
			defer close(over)
			io.Copy(io.Discard, os.Stdin)
		}()
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			select {
			case <-over:
				return
			default:
			}
			if _, err := s.ProcessCommands(); err != nil {
				t.Fatal(err)
			}
		}
	}
	port := peertest.FreePort(t)
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestTakenNames$")
	victim.Env = append(os.Environ(), fmt.Sprintf("%s=tcp://127.0.0.1:%s", namesEnv, port))
	var out strings.Builder
	victim.Stdout, victim.Stderr = &out, &out
	stdin, err := victim.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	// join connects a peer that stays, and takes a name if that is not empty.
	join := func(name string) error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return err
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, protocol.Greeting(0, "NULL", false)+protocol.Command("READY", protocol.Property("Socket-Type", "DEALER")+protocol.Property("Identity", name)))
		if _, err := io.ReadFull(c, make([]byte, protocol.GreetingSize)); err != nil {
			return err
		}
		_, _, err = protocol.ReadCommand(c)
		return err
	}
	peertest.Await(t, 10*time.Second, "the victim to listen", func() bool { return join("") == nil })
	const ahead = 20
	for i := 0; i < len(unseeded); i += 2 {
		first := unseeded[i] | unseeded[i+1]<<31 // as libzmq puts two together
		if err := join("\x00" + protocol.Number(uint64(first + ahead))[4:]); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 * ahead {
		if err := join(""); err != nil {
			break // the victim's output has the reason
		}
	}
	stdin.Close()
	if err := victim.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

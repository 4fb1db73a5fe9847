package transport

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/cxxnew"
	protocol "github.com/vidgear-go/netgear/internal/zmtp"
)

// impostorEnv is set in the process that TestReadyInsteadOfWelcome starts.
const impostorEnv = "NETGEAR_TEST_IMPOSTOR"

// A peer without any secret key answers a CURVE client's greeting with READY,
// sealed with a key of zeros, instead of WELCOME. libzmq opens that with a key
// that it has not computed yet, which is what the memory of a new object holds: in
// a young process, such as the one that this test starts, zeros.
func TestReadyInsteadOfWelcome(t *testing.T) {
	if os.Getenv(impostorEnv) == "" {
		victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestReadyInsteadOfWelcome$")
		victim.Env = append(os.Environ(), impostorEnv+"=1")
		if out, err := victim.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, c := range []struct {
		kind zmq4.Type
		peer string
	}{{zmq4.PUSH, "PULL"}, {zmq4.PAIR, "PAIR"}, {zmq4.REQ, "REP"}, {zmq4.PUB, "SUB"}} {
		for range 3 {
			believed, err := believes(t, c.kind, c.peer)
			if err != nil {
				t.Fatal(err)
			}
			if believed {
				t.Errorf("%v takes a peer without keys for the server", c.kind)
			}
		}
	}
	if cxxnew.Filled() == 0 {
		t.Error("libzmq's objects are not filled")
	}
}

// believes reports whether a CURVE client completes its handshake with a peer that
// has no keys.
func believes(t *testing.T, kind zmq4.Type, peer string) (bool, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return false, err
	}
	defer l.Close()
	client, server := newCurve(t), newCurve(t)
	events := make(chan EventKind, 100)
	s, err := Open(Config{Kind: kind, Secure: true, Setup: client.setup(t, server.public), MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler)},
		[]string{"tcp://" + l.Addr().String()}, func(e Event) { events <- e.Kind })
	if err != nil {
		return false, err
	}
	defer s.Shut(0)
	c, err := l.Accept()
	if err != nil {
		return false, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(testTimeout))
	if _, err := io.WriteString(c, protocol.Greeting(0, "CURVE", true)+protocol.ReadyWithoutKeys(peer)); err != nil {
		return false, err
	}
	for limit := time.After(testTimeout); ; {
		select {
		case k := <-events:
			switch {
			case k == Connected:
				return true, nil
			case k == ProtocolFailed, k == HungUp, k == Disconnected:
				return false, nil
			}
		case <-limit:
			return false, fmt.Errorf("%v: the handshake does not end", kind)
		}
	}
}

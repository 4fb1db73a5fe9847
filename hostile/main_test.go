package hostile

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// waitLimit limits every wait, so that a hang becomes a failure with a message.
const waitLimit = 60 * time.Second

// shortMessages is the number of mutated messages of the short form.
const shortMessages = 6000

var (
	// messages is how many mutated messages are sent in all.
	messages = number("NETGEAR_HOSTILE_MESSAGES", shortMessages)
	// seed is where everything random comes from.
	seed = number("NETGEAR_HOSTILE_SEED", int(rand.Uint32()))
	// blockSize is after how many messages a good peer is served. Small blocks are
	// for peers that come and go.
	blockSize = number("NETGEAR_HOSTILE_BLOCKSIZE", 1000)
	// onlyBlock is the one block of messages that is run; -1 is all of them.
	onlyBlock = number("NETGEAR_HOSTILE_BLOCK", -1)
	// percent is how much of its long form each test runs, but for the messages.
	percent = max(1, number("NETGEAR_HOSTILE_PERCENT", 100))
)

// number returns an environment variable's number, or a default.
func number(name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintf(os.Stderr, "hostile: %s: %v\n", name, err)
		os.Exit(2)
	}
	return n
}

// long reports whether this is the long form.
func long() bool { return messages > shortMessages }

// rounds returns the percentage of the long form's n rounds that is run, at least
// one.
func rounds(n int) int { return max(1, n*percent/100) }

// random returns the random source of one part of a test.
func random(t testing.TB, part int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, t.Name(), part)
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

func TestMain(m *testing.M) {
	// The tests mostly wait.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, "hostile: NETGEAR_HOSTILE_SEED=%d NETGEAR_HOSTILE_MESSAGES=%d NETGEAR_HOSTILE_PERCENT=%d\n", seed, messages, percent)
	code := m.Run()
	if code == 0 {
		if err := left(); err != nil {
			fmt.Fprintln(os.Stderr, "hostile: left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// left returns an error with what the tests have not released.
func left() error {
	runtime.GC()
	if err := leaktest.Find(); err != nil {
		return err
	}
	if buffers, parts := zmsg.Live(); buffers != 0 || parts != 0 {
		return fmt.Errorf("%d buffers and %d messages", buffers, parts)
	}
	return nil
}

// await polls a condition for which there is no event.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	peertest.Await(t, waitLimit, what, ok)
}

// progress prints a line while the long form runs.
func progress(format string, args ...any) {
	if long() {
		fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
	}
}

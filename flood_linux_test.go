package netgear

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// floods holds what a peer may send without end: the bytes are repeated.
var floods = map[string]string{
	"empty messages":           zmtp(0, ""),
	"messages that are no use": zmtp(0, strings.Repeat("rubbish ", 30)),
	"messages of 64 KB":        zmtp(isLong, strings.Repeat("x", 64<<10)),
	"empty parts":              zmtp(isMore, ""),
	"parts of 8 bytes":         zmtp(isMore, "rubbish "),
	"parts of 30 bytes":        zmtp(isMore, strings.Repeat("rubbish.", 4)[:30]),
	"parts of 1 MB":            zmtp(isMore|isLong, strings.Repeat("x", 1<<20)),
	"good frames":              zmtp(isMore, string(rawHeader("[1, 1]"))) + zmtp(0, "x"),
	"good frames, short parts": zmtp(isMore, string(rawHeader("[1, 1]"))) + strings.Repeat(zmtp(isMore, ""), 1000) + zmtp(0, "x"),
	"heartbeats":               zmtp(isCommand, "\x04PING\x00\x00"),
}

// worstFloods use the most memory, or another path through libzmq than the
// rest.
var worstFloods = []string{"empty messages", "messages of 64 KB", "empty parts", "good frames"}

// briefFloods lists the ends that the short form floods: one that reads, one
// whose application does not, and one that expects answers.
var briefFloods = []string{"SUB", "idle REP", "PAIR send end"}

// mostMemory is how much a flood may use at its peak, in bytes.
const mostMemory = 1 << 30

// flood connects to a port, again after each disconnection, and sends the bytes
// as fast as they are accepted, for the given time. A peer of REQ or REP sends
// them with envelopes. It returns how many it has sent.
func flood(port, kind, bytes string, d time.Duration) (sent int64, connections int) {
	envelope := ""
	if kind == "DEALER" || kind == "ROUTER" {
		envelope, bytes = withEnvelopes(bytes)
	}
	block := []byte(strings.Repeat(bytes, 1+(256<<10)/len(bytes)))
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err != nil {
			time.Sleep(time.Millisecond) // a new socket is being opened; that it listens is no event
			continue
		}
		connections++
		c.SetDeadline(end)
		if err = shakeHands(c, kind); err == nil {
			_, err = io.WriteString(c, envelope)
		}
		go io.Copy(io.Discard, c)
		for err == nil {
			var n int
			n, err = c.Write(block)
			sent += int64(n)
		}
		c.Close()
	}
	return sent, connections
}

// withEnvelopes returns what a peer of REP sends first, and then again and again:
// the delimiter of a request is before every message.
func withEnvelopes(bytes string) (first, repeated string) {
	delimiter := zmtp(isMore, "")
	switch last := lastFlags(bytes); {
	case last&isCommand != 0:
		return "", bytes
	case last&isMore != 0:
		return delimiter, bytes // one message without an end
	}
	return "", delimiter + bytes
}

// lastFlags returns the flags of the last of some ZMTP frames.
func lastFlags(frames string) (flags byte) {
	for len(frames) > 0 {
		flags = frames[0]
		head, size := 2, uint64(frames[1])
		if flags&isLong != 0 {
			head, size = 9, binary.BigEndian.Uint64([]byte(frames[1:9]))
		}
		frames = frames[uint64(head)+size:]
	}
	return flags
}

// For any flood of a peer, the process's memory stays bounded, and the end
// serves the next peer.
func TestFloods(t *testing.T) {
	const lasting = 1200 * time.Millisecond
	// Under the race detector most of the memory is the detector's.
	brief := testing.Short() || alloctest.Race
	for _, end := range []struct {
		name, peer string
		childSpec
	}{
		{"PAIR receive end", "PAIR", childSpec{Pattern: Pair, Receive: true}},
		{"idle PAIR receive end", "PAIR", childSpec{Pattern: Pair, Receive: true, Idle: true}},
		{"REP", "DEALER", childSpec{Pattern: ReqRep, Receive: true}},
		{"idle REP", "DEALER", childSpec{Pattern: ReqRep, Receive: true, Idle: true, QueueFrames: 1}},
		{"SUB", "PUB", childSpec{Pattern: PubSub, Receive: true}},
		{"PULL", "PUSH", childSpec{Pattern: PushPull, Receive: true}},
		{"PAIR send end", "PAIR", childSpec{Pattern: Pair}},
		{"REQ", "ROUTER", childSpec{Pattern: ReqRep}},
		{"PUB", "SUB", childSpec{Pattern: PubSub, Sends: true}},
		{"PUSH", "PULL", childSpec{Pattern: PushPull}},
	} {
		for name, bytes := range floods {
			few := end.name == "PAIR receive end" || end.name == "idle REP" // which meet them all
			if brief && (!strings.Contains(name, "empty") || !slices.Contains(briefFloods, end.name)) || !few && !slices.Contains(worstFloods, name) {
				continue
			}
			t.Run(end.name+"/"+name, func(t *testing.T) {
				end.Role, end.Bind, end.MaxFrameBytes = "end", true, 32<<20
				c := startChild(t, end.childSpec)
				before := c.account()
				sent, connections := flood(c.port, end.peer, bytes, lasting)
				after := c.account()
				t.Logf("%d MB taken over %d connections; %d MB more at the peak, %d MB in all; %+v", sent>>20, connections,
					(after.Peak-before.Peak)>>20, after.Peak>>20, after)
				switch more := after.Peak - before.Peak; {
				case more > mostMemory:
					t.Errorf("%d MB more", more>>20)
				case more > 250<<20 && connections == 1:
					t.Errorf("%d MB more, and the peer was not disconnected", more>>20)
				}
				if end.Receive && !end.Idle {
					servesAfter(t, c, end.Pattern)
				}
			})
		}
	}
}

// servesAfter sends frames to an end until it has received one. A REP socket
// may require more than one try. After a request without a delimiter whose
// sender has disconnected, libzmq 4.3.5 loses the next answer
// (router_t::rollback leaves _more_out).
func servesAfter(t *testing.T, c *child, pattern Pattern) {
	t.Helper()
	o := Options{Address: "127.0.0.1", Port: c.port, Pattern: pattern, JPEGCompression: JPEGOff, RequestTimeout: 2 * time.Second, MaxRetries: 10}
	if pattern == PushPull {
		o.Wire = AsyncWire
	}
	send := mustNew(t, o)
	frames := c.account().Frames
	await(t, "a good frame to arrive", func() bool {
		sendSmall(t, send)
		return c.account().Frames > frames
	})
}

// What subscribers can accumulate at a publisher is bounded as well.
func TestSubscriptionFloods(t *testing.T) {
	unique := func(size, number int) string {
		var all strings.Builder
		for i := range number {
			topic := fmt.Sprintf("\x01%0*d", size, i)
			if size < 250 {
				all.WriteString(zmtp(0, topic))
			} else {
				all.WriteString(zmtp(isLong, topic))
			}
		}
		return all.String()
	}
	for name, bytes := range map[string]string{
		"one of 20 MB":          zmtp(isLong, "\x01"+strings.Repeat("x", 20<<20)),
		"one of 90 MB":          zmtp(isLong, "\x01"+strings.Repeat("x", 90<<20)),
		"400000 of 20 bytes":    unique(20, 400000),
		"10000 of 4000 bytes":   unique(4000, 10000),
		"400000 as ZMTP 3.1":    strings.ReplaceAll(unique(20, 400000), "\x00\x15\x01", "\x04\x1e\x09SUBSCRIBE"),
		"a million of one byte": strings.Repeat(zmtp(0, "\x01"), 1000000),
	} {
		t.Run(name, func(t *testing.T) {
			c := startChild(t, childSpec{Role: "end", Pattern: PubSub, Bind: true, Sends: true})
			before := c.account()
			conn := c.dial("SUB")
			conn.SetDeadline(time.Now().Add(3 * time.Second))
			_, err := io.WriteString(conn, bytes)
			io.Copy(io.Discard, conn) // until it is cut off, or the time is over
			after := c.account()
			t.Logf("%d MB more at the peak; %v; %+v", (after.Peak-before.Peak)>>20, err, after)
			if after.Peak-before.Peak > 200<<20 {
				t.Errorf("%d MB more", (after.Peak-before.Peak)>>20)
			}
		})
	}
}

// A peer that begins to flood after a silence is checked less often.
func TestFloodAfterSilence(t *testing.T) {
	for _, name := range []string{"empty parts", "empty messages"} {
		t.Run(name, func(t *testing.T) {
			c := startChild(t, childSpec{Role: "end", Pattern: PubSub, Receive: true, Bind: true})
			before := c.account()
			conn := c.dial("PUB")
			time.Sleep(time.Second + 50*time.Millisecond) // the silence: two of the monitor's checks
			conn.SetDeadline(time.Now().Add(testTimeout))
			block := []byte(strings.Repeat(floods[name], 1<<17))
			var err error
			for err == nil {
				_, err = conn.Write(block)
			}
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				t.Error("the flood was not ended")
			}
			after := c.account()
			t.Logf("%d MB more at the peak; %+v", (after.Peak-before.Peak)>>20, after)
			if after.Peak-before.Peak > mostMemory {
				t.Errorf("%d MB more", (after.Peak-before.Peak)>>20)
			}
		})
	}
}

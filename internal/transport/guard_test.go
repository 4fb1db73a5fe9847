package transport

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/clocktest"
)

// The flags of a ZMTP frame.
const (
	isMore    = 1
	isLong    = 2
	isCommand = 4
)

// zmtp returns a ZMTP frame.
func zmtp(flags byte, text string) string {
	head := []byte{flags}
	if flags&isLong != 0 {
		return string(binary.BigEndian.AppendUint64(head, uint64(len(text)))) + text
	}
	return string(append(head, byte(len(text)))) + text
}

func TestTinyFrames(t *testing.T) {
	picture := make([]byte, 2048)
	rand.NewChaCha8([32]byte{1}).Read(picture)
	repeat := func(s string) []byte { return slices.Repeat([]byte(s), 2048/len(s)) }
	message := zmtp(isMore, strings.Repeat("h", 27)) + zmtp(0, strings.Repeat("\x01", 58))
	for name, c := range map[string]struct {
		bytes []byte
		want  bool
	}{
		"empty parts":      {repeat(zmtp(isMore, "")), true},
		"parts of a byte":  {repeat(zmtp(isMore, "x"))[1:], true},
		"parts of 9 bytes": {repeat(zmtp(isMore, "123456789"))[5:], true},
		"long form":        {repeat(zmtp(isMore|isLong, "12"))[7:], true},
		"reserved bits":    {repeat("\xf9" + zmtp(isMore, "x")[1:]), true},
		"commands":         {repeat(strings.Repeat(zmtp(isMore, ""), 100) + zmtp(isCommand, "\x04PING\x00\x00")), true},
		"messages":         {repeat(zmtp(0, "ok")), true},
		"small messages":   {repeat(message)[40:], true},
		"parts of 60":      {repeat(zmtp(isMore, strings.Repeat("x", 60)))[33:], true},
		"parts of 100":     {repeat(zmtp(isMore, strings.Repeat("x", 100))), false},
		"a picture":        {picture, false},
		"text":             {repeat(`{"return_type": "ndarray"}`), false},
	} {
		if got := tinyFrames(c.bytes); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Where libzmq limits the messages that wait, small messages are no flood. What
// waits in the system does not count. Parts of one message are a flood, also if they
// look like whole messages from where they are looked at.
func TestTinyFramesInside(t *testing.T) {
	const waits = 2048
	fd, id := bring(t, strings.Repeat(zmtp(isMore, "\x00"), waits/3+1)[:waits])
	sub, pull := newLimits(&Config{Kind: zmq4.SUB}), newLimits(&Config{Kind: zmq4.PULL, ReceiveHWM: 8000, MaxParts: 2})
	whole := int64(8002 * 2 * (tinyPart + 2))
	for _, c := range []struct {
		limits *limits
		inside int64
		tinies int
	}{{&sub, whole, 1}, {&pull, whole, 0}, {&pull, whole + 1, 1}} {
		conn := connection{fd: fd, id: id}
		conn.unread = waits + c.inside
		conn.last = conn.unread
		if conn.peek(c.limits); conn.peeks != 1 || conn.tinies != c.tinies {
			t.Errorf("%d bytes inside: %+v", c.inside, conn.meter)
		}
	}
}

// bring returns a connection over which some bytes have come that are not read.
func bring(t *testing.T, bytes string) (fd uint32, id socketID) {
	t.Helper()
	_, client, server := connectTCP(t)
	number := descriptor(t, server.(syscall.Conn))
	id, _ = identify(number)
	if _, ok := bytesReceived(number); !ok {
		t.Skip("not known here")
	}
	if _, err := io.WriteString(client, bytes); err != nil {
		t.Fatal(err)
	}
	for inSystem(number) < int64(len(bytes)) {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	return uint32(number), id
}

// A picture of zeros looks like tiny parts. Its connection does not end for what the
// process has grown by other things. For more than it brings and all others do, it ends.
func TestGrowthByOtherThings(t *testing.T) {
	fd, id := bring(t, strings.Repeat("\x00", 2048))
	const mega = 1 << 20
	for _, c := range []struct {
		name   string
		checks int
		stalls int   // from which check on libzmq reads nothing
		piles  int64 // unread bytes, from one check to the next
		grows  int64 // the process
		others int64 // unread bytes of other connections
		ended  bool
	}{
		{"tiny parts", 200, 200, mega, 20 * mega, 0, true},
		{"a picture", 200, 200, mega, 2 * mega, 0, false},
		{"while libzmq reads nothing", 200, 20, 0, 100 * mega, 0, false},
		{"by other connections", 200, 200, mega, 20 * mega, 4 << 30, false},
		{"in the course of time", 20 * tinyMost, 20 * tinyMost, 0, tinyGrowth / tinyMost / 2, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newTestMonitor()
			m.limits.bytes, m.unread = 1<<40, c.others
			conn := &connection{fd: fd, id: id, since: time.Now()}
			conn.base = -mega
			var why error
			for i := 0; i < c.checks && why == nil; i++ {
				if i < c.stalls {
					conn.taken -= mega
				}
				conn.base -= c.piles
				if i >= 20 {
					conn.resident -= c.grows
				}
				_, why = m.check(conn, conn.since)
			}
			if (why != nil) != c.ended {
				t.Errorf("%v, %+v", why, conn.meter)
			}
		})
	}
}

// What counts as unread, and from when on it is too much.
func TestFlowVerdicts(t *testing.T) {
	now := time.Now()
	lim := limits{bytes: 1000, bytesPerSecond: 10, parts: maxPendingParts}
	c := &connection{since: now}
	step := func(total int64, read reading, after time.Duration, unread int64, why error) {
		t.Helper()
		c.last = total
		if got := c.update(&read, &lim, now.Add(after)); got != unread {
			t.Errorf("%d unread, not %d", got, unread)
		}
		if got := c.verdict(c.unread, &lim, now.Add(after)); got != why {
			t.Errorf("%v, not %v", got, why)
		}
	}
	step(500, reading{}, 0, 500, nil)
	step(800, reading{bytes: 500, parts: 1}, 0, 300, nil)
	step(1800, reading{}, 0, 1300, ErrPiledUp)
	step(1900, reading{bytes: 100, parts: 1, all: true}, 0, 0, nil)
	step(2800, reading{}, 0, 900, nil)
	step(3000, reading{}, 20*time.Second, 900, nil) // heartbeats
	step(3000, reading{}, time.Hour, 0, nil)
	lim = limits{bytes: 1 << 40, parts: maxPendingParts}
	step(3000+3<<20, reading{bytes: 3, parts: 1}, time.Hour, 3<<20-3, nil)
	step(3000+4<<20, reading{bytes: 3, parts: 1}, time.Hour, 4<<20-6, ErrPiledUp) // more than a million messages
}

// The size of the parts read last is forgotten once all were read.
func TestSizeOfPartsIsForgotten(t *testing.T) {
	now := time.Now()
	c, lim := connection{since: now}, newLimits(&Config{Kind: zmq4.PAIR, MaxMessage: 1 << 30})
	c.last = 5000
	c.update(&reading{bytes: 5000, parts: 1000, all: true}, &lim, now)
	c.last += 500 << 20
	if unread := c.update(&reading{}, &lim, now); c.verdict(unread, &lim, now) != nil {
		t.Errorf("a frame of %d bytes is taken for a flood of small ones", unread)
	}
	c.update(&reading{bytes: 5000, parts: 1000}, &lim, now)
	if c.verdict(c.unread, &lim, now) == nil {
		t.Error("a flood of small parts passes")
	}
}

// A subscriber may send a heartbeat every 10 ms, in the clear and encrypted.
func TestHeartbeatsAreNoChatter(t *testing.T) {
	for _, secure := range []bool{false, true} {
		ping := int64(9) // flag, length, "PING", time to live
		if secure {
			ping += 33
		}
		lim, now := newLimits(&Config{Kind: zmq4.PUB, Secure: secure, HeartbeatInterval: time.Second}), time.Now()
		for _, age := range []time.Duration{time.Minute, time.Hour, 48 * time.Hour} {
			c := connection{since: now.Add(-age)}
			c.last = int64(age/(10*time.Millisecond)) * ping
			unread := c.update(&reading{}, &lim, now)
			if err := c.verdict(unread, &lim, now); err != nil {
				t.Errorf("secure: %v, after %v: %v", secure, age, err)
			}
		}
	}
}

// The next check is due by the time that passes, whatever the wall clock is set
// to meanwhile.
func TestNextCheckWhileTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		now := time.Now()
		if left := nextIdle(now).Sub(clocktest.Set(now, by)); left <= 0 || left > guardIdle {
			t.Errorf("the clock set by %v: the next check is in %v", by, left)
		}
	}
}

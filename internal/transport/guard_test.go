package transport

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/clocktest"
)

// The flags of a ZMTP frame.
const (
	isMore = 1
	isLong = 2
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
	for name, c := range map[string]struct {
		bytes []byte
		want  bool
	}{
		"empty parts":      {repeat(zmtp(isMore, "")), true},
		"parts of a byte":  {repeat(zmtp(isMore, "x"))[1:], true},
		"parts of 9 bytes": {repeat(zmtp(isMore, "123456789"))[5:], true},
		"long form":        {repeat(zmtp(isMore|isLong, "12"))[7:], true},
		"messages":         {repeat(zmtp(0, "ok")), true},
		"parts of 60":      {repeat(zmtp(isMore, string(make([]byte, 60)))), false},
		"a picture":        {picture, false},
		"text":             {repeat(`{"return_type": "ndarray"}`), false},
	} {
		if got := tinyFrames(c.bytes); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
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

package netgear

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// fullEnd is an end that listens with MaxPeers, and what it has reported.
type fullEnd struct {
	*NetGear
	t *testing.T
	o Options // of the other ends

	mu     sync.Mutex
	lines  strings.Builder
	events []Event
}

// Write takes the lines of the log.
func (c *fullEnd) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines.Write(line)
}

// newFullEnd opens an end that listens.
func newFullEnd(t *testing.T, o Options) *fullEnd {
	c := &fullEnd{t: t, o: o}
	o.Attach, o.Address, o.Port = AttachBind, "127.0.0.1", "0"
	if o.Protocol == "ipc" {
		dir := peertest.SocketDir(t)
		o.Address = filepath.Join(dir, "s")
	}
	o.Logger = slog.New(slog.NewTextHandler(c, nil))
	o.OnEvent = func(e Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	}
	c.NetGear = mustNew(t, o)
	c.o.ReceiveMode, c.o.Attach, c.o.Address, c.o.Port, c.o.MaxPeers = !o.ReceiveMode, AttachConnect, o.Address, c.Port(), 0
	return c
}

// join opens an end that connects.
func (c *fullEnd) join() *NetGear { return mustNew(c.t, c.o) }

// deliver takes a frame from one end to the other. Where frames are answered none
// is broken off, as that would close a connection. An end that listens sends to its
// peers in turn.
func (c *fullEnd) deliver(peer *NetGear) {
	c.t.Helper()
	send, recv := peer, c.NetGear
	if c.o.ReceiveMode {
		send, recv = c.NetGear, peer
	}
	if !c.link.spec.answers {
		deliverAny(c.t, send, recv)
		return
	}
	ctx := testContext(c.t)
	for before := recv.Stats().Frames; recv.Stats().Frames == before; {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
			c.t.Fatal(err)
		}
	}
	mustRecv(c.t, recv, ctx).Close()
}

// reported reports whether OnEvent and the log have what was done.
func (c *fullEnd) reported() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	event := false
	for _, e := range c.events {
		event = event || (e.Kind == EventRefused || e.Kind == EventLost) && e.Err != nil && strings.Contains(e.Err.Error(), "MaxPeers")
	}
	return event && strings.Contains(c.lines.String(), `msg="too many connections, closed one"`) && strings.Contains(c.lines.String(), "(MaxPeers)")
}

// connected returns those of some ends that are connected.
func connected(ends []*NetGear) (all []*NetGear) {
	for _, n := range ends {
		if n.Stats().Connected > 0 {
			all = append(all, n)
		}
	}
	return all
}

// Of more peers than MaxPeers the first stay connected, the others are closed and
// reported, and one of those is admitted when a place is free.
func TestMaxPeers(t *testing.T) {
	location := keyFolder(t)
	var all []Options
	for _, receive := range []bool{true, false} {
		for wire, patterns := range map[Wire][]Pattern{NetGearWire: {Pair, ReqRep, PubSub}, AsyncWire: {Pair, ReqRep, PubSub, PushPull}, ImageZMQWire: {ReqRep, PubSub}} {
			for _, pattern := range patterns {
				o := Options{ReceiveMode: receive, Wire: wire, Pattern: pattern}
				all = append(all, o)
				if wire == AsyncWire {
					o.SecureMode, o.CustomCertLocation = StoneHouse, location
					all = append(all, o)
					o.SecureMode = IronHouse
					all = append(all, o)
					o.SecureMode, o.CustomCertLocation, o.Protocol = Grasslands, "", "ipc"
					all = append(all, o)
				}
			}
		}
	}
	for _, o := range all {
		name := fmt.Sprintf("receive=%v/%v/%v/%v%s", o.ReceiveMode, o.Wire, o.Pattern, o.SecureMode, o.Protocol)
		t.Run(strings.ReplaceAll(name, "REQ/REP", "REQ-REP"), func(t *testing.T) {
			const places = 2
			t.Parallel()
			o.MaxPeers, o.TerminatePolicy, o.RequestTimeout = places, KeepWaiting, testTimeout
			if o.Wire != AsyncWire {
				o.JPEGCompression = JPEGOff
			}
			c := newFullEnd(t, o)
			good := c.join()
			awaitPeers(t, c.NetGear, 1)
			c.deliver(good)
			var others []*NetGear
			for range 3 * places {
				others = append(others, c.join())
			}
			if c.link.opts.servesOne() {
				await(t, "the others to wait", func() bool { return c.link.current().Pending() == 3*places })
				c.deliver(good)
				if s := c.Stats(); s.Connected != 1 || s.Lost != 0 || s.Refused != 0 {
					t.Errorf("%+v", s)
				}
				return
			}
			// One that was just closed may count for a moment.
			await(t, "a full end", func() bool { return c.link.current().Peers() == places && len(connected(others)) == places-1 })
			await(t, "the others to be closed", func() bool { s := c.Stats(); return s.Refused+s.Lost >= 3*places })
			await(t, "a report of that", c.reported)
			c.deliver(good)
			if s := good.Stats(); s.Connected != 1 || s.Lost != 0 || s.Connections != 1 {
				t.Errorf("the good peer: %+v", s)
			}
			gone := connected(others)[0]
			gone.Close()
			await(t, "another to be admitted", func() bool { return c.link.current().Peers() == places && len(connected(others)) == places-1 })
			c.deliver(good)
			if s := good.Stats(); s.Connected != 1 || s.Lost != 0 || s.Connections != 1 {
				t.Errorf("the good peer, after another has left: %+v", s)
			}
		})
	}
}

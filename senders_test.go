package netgear

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// Stamps of several senders at one port are counted each by itself, also where
// a copied configuration gives two of them the same port in multi-server mode.
func TestSendersOfOnePort(t *testing.T) {
	for _, c := range []struct {
		pattern Pattern
		servers bool
		wire    Wire
	}{{ReqRep, false, NetGearWire}, {ReqRep, true, NetGearWire}, {PubSub, false, NetGearWire}, {ReqRep, false, AsyncWire}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			const senders, frames = 3, 40
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: c.pattern, Wire: c.wire, MultiserverMode: c.servers, Stamp: true, TerminatePolicy: KeepWaiting, QueueFrames: 2 * senders * frames})
			ends := make([]*NetGear, senders)
			for i := range ends {
				ends[i] = mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: c.pattern, Wire: c.wire, MultiserverMode: c.servers, Stamp: true, HighWaterMark: 2 * frames})
			}
			if c.pattern == PubSub {
				for _, end := range ends {
					awaitSubscription(t, recv, end)
				}
			}
			ctx, before := testContext(t), recv.Stats().Frames
			// Their first numbers differ, and they send at the same time.
			var sending sync.WaitGroup
			for i, end := range ends {
				sending.Go(func() {
					for range frames + 10*i {
						if _, err := end.SendArray(ctx, testArray(0, "uint8", 4, 4), i); err != nil {
							t.Error(err)
						}
					}
				})
			}
			sending.Wait()
			// One loses a frame: as if it had been sent, and had not arrived.
			ends[1].send.seq++
			if _, err := ends[1].SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
				t.Fatal(err)
			}
			var s Stats
			await(t, "the frames, the last one among them", func() bool {
				s = recv.Stats()
				return s.Frames >= before+senders*frames+10+20+1 && s.Missed > 0
			})
			if s.Missed != 1 || s.Repeated != 0 {
				t.Errorf("%d missed, %d repeated: %+v", s.Missed, s.Repeated, s)
			}
			if p := s.Ports[recv.Port()]; c.servers && (p.Missed != 1 || p.Frames != s.Frames) {
				t.Errorf("of the port: %+v", p)
			}
		})
	}
}

// A send end is another sender each time that it is opened, with a number that
// JSON readers keep exact.
func TestSenderOfAnEnd(t *testing.T) {
	seen := map[uint64]bool{}
	for range 1000 {
		id := newSender()
		if id == 0 || id > maxSender || seen[id] {
			t.Fatalf("the sender %d", id)
		}
		seen[id] = true
	}
}

// A stamp with a sender of more than 53 bits or without a number, or with a time
// that no receive end takes for one, is an error before the frame is sent. It
// takes no number of the send end.
func TestUnusableStamps(t *testing.T) {
	bad := []StampedMessage{
		{Seq: 1, Sender: maxSender + 1}, {Seq: 1, Sender: math.MaxUint64}, {Sender: 8},
		{At: time.Unix(1e11, 1e6)}, {At: time.Unix(-1e11-1, 0)}, {At: time.Unix(math.MaxInt64, 0)}, {At: time.Unix(1<<45, 0)},
	}
	for _, latest := range []bool{false, true} {
		recv, send := openPair(t, Options{Stamp: true}, func(_, s *Options) { s.SendLatest = latest })
		ctx := testContext(t)
		own := uint64(0) // the last number of this end
		for _, message := range bad {
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), message); !errors.Is(err, ErrMessage) {
				t.Errorf("latest %v, %+v: %v", latest, message, err)
			}
			if f, err := NewFrame(testArray(0, "uint8", 4, 4), message); !errors.Is(err, ErrMessage) || f != nil {
				t.Errorf("a frame with %+v: %v", message, err)
			}
		}
		for _, message := range []StampedMessage{{Sender: maxSender, Seq: 3, At: time.Unix(1e11, 0)}, {At: time.Unix(-1e11, 0)}, {}} {
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), message); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, ctx)
			want := Stamp{message.Seq, message.At, message.Sender}
			if message.Seq == 0 {
				own++
				want.Seq, want.Sender = own, send.send.sender
			}
			if f.Stamp == nil || f.Stamp.Sender != want.Sender || f.Stamp.Seq != want.Seq || !f.Stamp.Time.Equal(want.Time) {
				t.Errorf("%+v became %+v", message, f.Stamp)
			}
			f.Close()
		}
	}
	// Without Options.Stamp there is no stamp that could be wrong.
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), bad[0]); err != nil {
		t.Error(err)
	}
	mustRecv(t, recv, ctx).Close()
}

// A frame that cannot be sent takes no number, so it is not missing at the
// receive end. Neither is one whose number is the caller's.
func TestNumbersOfFramesThatAreNotSent(t *testing.T) {
	recv, send := openPair(t, Options{Stamp: true})
	ctx := testContext(t)
	for i, message := range []any{nil, make(chan int), StampedMessage{Seq: 77, Sender: 9}, nil} {
		_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), message)
		if i == 1 {
			if !errors.Is(err, ErrMessage) {
				t.Errorf("a channel: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, ctx)
		if want := []uint64{1, 0, 77, 2}[i]; f.Stamp.Seq != want {
			t.Errorf("frame %d has the number %d, not %d", i, f.Stamp.Seq, want)
		}
		f.Close()
	}
	func() {
		defer func() { _ = recover() }()
		_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), panics{})
		t.Errorf("a message whose method panics: %v", err)
	}()
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	if s := recv.Stats(); s.Missed != 0 || f.Stamp.Seq != 3 {
		t.Errorf("%d missed; the last frame has the number %d", s.Missed, f.Stamp.Seq)
	}
}

// panics is a message that cannot be encoded, as the application has a fault.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("as it is meant to") }

// A stamp that names no sender is sent on without one: its number is not the
// relay's.
func TestSendFrameWithoutSender(t *testing.T) {
	recv, relay := openPair(t, Options{Stamp: true})
	f, err := NewFrame(testArray(0, "uint8", 4, 4), StampedMessage{At: time.Unix(5, 0), Seq: 3, Message: "m"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx := testContext(t)
	if _, err := relay.SendFrame(ctx, f, nil); err != nil {
		t.Fatal(err)
	}
	g := mustRecv(t, recv, ctx)
	defer g.Close()
	if g.Stamp == nil || *g.Stamp != *f.Stamp || g.Message.Value() != "m" {
		t.Errorf("%+v became %+v", f.Stamp, g.Stamp)
	}
	// One without a number gets that of the relay, whichever sender it names.
	f.Stamp = &Stamp{Time: time.Unix(5, 0), Sender: 8}
	if _, err := relay.SendFrame(ctx, f, nil); err != nil {
		t.Fatal(err)
	}
	h := mustRecv(t, recv, ctx)
	defer h.Close()
	if h.Stamp == nil || h.Stamp.Seq != 1 || h.Stamp.Sender != relay.send.sender {
		t.Errorf("%+v became %+v", f.Stamp, h.Stamp)
	}
}

// What is known of a sender's numbers: gaps, frames that arrive again, and late
// ones.
func TestNumbersOfASender(t *testing.T) {
	for name, c := range map[string]struct {
		numbers       []uint64
		missed, again uint64
	}{
		"in order":                     {[]uint64{1, 2, 3}, 0, 0},
		"first ones before this end":   {[]uint64{500, 501}, 0, 0},
		"a gap":                        {[]uint64{1, 5, 6}, 3, 0},
		"late":                         {[]uint64{1, 4, 2, 3, 5}, 2, 0},
		"again":                        {[]uint64{1, 1, 2, 1, 2, 3}, 0, 3},
		"a late one again":             {[]uint64{1, 4, 2, 2, 5}, 2, 1},
		"the oldest that is known":     {[]uint64{1, 64, 1}, 62, 1},
		"older than what is known":     {[]uint64{1, 65, 1, 1}, 63, 0},
		"a gap of all that is known":   {[]uint64{1, 2, 66, 66, 2, 3}, 63, 1},
		"the last numbers of all":      {[]uint64{1<<64 - 2, 1<<64 - 1, 1<<64 - 1}, 0, 1},
		"numbers that a peer invented": {[]uint64{0, 1<<64 - 1, 0, 0}, 1<<64 - 2, 0},
	} {
		counts := newPerPortStats(false)
		for _, seq := range c.numbers {
			counts.stamp("", &Stamp{Seq: seq, Sender: 7}, time.Now())
		}
		if all := &counts.all; all.Missed != c.missed || all.Repeated != c.again {
			t.Errorf("%s: %d missed, %d repeated, not %d, %d", name, all.Missed, all.Repeated, c.missed, c.again)
		}
	}
}

// A peer that invents senders, and gaps between their numbers, takes no more
// memory than the limit, and no count wraps around.
func TestInventedSenders(t *testing.T) {
	counts := newPerPortStats(false)
	for i := range uint64(3 * maxSenders) {
		for _, seq := range []uint64{1, 1 << 63} {
			counts.stamp(fmt.Sprint(i%5), &Stamp{Seq: seq, Sender: 1 + i}, time.Now())
		}
		counts.stamp("1", &Stamp{Seq: i, Sender: maxSender}, time.Now()) // it is in use all the time
		if n := counts.senders.Len(); n > maxSenders {
			t.Fatalf("%d senders", n)
		}
	}
	if !counts.senders.Has(senderKey{counts.of("1"), maxSender}) || counts.senders.Has(senderKey{counts.of("0"), 1}) {
		t.Error("another sender went than the one that was not used for the longest time")
	}
	sum := uint64(0)
	for _, p := range counts.ports {
		sum += p.Missed
	}
	if counts.all.Missed != 1<<64-1 || sum != counts.all.Missed {
		t.Errorf("%d missed, %d of the ports", counts.all.Missed, sum)
	}
}

// A frame that arrives again is delivered and counted, per port, also if its
// stamp names no sender.
func TestRepeatedFrames(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MultiserverMode: true, Stamp: true})
	peer := newBare(t, zmq4.REQ, recv)
	ctx := testContext(t)
	for _, c := range []struct{ port, stamp string }{
		{"1", `"seq": 5, "t": 1.5, "sender": 9`}, {"1", `"seq": 6, "t": 1.6, "sender": 9`}, {"1", `"seq": 5, "t": 1.5, "sender": 9`}, {"1", `"seq": 6, "t": 1.6, "sender": 9`},
		{"2", `"seq": 6, "t": 1.6, "sender": 9`}, {"1", `"seq": 6, "t": 1.6, "sender": 8`},
		{"2", `"seq": 6, "t": 1.6`}, {"2", `"seq": 6, "t": 1.6`}, {"2", `"seq": 6, "t": 1.7`}, {"2", `"seq": 7, "t": 1.7`},
	} {
		peer.send(fmt.Appendf(nil, `{"port": "%s", "terminate_flag": false, "compression": false, "message": {%s, "message": null}, "dtype": "uint8", "shape": [1]}`, c.port, c.stamp), []byte("x"))
		peer.recv(testTimeout)
		mustRecv(t, recv, ctx).Close()
	}
	if s := recv.Stats(); s.Repeated != 3 || s.Ports["1"].Repeated != 2 || s.Ports["2"].Repeated != 1 || s.Missed != 0 || s.Delivered != 10 {
		t.Errorf("%+v", s)
	}
}

// While the application takes no frames, a send end sends its frame again and
// again. Each frame then arrives several times, and all but the first count as
// repeated.
func TestFramesOfABlockedApplicationAreRepeated(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: ReqRep, Stamp: true, RequestTimeout: 50 * time.Millisecond, MaxRetries: -1}, func(r, s *Options) {
		r.QueueFrames, r.TerminatePolicy = 1, KeepWaiting
	})
	ctx := testContext(t)
	const frames = 3
	sent := make(chan error, 1)
	go func() {
		for range frames {
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	await(t, "the tries", func() bool { return send.Stats().Retries > 3 })
	numbers := map[uint64]bool{}
	for len(numbers) < frames || recv.Stats().Repeated == 0 {
		f := mustRecv(t, recv, ctx)
		numbers[f.Stamp.Seq] = true
		f.Close()
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	// One that arrives at this moment is counted as a frame first.
	await(t, "all others to be repeated", func() bool { s := recv.Stats(); return s.Frames == frames+s.Repeated })
	if s := recv.Stats(); s.Missed != 0 {
		t.Errorf("%d missed", s.Missed)
	}
}

// Clients take turns, so that what one does not get is not missing.
func TestFramesOfOtherClientsAreNotMissed(t *testing.T) {
	o := Options{Address: "127.0.0.1", Pattern: ReqRep, MulticlientMode: true, Stamp: true}
	var clients []*NetGear
	var ports []string
	for range 2 {
		r := o
		r.ReceiveMode, r.Port = true, "0"
		clients = append(clients, mustNew(t, r))
		ports = append(ports, clients[len(clients)-1].Port())
	}
	s := o
	s.Ports = ports
	send, ctx := mustNew(t, s), testContext(t)
	awaitPeers(t, send, len(clients))
	for i := range 4 * len(clients) {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), i); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clients { // a client answers after it has counted
		if s := c.Stats(); s.Frames != 4 || s.Missed != 0 || s.Repeated != 0 {
			t.Errorf("%d frames, %d missed, %d repeated", s.Frames, s.Missed, s.Repeated)
		}
	}
}

package netgear

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/jpegtest"
)

// Each kind of damage has a count, and their sum is Malformed.
func TestMalformedReasons(t *testing.T) {
	header, array, jpeg := func(s *MalformedStats) { s.Header++ }, func(s *MalformedStats) { s.Array++ }, func(s *MalformedStats) { s.JPEG++ }
	others := map[string]func(*MalformedStats){
		"short pixels": array, "long pixels": array, "huge shape": array, "object dtype": array, "no dtype": array,
		"no JPEG": jpeg, "empty JPEG": jpeg, "cut JPEG": jpeg, "CMYK of YCbCr": jpeg,
		"a JPEG that lies": func(s *MalformedStats) { s.Limit++ },
	}
	messages := badMessages(t)
	messages["a JPEG bomb"] = [][]byte{grayHeader(), jpegtest.Scans(16384, 16384, 16)}
	others["a JPEG bomb"] = others["a JPEG that lies"]
	messages["another wire"] = [][]byte{[]byte("\x82\xa9terminate\xc2\xa7bi_mode\xc2"), []byte("x")}
	others["another wire"] = func(s *MalformedStats) { s.Wire++ }
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", MaxFrameBytes: 64 << 20})
	peer := newBare(t, zmq4.PAIR, recv)
	awaitPeers(t, recv, 1)
	var want MalformedStats
	sent := uint64(0)
	for name, parts := range messages {
		if others[name] == nil {
			others[name] = header
		}
		others[name](&want)
		sent++
		peer.send(parts...)
		if peer.recv(testTimeout) == nil {
			t.Fatalf("%s: no answer", name)
		}
		await(t, "the bad message to be counted", func() bool { return recv.Stats().Malformed == sent })
		if got := recv.Stats().MalformedBy; got != want {
			t.Errorf("%s: %+v, not %+v", name, got, want)
			want = got
		}
	}
}

func TestMalformedReasonsOfAsyncWire(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Wire: AsyncWire})
	peer := newBare(t, zmq4.PAIR, recv)
	awaitPeers(t, recv, 1)
	want := map[string]MalformedStats{"pickle": {Array: 1}, "pickle in the data": {Message: 1}}
	for name, parts := range badAsyncMessages() {
		counts, ok := want[name]
		if !ok {
			continue
		}
		delete(want, name)
		before := recv.Stats().MalformedBy
		peer.send(parts...)
		if peer.recv(testTimeout) == nil {
			t.Fatalf("%s: no answer", name)
		}
		counts.Array, counts.Message = counts.Array+before.Array, counts.Message+before.Message
		await(t, "the bad message to be counted", func() bool { return recv.Stats().MalformedBy == counts })
	}
	if len(want) > 0 {
		t.Errorf("never sent: %v", want)
	}
}

// What a stream of a pattern counts besides frames: connections, terminate
// messages, and how long everything takes.
func TestStatsOfAStream(t *testing.T) {
	const frames = 5
	for _, jpeg := range []Colorspace{JPEGDefault, JPEGOff} {
		for _, pattern := range allPatterns {
			for _, ahead := range []int{0, 2} {
				t.Run(fmt.Sprintf("%v/jpeg=%s/ahead=%d", pattern, jpeg, ahead), func(t *testing.T) {
					recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: jpeg, Stamp: true, HighWaterMark: 100}, func(r, s *Options) {
						s.SendAhead, r.TerminatePolicy, r.Decode = ahead, KeepWaiting, DecodeAhead
					})
					ctx := testContext(t)
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					for range frames {
						if _, err := send.SendArray(ctx, testArray(0, "uint8", 64, 64, 3), nil); err != nil {
							t.Fatal(err)
						}
						mustRecv(t, recv, ctx).Close()
					}
					send.Close()
					await(t, "the terminate message", func() bool { return recv.Stats().TerminatesReceived == 1 })
					checkStream(t, recv.Stats(), send.Stats(), pattern, jpeg != JPEGOff)
				})
			}
		}
	}
}

func checkStream(t *testing.T, r, s Stats, pattern Pattern, jpeg bool) {
	t.Helper()
	measured := func(name string, l LatencyStats, want uint64) {
		t.Helper()
		sum := uint64(0)
		for _, n := range l.Buckets {
			sum += n
		}
		if l.Frames != want || sum != want || want > 0 && (l.Sum <= 0 || l.Max < l.Mean || l.Max < l.Last || l.RecentMax.Truncate(time.Microsecond) > l.Max || l.Quantile(0.5) > l.Max) {
			t.Errorf("%s: %+v, not %d frames", name, l, want)
		}
	}
	of := func(yes bool, n uint64) uint64 {
		if yes {
			return n
		}
		return 0
	}
	measured("latency", r.Latency, r.Frames)
	measured("decode", r.Decode, of(jpeg, r.Frames))
	measured("encode", s.Encode, of(jpeg, s.Frames))
	measured("send", s.Send, s.Frames)
	measured("round trip", s.RoundTrip, of(pattern != PubSub, s.Frames))
	measured("encode at the receive end", r.Encode, 0)
	measured("decode at the send end", s.Decode, 0)
	if s.TerminatesSent != 1 || s.TerminatesReceived != 0 || r.TerminatesSent != 0 || s.Connections != 1 || r.Connections != 1 || s.Overflows != 0 {
		t.Errorf("%+v\n%+v", s, r)
	}
	if !r.ReceiveMode || s.ReceiveMode || r.Pattern != pattern || s.Pattern != pattern {
		t.Errorf("which end: %v %v, %v %v", r.ReceiveMode, r.Pattern, s.ReceiveMode, s.Pattern)
	}
}

// A connection that is made again counts again, and an outage is part of the
// time to send a frame, but not of its round trip.
func TestStatsOfAnOutage(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	o := Options{Address: "127.0.0.1", Port: recv.Port(), RequestTimeout: time.Second / 2, MaxRetries: -1}
	send := mustNew(t, o)
	ctx := testContext(t)
	exchange := func() {
		t.Helper()
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 8, 8), nil); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	recv.Close()
	await(t, "the loss", func() bool { return send.Stats().Lost == 1 })
	sent := make(chan error, 1)
	go func() {
		_, err := send.SendArray(ctx, testArray(0, "uint8", 8, 8), nil)
		sent <- err
	}()
	await(t, "a try", func() bool { return send.Stats().Retries > 0 })
	began := time.Now()
	await(t, "another", func() bool { return send.Stats().Retries > 1 })
	outage := time.Since(began) // at least
	again := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: o.Port})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	await(t, "the connection to be counted", func() bool { return again.Stats().Connections > 0 && send.Stats().Connections > 1 })
	s := send.Stats()
	if s.Send.Max < outage || s.RoundTrip.Max >= s.Send.Max || s.RoundTrip.Frames != 2 || s.Send.Frames != 2 {
		t.Errorf("after an outage of %v: %+v", outage, s)
	}
}

// A subscriber that does not read makes the publisher count, and another that
// does read loses nothing.
func TestOverflows(t *testing.T) {
	for _, ahead := range []int{0, 2} {
		send := mustNew(t, Options{Pattern: PubSub, Address: "127.0.0.1", Port: "0", Attach: AttachBind, HighWaterMark: 2, JPEGCompression: JPEGOff, SendAhead: ahead})
		c := dial(t, send)
		defer c.Close()
		if err := shakeHands(c, "SUB"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, zmtp(0, "\x01")); err != nil {
			t.Fatal(err)
		}
		recv := mustNew(t, Options{ReceiveMode: true, Pattern: PubSub, Address: "127.0.0.1", Port: send.Port(), Attach: AttachConnect, QueueFrames: 10000})
		awaitSubscription(t, recv, send)
		ctx := testContext(t)
		flush := func() {
			if err := send.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
		flush()
		first, before := send.Stats().Frames, recv.Stats().Frames
		for send.Stats().Overflows == 0 {
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 1<<20), nil); err != nil {
				t.Fatal(err)
			}
			mustRecv(t, recv, ctx).Close()
		}
		for range 10 { // the queue stays full
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 1<<20), nil); err != nil {
				t.Fatal(err)
			}
			mustRecv(t, recv, ctx).Close()
		}
		flush()
		s, r := send.Stats(), recv.Stats()
		if s.Frames-first != r.Frames-before || s.Overflows > s.Frames || s.Retries != 0 {
			t.Errorf("ahead %d: %+v\n%+v", ahead, s, r)
		}
	}
}

// The counts of the ports are never more than those of the end, whenever Stats
// is called.
func TestStatsAreOfOneMoment(t *testing.T) {
	l := &link{perPort: newPerPortStats(false)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20000 {
			port := []string{"11", "12"}[i%2]
			l.countFrame(port, 100)
			l.countDropped(port)
			l.countMalformed(port, errWire)
			l.perPort.stamp(port, &Stamp{Seq: uint64(i * 5)}, time.Now())
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s := l.counts(time.Now())
		var sum Stats
		for _, p := range s.Ports {
			sum.Frames, sum.Bytes, sum.Dropped, sum.Malformed, sum.Missed = sum.Frames+p.Frames, sum.Bytes+p.Bytes, sum.Dropped+p.Dropped, sum.Malformed+p.Malformed, sum.Missed+p.Missed
			sum.Latency.Frames += p.Latency.Frames
		}
		if s.Frames != sum.Frames || s.Bytes != sum.Bytes || s.Dropped != sum.Dropped || s.Malformed != sum.Malformed || s.Missed != sum.Missed || s.Latency.Frames != sum.Latency.Frames {
			t.Fatalf("%+v\nis not %+v", s, sum)
		}
	}
}

// Answers that cannot be read are counted at the send end.
func TestMalformedAnswers(t *testing.T) {
	peer := newBare(t, zmq4.PAIR, nil)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), BidirectionalMode: true})
	done := startSend(t, send)
	if peer.recv(testTimeout) == nil {
		t.Fatal("no frame")
	}
	peer.send(bytes.Repeat([]byte("?"), 10))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := send.Stats(); s.MalformedBy != (MalformedStats{Answer: 1}) || s.Malformed != 1 || s.RoundTrip.Frames != 1 {
		t.Errorf("%+v", s)
	}
}

// Frames that arrive late, as those of an earlier connection of a publisher do
// together with those of its next one, count as missed once, when a later frame
// has come; a sender that restarts begins with new numbers.
func TestMissedAndLate(t *testing.T) {
	begun := time.Now()
	arrive := func(c *perPortStats, seq uint64, at time.Duration) {
		c.stamp("", &Stamp{Seq: seq, Time: begun.Add(at)}, begun)
	}
	missed := func(c *perPortStats) uint64 {
		var s Stats
		c.fill(&s, begun)
		return s.Missed
	}
	t.Run("interleaved", func(t *testing.T) {
		c := newPerPortStats(false)
		for i := range uint64(100) {
			arrive(&c, 1+i, time.Duration(1+i)*time.Millisecond)
			arrive(&c, 1001+i, time.Duration(1001+i)*time.Millisecond)
		}
		if got := missed(&c); got != 999 {
			t.Errorf("%d missed", got)
		}
	})
	t.Run("twice", func(t *testing.T) {
		c := newPerPortStats(false)
		for _, seq := range []uint64{7, 7, 8, 8, 10} {
			arrive(&c, seq, time.Duration(seq)*time.Millisecond)
		}
		if got := missed(&c); got != 1 {
			t.Errorf("%d missed", got)
		}
	})
	for name, at := range map[string]time.Duration{"restarted": time.Second, "restarted, its clock set back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := newPerPortStats(false)
			arrive(&c, 100, 100*time.Millisecond)
			arrive(&c, 1, at)
			arrive(&c, 4, at+3*time.Millisecond)
			if got := missed(&c); got != 2 {
				t.Errorf("%d missed", got)
			}
		})
	}
	// A stream of three minutes, ten frames a second, in which the clock is set.
	for name, set := range map[string]time.Duration{"not set": 0, "ahead": time.Hour, "back": -time.Hour, "back by a second": -time.Second} {
		t.Run("restarted after minutes, the clock "+name, func(t *testing.T) {
			c := newPerPortStats(false)
			at := func(i int) time.Duration {
				if i > 600 {
					return time.Duration(i)*100*time.Millisecond + set
				}
				return time.Duration(i) * 100 * time.Millisecond
			}
			for i := 1; i <= 1800; i++ {
				if i%100 != 0 { // which come late
					arrive(&c, uint64(i), at(i))
				}
				if i%100 == 20 && i > 100 && i != 620 {
					arrive(&c, uint64(i-20), at(i-20))
				}
			}
			if got := missed(&c); got != 18-1 {
				t.Errorf("%d missed before", got)
			}
			for i := 1; i <= 10; i += 3 { // the clock is set back by half a minute
				arrive(&c, uint64(i), at(1800+i)-30*time.Second)
			}
			if got := missed(&c); got != 18-1+6 {
				t.Errorf("%d missed", got)
			}
		})
	}
}

// A sender chooses the numbers and times of its stamps. No count wraps around for
// them, and the ports' counts are never more than the end's.
func TestStampsOfAnySize(t *testing.T) {
	l := &link{perPort: newPerPortStats(false)}
	now := time.Now()
	var last Stats
	for i := range uint64(6) { // each port begins again, as after a restart
		for _, port := range []string{"", "11", "12"} {
			for k, seq := range []uint64{1, 3, math.MaxUint64 - i} {
				at := now.Add(time.Duration(3*i+uint64(k)) * time.Hour)
				l.perPort.stamp(port, &Stamp{Seq: seq, Time: at}, now)
			}
			s := l.counts(now)
			sum := uint64(0)
			for _, p := range s.Ports {
				if sum += p.Missed; sum < p.Missed {
					t.Fatalf("the sum of the ports wraps around: %+v", s.Ports)
				}
			}
			if s.Missed < last.Missed || sum > s.Missed {
				t.Fatalf("missed %d after %d, and %d of ports", s.Missed, last.Missed, sum)
			}
			last = s
		}
	}
	if last.Missed != math.MaxUint64 {
		t.Errorf("%d missed", last.Missed)
	}
	early := unixSeconds(-1e11)
	for i := range 10 {
		l.perPort.stamp("13", &Stamp{Seq: uint64(1 + i), Time: early}, now)
	}
	const most = time.Duration(math.MaxInt64)
	if got := l.counts(now).Ports["13"].Latency; got.Sum != most || got.Mean != most || got.Max != most {
		t.Errorf("stamps of the year -1200: %+v", got)
	}
	// A camera without a clock, and a recording: the mean is right.
	var years latencies
	for range 20 {
		years.add(56*365*24*time.Hour, now)
	}
	if got := years.stats(now); got.Sum != most || (got.Mean-56*365*24*time.Hour).Abs() > time.Millisecond {
		t.Errorf("20 frames of 56 years: %+v", got)
	}
	for range 20 {
		years.add(-56*365*24*time.Hour, now)
	}
	if got := years.stats(now); got.Sum.Abs() > time.Millisecond || got.Mean.Abs() > time.Millisecond {
		t.Errorf("and 20 of less than nothing: %+v", got)
	}
}

func unixSeconds(s float64) time.Time { return time.UnixMicro(int64(s * 1e6)) }

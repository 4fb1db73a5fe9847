package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/nameserver"
	"github.com/vidgear-go/netgear/internal/numbered"
	"github.com/vidgear-go/netgear/internal/storm"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// This file is an end of this library, in a process of its own.

// event is a line on an end's stdout.
type event struct {
	Event  string         `json:"event"`
	Values sample.Values  `json:"values,omitempty"`
	Run    *run           `json:"run,omitempty"`
	Gap    *gap           `json:"gap,omitempty"`
	Index  int64          `json:"index,omitempty"`
	Text   string         `json:"text,omitempty"`
	Stats  *netgear.Stats `json:"stats,omitempty"`
}

// The events.
const (
	readyEvent   = "ready"
	sampleEvent  = "sample"  // Values
	runEvent     = "run"     // receive end: Run has ended
	gapEvent     = "gap"     // receive end of PUB/SUB: Gap
	lostEvent    = "lost"    // send end: the send call of frame Index has returned an error
	fullEvent    = "full"    // send end of PUB/SUB: frame Index found the queue of the subscriber full
	retriedEvent = "retried" // send end: frame Index was sent more than once
	wrongEvent   = "wrong"   // Text: what must not be
	sentEvent    = "sent"    // send end: all frames were sent, or the command stop
	goneEvent    = "gone"    // Text: a Python end has given up
	doneEvent    = "done"    // Stats, at the end
)

// A command is a line on an end's stdin: one of these words, for some with an
// argument.
const (
	stopCommand  = "stop"  // send end: send no more
	cameCommand  = "came"  // send end of PUB/SUB: the receive ends have a frame of this process
	moreCommand  = "more"  // send end of PUB/SUB, after the event sent: send one more frame
	closeCommand = "close" // close, and report the Stats
	slowCommand  = "slow"  // receive end: take so long for each frame
	nameCommand  = "name"  // the name has another address
	// and signalFault and gcFault, on or off
)

// end is the end of this process.
type end struct {
	settings
	progress  *progress
	gear      *netgear.NetGear
	stopped   chan struct{} // closed by the command stop
	came      chan struct{} // closed by the command came
	more      chan struct{} // commands more
	names     *nameserver.Server
	slow      chan time.Duration // commands slow
	each      time.Duration      // the last of them
	retries   uint64             // Stats.Retries after the last frame
	overflows uint64             // Stats.Overflows after the last frame

	mu  sync.Mutex
	out *json.Encoder
}

func (e *end) report(v event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.out.Encode(v)
}

func (e *end) wrong(format string, args ...any) {
	e.report(event{Event: wrongEvent, Text: fmt.Sprintf(format, args...)})
}

// beEnd is the main function of such a process. It ends after the command close.
// The end of stdin ends it at once.
func beEnd(text string) error {
	e := &end{stopped: make(chan struct{}), came: make(chan struct{}), more: make(chan struct{}, 1), slow: make(chan time.Duration, 16), out: json.NewEncoder(os.Stdout)}
	if err := json.Unmarshal([]byte(text), &e.settings); err != nil {
		return err
	}
	var err error
	if e.progress, err = openProgress(e.Progress, false); err != nil {
		return err
	}
	e.names = nameserver.New(name, addresses[0])
	if e.Host != "" {
		e.names.Move(e.Host)
	}
	nameserver.Install()
	o := e.options()
	if e.Receive && e.returns() {
		o.Respond = e.respond
	}
	if e.gear, err = netgear.New(o); err != nil {
		return err
	}
	closing, closeNow := context.WithCancel(context.Background())
	go e.listen(closeNow)
	e.report(event{Event: readyEvent})
	var running sync.WaitGroup
	running.Go(func() { e.sample(closing) })
	if e.Storm {
		stopSignals, stopCollections := storm.Signals(time.Millisecond), storm.Collections()
		begun := time.Now()
		defer func() {
			stopCollections()
			// A busy machine may not get round to a thousand a second.
			if sent, took := stopSignals(), time.Since(begun); float64(sent) < 10*took.Seconds() {
				e.wrong("%d signals in %v were no storm", sent, took)
			}
		}()
	}
	if e.Receive {
		e.receiveAll(closing)
	} else {
		e.sendAll(closing)
	}
	e.gear.Close()
	running.Wait()
	stats := e.gear.Stats()
	e.report(event{Event: doneEvent, Stats: &stats})
	return nil
}

func (e *end) listen(closeNow func()) {
	calm := map[string]func(){}
	var stop, came sync.Once
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case stopCommand:
			stop.Do(func() { close(e.stopped) })
		case cameCommand:
			came.Do(func() { close(e.came) })
		case moreCommand:
			select {
			case e.more <- struct{}{}:
			default:
			}
		case closeCommand:
			closeNow()
		case slowCommand:
			d, err := time.ParseDuration(argument)
			if err != nil {
				e.wrong("slow: %v", err)
			}
			e.slow <- d
		case nameCommand:
			e.names.Move(argument)
		case signalFault, gcFault:
			if stop := calm[word]; stop != nil {
				stop()
			}
			calm[word] = disturb(word, argument == "on")
		default:
			e.wrong("no command %q %q", word, argument)
		}
	}
	os.Exit(1)
}

// disturb disturbs this process. It returns how to end that, or nil.
func disturb(fault string, on bool) (stop func()) {
	switch {
	case !on:
		return nil
	case fault == gcFault:
		return storm.Collections()
	}
	stopSignals := storm.Signals(time.Millisecond)
	return func() { stopSignals() }
}

func (e *end) sample(ctx context.Context) {
	tick := time.NewTicker(time.Duration(e.Every * float64(time.Second)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v, err := sample.Self()
		if err != nil {
			e.wrong("no sample: %v", err)
			return
		}
		e.report(event{Event: sampleEvent, Values: v})
	}
}

// ---- the application ----

// A publisher's first frames are earlyPace apart until the receive ends have one of
// them. So those before the subscription was in effect are few at any rate: none or
// one in fact, and no more than earlyFrames, which is a second for a busy machine.
const (
	earlyPace   = 10 * time.Millisecond
	earlyFrames = 100
)

// sendAll sends the frames, and then, in PUB/SUB, one more for each command more,
// until the context ends.
func (e *end) sendAll(ctx context.Context) {
	if e.Pattern >= int(netgear.PubSub) {
		e.gear.WaitConnected(ctx, e.Peers) // published before, a frame is lost without a report
	}
	frame := e.newFrame()
	next := e.sendPaced(ctx, frame)
	e.report(event{Event: sentEvent})
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.more:
			e.sendOne(ctx, frame, next)
			next++
		}
	}
}

// sendPaced sends the frames, each at its time, and returns the number of the one
// after the last.
func (e *end) sendPaced(ctx context.Context, frame netgear.Array) (next int64) {
	begun, first := time.Now(), e.First
	early := e.Pattern == int(netgear.PubSub)
	for i := e.First; i < e.First+e.Frames; i++ {
		if early && i > e.First {
			select {
			case <-e.came:
				early = false
			case <-e.stopped:
			case <-time.After(earlyPace):
			}
			begun, first = time.Now(), i
		}
		if e.FPS > 0 {
			due := begun.Add(time.Duration(float64(i-first) / e.FPS * float64(time.Second)))
			time.Sleep(time.Until(due)) // the pace
		}
		select {
		case <-e.stopped:
			return i
		default:
		}
		if !e.sendOne(ctx, frame, i) {
			return i + 1
		}
	}
	return e.First + e.Frames
}

// sendOne sends a frame, and reports what became of it. It returns false if the
// context has ended.
func (e *end) sendOne(ctx context.Context, frame netgear.Array, i int64) bool {
	n := numbered.Numbers{Life: e.Life, Index: i, Captured: time.Now().UnixMicro()}
	if e.JPEG {
		numbered.WritePicture(frame.Data, n)
	} else {
		numbered.Write(frame.Data, n)
	}
	var message any
	if e.messages() {
		message = []int64{e.Life, i}
	}
	e.progress.Begun.Store(i)
	if reply, err := e.send(ctx, frame, message); err == nil {
		e.checkReply(&reply, i)
	} else {
		if ctx.Err() != nil {
			return false
		}
		e.report(event{Event: lostEvent, Index: i, Text: err.Error()})
	}
	e.progress.Ended.Store(i)
	if e.Pattern == int(netgear.PubSub) {
		if now := e.gear.Stats().Overflows; now != e.overflows {
			e.report(event{Event: fullEvent, Index: i})
			e.overflows = now
		}
	}
	if e.Faults {
		if now := e.gear.Stats().Retries; now != e.retries {
			e.report(event{Event: retriedEvent, Index: i})
			e.retries = now
		}
	}
	return true
}

// send sends a frame, with -mats as a Mat. It transfers the ownership of every other
// one.
func (e *end) send(ctx context.Context, frame netgear.Array, message any) (netgear.Reply, error) {
	if e.Mats {
		return sendMat(ctx, e.gear, frame, message, e.progress.Begun.Load()%2 == 0)
	}
	return e.gear.SendArray(ctx, frame, message)
}

// respond returns the data for the answer to a frame: its numbers.
func (e *end) respond(_ context.Context, f *netgear.Frame) (any, error) {
	n, err := e.read(f)
	return []int64{n.Life, n.Index}, err
}

// checkReply checks the data that came with the answer to a frame. This library's
// receive end returns the numbers of that very frame, VidGear's those of the last
// one that its application has taken, or nothing before the first.
func (e *end) checkReply(reply *netgear.Reply, index int64) {
	if !e.returns() {
		return
	}
	if e.Python && reply.Data.IsNone() {
		return
	}
	var numbers []int64
	err := reply.Data.Decode(&numbers)
	switch {
	case err != nil || len(numbers) != 2:
	case numbers[0] == e.Life && numbers[1] == index:
		return
	case e.Python && (numbers[0] != e.Life || numbers[1] < index):
		return
	}
	e.wrong("the answer to frame %d of %s has the data %v of port %q", index, lifeName(e.Life), reply.Data, reply.Port)
}

// columns is the width of a raw frame.
const columns = 64

// newFrame returns a frame of the form that is sent.
func (e *end) newFrame() netgear.Array {
	if e.JPEG {
		const side = numbered.PictureSide
		return netgear.Array{DType: "uint8", Shape: []int{side, side, 3}, Data: make([]byte, numbered.PictureBytes)}
	}
	return netgear.Array{DType: "uint8", Shape: []int{e.Size / columns, columns}, Data: make([]byte, e.Size)}
}

func (e *end) receiveAll(ctx context.Context) {
	runs := e.newRuns(e.progress, e.report)
	for {
		f, err := e.next(ctx)
		switch {
		case err == nil:
			e.receive(runs, f)
			e.dawdle(ctx)
		case ctx.Err() != nil:
			return
		case e.Storm && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, netgear.ErrTimeout)):
		default:
			e.wrong("Recv: %v", err)
			return
		}
	}
}

// next returns the next frame, in a storm also an error after a millisecond.
func (e *end) next(ctx context.Context) (*netgear.Frame, error) {
	if e.Storm {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
	}
	return e.gear.Recv(ctx)
}

func (e *end) receive(runs *runs, f *netgear.Frame) {
	defer f.Close()
	n, err := e.read(f)
	if err != nil {
		e.wrong("%v", err)
		return
	}
	if e.messages() {
		var numbers []int64
		if err := f.Message.Decode(&numbers); err != nil || !slices.Equal(numbers, []int64{n.Life, n.Index}) {
			e.wrong("frame %d of %s has the message %v", n.Index, lifeName(n.Life), f.Message)
		}
	}
	runs.frame(n)
}

// read returns the numbers of a frame.
func (e *end) read(f *netgear.Frame) (n numbered.Numbers, err error) {
	look := func(pixels []byte) {
		if e.JPEG {
			n, err = numbered.ReadPicture(pixels)
		} else {
			n, err = numbered.Read(pixels)
		}
	}
	var without error
	if e.Mats {
		without = lookAtMat(f, look)
	} else {
		var pixels []byte
		if pixels, without = f.Bytes(); without == nil {
			look(pixels)
		}
	}
	if without != nil {
		return n, fmt.Errorf("a frame without pixels: %w", without)
	}
	return n, err
}

// dawdle takes as long for a frame as the command slow demands, until it demands
// something else.
func (e *end) dawdle(ctx context.Context) {
	for {
		if e.each == 0 && len(e.slow) == 0 {
			return
		}
		select {
		case e.each = <-e.slow:
		case <-ctx.Done():
			return
		case <-time.After(e.each):
			return
		}
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numbered"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// This file is an end of this library, in a process of its own.

// event is a line on an end's stdout.
type event struct {
	Event  string         `json:"event"`
	Values sample.Values  `json:"values,omitempty"`
	Run    *run           `json:"run,omitempty"`
	Index  int64          `json:"index,omitempty"`
	Text   string         `json:"text,omitempty"`
	Stats  *netgear.Stats `json:"stats,omitempty"`
}

// The events.
const (
	readyEvent   = "ready"
	sampleEvent  = "sample"  // Values
	runEvent     = "run"     // receive end: Run has ended
	lostEvent    = "lost"    // send end: the send call of frame Index has returned an error
	retriedEvent = "retried" // send end: frame Index was sent more than once
	wrongEvent   = "wrong"   // Text: what must not be
	sentEvent    = "sent"    // send end: all frames were sent, or the command stop
	doneEvent    = "done"    // Stats, at the end
)

// A command is a line on an end's stdin: one of these words, for some with an
// argument.
const (
	stopCommand  = "stop"  // send end: send no more
	closeCommand = "close" // close, and report the Stats
)

// end is the end of this process.
type end struct {
	settings
	progress *progress
	gear     *netgear.NetGear
	stopped  chan struct{} // closed by the command stop
	closing  context.Context

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
	e := &end{stopped: make(chan struct{}), out: json.NewEncoder(os.Stdout)}
	if err := json.Unmarshal([]byte(text), &e.settings); err != nil {
		return err
	}
	var err error
	if e.progress, err = openProgress(e.Progress, false); err != nil {
		return err
	}
	if e.gear, err = netgear.New(e.options()); err != nil {
		return err
	}
	closing, closeNow := context.WithCancel(context.Background())
	e.closing = closing
	go e.listen(closeNow)
	e.report(event{Event: readyEvent})
	var running sync.WaitGroup
	running.Go(func() { e.sample(closing) })
	if e.Receive {
		e.receiveAll(closing)
	} else {
		e.sendAll(closing)
		e.report(event{Event: sentEvent})
		<-closing.Done()
	}
	e.gear.Close()
	running.Wait()
	stats := e.gear.Stats()
	e.report(event{Event: doneEvent, Stats: &stats})
	return nil
}

func (e *end) listen(closeNow func()) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case stopCommand:
			close(e.stopped)
		case closeCommand:
			closeNow()
		default:
			e.wrong("no command %q %q", word, argument)
		}
	}
	os.Exit(1)
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

func (e *end) sendAll(ctx context.Context) {
	if e.Pattern >= int(netgear.PubSub) {
		e.gear.WaitConnected(ctx, 1) // published before, a frame is lost without a report
	}
	var pace <-chan time.Time
	if e.FPS > 0 {
		tick := time.NewTicker(time.Duration(float64(time.Second) / e.FPS))
		defer tick.Stop()
		pace = tick.C
	}
	pixels := make([]byte, e.Size)
	retries := uint64(0)
	for i := e.First; i < e.First+e.Frames; i++ {
		if pace != nil {
			<-pace
		}
		select {
		case <-e.stopped:
			return
		default:
		}
		numbered.Write(pixels, numbered.Numbers{Life: e.Life, Index: i, Captured: time.Now().UnixMicro()})
		e.progress.Begun.Store(i)
		if err := e.send(ctx, pixels); err != nil {
			if ctx.Err() != nil {
				return
			}
			e.report(event{Event: lostEvent, Index: i, Text: err.Error()})
		}
		e.progress.Ended.Store(i)
		if e.Faults {
			if now := e.gear.Stats().Retries; now != retries {
				e.report(event{Event: retriedEvent, Index: i})
				retries = now
			}
		}
	}
}

// columns is the width of a frame.
const columns = 64

func (e *end) send(ctx context.Context, pixels []byte) error {
	a := netgear.Array{DType: "uint8", Shape: []int{e.Size / columns, columns}, Data: pixels}
	_, err := e.gear.SendArray(ctx, a, nil)
	return err
}

func (e *end) receiveAll(ctx context.Context) {
	runs := runs{gaps: e.Pattern == int(netgear.PubSub), now: e.progress, ended: func(r run) {
		e.report(event{Event: runEvent, Run: &r})
	}}
	for f, err := range e.gear.Frames(ctx) {
		switch {
		case err == nil:
			e.receive(&runs, f)
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return
		default:
			e.wrong("Recv: %v", err)
		}
	}
}

func (e *end) receive(runs *runs, f *netgear.Frame) {
	defer f.Close()
	pixels, err := f.Bytes()
	if err != nil {
		e.wrong("a frame without pixels: %v", err)
		return
	}
	n, err := numbered.Read(pixels)
	if err != nil {
		e.wrong("%v", err)
		return
	}
	runs.frame(n)
}

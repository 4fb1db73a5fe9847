package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear"
)

// This file is this library as a contender, in a process of its own. Its steps
// are those of contender.py.

// spec configures an end. contender.py takes the same as its argument.
type spec struct {
	Contender string  `json:"contender"`
	Receive   bool    `json:"receive"`
	Pattern   int     `json:"pattern"`
	Address   string  `json:"address"`
	Port      string  `json:"port"`
	Frames    string  `json:"frames"` // file of raw BGR frames
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	FPS       float64 `json:"fps"`
	Adapt     bool    `json:"adapt"`
	MaxAge    float64 `json:"maxage"` // seconds
}

// An end prints these lines on stdout:
//
//	start NS                      send end: when frame 0 was captured
//	frame INDEX NS WIDTH BYTES    receive end: a frame arrived (0: not known)
//	sent COUNT ATTEMPTS           send end, at the end: frames sent, calls
//	gone TEXT                     the end has given up
//
// Frame i is captured i/FPS after frame 0. Times are CLOCK_MONOTONIC, which is
// the same for every process on the machine. The end of stdin ends the process.
var lines = bufio.NewWriter(os.Stdout)

func say(format string, args ...any) {
	fmt.Fprintf(lines, format+"\n", args...)
	lines.Flush()
}

func now() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}

// runEnd is the main function of such a process.
func runEnd(text string) error {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	end, err := netgear.New(s.options())
	if err != nil {
		return err
	}
	if s.Receive {
		return s.receiveAll(ctx, end)
	}
	return s.sendAll(ctx, end)
}

func (s *spec) options() netgear.Options {
	o := netgear.Options{
		ReceiveMode:     s.Receive,
		Address:         s.Address,
		Port:            s.Port,
		Pattern:         netgear.Pattern(s.Pattern),
		MaxRetries:      -1,
		TerminatePolicy: netgear.KeepWaiting,
		OnEvent: func(e netgear.Event) {
			fmt.Fprintln(os.Stderr, now().Milliseconds(), e.Kind, e.Endpoint, e.Err, e.Adapt)
		},
	}
	if s.Adapt && !s.Receive {
		o.Adapt.MaxAge = time.Duration(s.MaxAge * float64(time.Second))
	}
	return o
}

// camera returns the newest frame at each call, and waits for the next if the
// newest was returned before, as a camera that keeps only one frame does.
type camera struct {
	start  time.Duration
	period time.Duration
	next   int64
}

func (c *camera) take() int64 {
	c.next = max(c.next, int64((now()-c.start)/c.period))
	time.Sleep(c.start + time.Duration(c.next)*c.period - now())
	c.next++
	return c.next - 1
}

func (s *spec) sendAll(ctx context.Context, end *netgear.NetGear) error {
	data, err := os.ReadFile(s.Frames)
	if err != nil {
		return err
	}
	size := s.Width * s.Height * 3
	count := int64(len(data) / size)
	c := &camera{start: now(), period: time.Duration(float64(time.Second) / s.FPS)}
	say("start %d", c.start)
	var sent, attempts atomic.Int64
	for ctx.Err() == nil {
		i := c.take()
		at := int(i%count) * size
		attempts.Add(1)
		_, err := end.SendArray(ctx, netgear.Array{DType: "uint8", Shape: []int{s.Height, s.Width, 3}, Data: data[at : at+size]}, i)
		switch {
		case err == nil:
			sent.Add(1)
		case ctx.Err() == nil:
			fmt.Fprintln(os.Stderr, now().Milliseconds(), "send:", err)
		}
	}
	say("sent %d %d", sent.Load()-int64(end.Stats().Skipped), attempts.Load())
	return nil
}

func (s *spec) receiveAll(ctx context.Context, end *netgear.NetGear) error {
	for {
		f, err := end.Recv(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if errors.Is(err, netgear.ErrClosed) || errors.Is(err, io.EOF) {
				return err
			}
			fmt.Fprintln(os.Stderr, now().Milliseconds(), "recv:", err)
			continue
		}
		at := now()
		var index int64
		_, pixels := f.Bytes()
		if err := errors.Join(f.Message.Decode(&index), pixels); err != nil {
			return err
		}
		say("frame %d %d %d %d", index, at, f.Shape()[1], len(f.JPEG()))
		f.Close()
	}
}

//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/natsbridge"
)

const (
	seen = "seen" // the subject of what consumers report
	// window is how many frames may be on their way to the slowest consumer with
	// core NATS, which drops frames instead of slowing the publisher down.
	window = 8
)

// source publishes frames, and collects what the consumers report.
type source struct {
	testCase
	nc      *nats.Conn
	js      jetstream.JetStream
	pub     *natsbridge.Publisher
	frame   *netgear.Frame
	reports chan *nats.Msg

	sent     []int64        // when each frame was published, since the start
	received map[string]int // frames of each consumer, by the subject of its reports
	total    int            // the sum of received
	last     int64          // when the last frame was received
	latency  []float64      // ms, since the last call of send
}

// measure runs one round, with fresh processes, and adds it to the results.
func (c testCase) measure(ctx context.Context, mb int, r *results) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if c.Dir, err = os.MkdirTemp("", "netgear-measure-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.Dir)
	server, ready, err := startPart(ctx, serverPart, c)
	if err != nil {
		return err
	}
	defer server.end()
	c.URL = ready.URL
	s := &source{testCase: c, reports: make(chan *nats.Msg, 1<<16), received: map[string]int{}}
	if s.nc, err = nats.Connect(c.URL); err != nil {
		return err
	}
	defer s.nc.Close()
	if err := s.open(ctx); err != nil {
		return err
	}
	parts := []*part{server}
	for range c.Consumers {
		p, _, err := startPart(ctx, consumerPart, c)
		if err != nil {
			return err
		}
		defer p.end()
		parts = append(parts, p)
	}
	return errors.Join(s.round(ctx, mb, parts, r), s.pub.Close())
}

// open creates what publishes, and the stream.
func (s *source) open(ctx context.Context) (err error) {
	if _, err = s.nc.ChanSubscribe(seen+".*", s.reports); err != nil {
		return err
	}
	if s.frame, err = s.picture(); err != nil {
		return err
	}
	var o natsbridge.PublisherOptions
	if s.Through != core {
		o.Stream = stream
		if s.js, err = jetstream.New(s.nc); err != nil {
			return err
		}
		if err := natsbridge.EnsureStream(ctx, s.nc, natsbridge.StreamOptions{Name: stream, Memory: s.Through == "memory"}); err != nil {
			return err
		}
	}
	s.pub, err = natsbridge.NewPublisher(s.nc, o)
	return err
}

// round publishes as fast as possible, and then slowly for the latency.
func (s *source) round(ctx context.Context, mb int, parts []*part, r *results) error {
	if _, err := s.send(ctx, 10, 0); err != nil { // buffers and windows grow
		return err
	}
	n := max(3, mb*1000000/s.size())
	before, _, err := s.counts(parts)
	if err != nil {
		return err
	}
	took, err := s.send(ctx, n, 0)
	if err != nil {
		return err
	}
	after, _, err := s.counts(parts)
	if err != nil {
		return err
	}
	paced, rate := max(3, mb/3), 30.0
	if s.Raw {
		paced, rate = max(3, mb/10), 5
	}
	if _, err := s.send(ctx, paced, rate); err != nil {
		return err
	}
	_, dropped, err := s.counts(parts)
	fps := float64(n) / took.Seconds()
	r.fps = append(r.fps, fps)
	r.mbps = append(r.mbps, fps*float64(s.size()*s.copies())/1e6)
	for i := range r.cpu {
		r.cpu[i] = append(r.cpu[i], (after[i]-before[i])*1e3/float64(n))
	}
	r.latency = append(r.latency, s.latency...)
	r.dropped += dropped
	return err
}

// counts returns the CPU time of the publisher, the server and all consumers, and
// what was dropped.
func (s *source) counts(parts []*part) (cpu [3]float64, dropped uint64, err error) {
	cpu[0], dropped = cpuTime(), s.pub.Stats().Dropped.Sum()
	for i, p := range parts {
		c, err := p.ask()
		if err != nil {
			return cpu, 0, err
		}
		cpu[min(i+1, 2)] += c.CPU
		dropped += c.Dropped
	}
	return cpu, dropped, nil
}

// copies returns how many consumers receive each frame.
func (s *source) copies() int {
	if s.Work {
		return 1
	}
	return s.Consumers
}

// send publishes n frames, rate of them a second or as fast as possible. It
// returns the time from the first Publish to the last Recv.
func (s *source) send(ctx context.Context, n int, rate float64) (time.Duration, error) {
	if s.js != nil { // what has been received is of no use
		frames, err := s.js.Stream(ctx, stream)
		if err == nil {
			err = frames.Purge(ctx)
		}
		if err != nil {
			return 0, err
		}
	}
	s.latency = nil
	began := time.Now()
	for i := range n {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		for s.js == nil && len(s.sent)-s.slowest() >= window {
			if err := s.read(ctx); err != nil {
				return 0, err
			}
		}
		s.sent = append(s.sent, time.Now().UnixNano())
		if err := s.pub.Publish(ctx, "measure", s.frame); err != nil {
			return 0, err
		}
	}
	for s.total < len(s.sent)*s.copies() {
		if err := s.read(ctx); err != nil {
			return 0, err
		}
	}
	return time.Duration(s.last - began.UnixNano()), nil
}

// slowest returns how many frames the slowest consumer has received.
func (s *source) slowest() int {
	if len(s.received) < s.Consumers {
		return 0
	}
	least := len(s.sent)
	for _, n := range s.received {
		least = min(least, n)
	}
	return least
}

// read reads a consumer's report.
func (s *source) read(ctx context.Context) error {
	select {
	case m := <-s.reports:
		seq, at := binary.BigEndian.Uint64(m.Data), int64(binary.BigEndian.Uint64(m.Data[8:]))
		s.received[m.Subject]++
		s.total++
		s.last = max(s.last, at)
		s.latency = append(s.latency, float64(at-s.sent[seq-1])/1e6)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d of %d frames received: %w", s.total, len(s.sent)*s.copies(), ctx.Err())
	}
}

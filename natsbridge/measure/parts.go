//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear/natsbridge"
)

// The processes that this program starts.
const (
	serverPart   = "part-server"
	consumerPart = "part-consumer"
)

// part is such a process. For each line on stdin it prints its counts.
type part struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// counts are what a process has used and done since its start.
type counts struct {
	URL     string // of the server
	CPU     float64
	Dropped uint64
}

// startPart starts a process and waits until it is ready.
func startPart(ctx context.Context, name string, c testCase) (*part, counts, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, counts{}, err
	}
	config, err := json.Marshal(c)
	if err != nil {
		return nil, counts{}, err
	}
	p := &part{cmd: exec.CommandContext(ctx, self, name, string(config))}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, counts{}, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, counts{}, err
	}
	p.out = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, counts{}, err
	}
	ready, err := p.ask()
	if err != nil {
		p.end()
		return nil, counts{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, ready, nil
}

func (p *part) ask() (c counts, err error) {
	if _, err := io.WriteString(p.in, "{}\n"); err != nil {
		return c, err
	}
	return c, p.out.Decode(&c)
}

func (p *part) end() {
	_ = p.cmd.Process.Kill() // or it has ended
	_ = p.cmd.Wait()
}

// runPart is the main function of a process.
func runPart(ctx context.Context, name, config string) error {
	var c testCase
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	if name == serverPart {
		return c.serve()
	}
	return c.consume(ctx)
}

// answer prints counts until stdin ends.
func answer(count func() counts) {
	for in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout); ; {
		if in.Decode(&struct{}{}) != nil {
			return
		}
		c := count()
		c.CPU = cpuTime()
		if out.Encode(c) != nil {
			return
		}
	}
}

// cpuTime returns the user and system time of this process, in seconds.
func cpuTime() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return math.NaN()
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func (c testCase) serve() error {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		MaxPayload: c.MaxPayload << 20, JetStream: c.Through != core, StoreDir: c.Dir,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("the server does not start")
	}
	answer(func() counts { return counts{URL: s.ClientURL()} })
	return nil
}

// subscribe returns the Subscriber of a case.
func (c testCase) subscribe(ctx context.Context, nc *nats.Conn) (*natsbridge.Subscriber, error) {
	from := natsbridge.StreamSource{Stream: stream}
	switch {
	case c.Through == core:
		s, err := natsbridge.Subscribe(nc, natsbridge.SubscribeOptions{Backpressure: natsbridge.Block})
		return s, errors.Join(err, nc.Flush()) // the server has the subscription
	case c.Work:
		return natsbridge.Work(ctx, nc, natsbridge.WorkOptions{StreamSource: from, Name: "consumers"})
	}
	return natsbridge.Replay(ctx, nc, natsbridge.ReplayOptions{StreamSource: from, Speed: math.Inf(1), Follow: true})
}

// consume receives frames, and reports each with the time at which it came.
func (c testCase) consume(ctx context.Context) error {
	nc, err := nats.Connect(c.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	sub, err := c.subscribe(ctx, nc)
	if err != nil {
		return err
	}
	subject := seen + "." + strconv.Itoa(os.Getpid())
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for d, err := range sub.Deliveries(ctx) {
			at := time.Now().UnixNano()
			if err == nil {
				err = d.Ack(ctx)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "consumer:", err)
				return
			}
			report := binary.BigEndian.AppendUint64(nil, d.Frame.Stamp.Seq)
			_ = nc.Publish(subject, binary.BigEndian.AppendUint64(report, uint64(at))) // a missing report ends the round
			_ = d.Close()                                                              // it returns nil
		}
	})
	answer(func() counts { return counts{Dropped: sub.Stats().Dropped.Sum()} })
	err = sub.Close()
	receiving.Wait()
	return err
}

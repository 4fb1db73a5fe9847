//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/people"
	"github.com/vidgear-go/netgear/examples/internal/threads"
	"github.com/vidgear-go/netgear/natsbridge"
)

// found is the result for a frame.
type found struct {
	Process int      `json:"process"`
	Boxes   [][4]int `json:"boxes"` // x, y, width, height
}

// detect is a detector process. It works until the context ends.
func (s *settings) detect(ctx context.Context, nc *nats.Conn) error {
	threads.Limit(1) // the other cores are for the other detectors
	detector := people.New(s.width)
	defer detector.Close()
	jobs, err := natsbridge.Work(ctx, nc, natsbridge.WorkOptions{StreamSource: streamOf(frames), Name: "detectors", AckWait: ackWait})
	if err != nil {
		return err
	}
	defer jobs.Close()
	out, err := natsbridge.NewPublisher(nc, natsbridge.PublisherOptions{Subject: results, Stream: results})
	if err != nil {
		return err
	}
	defer out.Close()
	fmt.Println("ready")
	for job, err := range jobs.Deliveries(ctx) {
		if err != nil {
			return err
		}
		err = process(ctx, job, detector, out)
		job.Close() // if it was not acknowledged, another detector gets it
		if err != nil {
			return err
		}
	}
	return nil
}

// process publishes what it finds in a frame, and acknowledges the frame.
func process(ctx context.Context, job *natsbridge.Delivery, detector *people.Detector, out *natsbridge.Publisher) error {
	boxes, err := detector.Find(job.Frame)
	if err != nil {
		return job.Term() // a damaged frame is damaged for the others, too
	}
	result, err := netgear.NewJPEGFrame(job.Frame.JPEG(), found{Process: os.Getpid(), Boxes: boxes})
	if err != nil {
		return err
	}
	defer result.Close()
	result.Stamp = job.Frame.Stamp // so the stream stores one result for each frame
	if err := out.Publish(ctx, job.Camera, result); err != nil {
		return err
	}
	if err := out.Flush(ctx); err != nil {
		return err
	}
	return job.Ack(ctx)
}

// detectors are the processes of this program that detect.
type detectors struct {
	processes []*exec.Cmd
	started   []io.Reader // their output
	mu        sync.Mutex
	killed    *exec.Cmd
}

// startDetectors starts k processes, which end with the context.
func (s *settings) startDetectors(ctx context.Context, k int) (*detectors, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := &detectors{}
	for range k {
		cmd := exec.CommandContext(ctx, self, "-only", "detector", "-nats", s.nats, fmt.Sprint("-width=", s.width))
		cmd.Stderr = os.Stderr
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 5 * time.Second
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			for _, p := range d.processes {
				p.Process.Kill()
			}
			return nil, errors.Join(err, d.wait())
		}
		d.processes, d.started = append(d.processes, cmd), append(d.started, out)
	}
	return d, nil
}

// ready waits until every detector can get frames, so that starting them is not
// counted.
func (d *detectors) ready(ctx context.Context) error {
	for _, out := range d.started {
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("a detector does not start: %w", err)
		}
	}
	return nil
}

// killOne kills a detector, as a crash would.
func (d *detectors) killOne() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killed = d.processes[0]
	d.killed.Process.Kill()
}

// wait waits for the end of all processes, which were asked to end.
func (d *detectors) wait() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.processes {
		var ended *exec.ExitError
		failed := p.Wait()
		signaled := errors.As(failed, &ended) && ended.ProcessState.Sys().(syscall.WaitStatus).Signaled()
		if failed != nil && p != d.killed && !signaled && !errors.Is(failed, context.Canceled) {
			err = errors.Join(err, fmt.Errorf("a detector failed: %w", failed))
		}
	}
	return err
}

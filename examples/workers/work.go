//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/people"
	"github.com/vidgear-go/netgear/examples/internal/threads"
	"github.com/vidgear-go/netgear/internal/program"
)

// found is a worker's result for a frame.
type found struct {
	Worker string   `json:"worker"`
	Boxes  [][4]int `json:"boxes"` // x, y, width, height
}

// work is a worker process: it receives frames, detects people in them, and
// forwards both, until the terminate message.
func (s *settings) work(ctx context.Context) error {
	threads.Limit(1) // the other cores are for the other workers
	detector := people.New(s.width)
	defer detector.Close()

	o, err := options(true, s.frames)
	if err != nil {
		return err
	}
	o.Attach = netgear.AttachConnect
	o.QueueFrames = 1 // a frame that waits here could be processed by another worker
	in, err := netgear.New(o)
	if err != nil {
		return err
	}
	defer in.Close()
	if o, err = options(false, s.results); err != nil {
		return err
	}
	out, err := netgear.New(o)
	if err != nil {
		return err
	}
	defer out.Close()

	name := fmt.Sprint("process ", os.Getpid())
	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	for frame, err := range in.Frames(ctx) {
		if err != nil {
			return err
		}
		if frame.Stamp == nil {
			frame.Close() // from another sender: its number is unknown
			continue
		}
		boxes, err := detector.Find(frame)
		if err == nil {
			// The frame keeps its number and its time.
			_, err = out.SendFrame(sending, frame, found{Worker: name, Boxes: boxes})
		}
		frame.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// startWorker starts this program again, as a worker, and waits for its end. It
// stops the worker when either context ends.
func (s *settings) startWorker(workersCtx, running context.Context, frames, results string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(running)
	defer cancel()
	defer context.AfterFunc(workersCtx, cancel)()
	cmd := exec.CommandContext(stopped, self, "-only", "worker", "-frames", frames, "-results", results, fmt.Sprint("-width=", s.width))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil && stopped.Err() == nil {
		return fmt.Errorf("a worker process failed: %w", err)
	}
	return nil
}

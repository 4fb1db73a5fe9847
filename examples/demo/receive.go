//go:build !nogocv

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/examples/internal/sheet"
)

// waitLimit is how long the receiver waits for a frame from the process that it
// started. For a sender that the user starts it waits without limit.
const waitLimit = 30 * time.Second

// receive is the receiving process. Unless it runs alone, it starts the sending
// one.
func receive(ctx context.Context, s *settings) error {
	source, err := loadSample()
	if err != nil {
		return err
	}
	defer closeAll(source)
	contacts := sheet.New(s.frames())
	defer contacts.Close()

	options := s.options()
	options.ReceiveMode = true
	if s.only == "" {
		options.Port = "0" // any free port
	} else {
		options.MaxRetries = -1 // wait without limit
	}
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	defer end.Close()
	fmt.Printf("This process receives: %v on %s\n", options.Pattern, end.Endpoints()[0])

	running, stop := context.WithCancel(ctx)
	defer stop()
	var sender *process // nil: started by the user
	if s.only == "" {
		if sender, err = s.startSender(running, end.Port(), stop); err != nil {
			return err
		}
	} else {
		fmt.Print("Waiting for a send end, such as\n\n", s.sendEnds(), "\n")
	}

	check := &checker{source: source, total: s.frames(), raw: s.raw}
	meter := cli.NewMeter("received", s.frames())
	err = receiveAll(running, end, sender, func(f *netgear.Frame, n note) error {
		meter.Frame()
		if err := show(contacts, check.expected, f); err != nil {
			return err
		}
		check.frame(f, n)
		return nil
	})
	if err != nil {
		stop()
	}
	failed := sender.wait()
	meter.Summary(end.Stats())
	switch {
	case failed != nil:
		return fmt.Errorf("the sending process failed: %w", failed)
	case interrupted(ctx, err):
		fmt.Println("Interrupted.")
		return nil
	case err != nil:
		return err
	}
	if err := contacts.Write("-out", s.out); err != nil {
		return err
	}
	fmt.Println("Contact sheet of what arrived:", s.out)
	if err := check.report(); err != nil {
		return err
	}
	if s.only == "" {
		fmt.Print("\n", s.standIns())
	}
	return nil
}

// show adds a frame to the contact sheet, if it is one of those shown.
func show(contacts *sheet.Sheet, index int, f *netgear.Frame) error {
	if !contacts.Shows(index) {
		return nil
	}
	mat, err := f.Mat()
	if err != nil {
		return err
	}
	defer mat.Close()
	if err := contacts.Add(index, mat, ""); err != nil {
		return fmt.Errorf("%w: that is not the sample video", err)
	}
	return nil
}

// receiveAll calls each for every frame of the stream, until the terminate
// message.
func receiveAll(ctx context.Context, end *netgear.NetGear, sender *process, each func(*netgear.Frame, note) error) error {
	for {
		frame, err := receiveOne(ctx, end, sender)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var n note
		if !frame.Message.IsNone() {
			// The messages of another program may have any content.
			if frame.Message.Decode(&n) != nil {
				n = note{}
			}
		}
		if n.Index < 0 {
			sender.confirm()
		} else {
			err = each(frame, n)
		}
		frame.Close()
		if err != nil {
			return err
		}
	}
}

func receiveOne(ctx context.Context, end *netgear.NetGear, sender *process) (*netgear.Frame, error) {
	if sender != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, waitLimit)
		defer cancel()
	}
	return end.Recv(ctx)
}

// ---- the other process ----

// process is the sending process, nil if the user started it.
type process struct {
	stdin  io.WriteCloser
	told   bool
	result chan error
}

// startSender starts this program a second time, as the send end. It calls
// failed if that one fails, so that the receiver stops waiting.
func (s *settings) startSender(ctx context.Context, port string, failed func()) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-only", "send", "-port", port,
		fmt.Sprint("-pattern=", s.pattern), fmt.Sprint("-raw=", s.raw), fmt.Sprint("-loops=", s.loops))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	p := &process{result: make(chan error, 1)}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the sending process: %w", err)
	}
	format := "JPEG"
	if s.raw {
		format = "raw pixels"
	}
	fmt.Printf("Process %d sends: the sample video %d times, %d frames of %dx%d as %s\n",
		cmd.Process.Pid, s.loops, s.frames(), sample.Width, sample.Height, format)
	go func() {
		err := cmd.Wait()
		if ctx.Err() != nil {
			err = nil // it was stopped
		}
		p.result <- err
		if err != nil {
			failed()
		}
	}()
	return p, nil
}

// confirm reports to the process that its announcement arrived.
func (p *process) confirm() {
	if p != nil && !p.told {
		p.told = true
		fmt.Fprintln(p.stdin)
	}
}

// wait waits for the process's end.
func (p *process) wait() error {
	if p == nil {
		return nil
	}
	return <-p.result
}

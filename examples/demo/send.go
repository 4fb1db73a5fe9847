//go:build !nogocv

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"gocv.io/x/gocv"
	"golang.org/x/term"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/program"
)

// send is the sending process.
func send(ctx context.Context, s *settings) error {
	frames, err := loadSample()
	if err != nil {
		return err
	}
	defer closeAll(frames)
	notes := make([]note, len(frames))
	for i, frame := range frames {
		pixels, err := frame.DataPtrUint8()
		if err != nil {
			return err
		}
		notes[i].SHA256 = program.SHA256(pixels)
	}

	end, err := netgear.New(s.options())
	if err != nil {
		return err
	}
	defer end.Close() // sends the terminate message
	// The process that starts this one does not print its output.
	fmt.Printf("This process sends: %v to 127.0.0.1, port %s\n", netgear.Pattern(s.pattern), s.port)
	if s.options().Pattern == netgear.PubSub {
		if err := announce(ctx, end, frames[0]); err != nil {
			return err
		}
	}
	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	for i := range s.frames() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k := i % len(frames)
		notes[k].Index = i
		if _, err := end.Send(sending, frames[k], notes[k]); err != nil {
			return err
		}
	}
	fmt.Println("Frames:", s.frames(), "sent.")
	return nil
}

// announce repeats the first frame until a line on stdin confirms its arrival:
// from the receiving process, or from you. A publisher has no answers, so
// frames sent earlier may be lost.
func announce(ctx context.Context, end *netgear.NetGear, frame gocv.Mat) error {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Println("PUB/SUB waits for nobody: press Enter when the receive end is there.")
	}
	confirm := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(confirm)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-confirm:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if _, err := end.Send(ctx, frame, note{Index: -1}); err != nil {
				return err
			}
		}
	}
}

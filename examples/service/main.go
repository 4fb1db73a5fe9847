// The program service receives frames for months: as a service that systemd
// starts and stops.
//
// It shows how to
//
//  1. end cleanly at SIGTERM,
//  2. wait for senders without limit: they come, go and come back,
//  3. log through log/slog, and log what happens to connections (OnEvent),
//  4. report figures (Stats) once in a while instead of a line per frame.
//
// Run it in the project's folder, and then a sender:
//
//	go run ./examples/service -every 5s
//	go run ./examples/send -source test -fps 25
//
// As a service it has a unit such as packaging/systemd/netgear-view.service.
// docs/logs.md lists the library's own log lines.
//
// The other end in Python:
//
//	from vidgear.gears import NetGear
//	end = NetGear(address="127.0.0.1")
//	end.send(frame)   # a numpy array
//	end.close()
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/program"
)

func main() {
	// The context ends when systemd stops the service, on Ctrl-C, and with the
	// terminal. In a program of your own: signal.NotifyContext with SIGINT, SIGTERM
	// and SIGHUP.
	if err := run(program.UntilSignal()); err != nil {
		slog.Error("the service ends", "err", err)
		os.Exit(1) // Restart=on-failure starts it again
	}
}

func run(ctx context.Context) error {
	address := flag.String("address", "", "listen on this `address` (default every interface)")
	port := flag.String("port", "5555", "listen on this `port`; 0 is any free port")
	every := flag.Duration("every", time.Minute, "log the figures after each such `time`")
	flag.Parse()
	if flag.NArg() > 0 || *every <= 0 {
		return errors.New("everything is a flag, and -every must be more than 0")
	}

	// systemd's journal has the time. Each line is JSON, for its filters.
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(logger)
	end, err := netgear.New(netgear.Options{
		ReceiveMode: true, Address: *address, Port: *port,
		MaxRetries:      -1,                  // no sender yet is no failure
		TerminatePolicy: netgear.KeepWaiting, // nor is one that has ended
		Latest:          true,                // what could not be handled in time is of no use later
		StallAfter:      10 * time.Second,    // reports a camera that hangs
		Logger:          logger,
		OnEvent:         func(e netgear.Event) { logEvent(logger, e) },
	})
	if err != nil {
		return err
	}
	defer end.Close()
	logger.Info("listening", "endpoints", end.Endpoints())

	reported := make(chan struct{})
	go func() {
		defer close(reported)
		report(ctx, logger, end, *every)
	}()
	defer func() { <-reported }()

	for frame, err := range end.Frames(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		handle(frame)
		frame.Close()
	}
	return nil
}

// handle is what the service is for.
func handle(*netgear.Frame) {}

// logEvent logs a change of the connections. What an operator has to look at is
// a warning.
func logEvent(logger *slog.Logger, e netgear.Event) {
	level := slog.LevelInfo
	switch e.Kind {
	case netgear.EventLost, netgear.EventStalled, netgear.EventRefused:
		level = slog.LevelWarn
	}
	attrs := []any{"event", e.Kind.String()}
	if e.Peer != "" {
		attrs = append(attrs, "peer", e.Peer)
	}
	if e.Err != nil {
		attrs = append(attrs, "err", e.Err)
	}
	logger.Log(context.Background(), level, "connection", attrs...)
}

// report logs the figures until ctx ends.
func report(ctx context.Context, logger *slog.Logger, end *netgear.NetGear, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before netgear.Stats
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := end.Stats()
		logger.Info("figures", "frames", now.Frames-before.Frames, "fps", float64(now.Frames-before.Frames)/every.Seconds(),
			"dropped", now.Dropped-before.Dropped, "malformed", now.Malformed-before.Malformed, "peers", now.Connected)
		before = now
	}
}

package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// setClock sets the machine's clock an hour ahead or back, and later restores it.
func setClock(ctx context.Context, f fault) error {
	jump := time.Hour
	if f.Back {
		jump = -jump
	}
	if err := shiftClock(jump); err != nil {
		return fmt.Errorf("this machine does not allow setting the clock: %w", err)
	}
	wait(ctx, f.Lasts)
	return shiftClock(-jump)
}

func shiftClock(by time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	then := unix.NsecToTimespec(now.Nano() + int64(by))
	return unix.ClockSettime(unix.CLOCK_REALTIME, &then)
}

//go:build !linux

package netem

import (
	"errors"
	"os/exec"
)

var errLinux = errors.New("netem: the emulated network needs Linux")

// Network exists only on Linux.
type Network struct{ Sender, Receiver *Host }

// NewNetwork returns an error.
func NewNetwork(uint64, Settings, Settings) (*Network, error) { return nil, errLinux }

// Up has no effect.
func (*Network) Up(Settings) {}

// Down has no effect.
func (*Network) Down(Settings) {}

// UpCounts returns zeros.
func (*Network) UpCounts() (Counts, int) { return Counts{}, 0 }

// DownCounts returns zeros.
func (*Network) DownCounts() (Counts, int) { return Counts{}, 0 }

// Close has no effect.
func (*Network) Close() error { return nil }

// Host exists only on Linux.
type Host struct{}

// Do runs the function.
func (*Host) Do(f func()) { f() }

// Start returns an error.
func (*Host) Start(*exec.Cmd) error { return errLinux }

package netgear

import (
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// An idle receive end takes at most 15 MB of memory of the process's own, in every
// build; without OpenCV the process has at most 16 MB, with this package's tests in
// it. docs/performance.md has what was measured, in a program.
func TestIdleMemory(t *testing.T) {
	const all, more = 16 << 20, 15 << 20
	c := startChild(t, childSpec{Receive: true, Bind: true, Idle: true})
	a := c.account()
	t.Logf("%d KB, %d before the end was opened", a.Memory>>10, a.Before>>10)
	if got := a.Memory - a.Before; got > more {
		t.Errorf("the end takes %d bytes", got)
	}
	// The race detector takes memory of its own.
	if withoutMats := matType == nil; withoutMats && !alloctest.Race && a.Memory > all {
		t.Errorf("the process takes %d bytes", a.Memory)
	}
}

package netgear

import "testing"

// An idle receive end takes at most 25 MB without OpenCV, and in every build at
// most 15 MB more than the process with its libraries. docs/performance.md has
// what was measured.
func TestIdleMemory(t *testing.T) {
	const all, more = 25 << 20, 15 << 20
	c := startChild(t, childSpec{Receive: true, Bind: true, Idle: true})
	a := c.account()
	t.Logf("%d KB, %d before the end was opened", a.Memory>>10, a.Before>>10)
	if got := a.Memory - a.Before; got > more {
		t.Errorf("the end takes %d bytes", got)
	}
	// The race detector takes memory of its own.
	if withoutMats := matType == nil; withoutMats && !raceEnabled && a.Memory > all {
		t.Errorf("the process takes %d bytes", a.Memory)
	}
}

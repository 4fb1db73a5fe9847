package netgear

import (
	"fmt"
	"testing"
)

// What a frame costs in Go allocations, sending and receiving together, with the
// same context for every frame. It does not grow with the frame. Raw: the Frame,
// at the receive end. As JPEG one more for the buffer at each end.
func TestAllocationsPerFrame(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates on its own account")
	}
	for _, c := range []struct {
		jpeg         Colorspace
		ahead, limit int
	}{
		{JPEGOff, 0, 1}, {JPEGDefault, 0, 3},
		// Sent ahead a raw frame is copied into a buffer, with a shape of its own.
		{JPEGOff, 2, 3}, {JPEGDefault, 2, 3},
	} {
		for _, pattern := range allPatterns {
			for _, side := range []int{16, 1024} {
				t.Run(fmt.Sprintf("%v/jpeg=%s/ahead=%d/%d", pattern, c.jpeg, c.ahead, side), func(t *testing.T) {
					limit := c.limit
					if pattern == PubSub && c.jpeg == JPEGOff && c.ahead == 0 {
						limit++ // the buffer that a publisher copies into
					}
					recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: c.jpeg, JPEGStrips: 1, HighWaterMark: 100}, func(r, s *Options) { s.SendAhead = c.ahead })
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					ctx := testContext(t)
					a := testArray(0, "uint8", side, side, 3)
					round := func() {
						if _, err := send.SendArray(ctx, a, nil); err != nil {
							t.Fatal(err)
						}
						f, err := recv.Recv(ctx)
						if err != nil {
							t.Fatal(err)
						}
						f.Close()
					}
					round()
					// The monitor, which looks at the connections twice a second, allocates
					// too. On a slow machine that shows, so the fewest count.
					fewest := testing.AllocsPerRun(50, round)
					for tries := 0; fewest > float64(limit) && tries < 5; tries++ {
						fewest = min(fewest, testing.AllocsPerRun(20, round))
					}
					if fewest > float64(limit) {
						t.Errorf("%v allocations a frame, not %d", fewest, limit)
					}
				})
			}
		}
	}
}

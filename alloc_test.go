package netgear

import (
	"fmt"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// allocationsOfALook is about how many allocations a monitor makes when it
// checks one connection.
const allocationsOfALook = 4

// The Go allocations of a frame, sending and receiving together, with the same
// context for every frame. They do not grow with the frame. A raw frame has
// one: the Frame at the receive end. A JPEG has one more for the buffer at each
// end.
func TestAllocationsPerFrame(t *testing.T) {
	if alloctest.Race {
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
					// The monitors, which check the connections twice a second,
					// allocate too. On a slow machine that has an effect. So
					// the allocations of their checks are subtracted, and the
					// lowest count is used.
					measure := func(frames int) float64 {
						began := time.Now()
						n := testing.AllocsPerRun(frames, round)
						looks := 2 * (1 + time.Since(began)/(500*time.Millisecond))
						return n - float64(looks*allocationsOfALook)/float64(frames)
					}
					fewest := measure(50)
					for tries := 0; fewest > float64(limit) && tries < 20; tries++ {
						fewest = min(fewest, measure(10))
					}
					if fewest > float64(limit) {
						t.Errorf("%.1f allocations a frame, not %d", fewest, limit)
					}
				})
			}
		}
	}
}

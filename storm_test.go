package netgear

import (
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/storm"
)

// Ends open and close under the storm of soak's TestStorm: a signal may interrupt
// any call into libzmq, and some of them then do half of what they should.
func TestStormWhileOpeningAndClosing(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 300
	}
	defer signalStorm(t, 10*time.Microsecond)()
	for i := range rounds {
		recv, send := openPair(t, Options{Pattern: allPatterns[i%3]})
		if i%3 < 2 {
			if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
				t.Fatal(err)
			}
		}
		send.Close()
		recv.Close()
	}
}

// signalStorm sends signals to the process's threads, and collects garbage all
// the while.
func signalStorm(t *testing.T, every time.Duration) (stop func()) {
	begin := time.Now()
	stopSignals, stopCollections := storm.Signals(every), storm.Collections()
	return func() {
		sent := stopSignals()
		stopCollections()
		took := time.Since(begin)
		t.Logf("%d signals in %v, %.0f a second", sent, took, float64(sent)/took.Seconds())
		// A thousand a second are meant; a busy machine may not get round to most.
		if least := 20 * took.Seconds(); float64(sent) < least {
			t.Errorf("%d signals in %v were no storm", sent, took)
		}
	}
}

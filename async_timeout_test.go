package netgear

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestAsyncTimeoutIsNoLoss checks that time-outs shorter than 3 ×
// RequestTimeout do not use up the retries; that time without a peer does.
func TestAsyncTimeoutIsNoLoss(t *testing.T) {
	receive := func(request time.Duration, times int) error {
		recv, err := New(Options{Wire: AsyncWire, ReceiveMode: true, Address: "127.0.0.1", Port: "0",
			RequestTimeout: request, SubscriberTimeout: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer recv.Close()
		for range times {
			if _, err := recv.Recv(context.Background()); !errors.Is(err, ErrTimeout) {
				return err
			}
		}
		return nil
	}
	if err := receive(time.Hour, 10); err != nil {
		t.Error(err)
	}
	if err := receive(10*time.Millisecond, 1000); !errors.Is(err, ErrPeerGone) {
		t.Errorf("%v, not ErrPeerGone", err)
	}
}

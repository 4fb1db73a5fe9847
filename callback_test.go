package netgear

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// insideCalls returns the calls that a callback may make to its end, by name.
func insideCalls(ctx context.Context) map[string]func(*NetGear) error {
	a := testArray(0, "uint8", 2, 2)
	return map[string]func(*NetGear) error{
		"Close":     func(n *NetGear) error { return n.Close() },
		"SendArray": func(n *NetGear) error { return second(n.SendArray(ctx, a, nil)) },
		"SendArrayOwned": func(n *NetGear) error {
			return second(n.SendArrayOwned(ctx, a, nil, func() {}))
		},
		"Flush": func(n *NetGear) error { return n.Flush(ctx) },
		"Recv":  func(n *NetGear) error { return second(n.Recv(ctx)) },
		"Frames": func(n *NetGear) error {
			for _, err := range n.Frames(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// closesInTime fails the test if Close does not end by itself.
func closesInTime(t *testing.T, n *NetGear) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		n.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(testTimeout):
		t.Fatal("Close blocks")
	}
}

// firstOf returns what the first callback reports.
func firstOf(t *testing.T, results <-chan error) error {
	t.Helper()
	select {
	case err := <-results:
		return err
	case <-time.After(testTimeout):
		t.Fatal("the call inside the callback blocks")
		return nil
	}
}

// reportFirst passes on the first result of a callback that is called again and again.
func reportFirst(results chan<- error, err error) {
	select {
	case results <- err:
	default:
	}
}

// A call that would wait for the callback that makes it returns an error.
func TestCallsInsideCallbacks(t *testing.T) {
	ctx := testContext(t)
	calls := insideCalls(ctx)
	each := func(callback string, names []string, open func(t *testing.T, call func(*NetGear) error, results chan<- error) *NetGear) {
		for _, name := range names {
			t.Run(callback+"/"+name, func(t *testing.T) {
				results := make(chan error, 1)
				n := open(t, calls[name], results)
				if err := firstOf(t, results); !errors.Is(err, ErrCallback) {
					t.Errorf("%v", err)
				}
				closesInTime(t, n)
			})
		}
	}
	sends := []string{"Close", "SendArray", "SendArrayOwned", "Flush"}
	array := testArray(0, "uint8", 2, 2)

	each("OnEvent", []string{"Close"}, func(t *testing.T, call func(*NetGear) error, results chan<- error) *NetGear {
		ready := make(chan *NetGear, 1)
		recv, _ := openPair(t, Options{}, func(r, _ *Options) {
			r.OnEvent = func(Event) {
				n := <-ready
				ready <- n
				reportFirst(results, call(n))
			}
		})
		ready <- recv
		return recv
	})
	each("Respond", []string{"Close", "Recv", "Frames"}, func(t *testing.T, call func(*NetGear) error, results chan<- error) *NetGear {
		var recv *NetGear
		recv, send := openPair(t, Options{BidirectionalMode: true}, func(r, _ *Options) {
			r.Respond = func(context.Context, *Frame) (any, error) {
				reportFirst(results, call(recv))
				return nil, nil
			}
		})
		go send.SendArray(ctx, array, nil)
		return recv
	})
	// SendAhead has one place, which is taken when OnReply is called: that of the
	// second frame.
	each("OnReply", sends, func(t *testing.T, call func(*NetGear) error, results chan<- error) *NetGear {
		var send *NetGear
		second := make(chan struct{})
		_, send = openPair(t, Options{}, func(_, s *Options) {
			s.SendAhead = 1
			s.OnReply = func(Reply, error) {
				<-second
				reportFirst(results, call(send))
			}
		})
		for range 2 {
			if _, err := send.SendArray(ctx, array, nil); err != nil {
				t.Fatal(err)
			}
		}
		close(second)
		return send
	})
	for _, o := range []Options{{Pattern: Pair}, {Pattern: Pair, SendAhead: 1}, {Pattern: PubSub}, {Pattern: Pair, JPEGCompression: JPEGBGR}, {Pattern: PubSub, SendAhead: 1}} {
		o.JPEGCompression = defaultTo(o.JPEGCompression, JPEGOff)
		where := fmt.Sprintf("release, %v, jpeg=%s, ahead=%d", o.Pattern, o.JPEGCompression, o.SendAhead)
		each(where, sends, func(t *testing.T, call func(*NetGear) error, results chan<- error) *NetGear {
			ahead := o.SendAhead
			o := o
			o.SendAhead = 0
			_, send := openPair(t, o, func(_, s *Options) { s.SendAhead = ahead })
			go send.SendArrayOwned(ctx, testArray(0, "uint8", 8, 8, 3), nil, func() { reportFirst(results, call(send)) })
			return send
		})
	}
}

func defaultTo(c, other Colorspace) Colorspace {
	if c == JPEGDefault {
		return other
	}
	return c
}

// A call that would not wait for the callback works: a send call inside
// OnEvent, Close of another end, and Close in a goroutine of its own.
func TestCallsThatCallbacksMayMake(t *testing.T) {
	ctx := testContext(t)
	other := mustNew(t, Options{Address: "127.0.0.1", Port: "1"})
	ready, results := make(chan *NetGear, 1), make(chan error, 3)
	_, send := openPair(t, Options{}, func(_, s *Options) {
		s.OnEvent = func(e Event) {
			if e.Kind != EventConnected {
				return
			}
			n := <-ready
			results <- second(n.SendArray(ctx, testArray(0, "uint8", 2, 2), nil))
			results <- other.Close()
			go func() { results <- n.Close() }()
		}
	})
	ready <- send
	for range 3 {
		if err := firstOf(t, results); err != nil {
			t.Error(err)
		}
	}
}

// Callbacks of two ends that run at the same time do not affect each other.
func TestCallbacksAreToldApart(t *testing.T) {
	var a, b callbacks
	a.call(eventCallback, func() {
		if err := b.check(forbidClose); err != nil {
			t.Error(err)
		}
		elsewhere := make(chan error)
		go func() { elsewhere <- a.check(forbidClose) }()
		if err := <-elsewhere; err != nil {
			t.Errorf("in another goroutine: %v", err)
		}
		a.call(replyCallback, func() {
			if err := a.check(forbidSend); !errors.Is(err, ErrCallback) {
				t.Errorf("in the inner one: %v", err)
			}
		})
		if err := a.check(forbidSend); err != nil {
			t.Errorf("after the inner one: %v", err)
		}
		if err := a.check(forbidClose); !errors.Is(err, ErrCallback) {
			t.Errorf("in the outer one: %v", err)
		}
	})
	if err := a.check(forbidClose); err != nil || a.number.Load() != 0 {
		t.Errorf("after it: %v", err)
	}
}

// Go prints a goroutine's number as goroutineID expects.
func TestGoroutineID(t *testing.T) {
	here, there := goroutineID(), make(chan uint64)
	go func() { there <- goroutineID() }()
	if other := <-there; here == 0 || other == 0 || here == other || here != goroutineID() {
		t.Errorf("%d and %d", here, other)
	}
}

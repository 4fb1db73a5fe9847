package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// silent returns a port at which a peer accepts frames and never answers.
func silent(t *testing.T, pattern Pattern) string {
	t.Helper()
	kind := zmq4.PAIR
	if pattern == ReqRep {
		kind = zmq4.REP
	}
	return newBare(t, kind, nil).port()
}

// fill sends until the queue and the exchange are full.
func fill(t *testing.T, send *NetGear) {
	t.Helper()
	for i := range send.link.opts.SendAhead + 1 {
		if _, err := send.SendArray(testContext(t), testArray(i, "uint8", 9, 9), i); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the first frame to be on its way", func() bool { return len(send.send.queue.frames) == send.link.opts.SendAhead })
}

func brief(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// lostFrames returns the lost frames that an error reports.
func lostFrames(err error) (count int, first uint64) {
	var lost *LostError
	if errors.As(err, &lost) {
		return lost.Frames, lost.First
	}
	return 0, 0
}

// Every frame arrives, in order, with its message and stamp, although the
// caller's memory is overwritten as soon as each call returns. OnReply is
// called for each.
func TestSendAhead(t *testing.T) {
	for _, pattern := range allPatterns {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			for _, depth := range []int{1, 3} {
				t.Run(fmt.Sprintf("%v/jpeg=%s/%d", pattern, c, depth), func(t *testing.T) {
					const frames = 25
					replies := 0
					recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: c, HighWaterMark: 100, Stamp: true}, func(r, s *Options) {
						s.SendAhead = depth
						s.OnReply = func(_ Reply, err error) {
							if replies++; err != nil {
								t.Error(err)
							}
						}
					})
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					ctx := testContext(t)
					if err := send.Flush(ctx); err != nil {
						t.Fatal(err)
					}
					before := int(send.Stats().Frames)
					shape := []int{33, 47, 3}
					go func() {
						for i := range frames {
							a := testArray(i, "uint8", 33, 47, 3)
							if _, err := send.SendArray(ctx, a, i); err != nil {
								t.Error(err)
							}
							clear(a.Data)
							clear(a.Shape)
						}
						send.Close()
					}()
					for i := range frames {
						f := mustRecv(t, recv, ctx)
						want := testArray(i, "uint8", shape...)
						if c != JPEGOff {
							want.Data = throughCodec(t, &send.link.settings, want)
						}
						if got := frameArray(f); string(got.Data) != string(want.Data) || f.Message.Value() != int64(i) || f.Stamp == nil || f.Stamp.Seq != uint64(before+i+1) {
							t.Errorf("frame %d came as %v, %v, changed or out of order", i, f.Message, f.Stamp)
						}
						f.Close()
					}
					if _, err := recv.Recv(ctx); err != io.EOF {
						t.Errorf("after the goodbye: %v", err)
					}
					send.Close()
					if s := send.Stats(); s.Frames != uint64(before+frames) || s.Queue != 0 || s.QueueBytes != 0 || replies != before+frames {
						t.Errorf("%d replies, %+v", replies, s)
					}
				})
			}
		}
	}
}

// The next frame is encoded while the last is being sent, and no more frames
// than the queue holds.
func TestSendAheadIsBounded(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, depth := range []int{1, 4} {
			t.Run(fmt.Sprint(pattern, "/", depth), func(t *testing.T) {
				send := mustNew(t, Options{Address: "127.0.0.1", Port: silent(t, pattern), Pattern: pattern, SendAhead: depth, RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
				fill(t, send)
				if s := send.Stats(); s.Queue != depth+1 || s.QueueBytes == 0 || s.Frames != 0 {
					t.Errorf("%+v", s)
				}
				// The queue is full: a call waits, and ends with its context.
				if _, err := send.SendArray(brief(t), testArray(0, "uint8", 9, 9), nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a Send when it is full: %v", err)
				}
				if err := send.Flush(brief(t)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Flush: %v", err)
				}
				waits := make(chan error, 2)
				go func() {
					_, err := send.SendArray(context.Background(), testArray(0, "uint8", 9, 9), nil)
					waits <- err
				}()
				go func() { waits <- send.Flush(context.Background()) }()
				await(t, "a call to wait", func() bool { return len(send.send.sendMu) == 1 })
				err := send.Close()
				if count, first := lostFrames(err); count != depth+1 || first != 1 || !errors.Is(err, ErrClosed) {
					t.Errorf("Close: %v", err)
				}
				if again := send.Close(); again != err {
					t.Errorf("Close again: %v", again)
				}
				for range 2 {
					if err := <-waits; !errors.Is(err, ErrClosed) {
						t.Errorf("a call that waited: %v", err)
					}
				}
				if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 9, 9), nil); !errors.Is(err, ErrClosed) {
					t.Errorf("a Send after Close: %v", err)
				}
				if err := send.Flush(testContext(t)); !errors.Is(err, ErrClosed) {
					t.Errorf("Flush after Close: %v", err)
				}
			})
		}
	}
}

// A loss is reported once: by the next Send, which then queues no frame, by
// Flush, or by Close. With OnReply it is reported frame by frame, and not by
// Send.
func TestSendAheadReportsLosses(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			o := Options{Address: "127.0.0.1", Port: silent(t, pattern), Pattern: pattern, SendAhead: 2, RequestTimeout: 30 * time.Millisecond, MaxRetries: 1}
			ctx := testContext(t)
			a := testArray(0, "uint8", 9, 9)
			send := mustNew(t, o)
			taken, told := 0, 0
			hear := func(err error) {
				t.Helper()
				count, first := lostFrames(err)
				if count == 0 || int(first) != told+1 || !errors.Is(err, ErrPeerGone) && !errors.Is(err, ErrClosed) {
					t.Errorf("of %d frames %d were told of, and now: %v", taken, told, err)
				}
				told += count
			}
			for taken < 3 {
				if _, err := send.SendArray(ctx, a, nil); err == nil {
					taken++
				} else {
					hear(err)
				}
			}
			await(t, "the frames to be lost", func() bool { return send.Stats().Queue == 0 })
			_, err := send.SendArray(ctx, a, nil)
			if hear(err); told != taken || send.Stats().Queue != 0 {
				t.Errorf("%d frames were taken and %d told of", taken, told)
			}
			if err := send.Flush(ctx); err != nil {
				t.Errorf("Flush, when Send has told of them: %v", err)
			}
			for _, tell := range []func() error{func() error { return send.Flush(ctx) }, send.Close} {
				if _, err := send.SendArray(ctx, a, nil); err != nil {
					t.Errorf("the next Send: %v", err)
				}
				taken++
				hear(tell())
			}

			told = 0
			o.OnReply = func(r Reply, err error) {
				if told++; !errors.Is(err, ErrPeerGone) {
					t.Errorf("OnReply: %+v, %v", r, err)
				}
			}
			send = mustNew(t, o)
			for range 5 {
				if _, err := send.SendArray(ctx, a, nil); err != nil {
					t.Errorf("Send, with OnReply: %v", err)
				}
			}
			err = send.Flush(ctx)
			if count, first := lostFrames(err); count != 5 || first != 1 || told != 5 {
				t.Errorf("Flush, with OnReply told %d times: %v", told, err)
			}
		})
	}
}

// A frame that cannot be sent gets no place and no number.
func TestSendAheadRefusesFrames(t *testing.T) {
	recv, send := openPair(t, Options{Stamp: true}, func(r, s *Options) { s.SendAhead = 1 })
	ctx := testContext(t)
	for range 5 {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), make(chan int)); !errors.Is(err, ErrMessage) {
			t.Errorf("a channel as message: %v", err)
		}
		if _, err := send.SendArray(ctx, Array{}, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("no array: %v", err)
		}
	}
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), "good"); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	if f.Message.Value() != "good" {
		t.Errorf("got %v", f.Message)
	}
	if err := recv.Flush(ctx); !errors.Is(err, ErrMode) {
		t.Errorf("Flush of a receive end: %v", err)
	}
}

// Close sends what was sent ahead, also to a peer that connects only then.
func TestCloseFlushes(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			probe := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
			port := probe.Port()
			probe.Close()
			const depth = 10
			send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: pattern, SendAhead: depth, RequestTimeout: testTimeout})
			fill(t, send)
			closed := make(chan error, 1)
			go func() { closed <- send.Close() }()
			await(t, "Close to begin", func() bool { return send.link.drainCtx.Err() != nil })
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern})
			for i := range depth + 1 {
				f := mustRecv(t, recv, testContext(t))
				if f.Message.Value() != int64(i) {
					t.Errorf("got %v as frame %d", f.Message, i)
				}
				f.Close()
			}
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// With Close the first loss ends the wait for all frames, because the same peer
// is missing for all.
func TestCloseGivesUpAtTheFirstLoss(t *testing.T) {
	told := 0
	send := mustNew(t, Options{
		Address: "127.0.0.1", Port: peertest.ClosedPort(t), SendAhead: 100, RequestTimeout: 50 * time.Millisecond, MaxRetries: 2,
		OnReply: func(Reply, error) { told++ },
	})
	ctx := testContext(t)
	for i := range 100 {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 9, 9), i); err != nil {
			t.Fatal(err)
		}
	}
	err := send.Close()
	if count, first := lostFrames(err); count != 100 || first != 1 || told != 100 || !errors.Is(err, ErrPeerGone) && !errors.Is(err, ErrClosed) {
		t.Errorf("Close, %d told of: %v", told, err)
	}
}

// The receive end closes while the queue is full, and opens again. No frame
// without an answer is lost, and the order stays.
func TestSendAheadToAPeerThatRestarts(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			recv, send := openPair(t, Options{Pattern: pattern}, func(r, s *Options) {
				s.SendAhead, s.RequestTimeout, s.MaxRetries, r.QueueFrames = 4, 300*time.Millisecond, -1, 1
			})
			port := recv.Port()
			ctx := testContext(t)
			const frames = 40
			go func() {
				for i := range frames {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 20, 20), i); err != nil {
						t.Error(err)
					}
				}
				if err := send.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			next := int64(0)
			for {
				f, err := recv.Recv(ctx)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if i := f.Message.Value().(int64); i > next {
					t.Fatalf("frame %d came when %d was due", i, next)
				} else {
					next = i + 1
				}
				f.Close()
				if next == 11 || next == 26 {
					await(t, "the queue to be full", func() bool { return len(send.send.queue.frames) == 4 })
					recv.Close()
					// The frames that it had answered and queued are lost with
					// it.
					answered := int64(send.Stats().Frames)
					recv = mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern, QueueFrames: 1})
					f := mustRecv(t, recv, ctx)
					if i := f.Message.Value().(int64); i > answered+1 {
						t.Errorf("frame %d came after %d were answered", i, answered)
					} else {
						next = i + 1
					}
					f.Close()
				}
			}
			if next != frames {
				t.Errorf("ended at frame %d", next)
			}
		})
	}
}

// Each frame's Reply, in order.
func TestOnReply(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		var got []any
		_, send := openPair(t, Options{Pattern: pattern, BidirectionalMode: true}, func(r, s *Options) {
			s.SendAhead = 3
			s.OnReply = func(r Reply, err error) { got = append(got, r.Data.Value()) }
			r.Respond = func(_ context.Context, f *Frame) (any, error) { return f.Message, nil }
		})
		ctx := testContext(t)
		for i := range 20 {
			if r, err := send.SendArray(ctx, testArray(i, "uint8", 9, 9), i); err != nil || r.PythonType != "" {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if err := send.Close(); err != nil {
			t.Error(err)
		}
		if len(got) != 20 {
			t.Fatalf("%d replies", len(got))
		}
		for i := range got {
			if got[i] != int64(i) {
				t.Errorf("reply %d is %v", i, got[i])
			}
		}
	}
}

// Several goroutines: each one's frames stay in order, and so do the stamps.
func TestSendAheadFromManyGoroutines(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		recv, send := openPair(t, Options{Pattern: pattern, Stamp: true}, func(r, s *Options) { s.SendAhead = 2 })
		ctx := testContext(t)
		const callers, each = 4, 15
		var calls sync.WaitGroup
		for c := range callers {
			calls.Go(func() {
				for i := range each {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 16, 16, 3), []int{c, i}); err != nil {
						t.Error(err)
					}
					if i%5 == 0 {
						if err := send.Flush(ctx); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		var next [callers]int
		for k := range callers * each {
			f := mustRecv(t, recv, ctx)
			var m [2]int
			if err := f.Message.Decode(&m); err != nil || m[1] != next[m[0]] || f.Stamp.Seq != uint64(k+1) {
				t.Fatalf("%v: %v, %v at %d", pattern, f.Message, f.Stamp, k)
			}
			next[m[0]]++
			f.Close()
		}
		calls.Wait()
	}
}

// Ends are opened, filled and closed at any moment: nothing is left over, and
// nothing blocks.
func TestSendAheadEndsInEveryOrder(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for i := range rounds {
		pattern := allPatterns[i%3]
		recv, send := openPair(t, Options{Pattern: pattern, RequestTimeout: 50 * time.Millisecond, Latest: i%2 == 0}, func(r, s *Options) { s.SendAhead = 1 + i%3 })
		ctx, cancel := context.WithCancel(context.Background())
		var busy sync.WaitGroup
		var released, handed int
		var mu sync.Mutex
		for k := range 4 {
			busy.Go(func() {
				for range 200 {
					var err error
					if a := testArray(i, "uint8", 31, 17, 3); k%2 == 0 {
						_, err = send.SendArray(ctx, a, i)
					} else {
						mu.Lock()
						handed++
						mu.Unlock()
						_, err = send.SendArrayOwned(ctx, a, i, func() {
							clear(a.Data)
							mu.Lock()
							released++
							mu.Unlock()
						})
					}
					if err != nil {
						return
					}
				}
			})
		}
		busy.Go(func() {
			for f, err := recv.Recv(ctx); err == nil; f, err = recv.Recv(ctx) {
				f.Close()
			}
		})
		ends := []func(){cancel, func() { recv.Close() }, func() { send.Close() }}
		for k := range 3 {
			time.Sleep(time.Duration(i%7) * 100 * time.Microsecond) // any moment will do
			ends[(i+k)%3]()
		}
		busy.Wait()
		if released != handed {
			t.Fatalf("%v: %d frames handed over, %d given back", pattern, handed, released)
		}
	}
}

package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// answering lists every way in which a receive end answers.
var answering = []struct {
	name string
	Options
}{
	{"PAIR", Options{Pattern: Pair}},
	{"PAIR/bidirectional", Options{Pattern: Pair, BidirectionalMode: true}},
	{"REQ-REP", Options{Pattern: ReqRep}},
	{"REQ-REP/bidirectional", Options{Pattern: ReqRep, BidirectionalMode: true}},
	{"REQ-REP/multi-client", Options{Pattern: ReqRep, MulticlientMode: true}},
	{"REQ-REP/multi-server", Options{Pattern: ReqRep, MultiserverMode: true}},
}

// bigJPEG is a small JPEG of a large picture.
func bigJPEG(t testing.TB, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, side, side)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A frame that the receive end drops is an error at the send end, with the
// reason; it is not sent again, and the next one arrives.
func TestRejectedFrame(t *testing.T) {
	big := bigJPEG(t, 2000)
	for _, mode := range answering {
		t.Run(mode.name, func(t *testing.T) {
			recv, send := openPair(t, mode.Options, func(r, _ *Options) { r.MaxFrameBytes = 1 << 20 })
			ctx := testContext(t)
			for range 2 {
				_, err := send.SendJPEG(ctx, big, nil)
				if !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), "MaxFrameBytes") || !strings.Contains(err.Error(), "2000x2000") {
					t.Fatalf("a frame over the limit: %v", err)
				}
				if _, err := send.SendArray(ctx, testArray(1, "uint8", 16, 16, 3), nil); err != nil {
					t.Fatalf("the next frame: %v", err)
				}
				mustRecv(t, recv, ctx).Close()
			}
			if s := send.Stats(); s.Rejected != 2 || s.Frames != 2 || s.Retries != 0 || s.Lost != 0 {
				t.Errorf("send end: %+v", s)
			}
			if s := recv.Stats(); s.Malformed != 2 || s.Frames != 2 || s.Lost != 0 {
				t.Errorf("receive end: %+v", s)
			}
		})
	}
}

// Sent ahead, it is a lost frame with the same reason.
func TestRejectedFrameSentAhead(t *testing.T) {
	recv, send := openPair(t, Options{}, func(r, s *Options) { r.MaxFrameBytes, s.SendAhead = 1<<20, 2 })
	ctx := testContext(t)
	if _, err := send.SendJPEG(ctx, bigJPEG(t, 2000), nil); err != nil {
		t.Fatal(err)
	}
	if err := send.Flush(ctx); !errors.Is(err, ErrRejected) {
		t.Errorf("%v", err)
	}
	if s := recv.Stats(); s.Malformed != 1 {
		t.Errorf("%+v", s)
	}
}

// With a different wire at each end, both ends name the cause.
func TestWireMismatchIsNamed(t *testing.T) {
	for _, pattern := range allPatterns {
		for _, wires := range [][2]Wire{
			{NetGearWire, AsyncWire}, {AsyncWire, NetGearWire}, {ImageZMQWire, NetGearWire},
			{NetGearWire, ImageZMQWire}, {AsyncWire, ImageZMQWire}, {ImageZMQWire, AsyncWire},
		} {
			for _, bidirectional := range []bool{false, true} {
				if bidirectional && pattern == PubSub || pattern == Pair && slices.Contains(wires[:], ImageZMQWire) {
					continue
				}
				t.Run(fmt.Sprintf("%v/send end %v/receive end %v/bidirectional=%v", pattern, wires[0], wires[1], bidirectional), func(t *testing.T) {
					recv, send := openPair(t, Options{Pattern: pattern, HighWaterMark: 100}, func(r, s *Options) {
						s.Wire, r.Wire = wires[0], wires[1]
						s.Attach, r.Attach = AttachConnect, AttachBind
						s.BidirectionalMode = bidirectional
					})
					namesWires := func(err error) bool {
						return strings.Contains(err.Error(), fmt.Sprintf("the sender uses %v's wire and this end %v's", wires[0], wires[1]))
					}
					ctx := testContext(t)
					if pattern == PubSub {
						awaitPeers(t, send, 1)
						await(t, "a message", func() bool {
							if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
								t.Fatal(err)
							}
							return recv.Stats().Malformed > 0
						})
					} else if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrRejected) || !namesWires(err) {
						t.Errorf("send: %v", err)
					}
					await(t, "the message to be counted", func() bool { return recv.Stats().Malformed > 0 })
					short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
					defer cancel()
					if _, err := recv.Recv(short); !errors.Is(err, context.DeadlineExceeded) || !namesWires(err) {
						t.Errorf("receive: %v", err)
					}
				})
			}
		}
	}
}

// lines counts what is logged, by message.
type lines struct {
	slog.Handler
	mu    sync.Mutex
	count map[string]int
}

func newLines() *lines { return &lines{Handler: slog.DiscardHandler, count: map[string]int{}} }

func (*lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count[r.Message]++
	return nil
}

func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *lines) WithGroup(string) slog.Handler      { return l }

func (l *lines) with(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, k := range l.count {
		if strings.Contains(text, part) {
			n += k
		}
	}
	return n
}

// libzmq ends the connection of a peer that sends a part over MaxFrameBytes, and
// reports no reason. Both ends name the limit, and the log names it once.
func TestFrameOverTheLimitIsNamed(t *testing.T) {
	for _, pattern := range allPatterns {
		t.Run(pattern.String(), func(t *testing.T) {
			atRecv, atSend := newLines(), newLines()
			recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: JPEGOff, RequestTimeout: 600 * time.Millisecond, MaxRetries: 2},
				func(r, s *Options) {
					r.MaxFrameBytes = 1 << 20
					r.Logger, s.Logger = slog.New(atRecv), slog.New(atSend)
				})
			ctx := testContext(t)
			frame := testArray(0, "uint8", 1<<21)
			if pattern == PubSub {
				await(t, "connections to be lost", func() bool {
					if _, err := send.SendArray(ctx, frame, nil); err != nil {
						t.Fatal(err)
					}
					return recv.Stats().Lost >= manyFruitless
				})
			} else {
				_, err := send.SendArray(ctx, frame, nil)
				for send.link.opts.RequestTimeout < testTimeout/2 && send.link.fruitless.Load() < manyFruitless {
					send.link.opts.RequestTimeout *= 2 // a busy machine makes fewer connections in the time
					_, err = send.SendArray(ctx, frame, nil)
				}
				if !errors.Is(err, ErrPeerGone) || !strings.Contains(err.Error(), "MaxFrameBytes") || !strings.Contains(err.Error(), fmt.Sprint(send.send.size.Load())) {
					t.Errorf("send: %v", err)
				}
				if n := atSend.with("before anything came"); n != 1 {
					t.Errorf("the send end's log names the limit %d times", n)
				}
			}
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			if _, err := recv.Recv(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "MaxFrameBytes") {
				t.Errorf("receive: %v", err)
			}
			if n := atRecv.with("before anything came"); n != 1 {
				t.Errorf("the receive end's log names the limit %d times", n)
			}
		})
	}
}

// A frame that this end has reported as lost is not delivered later, neither
// when the context has ended nor when the retries have. It does not matter
// whether a receive end opens before the next call.
func TestLostFrameIsNotDeliveredLater(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, compression := range []Colorspace{JPEGBGR, JPEGOff} {
			for _, ahead := range []int{0, 1} {
				for _, by := range []string{"context", "retries"} {
					if ahead > 0 && by == "context" {
						continue // the context bounds the wait for a place alone
					}
					t.Run(fmt.Sprintf("%v/%s/ahead=%d/%s", pattern, compression, ahead, by), func(t *testing.T) {
						t.Parallel()
						port := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub}).Port()
						o := Options{Address: "127.0.0.2", Port: port, Pattern: pattern, JPEGCompression: compression, SendAhead: ahead, RequestTimeout: 300 * time.Millisecond, MaxRetries: 1}
						if by == "context" {
							o.RequestTimeout = time.Minute
						}
						send := mustNew(t, o)
						ctx := testContext(t)
						short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
						defer cancel()
						_, err := send.SendArray(short, testArray(0, "uint8", 200, 200, 3), "lost")
						if ahead > 0 {
							err = send.Flush(ctx)
						}
						if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrPeerGone) {
							t.Fatalf("nobody is there: %v", err)
						}
						lost := err
						recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.2", Port: port, Pattern: pattern})
						late, cancel := context.WithTimeout(ctx, 500*time.Millisecond) // five times the time between two tries to connect
						defer cancel()
						if f, err := recv.Recv(late); err == nil {
							f.Close()
							t.Fatalf("the frame was reported as lost (%v), and %v is delivered", lost, f.Message)
						}
						go func() {
							for i := 1; ctx.Err() == nil; i++ { // a busy machine may need more than one try
								if _, err := send.SendArray(ctx, testArray(0, "uint8", 200, 200, 3), i); err == nil && send.Flush(ctx) == nil {
									return
								}
							}
						}()
						f := mustRecv(t, recv, ctx)
						defer f.Close()
						if f.Message.Value() == "lost" {
							t.Errorf("the lost frame is delivered")
						}
					})
				}
			}
		}
	}
}

// If a frame has been written when the context ends, the connection stays open,
// so that the terminate message still reaches the peer.
func TestTerminateAfterAnInterruptedSend(t *testing.T) {
	peer := newBare(t, zmq4.PAIR, nil)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port()})
	// libzmq may release the frame a moment after the peer has got it. If the
	// call ends before that the socket is closed, and there is no terminate
	// message.
	await(t, "a send call that leaves the socket open", func() bool {
		ctx, cancel := context.WithCancel(testContext(t))
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
			done <- err
		}()
		if peer.recv(testTimeout) == nil {
			t.Fatal("no frame")
		}
		awaitPeers(t, send, 1) // the monitor may be behind
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return send.link.current() != nil
	})
	send.Close()
	if got := peer.recv(testTimeout); len(got) != 1 || !strings.Contains(string(got[0]), `"terminate_flag": true`) {
		t.Errorf("instead of a goodbye: %q", got)
	}
}

package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/loglimit"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// A frame that was taken and not answered is counted, whether it is sent ahead
// or not, also if the receive end dropped it. It is in no other count of frames.
// OnReply gets its number.
func TestFailedFrames(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"not ahead": func(*Options) {},
		"ahead":     func(o *Options) { o.SendAhead = 2 },
		"latest":    func(o *Options) { o.SendLatest = true },
	} {
		t.Run(name, func(t *testing.T) {
			var log peertest.Text
			o := Options{Address: "127.0.0.1", Port: peertest.ClosedPort(t), Pattern: ReqRep, RequestTimeout: 20 * time.Millisecond, MaxRetries: 1, Stamp: true, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			set(&o)
			var numbers []uint64
			ahead := o.SendAhead > 0 || o.SendLatest
			if ahead {
				o.OnReply = func(_ Reply, err error) {
					var lost *LostError
					if !errors.As(err, &lost) || lost.Frames != 1 || !errors.Is(err, ErrPeerGone) {
						t.Errorf("OnReply: %v", err)
						return
					}
					numbers = append(numbers, lost.First)
				}
			}
			send := mustNew(t, o)
			ctx := testContext(t)
			const frames = 3
			for range frames {
				_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
				if ahead {
					err = errors.Join(err, send.Flush(ctx))
				}
				if !errors.Is(err, ErrPeerGone) {
					t.Errorf("%v", err)
				}
			}
			// These are not taken.
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), make(chan int)); !errors.Is(err, ErrMessage) {
				t.Errorf("%v", err)
			}
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := send.SendArray(ended, testArray(0, "uint8", 4, 4), nil); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if s := send.Stats(); s.Failed != frames || s.Frames+s.Skipped+s.Rejected+uint64(s.Queue) != 0 {
				t.Errorf("%+v", s)
			}
			if got, want := fmt.Sprint(numbers), fmt.Sprint([]uint64{1, 2, 3}); ahead && got != want {
				t.Errorf("OnReply got the numbers %v", got)
			}
			if lines := log.Lines("frames were not sent"); len(lines) == 0 || !strings.Contains(lines[0], "frames=1 first=1 last=1 err=") {
				t.Errorf("the log: %q", lines)
			}
		})
	}
	t.Run("rejected", func(t *testing.T) {
		_, send := openPair(t, Options{}, func(r, _ *Options) { r.MaxFrameBytes = 1 << 14 })
		jpeg := jpegOf(t, testArray(0, "uint8", 400, 400, 3))
		if len(jpeg) >= 1<<14 {
			t.Fatalf("%d bytes", len(jpeg))
		}
		if _, err := send.SendJPEG(testContext(t), jpeg, nil); !errors.Is(err, ErrRejected) {
			t.Fatal(err)
		}
		if s := send.Stats(); s.Failed != 1 || s.Rejected != 1 || s.Frames != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// jpegOf returns the JPEG of a picture of one color.
func jpegOf(t *testing.T, a Array) []byte {
	t.Helper()
	clear(a.Data)
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, a, nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	defer f.Close()
	return bytes.Clone(f.JPEG())
}

// A line of the log has the numbers of the frames that did not arrive, and of
// those that arrived again. There are few lines, and their sum is the count.
func TestLossesInTheLog(t *testing.T) {
	var log peertest.Text
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, Stamp: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	peer := newBare(t, zmq4.REQ, recv)
	ctx := testContext(t)
	for _, seq := range []int{4, 9, 9, 9, 12, 15, 15} {
		peer.send(fmt.Appendf(nil, `{"terminate_flag": false, "compression": false, "message": {"seq": %d, "t": 1, "sender": 7, "message": null}, "dtype": "uint8", "shape": [1]}`, seq), []byte("x"))
		peer.recv(testTimeout)
		mustRecv(t, recv, ctx).Close()
	}
	for text, want := range map[string]string{"frames did not arrive": "sender=7 frames=4 first=5 last=8", "frames arrived again": "sender=7 frames=1 first=9 last=9"} {
		if lines := log.Lines(text); len(lines) == 0 || !strings.Contains(lines[0], want) || !strings.Contains(lines[0], "level=WARN") {
			t.Errorf("%s: %q", text, lines)
		}
	}
}

// What was not logged is in the next line, with the smallest and the largest
// number, and no count wraps around.
func TestLossesAreLoggedOnceASecond(t *testing.T) {
	var u unlogged
	var limit loglimit.Limiter
	now := time.Unix(1764547200, 0)
	steps := []struct {
		frames, first, last uint64
		after               time.Duration
		want                unlogged
	}{
		{2, 5, 6, 0, unlogged{2, 5, 6}},
		{1, 9, 9, 100 * time.Millisecond, unlogged{}},
		{3, 11, 13, 100 * time.Millisecond, unlogged{}},
		{0, 0, 0, time.Second, unlogged{4, 9, 13}},
		{0, 0, 0, time.Second, unlogged{}},
		{1<<64 - 1, 1, 1<<64 - 1, 0, unlogged{1<<64 - 1, 1, 1<<64 - 1}},
		{1<<64 - 1, 1, 1<<64 - 1, 0, unlogged{}},
		{5, 1, 5, time.Second, unlogged{1<<64 - 1, 1, 1<<64 - 1}},
	}
	for i, s := range steps {
		if s.frames > 0 {
			u.add(s.frames, s.first, s.last)
		}
		now = now.Add(s.after)
		if got := u.take(&limit, now); got != s.want {
			t.Errorf("step %d: %+v, not %+v", i, got, s.want)
		}
	}
}

package netgear

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// decodings returns how many frames of a receive end have been decoded.
func decodings(recv *NetGear) int { return int(recv.recv.frames.decoded.Load()) }

// isDecoded reports whether a frame is decoded, without reading it.
func isDecoded(f *Frame) bool {
	settled, _, _, _ := f.outcome()
	return settled
}

// An application that reads pixels gets decoded frames, and one that reads none
// pays for five decodings. All of it follows a change of its use.
func TestDecodingFollowsUse(t *testing.T) {
	never := func(int) bool { return false }
	always := func(int) bool { return true }
	for _, c := range []struct {
		name   string
		policy DecodePolicy
		reads  func(i int) bool // whether the application reads frame i
		want   int              // decodings of 40 frames
		ahead  func(i int) bool // whether frame i is decoded before it is read
	}{
		{"reads none", DecodeFollowUse, never, 5, func(i int) bool { return i < 5 }},
		{"reads all", DecodeFollowUse, always, 40, always},
		{"reads every second", DecodeFollowUse, func(i int) bool { return i%2 == 0 }, 40, always},
		// Of the last eight at most three were read.
		{"reads every third", DecodeFollowUse, func(i int) bool { return i%3 == 0 }, 19, func(i int) bool { return i < 8 }},
		{"begins to read", DecodeFollowUse, func(i int) bool { return i >= 20 }, 25, func(i int) bool { return i < 5 || i >= 24 }},
		{"ahead, reads none", DecodeAhead, never, 40, always},
		{"on use, reads none", DecodeOnUse, never, 0, never},
		{"on use, reads all", DecodeOnUse, always, 40, never},
	} {
		for _, o := range []Options{{}, {Pattern: ReqRep}, {Latest: true}} {
			t.Run(fmt.Sprintf("%s/%v/latest=%v", c.name, o.Pattern, o.Latest), func(t *testing.T) {
				o.Decode = c.policy
				recv, send := openPair(t, o)
				ctx := testContext(t)
				for i := range 40 {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 16, 24, 3), nil); err != nil {
						t.Fatal(err)
					}
					f := mustRecv(t, recv, ctx)
					if got := isDecoded(f); got != c.ahead(i) {
						t.Errorf("frame %d came decoded: %v", i, got)
					}
					if f.JPEG() == nil || len(f.Shape()) != 3 || f.Colorspace() != "BGR" {
						t.Error("no JPEG")
					}
					if c.reads(i) && len(frameBytes(f)) != 16*24*3 {
						t.Error("no pixels")
					}
					f.Close()
				}
				if got := decodings(recv); got != c.want {
					t.Errorf("%d decodings, not %d", got, c.want)
				}
			})
		}
	}
}

// Frames that are already in the queue follow the use as well, also after the
// sender's terminate message. None is lost.
func TestQueuedFramesFollowUse(t *testing.T) {
	for _, reads := range []bool{false, true} {
		t.Run(fmt.Sprintf("reads=%v", reads), func(t *testing.T) {
			recv, send := openPair(t, Options{})
			recv.recv.frames.use.unread.Store(map[bool]uint32{false: 0, true: 1<<usesKept - 1}[reads])
			ctx := testContext(t)
			const frames = 30
			for i := range frames {
				if _, err := send.SendArray(ctx, testArray(i, "uint8", 16, 24, 3), i); err != nil {
					t.Fatal(err)
				}
			}
			send.Close()
			await(t, "the terminate message", func() bool {
				q := recv.recv.queue
				q.mu.Lock()
				defer q.mu.Unlock()
				return q.end != nil
			})
			decoded, n := 0, 0
			for f, err := range recv.Frames(ctx) {
				if err != nil || f.Message.Value() != int64(n) {
					t.Fatal(f, err)
				}
				if isDecoded(f) {
					decoded++
				}
				if reads && frameBytes(f) == nil {
					t.Error("no pixels")
				}
				f.Close()
				n++
			}
			if n != frames {
				t.Errorf("%d frames", n)
			}
			// Of the frames that nothing reads, those in the window at the head
			// may be decoded before the first one is closed.
			if limit := usesKept + 2*cores(); !reads && decoded > limit {
				t.Errorf("%d of %d frames came decoded, at most %d may", decoded, n, limit)
			}
			if _, err := recv.Recv(ctx); err != io.EOF {
				t.Error(err)
			}
		})
	}
}

// With Respond it counts whether Respond reads the pixels.
func TestRespondFollowsUse(t *testing.T) {
	for _, reads := range []bool{false, true} {
		recv, send := openPair(t, Options{BidirectionalMode: true}, func(r, _ *Options) {
			r.Respond = func(_ context.Context, f *Frame) (any, error) {
				if reads {
					return len(frameBytes(f)), nil
				}
				return len(f.JPEG()), nil
			}
		})
		ctx := testContext(t)
		for i := range 20 {
			if reply, err := send.SendArray(ctx, testArray(i, "uint8", 16, 24, 3), nil); err != nil || reply.Data.Value() == int64(0) {
				t.Fatal(reply.Data, err)
			}
			mustRecv(t, recv, ctx).Close()
		}
		if want := map[bool]int{false: 5, true: 20}[reads]; decodings(recv) != want {
			t.Errorf("reads %v: %d decodings, not %d", reads, decodings(recv), want)
		}
	}
}

// Several Frames of one frame share its memory and are used at once. The pixels
// are decoded once, and the memory is free after the last Close.
func TestRetain(t *testing.T) {
	for _, policy := range []DecodePolicy{DecodeAhead, DecodeOnUse} {
		recv, send := openPair(t, Options{Decode: policy, Stamp: true})
		ctx := testContext(t)
		if _, err := send.SendArray(ctx, testArray(1, "uint8", 400, 600, 3), "m"); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, ctx)
		jpeg := f.JPEG()
		var users sync.WaitGroup
		pixels := make([][]byte, 8)
		var held []*Frame
		for i := range pixels {
			g := f.Retain()
			held = append(held, g)
			users.Go(func() {
				pixels[i] = frameBytes(g)
				if !sameMemory(g.JPEG(), jpeg) || g.Message.Value() != "m" || g.Stamp == f.Stamp || *g.Stamp != *f.Stamp || g.ReceivedAt != f.ReceivedAt {
					t.Error("another frame")
				}
			})
		}
		users.Wait()
		f.Close()
		recv.Close()
		if n := recv.Stats().Open; n != 1 || decodings(recv) != 1 {
			t.Errorf("%v: %d open, %d decodings", policy, n, decodings(recv))
		}
		for i, g := range held {
			if !sameMemory(pixels[i], pixels[0]) || !sameMemory(frameBytes(g), pixels[0]) || len(pixels[i]) != 400*600*3 {
				t.Errorf("%v: other pixels", policy)
			}
			g.Close()
			g.Close()
			if g.Retain() != nil || frameBytes(g) != nil {
				t.Error("a closed Frame returns something")
			}
		}
		if n := recv.Stats().Open; n != 0 {
			t.Errorf("%d open", n)
		}
		allReleased(t)
	}
}

// A Frame that Respond retains outlives Respond, also if the queue drops the
// frame.
func TestRetainInRespond(t *testing.T) {
	for _, latest := range []bool{false, true} {
		kept := make(chan *Frame, 20)
		recv, send := openPair(t, Options{BidirectionalMode: true, Decode: DecodeOnUse}, func(r, _ *Options) {
			r.Latest = latest
			r.Respond = func(_ context.Context, f *Frame) (any, error) {
				kept <- f.Retain()
				return nil, f.Close() // without effect
			}
		})
		ctx := testContext(t)
		for i := range cap(kept) {
			if _, err := send.SendArray(ctx, testArray(i, "uint8", 16, 24, 3), i); err != nil {
				t.Fatal(err)
			}
		}
		if n := recv.Stats().Open; n != cap(kept) {
			t.Errorf("%d open", n)
		}
		recv.Close()
		for i := range cap(kept) {
			f := <-kept
			if f.Message.Value() != int64(i) || len(frameBytes(f)) != 16*24*3 {
				t.Errorf("frame %d is not whole", i)
			}
			f.Close()
		}
		if s := recv.Stats(); s.Open != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// A damaged JPEG is dropped if it is decoded ahead. On use every call that needs
// its pixels returns an error, and the others work. The counts add up.
func TestDamagedJPEGs(t *testing.T) {
	good, faulty, damaged := jpegFile(t, "ok-small.jpg"), jpegFile(t, "small-rst-2-bytes.jpg"), jpegFile(t, "cut-90.jpg")
	for _, policy := range []DecodePolicy{DecodeFollowUse, DecodeAhead, DecodeOnUse} {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Decode: policy})
		peer := newBare(t, zmq4.PAIR, recv)
		ctx := testContext(t)
		for _, jpeg := range [][]byte{damaged, faulty, damaged, good} {
			peer.send([]byte(jpegHeader), jpeg)
			if peer.recv(testTimeout) == nil {
				t.Fatal("no answer")
			}
		}
		delivered, failed := uint64(0), uint64(0)
		for jpeg := []byte(nil); !bytes.Equal(jpeg, good); delivered++ {
			f := mustRecv(t, recv, ctx)
			jpeg = bytes.Clone(f.JPEG())
			if isDamaged := bytes.Equal(jpeg, damaged); !readsAs(t, f, isDamaged) {
				t.Errorf("%v: damaged %v, and it reads otherwise", policy, isDamaged)
			} else if isDamaged {
				failed++
			}
			f.Close()
		}
		s := recv.Stats()
		if want := map[bool]uint64{false: 0, true: 2}[policy == DecodeOnUse]; failed != want || delivered != 2+want || s.Delivered != delivered {
			t.Errorf("%v: %d delivered, %d of them damaged", policy, delivered, failed)
		}
		// Those that were dropped are in Malformed alone.
		if s.Frames != 4 || s.Malformed != 2 || s.Damaged != 1 || s.Frames != s.Delivered+s.Dropped+s.Discarded+uint64(s.Queue)+(s.Malformed-failed) || s.Open != 0 {
			t.Errorf("%v: %+v", policy, s)
		}
		recv.Close()
	}
}

// readsAs reports whether all calls that need pixels fail, or none does.
func readsAs(t *testing.T, f *Frame, fails bool) bool {
	t.Helper()
	for range 2 {
		_, bytesErr := f.Bytes()
		_, arrayErr := f.Array()
		_, imageErr := f.Image()
		for _, err := range []error{bytesErr, arrayErr, imageErr} {
			if errors.Is(err, ErrFrame) != fails || (err == nil) == fails {
				t.Error(err)
				return false
			}
		}
	}
	return f.JPEG() != nil && len(f.Shape()) == 3
}

// NewJPEGFrame decodes on use, and only once.
func TestNewJPEGFrameDecodesOnUse(t *testing.T) {
	jpeg := jpegFile(t, "ok-small.jpg")
	f, err := NewJPEGFrame(jpeg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isDecoded(f) {
		t.Error("it is decoded")
	}
	want, _ := decodedTo(t, jpeg, turbojpeg.BGR)
	if !bytes.Equal(frameBytes(f), want) || !sameMemory(frameBytes(f), frameArray(f).Data) {
		t.Error("other pixels")
	}
	damaged := slices.Concat(jpeg[:len(jpeg)*9/10], []byte{0xFF, 0xD9}) // codes are missing, but no marker
	g, err := NewJPEGFrame(damaged, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if !readsAs(t, g, true) {
		t.Error("damage is no error")
	}
}

// receiveSlow returns a received frame that takes seconds to decode.
func receiveSlow(t *testing.T, o Options) *Frame {
	t.Helper()
	o.ReceiveMode, o.Address, o.Port = true, "127.0.0.1", "0"
	recv := mustNew(t, o)
	newBare(t, zmq4.PAIR, recv).send(grayHeader(), slowJPEG())
	return mustRecv(t, recv, testContext(t))
}

// A send call that decodes a frame ends with its context and with Close. So does
// one that waits for the decoding in another goroutine. The next call can
// decode again.
func TestContextAndCloseEndADecodingOnUse(t *testing.T) {
	o := slowOptions()
	o.Decode = DecodeOnUse
	f := receiveSlow(t, o)
	defer f.Close()
	for _, closes := range []bool{false, true} {
		o := slowOptions()
		o.Wire, o.Address, o.Port, o.JPEGCompression = AsyncWire, "127.0.0.1", "1", JPEGDefault
		send := mustNew(t, o)
		ctx, cancel := context.WithCancel(testContext(t))
		ended := make(chan error, 2)
		for range cap(ended) {
			g := f.Retain()
			go func() {
				defer g.Close()
				_, err := send.SendFrame(ctx, g, nil)
				ended <- err
			}()
		}
		await(t, "a call to decode", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.decoding
		})
		want, start := context.Canceled, startStopwatch()
		if closes {
			want = ErrClosed
			send.Close()
		} else {
			cancel()
		}
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("close %v: %v", closes, err)
			}
		}
		endsWithin(t, "the send calls", start, 2*time.Second)
		cancel()
	}
	if isDecoded(f) {
		t.Error("a decoding that was ended has a result")
	}
}

// Close does not wait for a decoding in Respond, by whichever Frame. Afterwards
// Close ends no decoding.
func TestCloseEndsADecodingInRespond(t *testing.T) {
	for name, other := range map[string]func(*Frame) (*Frame, error){
		"borrowed": func(f *Frame) (*Frame, error) { return f, nil },
		"Retain":   func(f *Frame) (*Frame, error) { return f.Retain(), nil },
		"Read":     func(f *Frame) (*Frame, error) { return f.Read(Reading{}) },
		"both": func(f *Frame) (*Frame, error) {
			g := f.Retain()
			defer g.Close()
			return g.Read(Reading{Gray: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			read, kept := make(chan error, 1), make(chan *Frame, 1)
			o := slowOptions()
			o.Decode, o.BidirectionalMode = DecodeOnUse, true
			o.ReceiveMode, o.Address, o.Port = true, "127.0.0.1", "0"
			var decoding atomic.Bool
			o.Respond = func(_ context.Context, f *Frame) (any, error) {
				g, err := other(f)
				if err != nil {
					return nil, err
				}
				if g != f {
					defer g.Close()
				}
				kept <- g.Retain()
				decoding.Store(true)
				_, err = g.Bytes()
				read <- err
				return nil, err
			}
			recv := mustNew(t, o)
			newBare(t, zmq4.PAIR, recv).send(grayHeader(), slowJPEG())
			await(t, "Respond", decoding.Load)
			start := startStopwatch()
			recv.Close()
			endsWithin(t, "Close", start, 2*time.Second)
			if err := <-read; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			f := <-kept
			defer f.Close()
			if f.stop() != (turbojpeg.Stop{}) {
				t.Error("a decoding after Respond would end with Close")
			}
		})
	}
}

// Every JPEG has the same pixels, or none, whenever it is decoded.
func TestPoliciesAgree(t *testing.T) {
	files, err := filepath.Glob("internal/turbojpeg/testdata/jpeg/*.jpg")
	if err != nil || len(files) < 15 {
		t.Fatal(len(files), err)
	}
	end := testJPEG(t, 64, 48)
	read := map[DecodePolicy]map[string]string{}
	for _, policy := range []DecodePolicy{DecodeAhead, DecodeOnUse} {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Decode: policy})
		peer := newBare(t, zmq4.PAIR, recv)
		read[policy] = map[string]string{}
		for _, file := range files {
			for _, jpeg := range [][]byte{jpegFile(t, filepath.Base(file)), end} {
				peer.send([]byte(jpegHeader), jpeg)
				if peer.recv(testTimeout) == nil {
					t.Fatal("no answer")
				}
			}
			for last := false; !last; {
				f := mustRecv(t, recv, testContext(t))
				if last = bytes.Equal(f.JPEG(), end); !last {
					if pixels, err := f.Bytes(); err == nil {
						read[policy][file] = fmt.Sprint(f.Shape(), sha256.Sum256(pixels))
					}
				}
				f.Close()
			}
		}
		recv.Close()
	}
	if !maps.Equal(read[DecodeAhead], read[DecodeOnUse]) || len(read[DecodeAhead]) < 10 {
		t.Errorf("ahead %v\non use %v", read[DecodeAhead], read[DecodeOnUse])
	}
}

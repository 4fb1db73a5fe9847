package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"reflect"
	"testing"
	"unsafe"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// Between two sockets of one process, at an inproc endpoint, libzmq passes a
// message without a copy: the memory that arrives is the memory that was sent.
// So an address shows, without a clock, whether a frame was copied. Copies that
// have been freed when the frame arrives are counted: each takes a buffer, or
// memory of Go's.

// openInside opens both ends at an inproc endpoint, which New does not offer.
func openInside(t *testing.T, o Options) (recv, send *NetGear) {
	t.Helper()
	o.RequestTimeout = testTimeout // a call may take as long as the frame is held
	r, endpoint := o, "inproc://"+newID()
	r.ReceiveMode = true
	if o.Pattern != PubSub {
		return startInside(t, r, endpoint), startInside(t, o, endpoint)
	}
	// A PUB socket is not in every ZeroMQ context, and an endpoint is in one. A
	// SUB socket joins the context that there is.
	send = startInside(t, o, endpoint)
	recv = startInside(t, r, endpoint)
	awaitSubscription(t, recv, send)
	return recv, send
}

func startInside(t *testing.T, o Options, endpoint string) *NetGear {
	t.Helper()
	l, err := newLink(o)
	if err != nil {
		t.Fatal(err)
	}
	l.bound, l.resolver = []string{endpoint}, nil
	n, err := openEnd(l)
	if err != nil {
		t.Fatal(err)
	}
	l.current().socket.(*transport.Socket).Endpoints = nil // Close would wait until a port is free
	t.Cleanup(func() { n.Close() })
	return n
}

// allReleased waits until no buffer and no message is in use.
func allReleased(t *testing.T) {
	t.Helper()
	await(t, "buffers and messages to be given back", func() bool {
		buffers, messages := zmsg.Live()
		return buffers == 0 && messages == 0
	})
}

// sameMemory reports whether two slices begin at the same byte.
func sameMemory(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }

// libzmq gets the caller's memory if possible, and otherwise one pooled buffer.
// Recv returns the memory of the message, or for a JPEG one more buffer. No
// other memory grows with the frame, and after some frames no new buffer is
// allocated.
func TestFramesAreNotCopied(t *testing.T) {
	type call func(ctx context.Context, n *NetGear, a Array, jpeg []byte) error
	array := func(ctx context.Context, n *NetGear, a Array, _ []byte) error {
		_, err := n.SendArray(ctx, a, nil)
		return err
	}
	owned := func(ctx context.Context, n *NetGear, a Array, _ []byte) error {
		_, err := n.SendArrayOwned(ctx, a, nil, func() {})
		return err
	}
	ready := func(ctx context.Context, n *NetGear, _ Array, jpeg []byte) error {
		_, err := n.SendJPEG(ctx, jpeg, nil)
		return err
	}
	planes := func(ctx context.Context, n *NetGear, a Array, _ []byte) error {
		r := image.Rect(0, 0, a.Shape[1], a.Shape[0])
		_, err := n.SendImage(ctx, &image.YCbCr{
			Y: a.Data, Cb: a.Data, Cr: a.Data, YStride: r.Dx(), CStride: r.Dx() / 2, SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: r,
		}, nil)
		return err
	}
	everywhere := func(Pattern) bool { return true }
	answered := func(p Pattern) bool { return p.spec().answers }
	nowhere := func(Pattern) bool { return false }
	raw, rawAhead := Options{JPEGCompression: JPEGOff}, Options{JPEGCompression: JPEGOff, SendAhead: 2}
	for _, c := range []struct {
		name     string
		o        Options
		send     call
		uncopied func(Pattern) bool // where the caller's memory goes to libzmq
	}{
		{"array", raw, array, answered},
		{"array, ahead", rawAhead, array, nowhere},
		{"array handed over", raw, owned, everywhere},
		{"array handed over, ahead", rawAhead, owned, everywhere},
		{"array on AsyncWire", Options{Wire: AsyncWire}, array, nowhere},
		{"array handed over on AsyncWire", Options{Wire: AsyncWire}, owned, nowhere},
		{"array as JPEG", Options{}, array, nowhere},
		{"array as JPEG, ahead", Options{SendAhead: 2}, array, nowhere},
		{"JPEG", Options{}, ready, answered},
		{"planes", raw, planes, nowhere},
		{"planes, ahead", rawAhead, planes, nowhere},
	} {
		for _, pattern := range allPatterns {
			t.Run(fmt.Sprintf("%s/%v", c.name, pattern), func(t *testing.T) {
				c.o.Pattern = pattern
				recv, send := openInside(t, c.o)
				ctx := testContext(t)
				a := testArray(1, "uint8", 400, 300, 3)
				jpeg := testJPEG(t, 300, 400)
				uncopied, buffers := c.uncopied(pattern), 1
				if uncopied {
					buffers = 0
				}
				round := func() {
					sent := make(chan error, 1)
					go func() { sent <- c.send(ctx, send, a, jpeg) }()
					f := mustRecv(t, recv, ctx)
					err := looksInto(f, uncopied, a.Data, jpeg)
					if uncopied && send.link.spec.answers && send.send.queue == nil && len(sent) > 0 {
						err = errors.New("the call returned while the frame looks into the caller's memory")
					}
					f.Close()
					if err = errors.Join(err, <-sent, send.Flush(ctx)); err != nil {
						t.Fatal(err)
					}
				}
				for range 3 {
					round()
				}
				if send.link.jpeg {
					buffers++ // the decoded pixels
				}
				steady(t, round, buffers, len(jpeg)/2)
				allReleased(t)
			})
		}
	}
}

// steady fails the test if a round uses another number of buffers, allocates
// new ones, or allocates that many bytes of Go's memory.
func steady(t *testing.T, round func(), buffers, goBytes int) {
	t.Helper()
	const rounds = 100
	asked, made := zmsg.Requested()
	allocated := alloctest.Bytes(func() {
		for range rounds {
			round()
		}
	})
	askedNow, madeNow := zmsg.Requested()
	if got := askedNow - asked; got != rounds*buffers {
		t.Errorf("%d buffers for %d frames, not %d each", got, rounds, buffers)
	}
	// A buffer that was unused in the pool for a second is freed: the machine
	// may pause.
	if got := madeNow - made; got > 3 {
		t.Errorf("%d of %d buffers had to be made", got, rounds*buffers)
	}
	if got := int(allocated) / rounds; got >= goBytes {
		t.Errorf("%d bytes of Go's memory a frame", got)
	}
}

// looksInto returns an error if a frame's bytes are elsewhere than expected.
// They must be the caller's if those were not copied. What the frame returns
// must be what was received, or what was decoded from it.
func looksInto(f *Frame, uncopied bool, array, jpeg []byte) error {
	if got := sameMemory(f.raw(), array) || sameMemory(f.raw(), jpeg); got != uncopied {
		return fmt.Errorf("the caller's memory was sent: %v", got)
	}
	pixels := f.raw()
	if f.coding.jpeg {
		frameBytes(f) // decodes it, if Options.Decode left it to its use
		pixels = f.pixels.Bytes()
		if !sameMemory(f.JPEG(), f.raw()) {
			return errors.New("the JPEG was copied out of the message")
		}
	} else if f.pixels != nil {
		return errors.New("a raw frame has taken a buffer")
	}
	if !sameMemory(frameBytes(f), pixels) || !sameMemory(frameArray(f).Data, pixels) {
		return errors.New("the pixels were copied out of the frame's memory")
	}
	return nil
}

// A received frame that is sent on is not copied: the third end's frame refers
// to the memory that the first end sent.
func TestSendFrameCopiesNothing(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			t.Run(fmt.Sprintf("%v/jpeg=%s", pattern, c), func(t *testing.T) {
				o := Options{Pattern: pattern, JPEGCompression: c}
				recv, send := openInside(t, o)
				last, relay := openInside(t, o)
				ctx := testContext(t)
				sent, relayed := make(chan error, 1), make(chan error, 1)
				go func() {
					_, err := send.SendArray(ctx, testArray(1, "uint8", 400, 300, 3), nil)
					sent <- err
				}()
				f := mustRecv(t, recv, ctx)
				go func() {
					_, err := relay.SendFrame(ctx, f, nil)
					relayed <- err
				}()
				g := mustRecv(t, last, ctx)
				if !sameMemory(g.raw(), f.raw()) {
					t.Error("the frame was copied")
				}
				if len(relayed) > 0 {
					t.Error("SendFrame returned while its frame's memory is in use")
				}
				g.Close()
				if err := <-relayed; err != nil {
					t.Error(err)
				}
				f.Close()
				if err := <-sent; err != nil {
					t.Error(err)
				}
				allReleased(t)
			})
		}
	}
}

// If the call does not wait for an answer, the frame's memory is sent
// nevertheless, also after the frame was closed. Only pixels that the
// application has a view of are copied, as it may change them.
func TestSendFrameSharesMemory(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      Options
		view   func(*Frame)
		copied bool
	}{
		{"JPEG", Options{}, func(*Frame) {}, false},
		{"JPEG that was viewed", Options{}, func(f *Frame) { f.JPEG(); f.Bytes() }, false},
		{"raw", Options{JPEGCompression: JPEGOff}, func(*Frame) {}, false},
		{"raw that was viewed", Options{JPEGCompression: JPEGOff}, func(f *Frame) { f.Bytes() }, true},
		{"raw, viewed through another Frame", Options{JPEGCompression: JPEGOff}, func(f *Frame) {
			g := f.Retain()
			g.Array()
			g.Close()
		}, true},
	} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub} {
			for _, ahead := range []int{0, 2} {
				if pattern.spec().answers && ahead == 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%v/ahead=%d", c.name, pattern, ahead), func(t *testing.T) {
					c.o.Pattern = pattern
					recv, send := openInside(t, c.o)
					c.o.SendAhead = ahead
					last, relay := openInside(t, c.o)
					ctx := testContext(t)
					a := testArray(1, "uint8", 400, 300, 3)
					go send.SendArray(ctx, a, nil)
					f := mustRecv(t, recv, ctx)
					c.view(f)
					was, want := f.raw(), bytes.Clone(f.raw())
					if _, err := relay.SendFrame(ctx, f, nil); err != nil {
						t.Fatal(err)
					}
					f.Close()
					g := mustRecv(t, last, ctx)
					if sameMemory(g.raw(), was) == c.copied {
						t.Errorf("copied: %v", !c.copied)
					}
					if !bytes.Equal(g.raw(), want) {
						t.Error("other bytes arrived")
					}
					if open := recv.Stats().Open; open != map[bool]int{true: 0, false: 1}[c.copied] {
						t.Errorf("%d frames are open at the relay", open)
					}
					g.Close()
					if err := relay.Close(); err != nil {
						t.Error(err)
					}
					await(t, "the relay's frame to be released", func() bool { return recv.Stats().Open == 0 })
					allReleased(t)
				})
			}
		}
	}
}

// spans returns the memory from which a codec read its last picture, and to
// which it wrote it: the beginning for each strip. They are the jobs of package
// turbojpeg.
func spans(codec any) (from, to []uintptr) {
	batch := reflect.ValueOf(codec).Elem().FieldByName("batch").Elem().FieldByName("c").Elem()
	for i := range int(batch.FieldByName("n").Int()) {
		job := batch.FieldByName("jobs").Index(i)
		from = append(from, uintptr(job.FieldByName("src").Uint()))
		to = append(to, uintptr(job.FieldByName("dst").Uint()))
	}
	return from, to
}

// within reports whether all these addresses are in the memory that begins with
// b, and the first is close to its beginning.
func within(at []uintptr, b []byte, size int) bool {
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for _, p := range at {
		if p < begin || p >= begin+uintptr(size) {
			return false
		}
	}
	return len(at) > 0 && at[0]-begin < 16 // strips leave room for a header's addition
}

// A JPEG is encoded from the caller's pixels without a copy, into the buffer
// that is sent. It is decoded as received, into the memory that the frame
// returns. Of a JPEG that is decoded in strips each compressed strip is copied.
func TestCodecsWorkInPlace(t *testing.T) {
	for _, strips := range []int{1, 3} {
		t.Run(fmt.Sprint(strips), func(t *testing.T) {
			recv, send := openInside(t, Options{JPEGStrips: strips})
			ctx := testContext(t)
			a := testArray(1, "uint8", 600, 800, 3)
			if _, err := send.SendArray(ctx, a, nil); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, ctx)
			defer f.Close()
			from, to := spans(send.send.enc)
			if len(from) != strips || !within(from, a.Data, len(a.Data)) {
				t.Errorf("made of other memory than the caller's (%d strips)", len(from))
			}
			if !within(to, f.raw(), send.send.enc.StripsBound(800, 600, turbojpeg.BGR, strips)) {
				t.Error("not made in the memory that was sent")
			}
			// Once more, by a decoder whose fields the test can read.
			dec, err := turbojpeg.NewDecoder()
			if err != nil {
				t.Fatal(err)
			}
			defer dec.Close()
			f.pixels.Release()
			f.pixels, f.data, f.settled = nil, nil, false
			if _, err := f.decodeAhead(decodeHow{dec: dec, settings: &recv.link.settings, cores: 2}); err != nil {
				t.Fatal(err)
			}
			from, to = spans(dec)
			if len(from) != strips || strips == 1 && !within(from, f.raw(), 1) {
				t.Errorf("read from other memory than the message (%d strips)", len(from))
			}
			if !within(to, frameBytes(f), len(frameBytes(f))) {
				t.Error("not read into the frame's memory")
			}
		})
	}
}

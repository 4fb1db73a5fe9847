package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/jpegtest"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// grayHeader returns a frame's header that requests gray pixels.
func grayHeader() []byte {
	return bytes.Replace([]byte(jpegHeader), []byte("BGR"), []byte("GRAY"), 1)
}

// jpegFile reads a JPEG that was made for the tests of internal/turbojpeg.
func jpegFile(t testing.TB, name string) []byte {
	t.Helper()
	jpeg, err := os.ReadFile("internal/turbojpeg/testdata/jpeg/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return jpeg
}

// slowJPEG takes seconds to decode, within the limits of slowOptions.
func slowJPEG() []byte { return jpegtest.Scans(16384, 16384, 16) }

func slowOptions() Options { return Options{MaxFrameBytes: 1 << 30} }

// Small JPEGs that would take a minute to decode, or gigabytes of memory, are
// dropped because of their headers, and the next frame is delivered.
func TestJPEGBombsAreDropped(t *testing.T) {
	bombs := [][]byte{
		jpegFile(t, "scans-480-2000x2000.jpg"),
		jpegtest.Scans(2000, 2000, 480),
		jpegtest.Scans(16384, 16384, 480),
		jpegtest.Scans(16384, 16384, 10), // its coefficients take 512 MiB
		jpegtest.Scans(9000, 9000, 40),
	}
	good := testJPEG(t, 64, 48)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	peer := newBare(t, zmq4.PAIR, recv)
	before, start := alloctest.PeakMemory(), startStopwatch()
	for _, bomb := range bombs {
		peer.send(grayHeader(), bomb)
		if peer.recv(testTimeout) == nil {
			t.Fatal("no answer")
		}
	}
	peer.send([]byte(jpegHeader), good)
	f := mustRecv(t, recv, testContext(t))
	defer f.Close()
	more := alloctest.PeakMemory() - before
	endsWithin(t, fmt.Sprint(len(bombs), " bombs"), start, 10*time.Second)
	if s := recv.Stats(); s.Malformed != uint64(len(bombs)) || !bytes.Equal(f.JPEG(), good) {
		t.Errorf("%d of %d dropped", s.Malformed, len(bombs))
	}
	if more > 128<<20 {
		t.Errorf("%d MB of memory", more>>20)
	}
}

// The error of a frame that is dropped for a limit names the limit, and the
// option that sets it.
func TestJPEGLimitsAreNamed(t *testing.T) {
	check := func(jpeg []byte, maxBytes int64) error {
		f := &frameMemory{coding: coding{jpeg: true, colorspace: turbojpeg.GRAY}}
		return f.check(asJSON, jpeg, maxBytes)
	}
	err := check(jpegtest.Scans(2000, 2000, 480), 1<<40)
	if !errors.Is(err, turbojpeg.ErrLimit) || !strings.Contains(err.Error(), "more than 268 scans") {
		t.Errorf("scans: %v", err)
	}
	// A byte for each pixel, and two for each coefficient.
	const side = 1024
	if err := check(jpegtest.Scans(side, side, 3), 3*side*side); err != nil {
		t.Errorf("within the limit: %v", err)
	}
	err = check(jpegtest.Scans(side, side, 3), 3*side*side-1)
	if !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), "coefficients") || !strings.Contains(err.Error(), "Options.MaxFrameBytes") {
		t.Errorf("memory: %v", err)
	}
}

// The memory for coefficients counts for the queue while it is taken, and no
// longer.
func TestCoefficientsCountWhileTheyAreThere(t *testing.T) {
	const side = 4096
	jpeg := jpegtest.Scans(side, side, 60)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	newBare(t, zmq4.PAIR, recv).send(grayHeader(), jpeg)
	const pixels, coefficients = side * side, 2 * side * side
	await(t, "the decoding to begin", func() bool { return decodes(recv) })
	if n := recv.Stats().QueueBytes; n < pixels+coefficients && decodes(recv) {
		t.Errorf("%d bytes while %d are taken", n, pixels+coefficients)
	}
	await(t, "the decoding to end", func() bool { return !decodes(recv) })
	if n := recv.Stats().QueueBytes; n < pixels || n > pixels+coefficients/2 {
		t.Errorf("%d bytes for %d pixels", n, pixels)
	}
}

// decodes reports whether a frame is being decoded in the queue.
func decodes(n *NetGear) bool {
	n.recv.queue.mu.Lock()
	defer n.recv.queue.mu.Unlock()
	for _, it := range n.recv.queue.items {
		if it.state == decoding {
			return true
		}
	}
	return false
}

// Close does not wait for a decoding that is under way, whether it is for Recv
// or for Respond. The frame counts as discarded.
func TestCloseEndsADecoding(t *testing.T) {
	jpeg := slowJPEG()
	for _, respond := range []bool{false, true} {
		o := slowOptions()
		o.ReceiveMode, o.Address, o.Port = true, "127.0.0.1", "0"
		if respond {
			o.BidirectionalMode, o.Respond = true, func(context.Context, *Frame) (any, error) { return nil, nil }
		}
		recv := mustNew(t, o)
		newBare(t, zmq4.PAIR, recv).send(grayHeader(), jpeg)
		await(t, "the decoding to begin", func() bool {
			return recv.link.counters.frames.Load() == 1 && (respond || decodes(recv))
		})
		start := startStopwatch()
		recv.Close()
		endsWithin(t, "Close", start, time.Second) // far less than slowJPEG takes
		if s := recv.Stats(); s.Discarded != 1 || s.Malformed != 0 || s.Queue != 0 {
			t.Errorf("Respond %v: %d discarded, %d malformed, %d in the queue", respond, s.Discarded, s.Malformed, s.Queue)
		}
	}
}

// slowAnswers answers each frame with an array that takes seconds to decode.
func slowAnswers(t *testing.T, peer *bare) {
	t.Helper()
	jpeg := slowJPEG()
	head := asJSON.appendAnswer(nil, &answer{returnType: "ndarray", array: true, coding: coding{jpeg: true, colorspace: turbojpeg.GRAY}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if peer.recv(testTimeout) != nil {
			peer.send(head, jpeg)
		}
	}()
	t.Cleanup(func() { <-done })
}

// A send call does not wait for the decoding of its answer when its context
// ends, or with Close.
func TestContextAndCloseEndTheDecodingOfAnAnswer(t *testing.T) {
	for _, closes := range []bool{false, true} {
		peer := newBare(t, zmq4.PAIR, nil)
		slowAnswers(t, peer)
		o := slowOptions()
		o.BidirectionalMode, o.Address, o.Port = true, "127.0.0.1", peer.port()
		send := mustNew(t, o)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ended := make(chan error, 1)
		before, _ := zmsg.Live()
		go func() {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 8, 8, 3), nil)
			ended <- err
		}()
		await(t, "memory for the pixels, beside that of the frame sent", func() bool {
			buffers, _ := zmsg.Live()
			return buffers >= before+2
		})
		want, start := context.Canceled, startStopwatch()
		if closes {
			want = ErrClosed
			send.Close()
		} else {
			cancel()
		}
		if err := <-ended; !errors.Is(err, want) {
			t.Errorf("close %v: %v", closes, err)
		}
		endsWithin(t, "the send call", start, time.Second)
	}
}

// The check of a JPEG that is to be sent ends with the context, and with Close.
func TestContextAndCloseEndACheck(t *testing.T) {
	_, send := openPair(t, slowOptions())
	jpeg := slowJPEG()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := startStopwatch()
	if _, err := send.SendJPEG(ctx, jpeg, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that ends: %v", err)
	}
	endsWithin(t, "SendJPEG", start, time.Second)
	ended := make(chan error, 1)
	go func() {
		_, err := send.SendJPEG(context.Background(), jpeg, nil)
		ended <- err
	}()
	await(t, "the call to take its turn", func() bool { return len(send.send.sendMu) == 1 })
	start = startStopwatch()
	send.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("with Close: %v", err)
	}
	endsWithin(t, "Close", start, time.Second)
}

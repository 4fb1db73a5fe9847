//go:build !nogocv

package interop

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestImageZMQ streams frames to and from a real imagezmq, by send_image and
// send_jpg, in both of its patterns.
func TestImageZMQ(t *testing.T) {
	t.Parallel()
	for _, pattern := range []netgear.Pattern{netgear.ReqRep, netgear.PubSub} {
		for _, c := range []compression{raw, jpegDefault} {
			for direction, test := range map[string]func(*testing.T, netgear.Options, []imagezmqFrame){"go-to-python": imagezmqToPython, "python-to-go": imagezmqToGo} {
				t.Run(fmt.Sprintf("%s/%s/%s", patternNames[pattern], c.name, direction), func(t *testing.T) {
					t.Parallel()
					test(t, netgear.Options{Wire: netgear.ImageZMQWire, Pattern: pattern, Address: "127.0.0.1", JPEGCompression: c.jpeg, RequestTimeout: longTimeout}, imagezmqClip(t, c.jpeg))
				})
			}
		}
	}
}

// imagezmqFrame is a frame of the clip as it is sent: as an array, or as a JPEG
// of OpenCV, with which imagezmq's users encode.
type imagezmqFrame struct {
	array netgear.Array
	jpeg  []byte
}

func imagezmqClip(t *testing.T, c netgear.Colorspace) []imagezmqFrame {
	t.Helper()
	frames := make([]imagezmqFrame, 8)
	for i := range frames {
		frames[i].array = raw.clip().array(i)
		if c != netgear.JPEGOff {
			encoded, err := gocv.IMEncode(gocv.JPEGFileExt, raw.clip().mats[i])
			if err != nil {
				t.Fatal(err)
			}
			frames[i].jpeg = slices.Clone(encoded.GetBytes())
			encoded.Close()
		}
	}
	return frames
}

func (f imagezmqFrame) picture() string {
	if f.jpeg == nil {
		return picture(f.array)
	}
	return jpegPicture(f.array.Shape, f.jpeg)
}

// jpegPicture is what peer.py prints of a JPEG: the hash is of its bytes.
func jpegPicture(shape []int, jpeg []byte) string {
	return fmt.Sprintf("uint8 %s %x", shapeText(shape), sha256.Sum256(jpeg))
}

func (f imagezmqFrame) send(t *testing.T, n *netgear.NetGear, message string) netgear.Reply {
	t.Helper()
	if f.jpeg == nil {
		return send(t, n, f.array, message)
	}
	reply, err := n.SendJPEG(t.Context(), f.jpeg, message)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func imagezmqToPython(t *testing.T, o netgear.Options, frames []imagezmqFrame) {
	if o.Pattern == netgear.PubSub {
		imagezmqPublish(t, o, frames)
		return
	}
	o.BidirectionalMode = true
	p, o := startReceiver(t, o)
	sender := open(t, o)
	for i, f := range frames {
		message, want := fmt.Sprintf("camera %d ☃", i), "OK"
		if i == 4 {
			p.Tell(`return "please stop"`)
			p.expect("return")
		}
		if i >= 4 {
			want = "please stop"
		}
		reply := f.send(t, sender, message)
		e := p.expect("frame")
		equal(t, "frame", e.picture(), f.picture())
		equal(t, "message", e.text("message"), message)
		equal(t, "reply", reply.Data.Value(), any(want))
	}
	sender.Close() // without a word: the hub waits for the next sender
	another := open(t, o)
	frames[0].send(t, another, "again")
	equal(t, "message", p.expect("frame").text("message"), "again")
	p.Tell("close")
	p.end("closed")
}

// imagezmqPublish publishes to a hub that connects, until all frames of a round
// have arrived.
func imagezmqPublish(t *testing.T, o netgear.Options, frames []imagezmqFrame) {
	o.Port = "0"
	sender := open(t, o)
	o.Port = sender.Port()
	p := startPeer(t, append([]string{"recv"}, peerFlags(o)...)...)
	p.expect("ready")
	missing := map[int]bool{}
	for i := range frames {
		missing[i] = true
	}
	for i := 0; len(missing) > 0; i++ {
		frames[i%len(frames)].send(t, sender, strconv.Itoa(i))
		for e, ok := p.poll(20 * time.Millisecond); ok; e, ok = p.poll(0) {
			number, err := strconv.Atoi(e.text("message"))
			if err != nil {
				p.Fail("message %v", e)
			}
			equal(t, "frame "+e.text("message"), e.picture(), frames[number%len(frames)].picture())
			delete(missing, number%len(frames))
		}
	}
	p.Tell("close")
	p.end("closed")
}

func imagezmqToGo(t *testing.T, o netgear.Options, frames []imagezmqFrame) {
	source := []string{"--source", "npy-dir", raw.clip().dir, "--wait-ready"}
	if o.Pattern == netgear.PubSub {
		o.Port = peertest.FreePort(t) // there the sender binds
		receiver, _ := openReceiver(t, o)
		p := startSender(t, o, append(source, "--fps", "50", "--n", "100000")...)
		p.Tell("go")
		for range 2 * len(frames) {
			imagezmqReceived(t, receiver, "frame ")
		}
		p.Tell("close")
		p.end("closed")
		return
	}
	o.BidirectionalMode, o.MultiserverMode = true, true
	receiver, o := openReceiver(t, o)
	p := startSender(t, o, append(source, "--n", fmt.Sprint(len(frames)))...)
	const first = 3 // frames before the return data
	p.Tell(fmt.Sprintf("go %d", first))
	want := "OK"
	for i := range frames {
		if i == first {
			want = "seen"
			if err := receiver.SetReturnData(want); err != nil {
				t.Fatal(err)
			}
			p.Tell("go")
		}
		got := imagezmqReceived(t, receiver, fmt.Sprintf("frame %d", i))
		e := p.expect("frame")
		equal(t, "frame", got, e.picture())
		if frames[i].jpeg == nil {
			equal(t, "frame", got, frames[i].picture())
		}
		equal(t, fmt.Sprintf("the reply to frame %d", i), e.text("reply"), want)
	}
	p.end("count")
}

// imagezmqReceived returns the next frame as peer.py prints it. Its message, and
// its port in multi-server mode, begin with prefix.
func imagezmqReceived(t *testing.T, receiver *netgear.NetGear, prefix string) string {
	t.Helper()
	f := receive(t, receiver)
	defer f.Close()
	if text, _ := f.Message.Value().(string); !strings.HasPrefix(text, prefix) || f.Port != "" && f.Port != text {
		t.Errorf("message %v from %q", f.Message, f.Port)
	}
	if jpeg := f.JPEG(); jpeg != nil {
		return jpegPicture(f.Shape(), jpeg)
	}
	return framePicture(t, f)
}

// TestImageZMQTellsNoFrame sends a hub what its method does not expect: a frame
// of another kind ends the hub's program. So a send end that only compresses is
// for recv_jpg, and one that does not for recv_image.
func TestImageZMQTellsNoFrame(t *testing.T) {
	t.Parallel()
	p, o := startReceiver(t, netgear.Options{Wire: netgear.ImageZMQWire, Pattern: netgear.ReqRep, Address: "127.0.0.1", JPEGCompression: netgear.JPEGOff})
	o.JPEGCompression, o.RequestTimeout, o.MaxRetries = netgear.JPEGDefault, 500*time.Millisecond, 1
	sender := open(t, o)
	if _, err := sender.SendArray(t.Context(), raw.clip().array(0), "x"); err == nil {
		t.Error("recv_image took a JPEG")
	}
	if e := p.expect("error"); !strings.Contains(e.text("error"), "dtype") {
		t.Errorf("%v", e)
	}
}

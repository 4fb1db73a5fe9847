package netgear

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// Every recorded frame and terminate message of VidGear can be read, and what
// was read is written as the same bytes again.
func TestCapturedHeaders(t *testing.T) {
	n := 0
	for name, c := range captures(t, "[rs]e*.json") {
		for i, m := range c.Messages {
			sends := strings.HasPrefix(name, "send-") == (m.From == "vidgear")
			if !sends {
				continue
			}
			n++
			parts := c.parts(i)
			h, err := asJSON.parseHeader(parts[0], nil)
			if err != nil {
				t.Errorf("%s %d: %v", name, i, err)
				continue
			}
			var again []byte
			if h.terminate {
				again = asJSON.appendTerminate(nil, h.port)
			} else {
				again = asJSON.appendHeader(nil, h)
			}
			want := parts[0]
			if strings.HasPrefix(name, "recv-multiserver") && !h.terminate {
				// capture.py itself wrote "port" last; VidGear writes it first.
				want = []byte(`{"port": "5566", ` + strings.TrimSuffix(string(want[1:]), `, "port": "5566"}`) + "}")
			}
			if !bytes.Equal(again, want) {
				t.Errorf("%s %d:\n wrote %s\n  want %s", name, i, again, want)
			}
			if len(parts) == 2 {
				a, err := arrayOf(&h, parts[1])
				if err != nil {
					t.Errorf("%s %d: %v", name, i, err)
				} else if a.DType == "" {
					t.Errorf("%s %d: no dtype", name, i)
				}
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d messages were looked at", n)
	}
}

// arrayOf checks a part against its header as newFrame does.
func arrayOf(h *header, part []byte) (Array, error) {
	f := &frameMemory{coding: h.coding}
	err := f.check(jsonWire{}, part, defaultMaxFrameBytes)
	return Array{DType: f.dtype.Name, Shape: f.shape}, err
}

// Every answer likewise, in whatever mode.
func TestCapturedAnswers(t *testing.T) {
	n := 0
	for name, c := range captures(t, "[rs]e*.json") {
		structured := strings.Contains(name, "bidirectional") || strings.Contains(name, "multiclient") || name == "recv-messages-0"
		for i, m := range c.Messages {
			if strings.HasPrefix(name, "send-") == (m.From == "vidgear") {
				continue
			}
			parts := c.parts(i)
			json := structured && parts[0][0] == '{'
			a, err := asJSON.parseAnswer(parts[0], json)
			if err != nil {
				t.Errorf("%s %d: %v", name, i, err)
				continue
			}
			n++
			if again := asJSON.appendAnswer(nil, &a); !bytes.Equal(again, parts[0]) {
				t.Errorf("%s %d:\n wrote %s\n  want %s", name, i, again, parts[0])
			}
			if a.array != (len(parts) == 2) {
				t.Errorf("%s %d: array is %v in %d parts", name, i, a.array, len(parts))
			}
			if a.array {
				if _, err := arrayOf(&header{coding: a.coding}, parts[1]); err != nil {
					t.Errorf("%s %d: %v", name, i, err)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d answers were looked at", n)
	}
}

// A send end of this library, with the input of VidGear's, sends the same
// bytes: the whole exchange of every recording, JPEGs included.
func TestSendEndSaysWhatVidGearSaid(t *testing.T) {
	kinds := map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.REP, PubSub: zmq4.SUB, PushPull: zmq4.PULL}
	for name, c := range captures(t, "*send-*.json") {
		if name == "send-multiclient-2" {
			continue // VidGear sends no terminate message there; this library does
		}
		t.Run(name, func(t *testing.T) {
			o := Options{Wire: c.wire()}
			if err := o.UnmarshalJSON(c.About.Options); err != nil {
				t.Fatal(err)
			}
			peer := newBare(t, kinds[c.About.Pattern], nil)
			o.Address, o.Port, o.Pattern, o.Wire = "127.0.0.1", peer.port(), c.About.Pattern, c.wire()
			o.HighWaterMark = 100 // nothing is dropped for being too fast
			send := mustNew(t, o)
			ctx := testContext(t)
			awaitPeers(t, send, 1)
			if o.Pattern == PubSub {
				peer.warm(send)
			}
			script(t, c, send, ctx, peer)
		})
	}
}

// script sends what the recording holds and compares what arrives.
func script(t *testing.T, c *capture, send *NetGear, ctx context.Context, peer *bare) {
	for i := 0; i < len(c.Messages); i++ {
		want := c.parts(i)
		h, err := send.link.wire.parseHeader(want[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			if h.terminate {
				done <- send.Close()
				return
			}
			p := payload{array: Array{Data: pixelsOf(t, send.link.wire, &h.coding, want[1])}, coding: h.coding}
			if h.jpeg {
				p = captureFrame(&send.link.settings, h.colorspace.String())
			}
			_, err := send.send.send(ctx, &p, h.message)
			done <- err
		}()
		got := peer.recv(testTimeout)
		if len(got) != len(want) {
			t.Fatalf("message %d has %d parts, not %d", i, len(got), len(want))
		}
		if send.link.opts.MultiserverMode {
			// The recording's port is another one.
			mine := append([]byte(`"port": `), send.link.port...)
			got[0] = bytes.ReplaceAll(got[0], mine, append([]byte(`"port": `), h.port...))
		}
		for j := range want {
			if !bytes.Equal(got[j], want[j]) {
				t.Errorf("message %d part %d:\n  got %.200q\n want %.200q", i, j, got[j], want[j])
			}
		}
		if i+1 < len(c.Messages) && c.Messages[i+1].From == "peer" {
			i++
			peer.send(c.parts(i)...)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// pixelsOf returns the array in a part, and completes c if the part describes
// it.
func pixelsOf(t *testing.T, w wire, c *coding, part []byte) []byte {
	from, size, err := w.findArray(part, c)
	if err != nil {
		t.Error(err)
	}
	return part[from : from+size]
}

// captureFrame is the frame of testdata/captures/capture.py, as payload.
func captureFrame(n *settings, cs string) payload {
	channels := map[string]int{"GRAY": 1, "RGB": 3, "BGR": 3}[cs]
	if channels == 0 {
		channels = 4
	}
	frame := make([]byte, 16*24*3)
	for i := range frame {
		frame[i] = byte(i * 7 % 256)
	}
	a := Array{DType: "uint8", Shape: []int{16, 24, channels}, Data: make([]byte, 16*24*channels)}
	for i := range a.Data {
		a.Data[i] = frame[i%len(frame)] // numpy.resize repeats
		if cs == "GRAY" {
			a.Data[i] = frame[3*i]
		}
	}
	if channels == 1 {
		a.Shape = a.Shape[:2]
	}
	p, err := n.arrayPayload(a)
	if err != nil {
		panic(err)
	}
	return p
}

var systemID = regexp.MustCompile("(go|[A-Z0-9]{2})[A-Z0-9]{6}( !|`)|\"device\": \"[^\"]*\", ")

// A receive end of this library, with the input of VidGear's, answers the same
// bytes except for its random name, and returns the same frames.
func TestReceiveEndAnswersWhatVidGearAnswered(t *testing.T) {
	kinds := map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.REQ, PubSub: zmq4.XPUB, PushPull: zmq4.PUSH}
	for name, c := range captures(t, "*recv-*.json") {
		t.Run(name, func(t *testing.T) {
			o := Options{Wire: c.wire()}
			if err := o.UnmarshalJSON(c.About.Options); err != nil {
				t.Fatal(err)
			}
			o.ReceiveMode, o.Address, o.Port, o.Pattern, o.Wire = true, "127.0.0.1", "0", c.About.Pattern, c.wire()
			recv := mustNew(t, o)
			peer := newBare(t, kinds[o.Pattern], recv)
			if o.Pattern == PubSub {
				peer.recv(testTimeout) // the subscription
			}
			ctx := testContext(t)
			for i := 0; i < len(c.Messages); i++ {
				sent := c.parts(i)
				var want [][]byte
				if i+1 < len(c.Messages) && c.Messages[i+1].From == "vidgear" {
					i++
					want = c.parts(i)
					returnLike(t, recv, want)
				}
				peer.send(sent...)
				checkAnswer(t, recv, peer, want)
				if len(sent) == 1 {
					if _, err := recv.Recv(ctx); err != io.EOF {
						t.Errorf("after the goodbye: %v", err)
					}
					continue
				}
				f, err := recv.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(frameBytes(f), pixelsOf(t, recv.link.wire, new(coding), sent[1])) {
					t.Errorf("frame %d arrived changed", i)
				}
				f.Close()
			}
		})
	}
}

// returnLike sets the return data that makes the answer.
func returnLike(t *testing.T, recv *NetGear, answer [][]byte) {
	if !recv.link.structured() {
		return
	}
	a, err := recv.link.wire.parseAnswer(answer[0], true)
	if err != nil || a.returnType == "" {
		return // the answer to a terminate message
	}
	var data any = a.data
	switch {
	case a.array && a.jpeg:
		data = captureFrame(&recv.link.settings, "BGR").array
	case a.array:
		pixels := pixelsOf(t, recv.link.wire, &a.coding, answer[1])
		data = Array{DType: a.dtype, Shape: a.shape, Data: pixels}
	case a.returnType == "tuple":
		var list []any
		a.data.Decode(&list)
		data = Tuple(list)
	}
	if err := recv.SetReturnData(data); err != nil {
		t.Fatal(err)
	}
}

func checkAnswer(t *testing.T, recv *NetGear, peer *bare, want [][]byte) {
	if want == nil {
		return
	}
	got := peer.recv(testTimeout)
	if len(got) != len(want) {
		t.Fatalf("answer of %d parts, not %d", len(got), len(want))
	}
	for j := range want {
		g, w := systemID.ReplaceAll(got[j], nil), systemID.ReplaceAll(want[j], nil)
		if recv.link.opts.MulticlientMode {
			w = bytes.Replace(w, []byte(`"port": "6146"`), append([]byte(`"port": `), recv.link.port...), 1)
		}
		if !bytes.Equal(g, w) {
			t.Errorf("answer part %d:\n  got %.200q\n want %.200q", j, g, w)
		}
	}
}

// A JPEG whose header names no colorspace, as VidGear 0.2.1's, is blue, green,
// red.
func TestJPEGWithoutColorspace(t *testing.T) {
	h, err := asJSON.parseHeader([]byte(`{"terminate_flag": false, "compression": {"dct": true, "ups": false}, "message": null, "pattern": "1", "dtype": "", "shape": ""}`), nil)
	if err != nil || !h.jpeg || !h.fastDCT || h.colorspace != turbojpeg.BGR {
		t.Errorf("%+v, %v", h, err)
	}
}

package netgear

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/vidgear-go/netgear/internal/pyjson"
)

// The steps that every frame goes through, one by one and together. How to take
// profiles with them is in docs/performance.md.

// scenery returns a frame with the mix of smooth parts, edges and noise of a
// camera. A JPEG of mere noise would be three times as large.
func scenery(width, height int) Array {
	rnd := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, 0, width*height*3)
	for y := range height {
		for x := range width {
			v := (x+2*y)/8 + rnd.IntN(12)
			if (x/64+y/48)%2 == 0 {
				v += 60
			}
			pix = append(pix, byte(min(v, 255)), byte(min(v+20, 255)), byte(min(v/2, 255)))
		}
	}
	return Array{DType: "uint8", Shape: []int{height, width, 3}, Data: pix}
}

// benchMessage is a typical message with a frame.
var benchMessage = map[string]any{"camera": "front door", "index": 1234, "detections": []any{"person", 0.98, []any{10, 20, 300, 400}}}

func benchHeaders(b *testing.B) map[string]header {
	message, err := asJSON.encodeMessage(benchMessage)
	if err != nil {
		b.Fatal(err)
	}
	p, err := newSettingsOf(b, JPEGDefault).arrayPayload(scenery(64, 48))
	if err != nil {
		b.Fatal(err)
	}
	return map[string]header{
		"raw":     {coding: coding{dtype: "uint8", shape: []int{1080, 1920, 3}}},
		"JPEG":    {coding: p.coding},
		"message": {coding: p.coding, message: message, port: rawPort("5555")},
	}
}

func newSettingsOf(b *testing.B, c Colorspace) *settings {
	n := newSettings(Options{JPEGCompression: c})
	if err := n.opts.Validate(); err != nil {
		b.Fatal(err)
	}
	return &n
}

func BenchmarkHeaderWrite(b *testing.B) {
	for name, h := range benchHeaders(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			text := asJSON.appendHeader(nil, h)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				text = asJSON.appendHeader(text[:0], h)
			}
		})
	}
}

func BenchmarkHeaderParse(b *testing.B) {
	for name, h := range benchHeaders(b) {
		b.Run(name, func(b *testing.B) {
			text := asJSON.appendHeader(nil, h)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := asJSON.parseHeader(text, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMessageEncode(b *testing.B) {
	for name, v := range map[string]any{
		"none": nil, "text": "front door", "dict": benchMessage,
		"stamp": stamped(StampedMessage{Seq: 7, Sender: 1234567890123456, Message: benchMessage}), "message": Message{raw: pyjson.Raw(`{"index": 1234}`)},
	} {
		b.Run(name, func(b *testing.B) {
			raw, err := asJSON.encodeMessage(v)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := asJSON.encodeMessage(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A decoded frame through the queue, behind a number of waiting frames.
func BenchmarkQueue(b *testing.B) {
	for _, waiting := range []int{0, defaultQueueFrames - 2} {
		b.Run(fmt.Sprintf("%d waiting", waiting), func(b *testing.B) {
			q := newRecvQueue(&link{settings: *newSettingsOf(b, JPEGOff)}, &useHistory{})
			f := newBlankFrame()
			f.settled = true
			for range waiting {
				q.push(f)
			}
			b.ReportAllocs()
			for b.Loop() {
				q.push(f)
				if _, err := q.pop(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A 1080p frame from Send to Recv, over the wire; both ends in this process.
func BenchmarkExchange(b *testing.B) {
	frame := scenery(1920, 1080)
	for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
		for _, pattern := range []Pattern{Pair, ReqRep} {
			for _, protocol := range []string{"tcp", "ipc"} {
				name := map[Colorspace]string{JPEGOff: "raw", JPEGDefault: "JPEG"}[c]
				b.Run(fmt.Sprintf("%s/%s/%s", name, patternText(pattern), protocol), func(b *testing.B) {
					recv, send := openPair(b, Options{JPEGCompression: c, Pattern: pattern, Protocol: protocol})
					exchangeFrames(b, recv, send, frame)
				})
			}
		}
	}
}

// patternText is the pattern without the slash, which has a meaning in names.
func patternText(p Pattern) string { return [...]string{"PAIR", "REQREP", "PUBSUB"}[p] }

func exchangeFrames(b *testing.B, recv, send *NetGear, frame Array) {
	exchange := func() {
		if _, err := send.SendArray(b.Context(), frame, nil); err != nil {
			b.Fatal(err)
		}
		f, err := recv.Recv(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		frameBytes(f)
		f.Close()
	}
	exchange()
	b.SetBytes(int64(len(frame.Data)))
	b.ReportAllocs()
	calls := runtime.NumCgoCall()
	for b.Loop() {
		exchange()
	}
	b.ReportMetric(float64(runtime.NumCgoCall()-calls)/float64(b.N), "cgo-calls/op")
}

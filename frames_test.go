package netgear

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// Every dtype of the captures, and shapes that Python distinguishes, arrive
// unchanged with JPEG on: what a JPEG cannot hold is sent raw.
func TestDTypesAndShapes(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	for _, name := range numpy.Names() {
		for _, shape := range [][]int{{4, 6}, {4, 6, 1}, {4, 6, 3}, {4, 6, 5}, {24}, {2, 3, 4, 5}, {}} {
			t.Run(fmt.Sprint(name, shape), func(t *testing.T) {
				a := testArray(3, name, shape...)
				if _, err := send.SendArray(ctx, a, nil); err != nil {
					t.Fatal(err)
				}
				f, err := recv.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				lossy := name == "uint8" && (len(shape) == 2 || len(shape) == 3 && shape[2] == 3)
				if f.DType() != name || !slices.Equal(f.Shape(), shape) || !lossy && !bytes.Equal(frameBytes(f), a.Data) {
					t.Errorf("arrived as %s %v", f.DType(), f.Shape())
				}
				if lossy != (f.JPEG() != nil) {
					t.Errorf("went as JPEG: %v", !lossy)
				}
			})
		}
	}
}

func TestBigEndianIsSwapped(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	for code, want := range map[string]struct {
		name string
		data []byte
	}{
		">u2": {"uint16", []byte{2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15}},
		">f4": {"float32", []byte{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13}},
		">f8": {"float64", []byte{8, 7, 6, 5, 4, 3, 2, 1, 16, 15, 14, 13, 12, 11, 10, 9}},
		">c8": {"complex64", []byte{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13}},
		"<u2": {"uint16", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		"|b1": {"bool", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		"<U2": {"<U2", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
	} {
		data := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		d, _ := numpy.Parse(code)
		shape := []int{16 / max(d.Size, 8)}
		if d.Size > 0 {
			shape[0] = 16 / d.Size
		}
		if _, err := send.SendArray(ctx, Array{DType: code, Shape: shape, Data: data}, nil); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f.DType() != want.name || !bytes.Equal(frameBytes(f), want.data) {
			t.Errorf("%s arrived as %s % x", code, f.DType(), frameBytes(f))
		}
		if f.decodes() && f.part.Bytes() != nil {
			t.Errorf("%s: its memory has the array twice", code)
		}
		f.Close()
	}
}

func TestMessages(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	ctx := testContext(t)
	type camera struct {
		Name string   `json:"name"`
		FPS  *float64 `json:"fps,omitempty"`
	}
	inf := math.Inf(-1)
	for _, c := range []struct {
		send any
		text string
	}{
		{nil, "null"}, {"hi ☃ 𝄞", `"hi \u2603 \ud834\udd1e"`}, {7, "7"}, {uint64(math.MaxUint64), "18446744073709551615"},
		{2.0, "2.0"}, {1e300, "1e+300"}, {math.NaN(), "NaN"}, {inf, "-Infinity"}, {true, "true"}, {false, "false"},
		{[]any{1, "a", nil}, `[1, "a", null]`}, {map[string]int{"b": 1, "a": 2}, `{"a": 2, "b": 1}`}, {"", `""`}, {[]int{}, "[]"},
		{camera{Name: "door", FPS: &inf}, `{"name": "door", "fps": -Infinity}`}, {map[int]int{3: 4}, `{"3": 4}`},
	} {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), c.send); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Message.String(); got != c.text {
			t.Errorf("%v arrived as %s, not %s", c.send, got, c.text)
		}
		// A message sent on is the same message.
		if again, err := asJSON.encodeMessage(f.Message); err != nil || again.String() != c.text {
			t.Errorf("%s sent on as %s, %v", c.text, again, err)
		}
		if f.Message.IsNone() != (c.send == nil) {
			t.Errorf("%s: IsNone is %v", c.text, f.Message.IsNone())
		}
		f.Close()
	}
	var back camera
	if err := (Message{raw: []byte(`{"name": "door", "fps": -Infinity}`)}).Decode(&back); err != nil || *back.FPS != inf {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), make(chan int)); !errors.Is(err, ErrMessage) {
		t.Errorf("a channel as message: %v", err)
	}
}

func TestFramesThatCannotBeSent(t *testing.T) {
	_, send := openPair(t, Options{})
	ctx := testContext(t)
	for name, a := range map[string]Array{
		"nothing":          {},
		"empty":            {DType: "uint8", Shape: []int{0, 5}},
		"short":            {DType: "uint8", Shape: []int{2, 3}, Data: make([]byte, 5)},
		"long":             {DType: "uint16", Shape: []int{2, 3}, Data: make([]byte, 13)},
		"negative":         {DType: "uint8", Shape: []int{-2, -3}, Data: make([]byte, 6)},
		"overflow":         {DType: "uint8", Shape: []int{math.MaxInt, math.MaxInt, 4}, Data: make([]byte, 6)},
		"objects":          {DType: "object", Shape: []int{1}, Data: make([]byte, 8)},
		"object code":      {DType: "|O", Shape: []int{1}, Data: make([]byte, 8)},
		"a quote in dtype": {DType: `<U"`, Shape: []int{1}, Data: make([]byte, 8)},
		"65 dimensions":    {DType: "uint8", Shape: slices.Repeat([]int{1}, 65), Data: make([]byte, 1)},
	} {
		if _, err := send.SendArray(ctx, a, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := send.SendJPEG(ctx, []byte("no JPEG"), nil); !errors.Is(err, ErrFrame) {
		t.Errorf("no JPEG: %v", err)
	}
}

// A JPEG passes through unchanged, from SendJPEG over Frame.JPEG and SendFrame.
func TestJPEGAsItIs(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	further, relay := openPair(t, Options{})
	ctx := testContext(t)
	enc, _ := turbojpeg.NewEncoder()
	defer enc.Close()
	a := testArray(1, "uint8", 48, 64, 3)
	s := newSettings(Options{})
	p, _ := s.arrayPayload(a)
	buf, err := s.encodeJPEG(&p, enc)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Release()
	go func() {
		if _, err := send.SendJPEG(ctx, buf.Bytes(), "m"); err != nil {
			t.Error(err)
		}
		if _, err := send.SendArray(ctx, a, nil); err != nil {
			t.Error(err)
		}
	}()
	for i, want := range [][]byte{buf.Bytes(), nil} {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.JPEG(), want) {
			t.Errorf("frame %d came with another JPEG", i)
		}
		if _, err := relay.SendFrame(ctx, f, f.Message); err != nil {
			t.Fatal(err)
		}
		g, err := further.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g.JPEG(), want) || !bytes.Equal(frameBytes(g), frameBytes(f)) || g.Message.String() != f.Message.String() {
			t.Errorf("frame %d changed on its way through a relay", i)
		}
		f.Close()
		g.Close()
		if _, err := relay.SendFrame(ctx, f, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("a closed frame sent on: %v", err)
		}
	}
}

// A frame that the application has dropped is freed by the garbage collector, but
// not while it is being sent on.
func TestDroppedFrameStaysWhileItIsSent(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: ReqRep})
	ctx := testContext(t)
	go send.SendArray(ctx, testArray(1, "uint8", 48, 64, 3), nil)
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	frame := weak.Make(f)
	far := newBare(t, zmq4.REP, nil)
	relay := mustNew(t, Options{Pattern: ReqRep, Address: "127.0.0.1", Port: far.port()})
	sent := make(chan error)
	go func() {
		_, err := relay.SendFrame(ctx, f, nil) // the last use of f
		sent <- err
	}()
	parts := far.recv(testTimeout) // and no answer yet
	runtime.GC()
	if frame.Value() == nil {
		t.Error("the frame was given up while it was being sent")
	}
	far.send([]byte("received"))
	if err := <-sent; err != nil || len(parts) != 2 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

func TestFrameAfterClose(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 16, 16, 3), nil); err != nil {
		t.Fatal(err)
	}
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	recv.Close()
	if len(frameBytes(f)) != 16*16*3 || len(f.JPEG()) == 0 {
		t.Error("the frame did not outlive its receive end")
	}
	f.Close()
	f.Close()
	if frameBytes(f) != nil || f.JPEG() != nil {
		t.Error("a closed frame hands out memory")
	}
	if _, err := f.Image(); !errors.Is(err, ErrFrame) {
		t.Errorf("Image of a closed frame: %v", err)
	}
}

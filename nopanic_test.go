package netgear

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"image"
	"image/color"
	"log/slog"
	"math"
	"strings"
	"testing"
)

// badPictures returns pictures that cannot be sent, by their defect.
func badPictures() map[string]image.Image {
	r := image.Rect(0, 0, 8, 6)
	short := make([]byte, 8)
	all := map[string]image.Image{
		"nil": nil, "nil Gray": (*image.Gray)(nil), "nil RGBA": (*image.RGBA)(nil), "nil YCbCr": (*image.YCbCr)(nil), "nil of another type": (*brokenPicture)(nil),
		"zero Gray": &image.Gray{}, "zero YCbCr": &image.YCbCr{}, "zero Uniform": &image.Uniform{}, "Uniform": image.NewUniform(color.White),
		"a huge Rectangle": image.Rect(math.MinInt, math.MinInt, math.MaxInt, math.MaxInt), "a large Rectangle": image.Rect(0, 0, 1<<20, 1<<20),
		"overflowing bounds":   &image.Gray{Pix: short, Stride: 8, Rect: image.Rectangle{image.Pt(math.MinInt, 0), image.Pt(math.MaxInt, 1)}},
		"bounds the wrong way": &image.Gray{Pix: short, Stride: 8, Rect: image.Rectangle{image.Pt(8, 6), image.Pt(0, 0)}},
		"methods that panic":   brokenPicture{}, "an embedded nil": struct{ image.Image }{},
		"pixels that panic": brokenPicture{bounds: r}, "colors that are nil": colorless{r},
		"no palette":    &image.Paletted{Pix: make([]byte, 48), Stride: 8, Rect: r},
		"short palette": &image.Paletted{Pix: append(make([]byte, 47), 3), Stride: 8, Rect: r, Palette: color.Palette{color.Black, color.White}},
		"nil color":     &image.Paletted{Pix: make([]byte, 48), Stride: 8, Rect: r, Palette: color.Palette{nil}},
	}
	// Too few pixels, and strides that do not fit the row, in every type.
	for _, stride := range []int{-8, 0, 1, 7, 64, math.MaxInt, math.MinInt} {
		for _, pix := range [][]byte{nil, short, make([]byte, 8*8*6-1)} {
			if stride == 64 && len(pix) > 64 {
				continue // enough for a narrow type
			}
			name := fmt.Sprintf(" with stride %d and %d bytes", stride, len(pix))
			all["Alpha"+name] = &image.Alpha{Pix: pix, Stride: stride, Rect: r}
			all["Alpha16"+name] = &image.Alpha16{Pix: pix, Stride: stride, Rect: r}
			all["CMYK"+name] = &image.CMYK{Pix: pix, Stride: stride, Rect: r}
			all["Gray"+name] = &image.Gray{Pix: pix, Stride: stride, Rect: r}
			all["Gray16"+name] = &image.Gray16{Pix: pix, Stride: stride, Rect: r}
			all["NRGBA"+name] = &image.NRGBA{Pix: pix, Stride: stride, Rect: r}
			all["NRGBA64"+name] = &image.NRGBA64{Pix: pix, Stride: stride, Rect: r}
			all["Paletted"+name] = &image.Paletted{Pix: pix, Stride: stride, Rect: r, Palette: color.Palette{color.Black}}
			all["RGBA"+name] = &image.RGBA{Pix: pix, Stride: stride, Rect: r}
			all["RGBA64"+name] = &image.RGBA64{Pix: pix, Stride: stride, Rect: r}
			for ratio := image.YCbCrSubsampleRatio444; ratio <= image.YCbCrSubsampleRatio410+1; ratio++ {
				name := fmt.Sprintf(" %v%s", ratio, name)
				good := make([]byte, 48)
				all["Y"+name] = &image.YCbCr{Y: pix, Cb: good, Cr: good, YStride: stride, CStride: 8, Rect: r, SubsampleRatio: ratio}
				if stride == 1 {
					continue // may do for a quarter of the columns
				}
				if stride > 4 && stride < 64 && len(pix) > 8 {
					continue // may do for half of them
				}
				all["Cb"+name] = &image.YCbCr{Y: good, Cb: pix, Cr: good, YStride: 8, CStride: stride, Rect: r, SubsampleRatio: ratio}
				all["A"+name] = &image.NYCbCrA{YCbCr: image.YCbCr{Y: good, Cb: good, Cr: good, YStride: 8, CStride: 8, Rect: r, SubsampleRatio: ratio}, A: pix, AStride: stride}
			}
		}
	}
	return all
}

// brokenPicture is a picture whose methods panic; with bounds, those alone do not.
type brokenPicture struct{ bounds image.Rectangle }

func (p brokenPicture) ColorModel() color.Model { return color.RGBAModel }
func (p brokenPicture) At(x, y int) color.Color { panic("no pixels") }
func (p brokenPicture) Bounds() image.Rectangle {
	if p.bounds.Empty() {
		panic("no bounds")
	}
	return p.bounds
}

// colorless is a picture without colors.
type colorless struct{ bounds image.Rectangle }

func (p colorless) ColorModel() color.Model { return color.RGBAModel }
func (p colorless) At(x, y int) color.Color { return nil }
func (p colorless) Bounds() image.Rectangle { return p.bounds }

// Incomplete pictures are errors, in whatever form they would be sent.
func TestBadPictures(t *testing.T) {
	for _, o := range []Options{{}, {JPEGCompression: JPEGOff}, {JPEGCompression: JPEGGray}, {Wire: AsyncWire}} {
		o.BidirectionalMode = true
		recv, send := openPair(t, o)
		for name, img := range badPictures() {
			_, err := send.SendImage(testContext(t), img, nil)
			if !errors.Is(err, ErrFrame) {
				t.Errorf("%s %s: %v", o.JPEGCompression, name, err)
			}
			if _, isData := img.(image.Rectangle); img == nil || isData || name == "an embedded nil" {
				continue
			}
			if err := recv.SetReturnData(img); !errors.Is(err, ErrFrame) {
				t.Errorf("%s %s returned: %v", o.JPEGCompression, name, err)
			}
		}
	}
}

// Pictures that are just complete are sent: parts of others, bounds that do not
// begin at 0, and a last row without the rest of its stride.
func TestPicturesThatJustFit(t *testing.T) {
	_, send := openPair(t, Options{Latest: true})
	_, raw := openPair(t, Options{Latest: true, JPEGCompression: JPEGOff})
	for _, r := range []image.Rectangle{image.Rect(0, 0, 8, 6), image.Rect(-5, -3, 4, 4), image.Rect(3, 1, 10, 8), image.Rect(7, 7, 8, 8)} {
		w, h := r.Dx(), r.Dy()
		just := func(stride, bytes int) []byte { return make([]byte, (h-1)*stride+w*bytes) }
		pictures := []image.Image{
			&image.Alpha{Pix: just(w+3, 1), Stride: w + 3, Rect: r}, &image.Gray16{Pix: just(2*w+3, 2), Stride: 2*w + 3, Rect: r},
			&image.Gray{Pix: just(w+3, 1), Stride: w + 3, Rect: r}, &image.RGBA{Pix: just(4*w+5, 4), Stride: 4*w + 5, Rect: r},
			&image.NRGBA{Pix: just(4*w, 4), Stride: 4 * w, Rect: r}, &image.CMYK{Pix: just(4*w+1, 4), Stride: 4*w + 1, Rect: r},
			&image.RGBA64{Pix: just(8*w, 8), Stride: 8 * w, Rect: r}, &image.Paletted{Pix: just(w, 1), Stride: w, Rect: r, Palette: color.Palette{color.White}},
			brokenFree{r},
		}
		for ratio := image.YCbCrSubsampleRatio444; ratio <= image.YCbCrSubsampleRatio410; ratio++ {
			pictures = append(pictures, image.NewYCbCr(r, ratio), image.NewNYCbCrA(r, ratio), image.NewYCbCr(r.Inset(-3), ratio).SubImage(r))
		}
		for _, img := range pictures {
			for _, n := range []*NetGear{send, raw} {
				if _, err := n.SendImage(testContext(t), img, nil); err != nil {
					t.Errorf("%T %v: %v", img, r, err)
				}
			}
		}
	}
}

type brokenFree struct{ bounds image.Rectangle }

func (p brokenFree) ColorModel() color.Model { return color.RGBAModel }
func (p brokenFree) At(x, y int) color.Color { return color.White }
func (p brokenFree) Bounds() image.Rectangle { return p.bounds }

// moreCalls are those of builds with gocv.
var moreCalls = func(context.Context, *NetGear, *NetGear) []badCall { return nil }

// badCall is a call with bad arguments, and the error that it must return.
type badCall struct {
	name string
	want error // nil: none, or nothing is returned
	call func() error
}

// badCalls returns all exported functions and methods, each with typical
// mistakes of callers.
func badCalls(t *testing.T, recv, send *NetGear) []badCall {
	ctx := testContext(t)
	var none context.Context
	good := testArray(0, "uint8", 2, 2)
	var nilFrame *Frame
	var zeroFrame Frame
	var within struct { // a Frame that is no allocation of its own
		before int
		frame  Frame
	}
	release := func() {}
	sends := func(name string, want error, call func(ctx context.Context) (Reply, error)) badCall {
		return badCall{name, want, func() error { return second(call(ctx)) }}
	}
	calls := []badCall{
		{"SendArray, nil context", ErrContext, func() error { return second(send.SendArray(none, good, nil)) }},
		{"SendArrayOwned, nil context", ErrContext, func() error { return second(send.SendArrayOwned(none, good, nil, release)) }},
		{"SendJPEG, nil context", ErrContext, func() error { return second(send.SendJPEG(none, testJPEG(t, 8, 8), nil)) }},
		{"SendImage, nil context", ErrContext, func() error { return second(send.SendImage(none, image.NewGray(image.Rect(0, 0, 2, 2)), nil)) }},
		{"Flush, nil context", ErrContext, func() error { return send.Flush(none) }},
		{"WaitConnected, nil context", ErrContext, func() error { return send.WaitConnected(none, 1) }},
		{"WaitConnected, a negative number", nil, func() error { return recv.WaitConnected(ctx, math.MinInt) }},
		{"WaitConnected, more than there can be", ErrMode, func() error { return recv.WaitConnected(ctx, math.MaxInt) }},
		{"Recv, nil context", ErrContext, func() error { return second(recv.Recv(none)) }},
		{"Frames, nil context", ErrContext, func() error {
			var last error
			for f, err := range recv.Frames(none) {
				if f != nil || last != nil {
					t.Error("Frames with a nil context goes on")
				}
				last = err
			}
			return last
		}},
		sends("SendArray, zero Array", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendArray(ctx, Array{}, nil) }),
		sends("SendArrayOwned, zero Array", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendArrayOwned(ctx, Array{}, nil, release) }),
		sends("SendArrayOwned, nil release", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendArrayOwned(ctx, good, nil, nil) }),
		sends("SendArrayOwned, nil release and zero Array", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendArrayOwned(ctx, Array{}, nil, nil) }),
		sends("SendJPEG, nil", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendJPEG(ctx, nil, nil) }),
		sends("SendFrame, nil", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendFrame(ctx, nil, nil) }),
		sends("SendFrame, zero", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendFrame(ctx, &Frame{}, nil) }),
		sends("SendImage, nil", ErrFrame, func(ctx context.Context) (Reply, error) { return send.SendImage(ctx, nil, nil) }),
		{"InOrder, nil iterator", ErrFrame, func() error {
			var last error
			for _, err := range InOrder(nil, 3) {
				last = err
			}
			return last
		}},
		{"InOrder, nil frames and a negative window", nil, func() error {
			count := 0
			for range InOrder(func(yield func(*Frame, error) bool) {
				_ = yield(nil, nil) && yield(&Frame{Stamp: &Stamp{}}, nil) && yield(&Frame{Stamp: &Stamp{Seq: 7}}, nil) && yield(&Frame{Stamp: &Stamp{Seq: math.MaxUint64}}, nil)
			}, math.MinInt) {
				count++
			}
			if count != 4 {
				return fmt.Errorf("%d of 4 frames", count)
			}
			return nil
		}},
		{"SetReturnData, nil Frame", ErrFrame, func() error { return recv.SetReturnData(nilFrame) }},
		{"SetReturnData, zero Frame", ErrFrame, func() error { return recv.SetReturnData(&zeroFrame) }},
		{"SetReturnData, nil Array", ErrFrame, func() error { return recv.SetReturnData((*Array)(nil)) }},
		{"SetReturnData, zero Array", ErrFrame, func() error { return recv.SetReturnData(Array{}) }},
		{"SetReturnData, nil picture", ErrFrame, func() error { return recv.SetReturnData((*image.RGBA)(nil)) }},
		{"SetReturnData, nil", nil, func() error { return recv.SetReturnData(nil) }},
		{"SetReturnData, nil Tuple", nil, func() error { return recv.SetReturnData(Tuple(nil)) }},
		{"SetReturnData at a send end", ErrMode, func() error { return send.SetReturnData(1) }},
		{"Recv at a send end", ErrMode, func() error { return second(send.Recv(ctx)) }},
		{"Flush at a receive end", ErrMode, func() error { return recv.Flush(ctx) }},
		{"SendArray at a receive end", ErrMode, func() error { return second(recv.SendArray(ctx, good, nil)) }},
		{"UnmarshalJSON, nil Options", ErrOption, func() error { return (*Options)(nil).UnmarshalJSON([]byte("{}")) }},
		{"MarshalJSON, no constant", ErrOption, func() error { return second(Options{Decode: 99}.MarshalJSON()) }},
		{"UnmarshalJSON, nil text", ErrOption, func() error { return new(Options).UnmarshalJSON(nil) }},
		{"New, zero Logger", ErrOption, func() error { return second(New(Options{Logger: &slog.Logger{}})) }},
		{"New, nil handler", ErrOption, func() error { return second(New(Options{Logger: slog.New((*slog.TextHandler)(nil))})) }},
		{"NewFrame, zero Array", ErrFrame, func() error { return second(NewFrame(Array{}, nil)) }},
		{"NewFrame, a shape that does not fit", ErrFrame, func() error {
			return second(NewFrame(Array{DType: "uint8", Shape: []int{math.MaxInt, math.MaxInt, -1}, Data: []byte{1}}, nil))
		}},
		{"NewFrame, a message that cannot be", ErrMessage, func() error { return second(NewFrame(good, make(chan int))) }},
		{"NewJPEGFrame, nil", ErrFrame, func() error { return second(NewJPEGFrame(nil, nil)) }},
		{"MessageFromJSON, no text", ErrMessage, func() error { return second(MessageFromJSON(nil)) }},
		{"MessageFromMsgpack, nothing", ErrMessage, func() error { return second(MessageFromMsgpack(nil)) }},
		{"MessageFromMsgpack, two values", ErrMessage, func() error { return second(MessageFromMsgpack([]byte{1, 1})) }},
		{"UnmarshalJSON, nil Message", ErrMessage, func() error { return (*Message)(nil).UnmarshalJSON([]byte("1")) }},
		{"UnmarshalJSON, no text", ErrMessage, func() error { return new(Message).UnmarshalJSON(nil) }},
		{"Decode, nil", ErrMessage, func() error { return Message{}.Decode(nil) }},
		{"Decode, no pointer", ErrMessage, func() error { return Message{raw: []byte("1")}.Decode(7) }},
		{"Decode, nil pointer", ErrMessage, func() error { return Message{raw: []byte("1")}.Decode((*int)(nil)) }},
		{"Decode of msgpack, nil", ErrMessage, func() error { return Message{raw: []byte{1}, packed: true}.Decode(nil) }},
		{"Decode of msgpack, nil pointer", ErrMessage, func() error { return Message{raw: []byte{1}, packed: true}.Decode((*int)(nil)) }},
		{"Decode of a zero Message, nil pointer", ErrMessage, func() error { return Message{packed: true}.Decode((*int)(nil)) }},
		{"the zero Message", nil, func() error {
			_, _, _, _ = Message{}.Value(), Message{}.String(), Message{}.IsNone(), Message{}.Msgpack()
			return second(Message{}.MarshalJSON())
		}},
		{"numbers that are no constants", nil, func() error {
			_, _, _, _ = Pattern(-9).String(), Wire(9).String(), EventKind(-9).String(), EventKind(999).String()
			return nil
		}},
		{"zero events", nil, func() error {
			_, _, _ = Event{}.String(), AdaptChange{}.String(), AdaptSetting{}.String()
			return nil
		}},
		{"zero errors", nil, func() error {
			_, _ = (&LostError{}).Unwrap(), (&OptionError{}).Unwrap()
			_, _ = (&LostError{}).Error(), (&OptionError{}).Error()
			return nil
		}},
		{"New, options out of range", ErrOption, func() error { return second(New(Options{Pattern: -1, Wire: 9, Ports: []string{""}})) }},
		{"CreateCertificates, a location that cannot be", ErrAuth, func() error { return second(CreateCertificates("/dev/null/\x00")) }},
		{"ReplaceCertificates, a location that cannot be", ErrAuth, func() error { return second(ReplaceCertificates("/dev/null/\x00")) }},
		{"MarshalText of a number that is no constant", ErrOption, func() error { return second(Pattern(-9).MarshalText()) }},
		{"UnmarshalText, nil enum", ErrOption, func() error { return (*Pattern)(nil).UnmarshalText([]byte("PAIR")) }},
		{"UnmarshalJSON, nil enum", ErrOption, func() error { return (*SecureMode)(nil).UnmarshalJSON([]byte("1")) }},
		{"UnmarshalJSON, nothing", ErrOption, func() error { return new(Pattern).UnmarshalJSON(nil) }},
		{"UnmarshalText, nil Colorspace", ErrOption, func() error { return (*Colorspace)(nil).UnmarshalText(nil) }},
		{"UnmarshalText, nil Secret", ErrOption, func() error { return (*Secret)(nil).UnmarshalText(nil) }},
		{"the zero Secret and NewSecret, Reveal, IsZero, LogValue", nil, func() error {
			if text := NewSecret("").Reveal() + fmt.Sprint(Secret{}, Secret{}.LogValue()); text != " " || !NewSecret("").IsZero() {
				return errors.New(text)
			}
			return nil
		}},
		{"GoString, Format and LogValue of Options with nonsense", nil, func() error {
			o := Options{Pattern: -9, Wire: 9, JPEGCompression: "\x00", OnReply: func(Reply, error) {}, Logger: &slog.Logger{}}
			_, _, _ = o.GoString(), fmt.Sprintf("%d %v %+v", o, &o, (*Options)(nil)), o.LogValue()
			return nil
		}},
		{"UnmarshalJSON, nil LatencyStats", ErrOption, func() error { return (*LatencyStats)(nil).UnmarshalJSON([]byte("{}")) }},
		{"UnmarshalJSON, nil AdaptStats", ErrOption, func() error { return (*AdaptStats)(nil).UnmarshalJSON([]byte("{}")) }},
		{"UnmarshalJSON, nil Histogram", ErrOption, func() error { return (*Histogram)(nil).UnmarshalJSON([]byte("{}")) }},
		{"UnmarshalJSON, no Histogram", ErrOption, func() error { return new(Histogram).UnmarshalJSON(nil) }},
		{"Quantile and Bounds of nothing", nil, func() error {
			if q := (LatencyStats{Frames: 3}).Quantile(math.NaN()) + (LatencyStats{Frames: 3}).Quantile(0.5); q != 0 || len(Histogram{}.Bounds()) == 0 {
				return fmt.Errorf("%v", q)
			}
			return nil
		}},
		{"CertificateDir, none", nil, func() error { return second(CertificateDir("")) }},
	}
	for name, f := range map[string]*Frame{"nil": nilFrame, "zero": {}, "within": &within.frame, "made by hand": {Message: Message{}, Port: "x"}} {
		calls = append(calls, badCall{"Image of a frame that is " + name, ErrFrame, func() error { return second(f.Image()) }},
			badCall{"YCbCr of a frame that is " + name, ErrFrame, func() error { return second(f.YCbCr()) }},
			badCall{"Read of a frame that is " + name, ErrFrame, func() error { return second(f.Read(Reading{Reduce: 2})) }},
			badCall{"Bytes of a frame that is " + name, ErrFrame, func() error { return second(f.Bytes()) }},
			badCall{"Array of a frame that is " + name, ErrFrame, func() error { return second(f.Array()) }},
			badCall{"Retain of a frame that is " + name, nil, func() error {
				if f.Retain() != nil {
					return errors.New("it returned a Frame")
				}
				return nil
			}},
			badCall{"a frame that is " + name, nil, func() error { return useFrame(f) }})
	}
	return append(calls, moreCalls(ctx, recv, send)...)
}

// useFrame calls the methods that return no error.
func useFrame(f *Frame) error {
	for range 2 { // also after Close
		if f.DType() != "" || len(f.Shape()) > 0 || len(f.FullShape()) > 0 || f.Reading() != (Reading{}) || frameBytes(f) != nil || f.JPEG() != nil || f.Colorspace() != "" || frameArray(f).Data != nil {
			return errors.New("there is something in it")
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// No exported function or method panics on bad arguments: each returns an error
// with the reason. Both ends work afterwards.
func TestNoPanics(t *testing.T) {
	recv, send := openPair(t, Options{BidirectionalMode: true})
	for _, c := range badCalls(t, recv, send) {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if why := recover(); why != nil {
					t.Errorf("it panics: %v", why)
				}
			}()
			if err := c.call(); c.want != nil && !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	mustTravel(t, recv, send)
}

// The same for ends that New did not create, and after Close.
func TestNoPanicsWithoutEnd(t *testing.T) {
	closed := mustNew(t, Options{BidirectionalMode: true})
	closed.Close()
	var null *NetGear
	for name, n := range map[string]*NetGear{"nil": null, "zero": {}, "closed": closed} {
		ctx := testContext(t)
		good := testArray(0, "uint8", 2, 2)
		calls := map[string]func() error{
			"SendArray":      func() error { return second(n.SendArray(ctx, good, nil)) },
			"SendArrayOwned": func() error { return second(n.SendArrayOwned(ctx, good, nil, func() {})) },
			"SendJPEG":       func() error { return second(n.SendJPEG(ctx, testJPEG(t, 8, 8), nil)) },
			"SendImage":      func() error { return second(n.SendImage(ctx, image.NewGray(image.Rect(0, 0, 2, 2)), nil)) },
			"WaitConnected":  func() error { return n.WaitConnected(ctx, 1) },
		}
		if name != "closed" { // where it is a send end's
			calls["SendFrame"] = func() error { return second(n.SendFrame(ctx, nil, nil)) }
			calls["Recv"] = func() error { return second(n.Recv(ctx)) }
			calls["Flush"] = func() error { return n.Flush(ctx) }
			calls["SetReturnData"] = func() error { return n.SetReturnData(1) }
			calls["Frames"] = func() error {
				for range n.Frames(ctx) {
					return errors.New("a frame")
				}
				return ErrClosed
			}
			calls["Close"] = func() error { return n.Close() }
		}
		for what, call := range calls {
			t.Run(name+"/"+what, func(t *testing.T) {
				defer func() {
					if why := recover(); why != nil {
						t.Errorf("it panics: %v", why)
					}
				}()
				if err := call(); !errors.Is(err, ErrClosed) {
					t.Errorf("%v, want %v", err, ErrClosed)
				}
			})
		}
		t.Run(name+"/Stats, Endpoints, Port and Ports", func(t *testing.T) {
			defer func() {
				if why := recover(); why != nil {
					t.Errorf("it panics: %v", why)
				}
			}()
			n.Stats()
			n.Endpoints()
			n.Ports()
			n.Port()
		})
	}
}

// A copy of a Frame is not the Frame. Closing it does not release the memory,
// which belongs to the original, and releases nothing twice.
func TestCopiedFrame(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	a := testArray(1, "uint8", 40, 40)
	if _, err := send.SendArray(testContext(t), a, nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, testContext(t))
	var within struct {
		before int
		frame  Frame
	}
	within.frame = *f
	if err := within.frame.Close(); err != nil || frameBytes(&within.frame) != nil {
		t.Errorf("the copy: %v", err)
	}
	if string(frameBytes(f)) != string(a.Data) {
		t.Error("the original has lost its pixels")
	}
	if err := f.Close(); err != nil || frameBytes(f) != nil {
		t.Errorf("the original: %v", err)
	}
}

// Every exported function and method is in the tables above.
func TestNoPanicsIsComplete(t *testing.T) {
	var names strings.Builder
	recv, send := openPair(t, Options{BidirectionalMode: true})
	for _, c := range badCalls(t, recv, send) {
		names.WriteString(c.name + "\n")
	}
	// useFrame and the other groups, and the methods of builds with gocv.
	names.WriteString("DType Shape FullShape Reading Bytes JPEG Colorspace Array Close Stats Endpoints Port Ports Value String IsNone MarshalJSON Error Unwrap Validate Send SendOwned SetReturnMat Mat")
	found := 0
	for file, tree := range sourceFiles(t) {
		for _, d := range tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || f.Recv != nil && !ast.IsExported(receiverName(f)) {
				continue
			}
			found++
			if !strings.Contains(names.String(), f.Name.Name) {
				t.Errorf("%s has %s, which no table calls with bad arguments", file, f.Name.Name)
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d functions found", found)
	}
}

func receiverName(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, _ := typ.(*ast.Ident)
	return name.Name
}

package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// arrayLike are values that stand for the array want, which a JSON message cannot
// hold. Builds with gocv add Mats.
func arrayLike(t *testing.T) (values map[string]any, want Array) {
	t.Helper()
	want = Array{DType: "uint8", Shape: []int{1, 2, 3}, Data: []byte{3, 2, 1, 6, 5, 4}}
	rgba := image.NewRGBA(image.Rect(0, 0, 2, 1))
	rgba.Set(0, 0, color.RGBA{1, 2, 3, 255})
	rgba.Set(1, 0, color.RGBA{4, 5, 6, 255})
	nrgba := image.NewNRGBA(rgba.Rect)
	copy(nrgba.Pix, rgba.Pix)
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	if _, err := send.SendArray(testContext(t), want, nil); err != nil {
		t.Fatal(err)
	}
	frame := mustRecv(t, recv, testContext(t))
	t.Cleanup(func() { frame.Close() })
	values = map[string]any{"Array": want, "*Array": &want, "*Frame": frame, "*image.RGBA": rgba, "*image.NRGBA": nrgba, "picture of another type": opaquePicture{rgba}}
	maps.Copy(values, moreArrays(t, want))
	return values, want
}

// moreArrays is for builds with gocv.
var moreArrays = func(*testing.T, Array) map[string]any { return nil }

// opaquePicture is a picture of a type that only its methods describe.
type opaquePicture struct{ img image.Image }

func (p opaquePicture) ColorModel() color.Model { return p.img.ColorModel() }
func (p opaquePicture) Bounds() image.Rectangle { return p.img.Bounds() }
func (p opaquePicture) At(x, y int) color.Color { return p.img.At(x, y) }

// nestings are messages that have a value somewhere in them.
func nestings(v any) map[string]any {
	type inner struct {
		Deep any `json:"deep"`
	}
	return map[string]any{
		"alone": v, "in a list": []any{1, v}, "in a map": map[string]any{"a": v}, "in a struct": inner{v},
		"by a pointer": &inner{&v}, "in a map in a list": []any{map[string][]any{"x": {v}}}, "as captured": StampedMessage{At: time.Now(), Message: v},
	}
}

// On NetGear's wire a message holds no array, and the error names the
// alternative. Without it the array would be sent as {"DType": …} or {}.
func TestArraysInMessages(t *testing.T) {
	values, _ := arrayLike(t)
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff, BidirectionalMode: true})
	for name, v := range values {
		for where, message := range nestings(v) {
			reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), message)
			if !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), "AsyncWire") {
				t.Errorf("%s %s: %+v, %v", name, where, reply, err)
			}
			if where == "alone" || where == "as captured" {
				continue
			}
			if err := recv.SetReturnData(message); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), "AsyncWire") {
				t.Errorf("%s %s, returned: %v", name, where, err)
			}
		}
	}
}

// On NetGear_Async's wire arrays may be anywhere in a message, and so may what
// stands for one.
func TestArraysInAsyncMessages(t *testing.T) {
	values, want := arrayLike(t)
	recv, send := openPair(t, Options{Wire: AsyncWire})
	for name, v := range values {
		for where, message := range nestings(v) {
			if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), message); err != nil {
				t.Errorf("%s %s: %v", name, where, err)
				continue
			}
			f := mustRecv(t, recv, testContext(t))
			if got := find(f.Message.Value()); !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s arrived as %#v", name, where, f.Message.Value())
			}
			f.Close()
		}
	}
}

// find finds the array in a value.
func find(v any) Array {
	switch v := v.(type) {
	case Array:
		return v
	case []any:
		return find(v[len(v)-1])
	case map[string]any:
		for _, inner := range v {
			return find(inner)
		}
	}
	return Array{}
}

// SetReturnData and Respond send as an array whatever is one, on either wire.
func TestReturnedArrays(t *testing.T) {
	values, want := arrayLike(t)
	for _, wire := range []Wire{NetGearWire, AsyncWire} {
		for name, v := range values {
			for _, respond := range []bool{false, true} {
				recv, send := openPair(t, Options{Wire: wire, JPEGCompression: JPEGOff, BidirectionalMode: true}, func(r, s *Options) {
					if wire == AsyncWire {
						r.JPEGCompression, s.JPEGCompression = "", ""
					}
					if respond {
						r.Respond = func(context.Context, *Frame) (any, error) { return v, nil }
					}
				})
				if !respond {
					if err := recv.SetReturnData(v); err != nil {
						t.Errorf("%v, %s: %v", wire, name, err)
						continue
					}
				}
				reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil)
				if err != nil || reply.PythonType != "ndarray" || reply.Array == nil || !reflect.DeepEqual(*reply.Array, want) {
					t.Errorf("%v, %s, respond=%v: %+v, %v", wire, name, respond, reply, err)
				}
			}
		}
	}
}

// A returned picture goes as JPEG where SendImage would send it as one, in the
// right colors whatever the colorspace is.
func TestReturnedPictureIsAJPEG(t *testing.T) {
	red := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for i := range red.Pix {
		red.Pix[i] = [4]byte{255, 0, 0, 255}[i%4]
	}
	for cs, want := range map[Colorspace][]int{JPEGBGR: {0, 0, 255}, JPEGRGB: {255, 0, 0}, JPEGGray: {76}} {
		recv, send := openPair(t, Options{BidirectionalMode: true, JPEGCompression: cs})
		if err := recv.SetReturnData(red); err != nil {
			t.Fatal(err)
		}
		reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil)
		if err != nil || reply.Array == nil {
			t.Fatalf("%s: %+v, %v", cs, reply, err)
		}
		for i := range want {
			if off := int(reply.Array.Data[i]) - want[i]; off < -4 || off > 4 { // it is a JPEG
				t.Errorf("%s: %v", cs, reply.Array.Data[:3])
			}
		}
	}
}

type failure struct{ Code int }

func (f failure) Error() string { return fmt.Sprint("failed with ", f.Code) }

// An error is no data: it would arrive as {}.
func TestErrorsAsData(t *testing.T) {
	for _, wire := range []Wire{NetGearWire, AsyncWire} {
		var log bytes.Buffer
		failed := errors.New("no such plate")
		type result struct {
			data any
			err  error
		}
		var answer atomic.Value
		recv, send := openPair(t, Options{Wire: wire, BidirectionalMode: true}, func(r, _ *Options) {
			r.Respond = func(context.Context, *Frame) (any, error) {
				now := answer.Load().(result)
				return now.data, now.err
			}
			r.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		for i, now := range []result{{nil, failed}, {"dropped", fmt.Errorf("wrapped: %w", failed)}, {failure{7}, nil}, {[]any{failed}, nil}} {
			answer.Store(now)
			reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil)
			if err != nil || reply.PythonType != "NoneType" || !reply.Data.IsNone() {
				t.Errorf("%v: %v returned: %+v, %v", wire, now, reply, err)
			}
			mustRecv(t, recv, testContext(t)).Close()
			if n := recv.Stats().NoData; n != uint64(i)+1 {
				t.Errorf("%v: %d of %d counted", wire, n, i+1)
			}
		}
		// A nil pointer is no error, and no data either.
		answer.Store(result{(*failure)(nil), nil})
		if reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); err != nil || reply.PythonType != "NoneType" || recv.Stats().NoData != 4 {
			t.Errorf("%v: a nil pointer returned: %+v, %v", wire, reply, err)
		}
		recv.Close() // and with it all that writes to the log
		if !strings.Contains(log.String(), "no such plate") {
			t.Errorf("%v: the log: %s", wire, log.String())
		}
		plain, _ := openPair(t, Options{Wire: wire, BidirectionalMode: true})
		for name, v := range map[string]any{"an error": failed, "a struct": failure{7}, "a pointer": &failure{7}} {
			if err := plain.SetReturnData(v); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), "err.Error()") {
				t.Errorf("%v: %s returned: %v", wire, name, err)
			}
			for where, message := range nestings(v) {
				if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), message); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), "err.Error()") {
					t.Errorf("%v: %s %s: %v", wire, name, where, err)
				}
			}
		}
	}
}

// A value that encoding/json writes as {} although it has content is an error.
// An empty value, or one with a form of its own, is none.
func TestOpaqueValues(t *testing.T) {
	type hidden struct{ a, b int }
	type onlyEmbedded struct{ sync.Mutex }
	var wait sync.WaitGroup
	for _, wire := range []wire{jsonWire{}, asyncWire{}} {
		for _, v := range []any{
			hidden{1, 2}, &hidden{1, 2}, []hidden{{1, 2}}, map[string]any{"x": &hidden{}}, &sync.Mutex{}, &wait, &onlyEmbedded{}, &atomic.Int64{},
			&bytes.Buffer{}, &strings.Builder{}, reflect.ValueOf(1), context.Background(), make(chan int), func() {},
		} {
			if m, err := wire.encodeMessage(v); !errors.Is(err, ErrMessage) {
				t.Errorf("%T: a %T is sent as %s, %v", wire, v, m, err)
			}
		}
		type label struct {
			Box   image.Rectangle `json:"box"`
			Score float64         `json:"score"`
		}
		type box struct {
			image.Rectangle
			Name string
		}
		type secret struct {
			Password string `json:"-"`
		}
		type lockedCounter struct {
			sync.Mutex
			N int
		}
		for want, v := range map[string]any{
			`{}`: struct{}{}, `{ }`: secret{"x"}, `{"N": 3}`: &lockedCounter{N: 3},
			`{"Min": {"X": 1, "Y": 2}, "Max": {"X": 3, "Y": 4}}`:                        image.Rect(1, 2, 3, 4),
			`{"box": {"Min": {"X": 1, "Y": 2}, "Max": {"X": 3, "Y": 4}}, "score": 0.5}`: label{image.Rect(1, 2, 3, 4), 0.5},
			`{"Min": {"X": 1, "Y": 2}, "Max": {"X": 3, "Y": 4}, "Name": "a"}`:           box{image.Rect(1, 2, 3, 4), "a"},
			`{"a": null, "b": null, "c": null, "d": null}`:                              map[string]any{"a": (*Array)(nil), "b": (*Frame)(nil), "c": (*image.RGBA)(nil), "d": (*failure)(nil)},
			`"2026-01-02T03:04:05Z"`:                                                    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		} {
			m, err := wire.encodeMessage(v)
			if err != nil || wire == (jsonWire{}) && m.String() != strings.ReplaceAll(want, " }", "}") {
				t.Errorf("%T: a %T is sent as %s, %v", wire, v, m, err)
			}
		}
	}
}

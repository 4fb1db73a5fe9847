package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"strings"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// This file compares ways to do something within one process of this library:
// the kind "inside". The ways take turns, so all of them see the same load of
// the machine.

// way is one of the ways that are compared.
type way struct {
	name string
	run  func() error // for turnFrames frames
}

// turnFrames is the number of frames that a way has in each turn.
const turnFrames = 10

// wayResult is what was measured of one way: medians over the turns.
type wayResult struct {
	Name string  `json:"name"`
	CPU  float64 `json:"cpu"` // seconds a frame, all threads of the process
	FPS  float64 `json:"fps"`
}

// waySets are the sets of ways, by the names for --set.
var waySets = map[string]func(*workshop) ([]way, error){
	"jpeg-only": jpegOnlyWays,
	"relay":     relayWays,
	"encode":    func(w *workshop) ([]way, error) { return sendWays(w, netgear.JPEGDefault) },
	"raw":       func(w *workshop) ([]way, error) { return sendWays(w, netgear.JPEGOff) },
	"read-422":  func(w *workshop) ([]way, error) { return readWays(w, w.sendArray) },
	"read-420":  func(w *workshop) ([]way, error) { return readWays(w, w.sendPlanes) },
	"camera-75": func(w *workshop) ([]way, error) { return cameraWays(w, 75) },
	"camera-90": func(w *workshop) ([]way, error) { return cameraWays(w, 90) },
}

// compareWays is the role "ways".
func (f *endFlags) compareWays(ctx context.Context) error {
	frames, err := f.load()
	if err != nil {
		return err
	}
	w := &workshop{ctx: ctx, array: frames[0], ports: strings.Split(f.port, ","), heap: make([]byte, liveHeap)}
	defer w.close()
	ways, err := waySets[f.set](w)
	if err != nil {
		return err
	}
	for range 3 { // decoding follows use
		for _, one := range ways {
			if err := one.run(); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
		}
	}
	say(event{Event: "ready"})
	awaitGo()
	cpu, seconds := make([][]float64, len(ways)), make([][]float64, len(ways))
	for range f.n {
		for i, one := range ways {
			before, begun := readUsage(), now()
			if err := one.run(); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			cpu[i] = append(cpu[i], (readUsage().cpu-before.cpu)/turnFrames)
			seconds[i] = append(seconds[i], float64(now()-begun)/1e9/turnFrames)
		}
	}
	done := event{Event: "done"}
	for i, one := range ways {
		done.Ways = append(done.Ways, wayResult{one.name, spreadOf(cpu[i]).median, 1 / spreadOf(seconds[i]).median})
	}
	say(done)
	runtime.KeepAlive(w)
	return nil
}

// workshop creates what ways need: ends, and pictures of the first frame.
type workshop struct {
	ctx   context.Context
	array netgear.Array
	ports []string // of receive ends in other processes
	ends  []*netgear.NetGear
	heap  []byte
}

// liveHeap is memory that the program keeps, as one with a few pictures does.
// With less, each picture in Go memory causes a collection, and after it the
// runtime returns pages that the next picture needs.
const liveHeap = 64 << 20

func (w *workshop) close() {
	for _, end := range slices.Backward(w.ends) {
		end.Close()
	}
}

func (w *workshop) open(o netgear.Options) (*netgear.NetGear, error) {
	o.Address = "127.0.0.1"
	end, err := netgear.New(o)
	if err == nil {
		w.ends = append(w.ends, end)
	}
	return end, err
}

// pair opens a receive end, and a send end that is connected to it.
func (w *workshop) pair(receive, send netgear.Options) (recv, sender *netgear.NetGear, err error) {
	receive.ReceiveMode, receive.Port = true, "0"
	if recv, err = w.open(receive); err != nil {
		return nil, nil, err
	}
	send.Port = recv.Port()
	sender, err = w.open(send)
	return recv, sender, err
}

// encoded returns the JPEG that a send end makes.
func (w *workshop) encoded(o netgear.Options, send func(*netgear.NetGear) error) ([]byte, error) {
	recv, sender, err := w.pair(netgear.Options{Decode: netgear.DecodeOnUse}, o)
	if err != nil {
		return nil, err
	}
	if err := send(sender); err != nil {
		return nil, err
	}
	f, err := recv.Recv(w.ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bytes.Clone(f.JPEG()), nil
}

func (w *workshop) sendArray(end *netgear.NetGear) error {
	_, err := end.SendArray(w.ctx, w.array, nil)
	return err
}

// sendPlanes sends the frame as 4:2:0 planes.
func (w *workshop) sendPlanes(end *netgear.NetGear) error {
	img, _, err := w.pictures()
	if err == nil {
		_, err = end.SendImage(w.ctx, img, nil)
	}
	return err
}

// pictures returns the frame as 4:2:0 planes, and as pixels.
func (w *workshop) pictures() (*image.YCbCr, *image.RGBA, error) {
	b := image.Rect(0, 0, w.array.Shape[1], w.array.Shape[0])
	rgba := image.NewRGBA(b)
	err := turbojpeg.Reorder(rgba.Pix, rgba.Stride, turbojpeg.RGBA, w.array.Data, 3*b.Dx(), turbojpeg.BGR, b.Dx(), b.Dy())
	if err != nil {
		return nil, nil, err
	}
	jpeg, err := w.encoded(netgear.Options{JPEGCompressionQuality: 100}, w.sendArray)
	if err != nil {
		return nil, nil, err
	}
	f, err := netgear.NewJPEGFrame(jpeg, nil)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	from, err := f.YCbCr()
	if err != nil {
		return nil, nil, err
	}
	to := image.NewYCbCr(b, image.YCbCrSubsampleRatio420) // of every second row of chroma
	for y := range b.Dy() {
		copy(to.Y[y*to.YStride:(y+1)*to.YStride], from.Y[y*from.YStride:])
		if y%2 == 0 {
			copy(to.Cb[y/2*to.CStride:(y/2+1)*to.CStride], from.Cb[y*from.CStride:])
			copy(to.Cr[y/2*to.CStride:(y/2+1)*to.CStride], from.Cr[y*from.CStride:])
		}
	}
	return to, rgba, nil
}

// ---- the sets ----

// through returns a way that sends a frame and receives it.
func through(ctx context.Context, name string, recv, send *netgear.NetGear, call func(*netgear.NetGear) error, use func(*netgear.Frame) error) way {
	return way{name, func() error {
		for range turnFrames {
			if err := call(send); err != nil {
				return err
			}
			f, err := recv.Recv(ctx)
			if err != nil {
				return err
			}
			err = use(f)
			f.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

func unread(*netgear.Frame) error { return nil }

// jpegOnlyWays are receive ends of which only the JPEG is read, and one of the
// same bytes as an opaque array.
func jpegOnlyWays(w *workshop) (ways []way, err error) {
	jpeg, err := w.encoded(netgear.Options{}, w.sendArray)
	if err != nil {
		return nil, err
	}
	sameJPEG := func(f *netgear.Frame) error {
		if !bytes.Equal(f.JPEG(), jpeg) {
			return errors.New("another JPEG arrived")
		}
		return nil
	}
	sendJPEG := func(end *netgear.NetGear) error {
		_, err := end.SendJPEG(w.ctx, jpeg, nil)
		return err
	}
	for _, policy := range []netgear.DecodePolicy{netgear.DecodeFollowUse, netgear.DecodeOnUse, netgear.DecodeAhead} {
		recv, send, err := w.pair(netgear.Options{Decode: policy}, netgear.Options{JPEGCheck: netgear.ToggleOff})
		if err != nil {
			return nil, err
		}
		ways = append(ways, through(w.ctx, policy.String(), recv, send, sendJPEG, sameJPEG))
	}
	recv, send, err := w.pair(netgear.Options{}, netgear.Options{JPEGCompression: netgear.JPEGOff})
	opaque := netgear.Array{DType: "uint8", Shape: []int{len(jpeg)}, Data: jpeg}
	return append(ways, through(w.ctx, "opaque array", recv, send, func(end *netgear.NetGear) error {
		_, err := end.SendArray(w.ctx, opaque, nil)
		return err
	}, unread)), err
}

// relayWays are relays of JPEGs, from a first end to a third. All ends are in
// this process.
func relayWays(w *workshop) (ways []way, err error) {
	jpeg, err := w.encoded(netgear.Options{}, w.sendArray)
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		name  string
		check netgear.Toggle
		ahead int
	}{
		{"default", netgear.ToggleDefault, 0}, {"SendAhead: 2", netgear.ToggleDefault, 2},
		{"JPEGCheck: ToggleOff", netgear.ToggleOff, 0}, {"JPEGCheck: ToggleOn", netgear.ToggleOn, 0},
	} {
		one := relayEnds{ctx: w.ctx, jpeg: jpeg}
		if one.recv, one.first, err = w.pair(netgear.Options{}, netgear.Options{JPEGCheck: netgear.ToggleOff, SendAhead: c.ahead}); err != nil {
			return nil, err
		}
		if one.last, one.relay, err = w.pair(netgear.Options{}, netgear.Options{JPEGCheck: c.check, SendAhead: c.ahead}); err != nil {
			return nil, err
		}
		ways = append(ways, way{c.name, one.run})
	}
	return ways, nil
}

// relayEnds are a relay, and the ends before and behind it.
type relayEnds struct {
	ctx                      context.Context
	jpeg                     []byte
	first, recv, relay, last *netgear.NetGear
}

func (r *relayEnds) run() error {
	errs := make(chan error, 2)
	go func() {
		errs <- repeat(func() error {
			_, err := r.first.SendJPEG(r.ctx, r.jpeg, nil)
			return err
		})
	}()
	go func() {
		errs <- repeat(func() error {
			f, err := r.recv.Recv(r.ctx)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = r.relay.SendFrame(r.ctx, f, nil)
			return err
		})
	}()
	err := repeat(func() error {
		f, err := r.last.Recv(r.ctx)
		if err != nil {
			return err
		}
		defer f.Close()
		if !bytes.Equal(f.JPEG(), r.jpeg) {
			return errors.New("another JPEG arrived")
		}
		return nil
	})
	return errors.Join(err, <-errs, <-errs)
}

func repeat(do func() error) error {
	for range turnFrames {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// sendWays are pictures of package image that are sent to a receive end that
// reads no pixels.
func sendWays(w *workshop, compression netgear.Colorspace) (ways []way, err error) {
	planes, rgba, err := w.pictures()
	if err != nil {
		return nil, err
	}
	opaque := image.NRGBA(*rgba)
	alpha := opaque
	alpha.Pix = bytes.Clone(opaque.Pix)
	for i := 3; i < len(alpha.Pix); i += 4 {
		alpha.Pix[i] = byte(i / alpha.Stride)
	}
	gray := &image.Gray{Pix: planes.Y, Stride: planes.YStride, Rect: planes.Rect}
	o := netgear.Options{JPEGCompression: compression}
	receive := o
	receive.Decode = netgear.DecodeOnUse
	recv, send, err := w.pair(receive, o)
	for _, c := range []struct {
		name string
		img  image.Image
	}{{"RGBA", rgba}, {"YCbCr", planes}, {"NRGBA, opaque", &opaque}, {"NRGBA, with alpha", &alpha}, {"Gray", gray}} {
		ways = append(ways, through(w.ctx, c.name, recv, send, func(end *netgear.NetGear) error {
			_, err := end.SendImage(w.ctx, c.img, nil)
			return err
		}, unread))
	}
	return ways, err
}

// readWays are readings of the JPEG that is sent.
func readWays(w *workshop, send func(*netgear.NetGear) error) ([]way, error) {
	jpeg, err := w.encoded(netgear.Options{}, send)
	if err != nil {
		return nil, err
	}
	f, err := netgear.NewJPEGFrame(jpeg, nil)
	if err != nil {
		return nil, err
	}
	middle := image.Rect(0, 0, 640, 360).Add(image.Pt(640, 360))
	return []way{
		readAs("Bytes", f, netgear.Reading{}, (*netgear.Frame).Bytes),
		readAs("Image", f, netgear.Reading{}, (*netgear.Frame).Image),
		readAs("YCbCr", f, netgear.Reading{}, (*netgear.Frame).YCbCr),
		readAs("1/2", f, netgear.Reading{Reduce: 2}, (*netgear.Frame).Bytes),
		readAs("1/4", f, netgear.Reading{Reduce: 4}, (*netgear.Frame).Bytes),
		readAs("1/8", f, netgear.Reading{Reduce: 8}, (*netgear.Frame).Bytes),
		readAs("gray", f, netgear.Reading{Gray: true}, (*netgear.Frame).Bytes),
		readAs("640x360 in the middle", f, netgear.Reading{Region: middle}, (*netgear.Frame).Bytes),
	}, nil
}

// readAs returns a way that reads a frame.
func readAs[T any](name string, f *netgear.Frame, r netgear.Reading, get func(*netgear.Frame) (T, error)) way {
	return way{name, func() error {
		return repeat(func() error {
			g, err := f.Read(r)
			if err != nil {
				return err
			}
			defer g.Close()
			_, err = get(g)
			return err
		})
	}}
}

// cameraPeers is the number of receive ends that cameraWays requires.
const cameraPeers = 3

// cameraWays send a camera's JPEG, 4:2:0 and in one piece, to receive ends in
// other processes.
func cameraWays(w *workshop, quality int) (ways []way, err error) {
	jpeg, err := w.encoded(netgear.Options{JPEGCompressionQuality: quality, JPEGStrips: 1}, w.sendPlanes)
	if err != nil {
		return nil, err
	}
	pass := func(end *netgear.NetGear) error {
		_, err := end.SendJPEG(w.ctx, jpeg, nil)
		return err
	}
	for i, c := range []struct {
		name  string
		check netgear.Toggle
		send  func(*netgear.NetGear) error
	}{
		{"decoded and encoded", netgear.ToggleDefault, func(end *netgear.NetGear) error { return transcode(w.ctx, end, jpeg) }},
		{"passed through", netgear.ToggleDefault, pass},
		{"passed through, JPEGCheck: ToggleOff", netgear.ToggleOff, pass},
	} {
		end, err := w.open(netgear.Options{Port: w.ports[i], JPEGCheck: c.check})
		if err != nil {
			return nil, err
		}
		ways = append(ways, way{c.name, func() error { return repeat(func() error { return c.send(end) }) }})
	}
	return ways, nil
}

// transcode decodes a JPEG and sends its pixels, which are encoded again.
func transcode(ctx context.Context, end *netgear.NetGear, jpeg []byte) error {
	f, err := netgear.NewJPEGFrame(jpeg, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	pixels, err := f.Array()
	if err == nil {
		_, err = end.SendArray(ctx, pixels, nil)
	}
	return err
}

//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package main

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"maps"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sheet"
)

// window is how many frames the collector defers for a late one. A much slower
// worker needs more.
const window = 64

// waitLimit is how long the collector waits for the next frame after the first.
const waitLimit = 30 * time.Second

var errSilence = fmt.Errorf("nothing came for %v", waitLimit)

// collector is the receive end, to which the workers connect as well.
func (s *settings) collector(endpoint string) (*netgear.NetGear, error) {
	o, err := options(true, endpoint)
	if err != nil {
		return nil, err
	}
	o.TerminatePolicy = netgear.KeepWaiting // for the others, when a worker ends
	o.Copy = true                           // boxes are drawn into the Mats
	return netgear.New(o)
}

// collect receives n frames, in order, and returns when the last one arrived.
func (s *settings) collect(ctx context.Context, end *netgear.NetGear) (last time.Time, err error) {
	contacts := sheet.New(s.n)
	defer contacts.Close()
	meter := cli.NewMeter("collected", s.n)
	defer meter.ClearBar()
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	silence := time.AfterFunc(time.Hour, func() { giveUp(errSilence) })
	silence.Stop() // until the first frame
	defer silence.Stop()

	shares := map[string]int{}
	people := 0
	for frame, err := range netgear.InOrder(end.Frames(waiting), window) {
		if err != nil {
			if context.Cause(waiting) == errSilence {
				err = fmt.Errorf("%w; %d of %d frames came: did a worker end?", errSilence, meter.Frames(), s.n)
			}
			return last, err
		}
		silence.Reset(waitLimit)
		last = time.Now()
		meter.Frame()
		what, err := s.take(contacts, meter.Frames()-1, frame)
		frame.Close()
		if err != nil {
			return last, err
		}
		shares[what.Worker]++
		people += len(what.Boxes)
		if meter.Frames() == s.n {
			break
		}
	}
	meter.ClearBar()
	for _, worker := range slices.Sorted(maps.Keys(shares)) {
		fmt.Printf("%s: %d frames\n", worker, shares[worker])
	}
	fmt.Printf("people found: %d\n", people)
	return last, contacts.Write("-o", s.out)
}

// take checks that a frame is the next one, and adds it to the contact sheet
// with its boxes.
func (s *settings) take(contacts *sheet.Sheet, index int, frame *netgear.Frame) (what found, err error) {
	if frame.Stamp == nil {
		return what, fmt.Errorf("frame %d has no number; does its worker pass the message on?", index)
	}
	if got := int(frame.Stamp.Seq) - 1; got != index {
		return what, fmt.Errorf("frame %d came where %d was next: it came twice, or one is missing", got, index)
	}
	if err := frame.Message.Decode(&what); err != nil {
		return what, err
	}
	if !contacts.Shows(index) {
		return what, nil
	}
	picture, err := frame.Mat()
	if err != nil {
		return what, err
	}
	defer picture.Close()
	for _, b := range what.Boxes {
		gocv.Rectangle(&picture, image.Rect(b[0], b[1], b[0]+b[2], b[1]+b[3]), color.RGBA{G: 255}, 4)
	}
	return what, contacts.Add(index, picture, fmt.Sprintf(", people: %d", len(what.Boxes)))
}

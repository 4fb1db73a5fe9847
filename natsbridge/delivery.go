package natsbridge

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
)

// Delivery is a frame from NATS. The caller must Close it. Only one goroutine at
// a time may use it, except that InProgress may be called from another.
type Delivery struct {
	// Frame is the frame, with message and Stamp. A frame without a stamp has
	// the Publisher's own number. Port is the camera's name. A JPEG's pixels are
	// decoded to BGR. Close closes it.
	Frame *netgear.Frame
	// Camera is the camera's name.
	Camera string
	// Epoch identifies the run of the Publisher in which the frame's number
	// counts. Each Stamp.Sender has its own.
	Epoch uint64
	// Colorspace is what the publisher named for a JPEG: the order of channels
	// into which its sender's receive end decodes it. It is "" for an array.
	Colorspace string

	// Stored is when JetStream stored the frame, by the server's clock. It and
	// the following fields are zero for a live frame.
	Stored time.Time
	// StreamSeq is the number of the frame's last message in the stream.
	StreamSeq uint64
	// Delivered is how often this frame has been given to a worker, 1 for the
	// first time.
	Delivered uint64

	msg   jetstream.Msg // of Work
	done  atomic.Bool   // it was acknowledged, in one of the ways
	acked atomic.Bool   // by Ack
}

// Close releases the frame. A frame of Work that was not acknowledged goes to
// another worker at once, as with Nak. A second call does nothing. It returns
// nil.
func (d *Delivery) Close() error {
	if d == nil {
		return nil
	}
	if d.msg != nil && !d.done.Swap(true) {
		_ = d.msg.Nak() // after AckWait the server delivers it in any case
	}
	return d.Frame.Close()
}

// Ack reports that the work is done, and waits until the server has that. For a
// frame that is not of Work it does nothing. If it returns an error, the frame
// may be delivered again, and the caller may call Ack again. After Close, Nak
// and Term it returns an ErrClosed, unless the frame was acknowledged.
func (d *Delivery) Ack(ctx context.Context) error {
	switch {
	case ctx == nil:
		return fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	case d.msg == nil || d.acked.Load():
		return nil
	case d.done.Swap(true):
		return fmt.Errorf("natsbridge: acknowledge: the frame was returned or dropped: %w", ErrClosed)
	}
	_, err := request(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, d.msg.DoubleAck(ctx) })
	if err != nil {
		d.done.Store(false)
		return fmt.Errorf("natsbridge: acknowledge: %w", err)
	}
	d.acked.Store(true)
	return nil
}

// Nak returns the frame to the other workers after a delay. 0 is at once.
func (d *Delivery) Nak(delay time.Duration) error {
	return d.acknowledge(func() error { return d.msg.NakWithDelay(delay) })
}

// Term drops the frame: no worker gets it again.
func (d *Delivery) Term() error {
	return d.acknowledge(func() error { return d.msg.Term() })
}

// InProgress restarts the time of WorkOptions.AckWait.
func (d *Delivery) InProgress() error {
	if d.msg == nil {
		return ErrNotWork
	}
	if err := d.msg.InProgress(); err != nil {
		return fmt.Errorf("natsbridge: acknowledge: %w", err)
	}
	return nil
}

// acknowledge calls a way to acknowledge the frame, once.
func (d *Delivery) acknowledge(how func() error) error {
	switch {
	case d.msg == nil:
		return ErrNotWork
	case d.done.Swap(true):
		return nil
	}
	if err := how(); err != nil {
		return fmt.Errorf("natsbridge: acknowledge: %w", err)
	}
	return nil
}

// newDelivery creates the frame of what has been received. limit is that of the
// decoded picture.
func newDelivery(a *assembled, limit int64) (*Delivery, error) {
	f, err := a.frame(a.payload(), limit)
	if err != nil {
		return nil, fmt.Errorf("natsbridge: frame %d of %q: %w", a.seq, a.camera, err)
	}
	f.Port, f.ReceivedAt = a.camera, time.Now()
	return &Delivery{Frame: f, Camera: a.camera, Epoch: a.epoch, Colorspace: a.colorspace}, nil
}

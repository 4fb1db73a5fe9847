package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vidgear-go/netgear"
)

// Forward publishes what a receive end receives, until the context ends or the
// end does. camera returns the name of a frame's camera; [CameraName] and
// [CameraPort] are two such functions. Frames that cannot be published are
// counted in Stats, and do not end it.
//
// It returns nil after the sender's terminate message, the context's error, and
// netgear.ErrClosed or ErrClosed after Close of either. While no frames arrive,
// as after ErrPeerGone, it waits: the receive end continues to listen.
func (p *Publisher) Forward(ctx context.Context, from *netgear.NetGear, camera func(*netgear.Frame) string) error {
	switch {
	case ctx == nil:
		return fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	case from == nil || camera == nil:
		return optionError("Forward", nil, "it takes a receive end and a function")
	}
	for {
		f, err := from.Recv(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && endsForward(ctx, err):
			return err
		case err != nil:
			p.note(err)
			sleep(ctx, firstPause)
			continue
		}
		err = p.publishOne(ctx, f, camera)
		if err != nil && (ctx.Err() != nil || errors.Is(err, netgear.ErrClosed)) {
			return err
		}
	}
}

// publishOne publishes a frame and closes it, also if camera panics.
func (p *Publisher) publishOne(ctx context.Context, f *netgear.Frame, camera func(*netgear.Frame) string) error {
	defer f.Close()
	return p.Publish(ctx, camera(f), f)
}

// endsForward reports whether Recv cannot return frames any more.
func endsForward(ctx context.Context, err error) bool {
	return ctx.Err() != nil || !errors.Is(err, netgear.ErrTimeout) && !errors.Is(err, netgear.ErrPeerGone) && !errors.Is(err, netgear.ErrAuth)
}

// note keeps an error for Stats.
func (p *Publisher) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.LastError = err
}

// SendTo sends what Recv returns by a send end, until the context ends or the
// Subscriber does. With netgear.Options.Stamp the frames keep their stamps. A
// frame of Work is acknowledged when the receive end has it (Pair, ReqRep) or
// libzmq does (PubSub, PushPull). A frame that the wire or the receive end
// refuses is dropped, counted in SubscriberDrops.Unusable, and not delivered
// again.
//
// It returns nil at the end of Replay, the context's error, ErrClosed after
// Close, and the first other error of the send end, such as netgear.ErrPeerGone.
// The frame of that error is lost, unless it is of Work. The caller may call
// SendTo again.
func (s *Subscriber) SendTo(ctx context.Context, to *netgear.NetGear) error {
	if to == nil {
		return optionError("SendTo", nil, "it takes a send end")
	}
	for {
		d, err := s.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.send(ctx, to, d); err != nil {
			return err
		}
	}
}

// send sends one frame.
func (s *Subscriber) send(ctx context.Context, to *netgear.NetGear, d *Delivery) error {
	defer d.Close()
	_, err := to.SendFrame(ctx, d.Frame, nil)
	switch {
	case err == nil:
		return s.acknowledge(ctx, d)
	case errors.Is(err, netgear.ErrFrame), errors.Is(err, netgear.ErrMessage), errors.Is(err, netgear.ErrRejected):
		s.count(func(c *SubscriberDrops) *uint64 { return &c.Unusable }, err)
		if d.msg != nil {
			_ = d.Term() // after AckWait it is delivered, and refused, again
		}
		return nil
	}
	return err
}

// ackTimeout is how long SendTo waits for the confirmation of an Ack.
const ackTimeout = 5 * time.Second

// acknowledge acknowledges a frame. If that fails the frame is delivered again,
// which is no reason to stop.
func (s *Subscriber) acknowledge(ctx context.Context, d *Delivery) error {
	timeout, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if err := d.Ack(timeout); err != nil && ctx.Err() == nil {
		s.mu.Lock()
		s.stats.LastError = err
		s.mu.Unlock()
	}
	return ctx.Err()
}

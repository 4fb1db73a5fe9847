package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/vidgear-go/netgear"
)

// Pace selects when frames are sent, and which. The zero value is the pace of
// the recording, once from its beginning.
type Pace struct {
	// Speed is 2 for twice as fast, 0.5 for half as fast, and math.Inf(1) for
	// as fast as the receive end takes frames. Default 1.
	Speed float64
	// From is the time since the beginning of the file at which playing begins.
	From time.Duration
	// Loop plays from From to the end again and again, until the context ends.
	Loop bool
}

// maxLate is how late a frame may be. If the receive end is slower, the frames
// after it are later, too: they do not follow in a hurry.
const maxLate = time.Second

// Play calls send for each frame at its time. It returns nil at the end, or the
// first error of send, or the context's error. The frame is valid until send
// returns.
//
// If a part of the recording cannot be read, Play sends all frames that are
// intact, and then returns ErrTruncated, ErrCorrupt or ErrTooLarge. A frame for
// which send returns netgear.ErrFrame, ErrMessage or ErrRejected is left out:
// its JPEG is damaged, or the wire does not carry it. Play continues, and
// returns the first of these errors at the end. With Loop all of them are
// returned only if a whole round sends nothing.
func (p *Player) Play(ctx context.Context, send func(context.Context, *Frame) error, pace Pace) error {
	return PlayAll(ctx, []*Player{p}, send, pace)
}

// PlayAll plays recordings one after the other, as [Player.Play] does one: the
// files of a recording, for instance. Pace.From counts from the beginning of the
// first one, with the length of each. A recording whose length is not known, a
// Matroska file without Duration, is taken for longer than that. The pictures of
// AVI files are counted. With Loop the first one follows the last. Errors are
// those of all recordings.
func PlayAll(ctx context.Context, players []*Player, send func(context.Context, *Frame) error, pace Pace) error {
	switch {
	case ctx == nil:
		return fmt.Errorf("record: %w", netgear.ErrContext)
	case send == nil || math.IsNaN(pace.Speed) || pace.Speed < 0 || pace.From < 0:
		return fmt.Errorf("%w: Play takes a function, and a Pace without negative numbers", ErrOption)
	case len(players) == 0 || slices.Contains(players, nil):
		return fmt.Errorf("%w: PlayAll takes recordings, none of them nil", ErrOption)
	}
	if pace.Speed == 0 {
		pace.Speed = 1
	}
	for _, p := range players {
		p.reuse, p.file.ctx, p.file.stopped = true, ctx, false
		defer func() { p.reuse, p.buf, p.file.ctx = false, nil, nil }()
	}
	rest, from := skipFiles(players, pace.From)
	if err := ctx.Err(); err != nil {
		return err
	}
	c := clock{speed: pace.Speed}
	for {
		r := round{send: send, clock: &c}
		for i, p := range rest {
			at := from
			if i > 0 {
				at = 0
			}
			if err := r.play(ctx, p, at); err != nil {
				return err
			}
		}
		switch {
		case !pace.Loop:
			return r.damage()
		case r.sent == 0:
			return cmp.Or(r.damage(), fmt.Errorf("%w: it has no frame to play from %v on", ErrFormat, pace.From))
		}
	}
}

// skipFiles returns the recordings without those that end before a time, and the
// time within the first of them.
func skipFiles(players []*Player, from time.Duration) ([]*Player, time.Duration) {
	for len(players) > 1 {
		if from == 0 {
			break
		}
		length := players[0].length()
		if length == 0 || from < length {
			break
		}
		players, from = players[1:], from-length
	}
	return players, from
}

// round plays all recordings once.
type round struct {
	send    func(context.Context, *Frame) error
	clock   *clock
	sent    int
	unread  error // why a part of the recordings was not read
	refused int   // frames that send has refused
	first   error // and why, for the first of them
}

// play sends the frames of a recording from a time on. It returns only errors
// that end Play.
func (r *round) play(ctx context.Context, p *Player, from time.Duration) error {
	p.rewind(from)
	r.clock.restart()
	for {
		f, err := p.Next()
		switch {
		case p.file.stopped: // which looks like the end of an AVI file
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrTruncated), errors.Is(err, ErrCorrupt), errors.Is(err, ErrTooLarge), errors.Is(err, ErrFormat):
			if p.path != "" {
				err = fmt.Errorf("%w (%s)", err, p.path)
			}
			r.unread = errors.Join(r.unread, err)
			return nil
		case err != nil:
			return err
		}
		if err := r.clock.wait(ctx, f.At); err != nil {
			return err
		}
		if err := r.sendOne(ctx, f); err != nil {
			return err
		}
	}
}

// sendOne sends a frame, and counts a refused one.
func (r *round) sendOne(ctx context.Context, f *Frame) error {
	err := r.send(ctx, f)
	switch {
	case err == nil:
		r.sent++
	case errors.Is(err, netgear.ErrFrame), errors.Is(err, netgear.ErrMessage), errors.Is(err, netgear.ErrRejected):
		if r.refused++; r.first == nil {
			r.first = fmt.Errorf("the frame at %v: %w", f.At, err)
		}
	default:
		return err
	}
	return nil
}

// damage returns what was not read, and what was not sent.
func (r *round) damage() error {
	if r.refused == 0 {
		return r.unread
	}
	return errors.Join(r.unread, fmt.Errorf("record: frames that were not sent: %d, first %w", r.refused, r.first))
}

// clock waits for the times of frames.
type clock struct {
	speed float64
	zero  time.Time     // when the frame at time 0 is due
	last  time.Duration // of the last frame
	step  time.Duration // between the last two
	began bool          // a frame has been due
	again bool          // the next frame is the first of another recording or round
}

// restart begins another recording or round, one frame's time after the last frame.
func (c *clock) restart() { c.again = true }

// wait waits until a frame is due.
func (c *clock) wait(ctx context.Context, at time.Duration) error {
	now := time.Now()
	switch {
	case !c.began:
		c.zero = now.Add(-c.scaled(at))
	case c.again:
		c.zero = c.due(c.last + max(c.step, time.Millisecond)).Add(-c.scaled(at))
	case at > c.last:
		c.step = at - c.last
	}
	c.began, c.again, c.last = true, false, at
	delay := c.due(at).Sub(now)
	if delay < -maxLate {
		c.zero = c.zero.Add(-delay)
	}
	if delay <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// due returns when the frame at a time is due.
func (c *clock) due(at time.Duration) time.Time { return c.zero.Add(c.scaled(at)) }

// scaled returns a time of the recording at the speed of playing.
func (c *clock) scaled(at time.Duration) time.Duration {
	d := float64(at) / c.speed
	const longest = 100 * 365 * 24 * time.Hour
	return time.Duration(min(d, float64(longest)))
}

// SendTo returns a function for [Player.Play] that sends each frame with its
// message. A JPEG is sent unchanged by SendJPEG: the receive end decodes it into
// the colorspace of n's options. On NetGear_Async's wire, which has no JPEG, it
// is sent decoded. An array is sent raw, whatever n's options.
//
// With netgear.Options.Stamp the stamps are new ones: of the time of playing.
func SendTo(n *netgear.NetGear) func(context.Context, *Frame) error {
	return func(ctx context.Context, f *Frame) error {
		var refused error
		if f.JPEG != nil {
			_, refused = n.SendJPEG(ctx, f.JPEG, f.Message)
			if !errors.Is(refused, netgear.ErrFrame) {
				return refused
			}
		}
		// The wire carries no JPEG, or it is damaged and does not decode.
		frame, err := f.NetGear()
		if err != nil {
			return cmp.Or(refused, err)
		}
		defer frame.Close()
		frame.Stamp = nil // the time of playing is stamped
		_, err = n.SendFrame(ctx, frame, f.Message)
		return err
	}
}

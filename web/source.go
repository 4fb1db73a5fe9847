package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/vidgear-go/netgear"
)

// Source brings frames into a Viewer, mostly those of one receive end. All its
// methods may be called concurrently.
//
// Each sender has a stream of its own. Senders differ by their port in
// multi-server mode, and otherwise by their address: a sender that connects
// while another one is live has a new stream. A sender that returns continues
// its old one.
type Source struct {
	viewer *Viewer
	name   string

	// viewer.mu protects these.
	stats   func() netgear.Stats // nil without Serve
	streams map[sender]*stream   // of the senders of the newest frames
	closed  bool
}

// Source returns a source of streams with this name. If the name is not empty, a
// stream with it exists at once, in StateWaiting. Two sources may have the same
// name: then their streams have different ones, such as "gate" and "gate (2)".
func (v *Viewer) Source(name string) *Source {
	s := &Source{viewer: v, name: cleanName(name), streams: map[sender]*stream{}}
	if s.name != "" {
		v.mu.Lock()
		defer v.mu.Unlock()
		if !v.closed {
			v.add(s, "")
		}
	}
	return s
}

// Publish makes a frame the newest of its sender's stream. It does not wait for
// viewers. The caller still owns the frame, and may Close it at once. After
// Close of the Viewer or the Source the error is netgear.ErrClosed; a closed
// frame is netgear.ErrFrame.
func (s *Source) Publish(f *netgear.Frame) error {
	p, err := newPicture(f)
	if err != nil {
		return err
	}
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed || s.closed {
		p.release()
		return fmt.Errorf("web: %w", netgear.ErrClosed)
	}
	st := v.find(s, f)
	if st == nil {
		p.release()
		return nil
	}
	if v.stateOf(st, time.Now()) != StateLive {
		v.changed()
	}
	st.put(p, f)
	v.published(st)
	return nil
}

// Event updates the states of streams. It is meant for Options.OnEvent of the
// receive end. Without it, a stream whose sender has gone is StateStalled after
// Options.StallAfter.
func (s *Source) Event(e netgear.Event) {
	var state State
	switch e.Kind {
	case netgear.EventLost, netgear.EventReconnecting:
		state = StateLost
	case netgear.EventTerminated:
		state = StateEnded
	default:
		return
	}
	v := s.viewer
	s.set(state, e.Time, func(st *stream) bool {
		switch {
		case e.Port != "":
			return st.port == e.Port
		case e.Peer != "" && st.peer != "":
			return st.peer == e.Peer
		case e.Kind == netgear.EventReconnecting:
			return true
		}
		return v.count(s) == 1
	})
}

// set sets the state of those of the source's streams that which selects, unless
// they have received a frame after that time.
func (s *Source) set(state State, at time.Time, which func(*stream) bool) {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	some := false
	for _, st := range v.streams {
		if st.source == s && which(st) && st.mark(state, at) {
			some = true
		}
	}
	if some {
		v.changed()
	}
}

// Serve receives frames from end and publishes them, until ctx ends, the sender
// ends the stream (then it returns nil), or the Viewer is closed (then the error
// is netgear.ErrClosed). A peer that is gone, and time-outs of a subscriber, do
// not end it: the stream continues when a sender connects again. end remains
// the caller's, who closes it after Serve. It should have Options.Latest.
func (s *Source) Serve(ctx context.Context, end *netgear.NetGear) error {
	v := s.viewer
	if !v.begin() {
		return fmt.Errorf("web: %w", netgear.ErrClosed)
	}
	defer v.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(v.ctx, cancel)()
	s.setStats(end.Stats)
	defer s.setStats(nil)
	for {
		err := s.receive(ctx, end)
		switch {
		case err == nil:
		case v.ctx.Err() != nil:
			return fmt.Errorf("web: %w", netgear.ErrClosed)
		case errors.Is(err, io.EOF):
			s.set(StateEnded, time.Now(), func(*stream) bool { return true })
			return nil
		case errors.Is(err, netgear.ErrPeerGone):
			s.set(StateLost, time.Now(), func(*stream) bool { return true })
		case errors.Is(err, netgear.ErrTimeout):
		default:
			return err
		}
	}
}

func (s *Source) receive(ctx context.Context, end *netgear.NetGear) error {
	f, err := end.Recv(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.Publish(f)
}

func (s *Source) setStats(stats func() netgear.Stats) {
	s.viewer.mu.Lock()
	defer s.viewer.mu.Unlock()
	s.stats = stats
}

// Close removes the source's streams. It returns nil.
func (s *Source) Close() error {
	v := s.viewer
	v.mu.Lock()
	defer v.mu.Unlock()
	s.closed = true
	left := v.streams[:0:0]
	for _, st := range v.streams {
		if st.source == s {
			st.remove()
		} else {
			left = append(left, st)
		}
	}
	v.streams = left
	v.changed()
	return nil
}

// hostOf returns the address without the port.
func hostOf(peer string) string {
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		return peer
	}
	return host
}

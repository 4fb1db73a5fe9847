package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
)

// NetGear is one end of a connection. New creates it. The caller must Close it.
type NetGear struct {
	link   *link
	send   *sendEnd    // nil at a receive end
	recv   *receiveEnd // nil at a send end
	closer sync.Once
	closed error // what Close returns
}

// New opens one end. A receive end listens when New returns. A send end
// connects in the background, so the two ends may start in any order. The
// caller must Close it.
//
// Errors to test for: ErrOption (an *[OptionError]), ErrAddress, and ErrAuth,
// also ErrHostKey with an SSH tunnel.
func New(o Options) (*NetGear, error) {
	o.Pattern = o.pattern()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := checkLocation(&o); err != nil {
		return nil, err
	}
	l, err := newLink(o)
	if err != nil {
		return nil, wrap("open", err)
	}
	o.logUnused(l.opts.Logger)
	n, err := openEnd(l)
	return n, wrap("open", err)
}

// openEnd opens the end that belongs to l. On an error it closes l.
func openEnd(l *link) (n *NetGear, err error) {
	n = &NetGear{link: l}
	if l.opts.ReceiveMode {
		n.recv, err = newReceiveEnd(l)
	} else {
		n.send, err = newSendEnd(l)
	}
	if err != nil {
		l.close(0)
		return nil, err
	}
	return n, nil
}

// errNotOpened is the error of calls on a nil or a zero NetGear.
var errNotOpened = fmt.Errorf("%w: it was not opened by New", ErrClosed)

func (n *NetGear) opened() error {
	if n == nil || n.link == nil {
		return errNotOpened
	}
	return nil
}

// Endpoints returns what this end listens on or connects to, such as
// "tcp://[::]:5555". If the option is port "0", the result has the real port.
// With an SSH tunnel it is the endpoint at the far end. The caller may keep the
// slice.
func (n *NetGear) Endpoints() []string {
	if n.opened() != nil {
		return nil
	}
	return n.link.endpoints()
}

// Port returns the port of the first of Endpoints, as Options.Port takes it:
// "5555". If the option is "0", it is the real port. It may be called at any
// time from any goroutine.
func (n *NetGear) Port() string {
	if ports := n.Ports(); len(ports) > 0 {
		return ports[0]
	}
	return ""
}

// Ports returns the port of each of Endpoints, in their order, as Options.Ports
// takes them. The caller may keep the slice.
func (n *NetGear) Ports() []string {
	ports := n.Endpoints()
	for i, endpoint := range ports {
		ports[i] = portIn(endpoint)
	}
	return ports
}

// portIn returns the port of an endpoint.
func portIn(endpoint string) string { return endpoint[strings.LastIndexByte(endpoint, ':')+1:] }

// Recv returns the next frame, in the order of arrival, or with Options.Latest
// the newest. It blocks until there is one. The caller must Close the frame.
//
// After the sender's terminate message Recv returns the queued frames, then
// io.EOF. ErrTimeout (Options.SubscriberTimeout), ErrPeerGone and ErrAuth
// report that no frames arrive. The end continues to listen after them, and the
// caller may call Recv again. After Close it returns ErrClosed. ErrMode,
// ErrContext, ErrCallback and the context's error report a call that cannot wait.
//
// After io.EOF the end no longer listens, and its port is free; Close it. With
// Options.TerminatePolicy KeepWaiting there is no io.EOF.
func (n *NetGear) Recv(ctx context.Context) (*Frame, error) {
	r, err := n.receiver()
	if err != nil {
		return nil, wrap("receive", err)
	}
	return r.receive(ctx)
}

// Frames returns an iterator over what Recv returns. It ends after the sender's
// terminate message, after Close, and after the context's end, which it yields
// as an error. It yields other errors, with a nil frame, and continues: after
// ErrTimeout and ErrPeerGone a loop may continue, too. The caller must Close each
// frame.
func (n *NetGear) Frames(ctx context.Context) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		for {
			f, err := n.Recv(ctx)
			if errors.Is(err, io.EOF) || errors.Is(err, ErrClosed) {
				return
			}
			if !yield(f, err) || ctx == nil || ctx.Err() != nil || errors.Is(err, ErrMode) || errors.Is(err, ErrCallback) {
				return
			}
		}
	}
}

// Close ends this end. Calls that wait in other goroutines return ErrClosed. A
// receive end discards its queue. When Close returns, ports are free and no
// goroutine of the end runs. Frames that Recv returned stay valid until their
// own Close. A second call waits for the first and returns the same.
//
// A send end sends the terminate message, if a peer is connected. Before, it
// waits until Options.TerminateDelay (500 ms) has passed since the last frame,
// so that the application at a VidGear receive end can read what is queued
// there. Then it waits for the delivery for a fifth of RequestTimeout, but no
// more than one second. With PushPull that is RequestTimeout (15 s), because
// frames that no receiver has taken yet go first. An end that listens waits up
// to one second more until its peers have disconnected.
//
// With Options.SendAhead the frames that were sent ahead go out first, and with
// Options.SendLatest the frame that waits. That
// takes at most RequestTimeout × (MaxRetries + 1) in all (3 + 1 if MaxRetries
// is negative), and ends when the first frame fails. Lost frames are a
// *[LostError], unless Send or Flush has reported them. Inside a callback of
// this end Close returns ErrCallback and does nothing. In all other cases it
// returns nil.
func (n *NetGear) Close() error {
	if err := n.opened(); err != nil {
		return wrap("close", err)
	}
	if err := n.link.calls.check(forbidClose); err != nil {
		return wrap("close", err)
	}
	n.closer.Do(func() {
		if n.recv != nil {
			n.recv.close()
		} else {
			n.closed = n.send.close()
		}
	})
	return n.closed
}

// Package netgear sends video frames across a network on the wire of Python's
// VidGear NetGear (version 0.3.6), so that either end of a Python system can be
// replaced by a Go program with nothing changed at the other.
//
// The send end connects, the receive end binds:
//
//	recv, err := netgear.New(netgear.Options{ReceiveMode: true})   // NetGear(receive_mode=True)
//	send, err := netgear.New(netgear.Options{Address: "10.0.0.4"}) // NetGear(address="10.0.0.4")
//
//	reply, err := send.Send(ctx, mat, message) // a gocv.Mat; SendArray, SendImage, SendJPEG for the rest
//	for frame, err := range recv.Frames(ctx) {
//		img, err := frame.Mat() // or frame.Array(), frame.Image(), frame.JPEG()
//		…
//		frame.Close()
//	}
//
// Calls block by default and are never stuck: each ends at once when its
// context does or when Close is called from any goroutine. A socket that has
// nothing yet says EAGAIN, and here that means just that; the option that makes
// VidGear's receive thread die of it, flag=1, is refused (VidGear issue #390).
//
// All methods may be called from any goroutine. Each ZeroMQ socket is owned by
// one goroutine at a time: at a receive end the receive goroutine, at a send end
// whoever is sending. Idle ends hold no operating-system thread.
//
// The package needs libzmq 4.3 and libjpeg-turbo (libjpeg and TurboJPEG) and, unless built
// with -tags nogocv, OpenCV 4 through gocv.
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

// NetGear is one end of a connection. Create it with New, and Close it.
type NetGear struct {
	link   *link
	send   *sendEnd    // nil at a receive end
	recv   *receiveEnd // nil at a send end
	closer sync.Once
	closed error // what Close returns
}

// New opens one end. A receive end listens when New returns; a send end
// connects in the background, so the order in which the two ends start does not
// matter. The caller must Close it.
func New(o Options) (*NetGear, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	l, err := newLink(o)
	if err != nil {
		return nil, wrap("open", err)
	}
	n, err := openEnd(l)
	return n, wrap("open", err)
}

// openEnd opens the end that l is of. On an error l is closed.
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

// errNotOpened is for a nil or a zero NetGear.
var errNotOpened = fmt.Errorf("%w: it was not opened by New", ErrClosed)

func (n *NetGear) opened() error {
	if n == nil || n.link == nil {
		return errNotOpened
	}
	return nil
}

// Endpoints are what this end listens on or connects to, such as
// "tcp://[::]:5555". Where port "0" was asked for, the real one is there;
// with an SSH tunnel it is the far end.
func (n *NetGear) Endpoints() []string {
	if n.opened() != nil {
		return nil
	}
	return n.link.endpoints()
}

// Port returns the port of the first of Endpoints, as Options.Port takes it:
// "5555". Where "0" was asked for it is the real one. It may be called at any time
// from any goroutine.
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

// Recv returns the next frame, in the order in which frames came; with
// Options.Latest the newest. It blocks until there is one. The caller must
// Close it.
//
// After the sender's goodbye Recv returns what was queued, then io.EOF.
// ErrTimeout (Options.SubscriberTimeout), ErrPeerGone and ErrAuth say that
// nothing comes; the end goes on listening, and so may the caller. After Close
// it returns ErrClosed.
func (n *NetGear) Recv(ctx context.Context) (*Frame, error) {
	r, err := n.receiver()
	if err != nil {
		return nil, wrap("receive", err)
	}
	return r.receive(ctx)
}

// Frames is Recv as an iterator. It ends after the sender's goodbye, after Close
// and after the context's end, which it reports; other errors it reports and
// goes on, unless the loop is left.
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

// Close ends this end: calls that wait in other goroutines return ErrClosed, a
// receive end forgets what it had queued, a send end says goodbye to its peer
// and waits for it for at most a fifth of RequestTimeout, and a second. When Close returns,
// ports are free and no goroutine is left; frames that Recv returned stay valid
// until their own Close. Calling it again waits for the first and returns the
// same.
//
// With Options.SendAhead what was sent ahead goes out first, for at most
// RequestTimeout × (MaxRetries + 1) in all (3 + 1 where that is for ever), and
// only until the first frame fails. What is lost is a *[LostError], unless Send or
// Flush has reported it. Inside a callback of this end Close returns ErrCallback,
// and does nothing. In all other cases it returns nil.
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

package netgear

import (
	"context"
	"errors"
	"strings"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/transport"
)

// Pattern is a ZeroMQ messaging pattern, numbered as in VidGear.
type Pattern int

const (
	// Pair connects exactly two ends; every frame is answered. VidGear's
	// default.
	Pair Pattern = iota
	// ReqRep is REQ at the send end and REP at the receive end; every frame is
	// answered.
	ReqRep
	// PubSub is PUB at the send end and SUB at the receive end: any number of
	// each, no answers, and frames are lost where a receiver is slow or late.
	PubSub
	// PushPull is PUSH at the send end and PULL at the receive end: no answers;
	// each frame goes to one receiver, in turn, and a send end waits while none
	// has room. On NetGear_Async's wire only (Options.Wire).
	PushPull
)

// patternSpec holds what distinguishes one pattern from the others.
type patternSpec struct {
	send, recv zmq4.Type
	answers    bool // the receive end answers every frame
	multi      bool // several ends may take part
	lossy      bool // a receive end drops what finds a full queue, rather than hold its senders back
	// heartbeats is set where ZMTP heartbeats may be set.
	//
	// libzmq (to 4.3.5 at least) aborts the process when a heartbeat falls due on
	// a connection that was lost while nothing more could be read from it into its
	// pipe (libzmq issues #4364, #4767, #3937). A pipe without a limit takes
	// everything (receiveHWM), but no longer once its socket is being closed. A
	// peer that reads nothing makes a closing socket linger, and has all of that
	// time to send something and reset the connection. So there are none by
	// default.
	//
	// At PAIR and PULL a peer would not even have to wait for that. PAIR leaves a
	// second peer's connection without any pipe, and PULL needs a limit.
	heartbeats bool
	// setSockopts sets the options of this pattern, before a socket is opened.
	setSockopts func(*zmq4.Socket, *Options) error
}

var patterns = [...]patternSpec{
	Pair:     {send: zmq4.PAIR, recv: zmq4.PAIR, answers: true, setSockopts: lockstepOptions},
	ReqRep:   {send: zmq4.REQ, recv: zmq4.REP, answers: true, multi: true, heartbeats: true, setSockopts: lockstepOptions},
	PubSub:   {send: zmq4.PUB, recv: zmq4.SUB, multi: true, lossy: true, heartbeats: true, setSockopts: streamOptions},
	PushPull: {send: zmq4.PUSH, recv: zmq4.PULL, setSockopts: streamOptions},
}

func (p Pattern) spec() *patternSpec { return &patterns[p] }

func lockstepOptions(s *zmq4.Socket, o *Options) error {
	// The send high-water mark stays libzmq's 1000: there is one answer at a time,
	// but REP learns late how many of them have left, and drops those beyond it.
	errs := []error{s.SetRcvhwm(o.receiveHWM())}
	if o.Pattern == ReqRep && !o.ReceiveMode {
		// A request may be sent again before it was answered, and a late
		// answer to an earlier one is not taken for this one's.
		errs = append(errs, s.SetReqRelaxed(1), s.SetReqCorrelate(1))
		if o.MulticlientMode {
			// Requests go round the clients that are there; without this also to
			// those that are not, and each would cost a time-out.
			errs = append(errs, s.SetImmediate(true))
		}
	}
	return errors.Join(errs...)
}

func streamOptions(s *zmq4.Socket, o *Options) error {
	errs := []error{s.SetRcvhwm(o.receiveHWM()), s.SetSndhwm(o.HighWaterMark)}
	switch {
	case o.Pattern == PubSub && o.ReceiveMode:
		errs = append(errs, s.SetSubscribe(""))
	case o.Pattern == PushPull && !o.ReceiveMode:
		// A frame is taken when somebody is there to take it.
		errs = append(errs, s.SetImmediate(true))
	}
	return errors.Join(errs...)
}

// receiveHWM returns the receive high-water mark of an end; 0 is none.
//
// libzmq (to 4.3.5 at least) aborts the process, too, when it finds a peer's
// heartbeat among the bytes that it has not yet processed, because the pipe was
// full, of a connection that was lost meanwhile. Any peer can send that. So no
// pipe has a limit but PULL's, which holds its senders back in no other way.
func (o *Options) receiveHWM() int {
	switch {
	case o.Pattern != PushPull:
		return 0
	case o.SecureMode != Grasslands:
		// At 1 the reply of the authentication handler, which has several parts,
		// finds no room, and no handshake ever ends.
		return max(o.HighWaterMark, 2)
	}
	return o.HighWaterMark
}

// socketConfig returns what package transport needs of the options. Every socket
// of a secure end is configured here, so none is ever opened in the clear.
func (o *Options) socketConfig(sec *security) transport.Config {
	spec := o.Pattern.spec()
	c := transport.Config{
		Kind: spec.send, Bind: o.binds(), Secure: sec != nil, Server: o.ReceiveMode, Exclusive: o.servesOne(),
		MaxMessage: o.MaxFrameBytes, MaxParts: maxParts, ReceiveHWM: o.receiveHWM(),
		HeartbeatInterval: o.HeartbeatInterval, HeartbeatTimeout: o.HeartbeatTimeout,
		Logger: o.Logger,
		Setup: func(s *zmq4.Socket) error {
			return errors.Join(spec.setSockopts(s, o), sec.configure(s, o))
		},
	}
	if o.ReceiveMode {
		c.Kind = spec.recv
	}
	if sec != nil {
		c.Access = sec.access
	}
	return c
}

// servesOne reports whether this end listens and serves one peer.
func (o *Options) servesOne() bool { return o.Pattern == Pair && o.ReceiveMode && o.binds() }

// publishes reports whether this end is a publisher.
func (o *Options) publishes() bool { return o.Pattern == PubSub && !o.ReceiveMode }

// ---- endpoints ----

// endpoints are what this end binds or connects to, as libzmq spells them.
// Names are resolved here: libzmq would do it on its I/O thread and hold up
// every connection meanwhile.
func (o *Options) endpoints(ctx context.Context) ([]string, error) {
	host := o.address()
	switch {
	case o.protocol() != "tcp":
	case host == "*":
		host = transport.AnyAddress()
	default:
		addresses, err := lookupAddresses(ctx, strings.Trim(host, "[]"))
		if err != nil {
			return nil, err
		}
		if host = addresses[0].String(); addresses[0].Is6() {
			host = "[" + host + "]"
		}
	}
	eps := make([]string, len(o.Ports))
	for i, p := range o.Ports {
		if o.protocol() == "tcp" {
			p = plainPort(p)
		}
		eps[i] = o.protocol() + "://" + host + ":" + p
	}
	return eps, nil
}

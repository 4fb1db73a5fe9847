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
	// Pair connects exactly two ends, and every frame is answered. It is
	// VidGear's default.
	Pair Pattern = iota
	// ReqRep is REQ at the send end and REP at the receive end, and every frame
	// is answered.
	ReqRep
	// PubSub is PUB at the send end and SUB at the receive end, any number of
	// each. There are no answers, and a receiver that is slow or late loses
	// frames.
	PubSub
	// PushPull is PUSH at the send end and PULL at the receive end, without
	// answers. Each frame goes to one receiver, in turn, and a send end waits
	// while no receiver has room. It exists only on NetGear_Async's wire
	// (Options.Wire).
	PushPull
)

// patternSpec holds what distinguishes one pattern from the others.
type patternSpec struct {
	send, recv zmq4.Type
	answers    bool // the receive end answers every frame
	multi      bool // several ends may take part
	lossy      bool // a receive end drops frames that arrive at a full queue, and does not make its senders wait
	// heartbeats is set if ZMTP heartbeats may be set.
	//
	// libzmq (to 4.3.5 at least) can abort the process when a heartbeat is due
	// on a lost connection. It does so if the connection was lost while its
	// pipe could take nothing more (libzmq issues #4364, #4767, #3937). A pipe
	// without a limit takes everything (receiveHWM), but not while its socket
	// is being closed. A peer that reads nothing makes a closing socket linger.
	// In all of that time it can send something and reset the connection. So
	// heartbeats are off by default.
	//
	// At PAIR and PULL a peer need not even wait for the close. PAIR leaves a
	// second peer's connection without any pipe, and PULL requires a limit.
	heartbeats bool
	// setSockopts sets the options of this pattern before a socket is opened.
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
	// The send high-water mark stays libzmq's 1000. There is one answer at a
	// time, but REP learns late how many of them have left, and drops those
	// beyond the mark.
	errs := []error{s.SetRcvhwm(o.receiveHWM())}
	if o.Pattern == ReqRep && !o.ReceiveMode {
		// A request may be sent again before it was answered. A late answer to
		// an earlier one is then not taken for the answer to this one.
		errs = append(errs, s.SetReqRelaxed(1), s.SetReqCorrelate(1))
		if o.MulticlientMode {
			// Requests go to the connected clients in turn. Without this they
			// would also go to clients that are not connected, and each would
			// cost a time-out.
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
	case o.Pattern == PubSub:
		errs = append(errs, s.SetXpubNodrop(true)) // see trySendHead
	case o.Pattern == PushPull && !o.ReceiveMode:
		// A frame is accepted only when a receiver is connected.
		errs = append(errs, s.SetImmediate(true))
	}
	return errors.Join(errs...)
}

// receiveHWM returns the receive high-water mark of an end; 0 is no limit.
//
// libzmq (to 4.3.5 at least) also aborts the process for a lost connection
// whose unprocessed bytes contain a peer's heartbeat. Bytes stay unprocessed
// while the pipe is full, and any peer can send them. A full pipe is worse still
// at a socket that reads nothing, such as PUSH: the connection then outlives its
// peer, with its descriptor. So no pipe has a limit except that of PULL, which
// has no other way to make its senders wait.
func (o *Options) receiveHWM() int {
	switch {
	case o.Pattern != PushPull || !o.ReceiveMode:
		return 0
	case o.SecureMode != Grasslands:
		// With 1 there is no room for the reply of the authentication handler,
		// which has several parts, and no handshake ever ends.
		return max(o.HighWaterMark, 2)
	}
	return o.HighWaterMark
}

// socketConfig returns the configuration of package transport for the options.
// It configures every socket of a secure end, so none is ever opened without
// encryption.
func (o *Options) socketConfig(sec *security) transport.Config {
	spec := o.Pattern.spec()
	c := transport.Config{
		Kind: spec.send, Bind: o.binds(), Secure: sec != nil, Server: o.ReceiveMode, Exclusive: o.servesOne(),
		// PAIR's answers have no number: the one to a frame of an ended connection
		// would be taken for the answer to the next connection's.
		ReadFirst:  o.Pattern == Pair && o.ReceiveMode,
		MaxPeers:   o.MaxPeers,
		MaxMessage: o.MaxFrameBytes, MaxParts: maxParts, ReceiveHWM: o.receiveHWM(),
		SilenceLimit: o.silenceLimit(), HeartbeatInterval: o.HeartbeatInterval, HeartbeatTimeout: o.HeartbeatTimeout,
		Logger: o.Logger,
		Setup: func(s *zmq4.Socket) error {
			return errors.Join(spec.setSockopts(s, o), sec.configure(s, o))
		},
	}
	if o.ReceiveMode {
		c.Kind = spec.recv
	}
	if o.Adapt.MaxAge != 0 && !spec.answers {
		c.MaxUnsent = maxUnsent
	}
	if sec != nil {
		c.Access = sec.access
	}
	return c
}

// maxUnsent bounds what the system takes of a connection before it sends it, at
// an end that adapts its frames. What exceeds it stays in libzmq, so that a
// frame that is still there can be counted, and PUB drops the next one. It is
// a few packets: the system sends what a network with a long way takes anyway.
const maxUnsent = 16 << 10

// servesOne reports whether this end listens and serves one peer.
func (o *Options) servesOne() bool { return o.Pattern == Pair && o.ReceiveMode && o.binds() }

// publishes reports whether this end is a publisher.
func (o *Options) publishes() bool { return o.Pattern == PubSub && !o.ReceiveMode }

// ---- endpoints ----

// endpoints returns the endpoints that this end binds or connects to, in
// libzmq's spelling. It resolves names, because libzmq would do so on its I/O
// thread and block every connection meanwhile.
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

package netgear

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
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
	heartbeats bool // ZMTP heartbeats may be set; see Options.heartbeats
	// setSockopts sets what this pattern asks of a socket, before it is opened.
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

// deadLine is how long TCP may go without an acknowledgement.
const deadLine = 4 * time.Second

// heartbeats says whether this end sends ZMTP heartbeats.
//
// libzmq (to 4.3.5 at least) aborts the process when a heartbeat falls due on a
// connection that was lost while nothing more could be read from it into its
// pipe (libzmq issues #4364, #4767, #3937). A pipe without a limit takes
// everything (receiveHWM), but no longer once its socket is being closed. A peer
// that reads nothing makes a closing socket linger, and has all of that time to
// send something and reset the connection. So there are none by default.
//
// At PAIR and PULL a peer would not even have to wait for that. PAIR leaves a
// second peer's connection without any pipe, and PULL needs a limit.
func (o *Options) heartbeats() bool { return o.HeartbeatInterval > 0 }

// receiveHWM is the receive high-water mark of an end; 0 is none.
//
// libzmq (to 4.3.5 at least) aborts the process, too, when it finds a peer's
// heartbeat among what it had not yet taken in, because the pipe was full, of a
// connection that was lost meanwhile: anybody can send that. So nowhere has a
// pipe a limit, but at PULL, which holds its senders back in no other way.
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

// commonOptions are set on every socket of this library. All of them take
// effect only before bind and connect.
func commonOptions(s *zmq4.Socket, o *Options) error {
	errs := []error{
		// Nothing lingers unless Close says so: a lost peer must not hold up
		// the end of the program.
		s.SetLinger(0),
		s.SetMaxmsgsize(o.maxPart()),
		s.SetReconnectIvl(100 * time.Millisecond),
		// A connection attempt into the void is given up and made again: the
		// system itself would wait longer from one to the next.
		s.SetConnectTimeout(time.Second),
		s.SetHandshakeIvl(handshakeLimit),
		// A machine that is cut off is noticed by TCP: by keepalive while the
		// line is quiet, by unacknowledged data while it is not. Unlike ZMTP's
		// heartbeats these do not mistake a long transfer for silence.
		s.SetTcpKeepalive(1),
		s.SetTcpKeepaliveIdle(1),
		s.SetTcpKeepaliveIntvl(1),
		s.SetTcpKeepaliveCnt(3),
	}
	if o.Pattern != PushPull {
		// There a receiver holds its senders back by not reading, which looks like
		// a cut-off to TCP: the connection would go, and frames with it.
		errs = append(errs, s.SetTcpMaxrt(deadLine))
	}
	if o.heartbeats() {
		errs = append(errs, s.SetHeartbeatIvl(o.HeartbeatInterval), s.SetHeartbeatTimeout(o.HeartbeatTimeout))
	}
	return errors.Join(errs...)
}

// ---- endpoints ----

// endpoints are what this end binds or connects to, as libzmq spells them.
// Names are resolved here: libzmq would do it on its I/O thread and hold up
// every connection meanwhile.
func (o *Options) endpoints(ctx context.Context) ([]string, error) {
	host := o.address()
	switch {
	case o.protocol() != "tcp":
	case host == "*":
		host = everywhere()
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

// ---- sockets ----

// socket is one open ZeroMQ socket with its monitor. Whoever opened it owns it
// and closes it.
type socket struct {
	*zmsg.Socket
	mon       *monitor
	endpoints []string // as bound or connected, with real port numbers
	bound     bool
	door      *door // nil: everybody may come in
	flow      *flow
}

// watchers receive what the socket of an end reports.
type watchers struct {
	event   func(event)                  // of connections; see monitor
	knocked func()                       // a peer waits at the door
	closed  func(peer string, why error) // this end has ended a connection
	pending func()                       // a publisher's peers have subscribed to something
}

// openSocket is the one place where sockets are made, the first time and after
// a loss: a new socket has everything that the old one had.
func openSocket(o *Options, sec *security, endpoints []string, w watchers) (_ *socket, err error) {
	ctx, err := acquireContext()
	if err != nil {
		return nil, err
	}
	door := newDoor(o, sec, w.knocked)
	s, err := assemble(ctx, o, sec, door, endpoints, w)
	if err != nil {
		door.close()
		releaseContext()
		return nil, err
	}
	return s, nil
}

// assemble opens a socket while enough descriptors are free for it: libzmq
// aborts the process where one is missing.
func assemble(ctx *zmq4.Context, o *Options, sec *security, door *door, endpoints []string, w watchers) (*socket, error) {
	opening.Lock()
	defer opening.Unlock()
	if err := checkDescriptors(); err != nil {
		return nil, err
	}
	if err := door.open(ctx); err != nil {
		return nil, err
	}
	spec := o.Pattern.spec()
	kind := spec.send
	if o.ReceiveMode {
		kind = spec.recv
	}
	plain, err := ctx.NewSocket(kind)
	if err != nil {
		return nil, err
	}
	raw, err := zmsg.Wrap(plain)
	if err != nil {
		plain.Close()
		return nil, err
	}
	s := &socket{Socket: raw, bound: o.binds(), door: door, flow: newFlow(sec != nil)}
	raw.Observe(s.flow)
	if err := s.configure(o, spec, sec, endpoints); err != nil {
		raw.Close()
		return nil, err
	}
	if err := s.monitor(ctx, o, w); err != nil {
		raw.Close()
		return nil, err
	}
	if err := s.attach(endpoints); err != nil {
		s.tearDown(0)
		return nil, err
	}
	return s, nil
}

// monitor starts the socket's monitor.
func (s *socket) monitor(ctx *zmq4.Context, o *Options, w watchers) (err error) {
	g := guarding{flow: s.flow, limits: o.inflowLimits(), exclusive: o.servesOne(), paced: s.door != nil && s.door.paced, handshake: o.handshakeBytes(), closedPeer: w.closed, subscribed: w.pending}
	s.mon, err = startMonitor(ctx, s.Socket.Socket, g, func(e event) {
		switch {
		case e.kind == zmq4.EVENT_HANDSHAKE_SUCCEEDED:
			s.door.cameIn()
		case e.refused():
			s.door.turnedBack()
		}
		w.event(e)
	})
	return err
}

func (s *socket) configure(o *Options, spec *patternSpec, sec *security, endpoints []string) error {
	errs := []error{commonOptions(s.Socket.Socket, o), spec.setSockopts(s.Socket.Socket, o), sec.configure(s.Socket.Socket, o), s.door.configure(s.Socket.Socket)}
	for _, ep := range endpoints {
		if strings.HasPrefix(ep, "tcp://[") {
			errs = append(errs, s.SetIpv6(true))
		}
		if !s.bound && onThisMachine(ep) {
			errs = append(errs, s.SetSndbuf(localSendBuffer))
		}
	}
	return errors.Join(errs...)
}

// localSendBuffer is what a connection within one machine sends at a time. Raw
// 1080p frames go up to twice as fast as with the system's default, which grows
// to megabytes: see docs/performance.md. Over a real network the system knows
// better.
const localSendBuffer = 512 << 10

func onThisMachine(ep string) bool {
	return strings.HasPrefix(ep, "ipc://") || strings.HasPrefix(ep, "tcp://127.") || strings.HasPrefix(ep, "tcp://[::1]")
}

func (s *socket) attach(endpoints []string) error {
	for _, ep := range endpoints {
		if !s.bound {
			if err := s.Connect(ep); err != nil {
				return addressError("connect to", ep, err)
			}
			s.endpoints = append(s.endpoints, ep)
			continue
		}
		if err := ipcFree(ep); err != nil {
			return err
		}
		if err := s.Bind(ep); err != nil {
			return addressError("bind", ep, err)
		}
		// The real port, where port 0 was asked for.
		real, err := s.GetLastEndpoint()
		if err != nil {
			return err
		}
		s.endpoints = append(s.endpoints, real)
	}
	return nil
}

// ipcFree refuses an ipc path that libzmq would take away from its owner without
// a word: it deletes what is there, whether a program listens on it or not.
func ipcFree(ep string) error {
	path, ok := strings.CutPrefix(ep, "ipc://")
	if !ok {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		// A link may lead to a socket.
		if info, err := os.Stat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
			return fmt.Errorf("%w: cannot bind %s: what is there is not a socket, and binding would delete it (move it away or choose another Address)", ErrAddress, ep)
		}
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return nil
	}
	c.Close()
	return addressError("bind", ep, syscall.EADDRINUSE)
}

// addressError says what is wrong with an endpoint and what to do.
func addressError(doing, ep string, err error) error {
	hint := ""
	switch zmq4.AsErrno(err) {
	case zmq4.Errno(syscall.EADDRINUSE):
		hint = "another program listens there: stop it or choose another port"
	case zmq4.Errno(syscall.ENODEV), zmq4.Errno(syscall.EADDRNOTAVAIL):
		hint = "it is not an address of this machine; the end that binds (by default the receive end) needs one of its own addresses or \"*\""
	case zmq4.Errno(syscall.EACCES), zmq4.Errno(syscall.EPERM):
		hint = "permission denied: ports below 1024 and foreign folders need rights"
	case zmq4.Errno(syscall.ENAMETOOLONG):
		hint = "the path is too long for a local socket (about 100 bytes)"
	case zmq4.Errno(syscall.ENOENT), zmq4.Errno(syscall.ENOTDIR):
		hint = "the folder does not exist"
	case zmq4.Errno(syscall.EINVAL):
		hint = "it is not a valid endpoint"
	}
	if hint != "" {
		hint = " (" + hint + ")"
	}
	return fmt.Errorf("%w: cannot %s %s: %w%s", ErrAddress, doing, ep, err, hint)
}

// shut closes the socket and gives up its hold on the context. Messages not yet
// sent are kept for linger. When it returns, bound ports are free.
func (s *socket) shut(linger time.Duration) {
	s.tearDown(linger)
	s.door.close()
	releaseContext()
}

func (s *socket) tearDown(linger time.Duration) {
	s.SetLinger(linger)
	if s.bound {
		for _, ep := range s.endpoints {
			if s.Unbind(ep) == nil {
				s.mon.awaitClosed()
			}
		}
	}
	// In this order: a monitor whose reader is gone would wedge libzmq.
	s.mon.stop(s.Socket.Socket)
	s.Close()
}

// ---- the context ----

// One ZeroMQ context serves the whole process while any end is open: a
// context costs two threads, and an idle end should cost none.
var shared struct {
	sync.Mutex
	ctx  *zmq4.Context
	refs int
	zap  *zapHandler // while a socket with a door is open
}

const maxSockets = 16384

func acquireContext() (*zmq4.Context, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.ctx == nil {
		if err := checkDescriptors(); err != nil {
			return nil, err
		}
		zmsg.KeepFreed()
		ctx, err := zmq4.NewContext()
		if err != nil {
			return nil, err
		}
		if err := ctx.SetMaxSockets(maxSockets); err != nil {
			return nil, err
		}
		shared.ctx = ctx
		spare.open()
	}
	shared.refs++
	return shared.ctx, nil
}

// releaseContext ends the context with its last socket; that waits for the
// lingering messages. Who opens an end meanwhile gets a new context.
func releaseContext() {
	if ctx := dropContext(); ctx != nil {
		ctx.Term()
	}
}

// dropContext gives up one hold and returns the context if it was the last.
func dropContext() *zmq4.Context {
	shared.Lock()
	defer shared.Unlock()
	if shared.refs--; shared.refs > 0 {
		return nil
	}
	ctx := shared.ctx
	shared.ctx = nil
	spare.close()
	return ctx
}

package transport

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/cxxnew"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// Socket is one open ZeroMQ socket with its monitor and its peer gate. The
// goroutine that owns the ZeroMQ socket calls the methods. Wake, Peers, Pending,
// Handshaking, Spoiled, Outgoing and Written may be called from any goroutine.
type Socket struct {
	*zmsg.Socket
	// Endpoints are what the socket is bound or connected to, with real port
	// numbers.
	Endpoints []string
	Bound     bool // the socket listens

	context      *sharedContext
	monitor      *monitor
	gate         *gate
	flow         *flow
	hearsNothing bool
	handshake    int64           // the fewest bytes that this end sends in one
	parted       map[string]bool // the endpoints that Part has disconnected; the owner's
}

// AckTimeout is how long TCP data may go without an acknowledgement before the
// connection is given up, unless Config.SilenceLimit is set.
const AckTimeout = 4 * time.Second

// Open opens a socket, the first time and after a loss. So a new socket has every
// setting of the old one. The caller owns it and must Shut it.
//
// report is called for each event, also before Open returns: by the goroutine of
// the socket's monitor, and with PeerPending by that of the authentication
// handler. It must not block.
//
// An endpoint that cannot be used is an *[AddressError].
func Open(c Config, endpoints []string, report func(Event)) (_ *Socket, err error) {
	g := newGate(&c, func() { report(Event{Kind: PeerPending}) })
	shared, err := acquireContext(c.zapUse(g))
	if err != nil {
		return nil, err
	}
	s, err := assemble(shared.ctx, &c, g, endpoints, report)
	if err != nil {
		if s != nil {
			s.tearDown(0)
		}
		g.close()
		shared.release()
		return nil, err
	}
	s.context = shared
	return s, nil
}

// assemble opens a socket while enough descriptors are free for it: libzmq
// aborts the process where one is missing. The caller must tear down a socket that
// it returns with an error.
func assemble(ctx *zmq4.Context, c *Config, g *gate, endpoints []string, report func(Event)) (*Socket, error) {
	opening.Lock()
	defer opening.Unlock()
	if err := checkDescriptors(); err != nil {
		return nil, err
	}
	if err := g.open(ctx); err != nil {
		return nil, err
	}
	plain, err := zmsg.NewSocket(ctx, c.Kind)
	if err != nil {
		return nil, err
	}
	warnUnfilled(c)
	raw, err := zmsg.Wrap(plain)
	if err != nil {
		plain.Close()
		return nil, err
	}
	s := &Socket{Socket: raw, Bound: c.Bind, gate: g, flow: newFlow(c.Secure), hearsNothing: c.hearsNothing(), handshake: c.sentHandshake()}
	raw.Observe(s.flow)
	if err := s.configure(c, endpoints); err != nil {
		raw.Close()
		return nil, err
	}
	if s.monitor, err = startMonitor(ctx, plain, s.guarding(c), s.noteHandshakes(report)); err != nil {
		raw.Close()
		return nil, err
	}
	return s, s.attach(endpoints)
}

// unfilled is done when warnUnfilled has logged its line.
var unfilled sync.Once

// warnUnfilled logs, once, that libzmq's objects are not filled (package cxxnew),
// although a socket has the client's side of CURVE and libzmq has objects by now.
func warnUnfilled(c *Config) {
	if c.Secure && !c.Server && cxxnew.Filled() == 0 && c.Logger != nil {
		unfilled.Do(func() {
			c.Logger.Warn("libzmq's memory cannot be protected here: a machine on the way may pass for the receive end")
		})
	}
}

func (s *Socket) guarding(c *Config) guarding {
	return guarding{flow: s.flow, limits: newLimits(c), exclusive: c.Exclusive, secure: c.Secure, paced: s.gate != nil && s.gate.paced, handshake: c.handshakeBytes(), reply: c.replyBytes(), maxUnsent: c.MaxUnsent, maxPeers: c.maxPeers()}
}

// noteHandshakes returns report, with the gate notified first.
func (s *Socket) noteHandshakes(report func(Event)) func(Event) {
	return func(e Event) {
		switch {
		case e.Kind == Connected:
			s.gate.handshakeDone()
		case e.HandshakeFailed():
			s.gate.handshakeFailed()
		}
		report(e)
	}
}

func (s *Socket) configure(c *Config, endpoints []string) error {
	plain := s.Socket.Socket
	errs := []error{setCommon(plain, c), c.Setup(plain), s.gate.configure(plain, c)}
	for _, ep := range endpoints {
		if strings.HasPrefix(ep, "tcp://[") {
			errs = append(errs, s.SetIpv6(true))
		}
		if !s.Bound && onThisMachine(ep) {
			errs = append(errs, s.SetSndbuf(localSendBuffer))
		}
	}
	return errors.Join(errs...)
}

// setCommon sets the options of every socket. All of them take effect only
// before bind and connect.
func setCommon(s *zmq4.Socket, c *Config) error {
	silence := cmp.Or(c.SilenceLimit, AckTimeout)
	errs := []error{
		// Nothing lingers unless Shut asks for it: a lost peer must not delay the
		// end of the program.
		s.SetLinger(0),
		s.SetMaxmsgsize(c.maxPart()),
		s.SetReconnectIvl(c.reconnectAfter()),
		// A connection attempt that is not answered is ended and made again: the
		// system itself would wait longer from one to the next.
		s.SetConnectTimeout(time.Second),
		s.SetHandshakeIvl(handshakeLimit),
		// TCP notices a machine that is cut off: by keepalive while the line is
		// quiet, by unacknowledged data while it is not. Unlike ZMTP's heartbeats
		// these do not take a long transfer for silence.
		s.SetTcpKeepalive(1),
		s.SetTcpKeepaliveIdle(1),
		s.SetTcpKeepaliveIntvl(1),
		s.SetTcpKeepaliveCnt(int(silence/time.Second) - 1),
	}
	if !c.pushes() {
		// There a receiver holds its senders back by not reading, which TCP takes
		// for a cut-off: the connection would end, and frames with it.
		errs = append(errs, s.SetTcpMaxrt(silence))
	}
	if c.HeartbeatInterval > 0 {
		errs = append(errs, s.SetHeartbeatIvl(c.HeartbeatInterval), s.SetHeartbeatTimeout(c.HeartbeatTimeout))
	}
	return errors.Join(errs...)
}

// localSendBuffer is what a connection within one machine sends at a time. Raw
// 1080p frames go up to twice as fast as with the system's default, which grows
// to megabytes: see docs/performance.md. Over a network the default is better.
const localSendBuffer = 512 << 10

func onThisMachine(ep string) bool {
	return strings.HasPrefix(ep, "ipc://") || strings.HasPrefix(ep, "tcp://127.") || strings.HasPrefix(ep, "tcp://[::1]")
}

func (s *Socket) attach(endpoints []string) error {
	for _, ep := range endpoints {
		if !s.Bound {
			if err := s.Connect(ep); err != nil {
				return addressError("connect to", ep, err)
			}
			s.Endpoints = append(s.Endpoints, ep)
			continue
		}
		if err := ipcFree(ep); err != nil {
			return err
		}
		bind := s.Bind
		if strings.HasPrefix(ep, "tcp://") {
			bind = s.bindTCP
		}
		if err := bind(ep); err != nil {
			return addressError("bind", ep, err)
		}
		// The real port, where port 0 was asked for.
		bound, err := s.GetLastEndpoint()
		if err != nil {
			return err
		}
		s.Endpoints = append(s.Endpoints, bound)
	}
	return nil
}

// Dial connects to one more endpoint, with the options that depend on it. An
// endpoint that cannot be used is an *[AddressError].
func (s *Socket) Dial(ep string) error {
	if err := s.connect(ep); err != nil {
		return addressError("connect to", ep, err)
	}
	if !slices.Contains(s.Endpoints, ep) {
		s.Endpoints = append(s.Endpoints, ep)
	}
	return nil
}

// connect connects to an endpoint, with the options that depend on it.
func (s *Socket) connect(ep string) error {
	buffer := -1 // the system's
	if onThisMachine(ep) {
		buffer = localSendBuffer
	}
	err := errors.Join(s.SetIpv6(strings.HasPrefix(ep, "tcp://[")), s.SetSndbuf(buffer))
	if err == nil {
		delete(s.parted, ep)
		err = s.Connect(ep)
	}
	return err
}

// Redial disconnects from an endpoint, unless Part has, and connects to it again.
// It does nothing if the socket does not have the endpoint.
func (s *Socket) Redial(ep string) {
	if ep, ok := s.own(ep); ok {
		s.Part(ep)
		_ = s.connect(ep)
	}
}

// Part disconnects from an endpoint, and drops what has come from it and was not
// read. It does nothing if the socket does not have the endpoint: libzmq would
// look that up among the addresses of this machine, and abort if it has no
// descriptor.
func (s *Socket) Part(ep string) {
	ep, ok := s.own(ep)
	if !ok || s.parted[ep] {
		return
	}
	s.Socket.Disconnect(ep)
	if s.parted == nil {
		s.parted = map[string]bool{}
	}
	s.parted[ep] = true
}

// Disconnect disconnects from an endpoint as Part does, for good: the socket does
// not have it any more.
func (s *Socket) Disconnect(ep string) {
	if ep, ok := s.own(ep); ok {
		s.Part(ep)
		delete(s.parted, ep)
		s.Endpoints = slices.DeleteFunc(s.Endpoints, func(mine string) bool { return mine == ep })
	}
}

// Parted reports whether the socket is disconnected from an endpoint: Part has
// done so, or it does not have the endpoint.
func (s *Socket) Parted(ep string) bool {
	ep, ok := s.own(ep)
	return !ok || s.parted[ep]
}

// own returns one of the socket's endpoints as the socket spells it. libzmq may
// report the zone of an address by another name.
func (s *Socket) own(ep string) (string, bool) {
	for _, mine := range s.Endpoints {
		if mine == ep || sameAddress(mine, ep) {
			return mine, true
		}
	}
	return "", false
}

// ---- the owner's view of the connections ----

// Peers returns how many peers are connected.
func (s *Socket) Peers() int { return max(0, int(s.monitor.connected.Load())) }

// Handshaking reports whether a peer may be in its handshake. Those whose
// handshakes have succeeded do not count, unless there are others beside them.
func (s *Socket) Handshaking() bool {
	m := s.monitor
	youngest := m.youngest.Load()
	return youngest != nil && int(m.open.Load()) > s.Peers() && time.Since(*youngest) < handshakeLimit
}

// Source returns the descriptor of the connection that the last part came over,
// and -1 if it is not known.
func (s *Socket) Source() int { return s.flow.source }

// Peer returns the address of the peer that sent the last part, and "" if it is
// not known.
func (s *Socket) Peer() string { return s.flow.sources.peer(s.flow.source, s.flow.drained.Load()) }

// NoteMessage notes whether a message that came over a connection could be read.
func (s *Socket) NoteMessage(source int, readable bool) { s.flow.noteMessage(source, readable) }

// Spoiled reports whether connections that have ended left so much unread that
// the owner must open another socket.
func (s *Socket) Spoiled() bool { return s.flow.spoiled.Load() }

// Pending returns how many peers wait at the gate of an exclusive socket.
func (s *Socket) Pending() int { return s.gate.waiting() }

// ReleaseSlot admits the next peer of an exclusive socket, after the one that was
// served has gone. It returns when to call it again, the zero Time if not.
func (s *Socket) ReleaseSlot() (again time.Time) { return s.gate.releaseSlot() }

// SettlePeers lets libzmq process what is pending for the socket
// (ProcessCommands), and at a publisher admits the next peers. It reports whether
// it must be called again soon.
func (s *Socket) SettlePeers() (again bool) {
	began := time.Now()
	s.ProcessCommands()
	if s.hearsNothing {
		s.flow.Drained() // a publisher has read all subscriptions now
	}
	return s.gate.settled(began)
}

// ---- addresses that cannot be used ----

// AddressError reports an endpoint that cannot be used.
type AddressError struct {
	Doing    string // "bind" or "connect to"
	Endpoint string
	Err      error  // what the system returned; nil if the endpoint was not tried
	Hint     string // what to do; empty if that is not known
}

// Error returns what failed and what to do.
func (e *AddressError) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("cannot %s %s: %s", e.Doing, e.Endpoint, e.Hint)
	case e.Hint == "":
		return fmt.Sprintf("cannot %s %s: %v", e.Doing, e.Endpoint, e.Err)
	}
	return fmt.Sprintf("cannot %s %s: %v (%s)", e.Doing, e.Endpoint, e.Err, e.Hint)
}

// Unwrap returns what the system returned.
func (e *AddressError) Unwrap() error { return e.Err }

// ipcFree returns an error for an ipc path that is in use. libzmq deletes what is
// there without an error, whether a program listens on it or not.
func ipcFree(ep string) error {
	path, ok := strings.CutPrefix(ep, "ipc://")
	if !ok {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		// A link may lead to a socket.
		if info, err := os.Stat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
			return &AddressError{Doing: "bind", Endpoint: ep, Hint: "what is there is not a socket, and binding would delete it (move it away or choose another Address)"}
		}
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		c.Close()
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EPROTOTYPE): // its queue is full; it is a socket for datagrams
	case errors.Is(err, syscall.EACCES) && ipcServed(path): // that of another user
	default:
		return nil // the socket of a program that has ended, of any user
	}
	return addressError("bind", ep, syscall.EADDRINUSE)
}

// addressError returns what is wrong with an endpoint and what to do.
func addressError(doing, ep string, err error) error {
	e := &AddressError{Doing: doing, Endpoint: ep, Err: err}
	switch zmq4.AsErrno(err) {
	case zmq4.Errno(syscall.EADDRINUSE):
		e.Hint = "another program listens there: stop it or choose another port; the port of a program that was just killed becomes free a moment later, so try again"
	case zmq4.Errno(syscall.ENODEV), zmq4.Errno(syscall.EADDRNOTAVAIL):
		e.Hint = "it is not an address of this machine; the end that binds (by default the receive end) needs one of its own addresses or \"*\""
	case zmq4.Errno(syscall.EACCES), zmq4.Errno(syscall.EPERM):
		e.Hint = "permission denied: ports below 1024 and foreign folders need rights"
	case zmq4.Errno(syscall.ENAMETOOLONG):
		e.Hint = "the path is too long for a local socket (about 100 bytes)"
	case zmq4.Errno(syscall.ENOENT), zmq4.Errno(syscall.ENOTDIR):
		e.Hint = "the folder does not exist"
	case zmq4.Errno(syscall.EINVAL):
		e.Hint = "it is not a valid endpoint"
	case zmq4.Errno(syscall.EMFILE), zmq4.Errno(syscall.ENFILE):
		e.Hint = "close some, or raise the limit (ulimit -n)"
	}
	return e
}

// Package transport opens ZeroMQ sockets and guards their connections.
//
// It owns the ZeroMQ context of the process, the authentication handler (ZAP)
// and the monitor of each socket. The monitor ends connections that flood, and
// the peer gate decides which peers may connect, and when. Package transport
// takes values, reports events through one callback, and returns errors of its
// own. It uses socket types, but neither frames, wires nor options.
package transport

import (
	"errors"
	"log/slog"
	"math"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"
)

// Config describes a socket.
type Config struct {
	Kind zmq4.Type
	Bind bool // the socket listens
	// Setup sets the socket options of the pattern and of security. It is
	// called before the socket is bound or connected.
	Setup func(*zmq4.Socket) error

	Secure bool        // parts cross the wire encrypted by CURVE
	Server bool        // a secure socket has the server's side of CURVE
	Access *AccessList // which peers may connect to a secure server; nil elsewhere

	// Exclusive is set for a socket that listens and serves one peer. Others
	// wait at the peer gate.
	Exclusive bool

	// ReadFirst is set for a socket that connects and whose owner must have read
	// what came over a connection before the next exists: see Redials.
	ReadFirst bool

	MaxMessage int64 // the size of the largest message part, in bytes
	MaxParts   int64 // how many parts a message has
	ReceiveHWM int   // the receive high-water mark that Setup sets; 0 if none

	// MaxPeers bounds the peers of a socket that listens; 0: no limit. Beside them
	// connections may be pending, as many as otherPeers. An exclusive socket serves
	// one peer, whatever MaxPeers is.
	MaxPeers int

	// MaxUnsent bounds the bytes that the system takes of a connection before
	// it sends them (TCP_NOTSENT_LOWAT, on Linux). 0: the system's limit.
	MaxUnsent int

	HeartbeatInterval time.Duration // between ZMTP heartbeats; none unless positive
	HeartbeatTimeout  time.Duration // how long an answer to one may take

	// SilenceLimit is how long a cut-off connection is kept: 2 s to 2 minutes.
	// Default: AckTimeout.
	SilenceLimit time.Duration

	Logger *slog.Logger // gets the errors of the authentication handler
}

// publishes reports whether the peers of the socket subscribe.
func (c *Config) publishes() bool { return c.Kind == zmq4.PUB }

// rejectsOldPeers reports whether peers that use ZMTP 2.0 or 1.0 must be rejected,
// as libzmq does where a socket has a ZAP domain or security. It aborts the
// process where such a peer's identity, at REP, or the subscription that it adds
// for a peer of version 1.0, at PUB, reaches a socket that is being closed
// (zmtp_engine.cpp, process_routing_id_msg, to 4.3.5 at least).
func (c *Config) rejectsOldPeers() bool {
	return !c.Secure && (c.Kind == zmq4.REP || c.Kind == zmq4.PUB)
}

// zapUse returns what a socket with that gate requires of its context.
//
// A socket that connects keeps its session with the handler from one connection
// to the next. libzmq aborts the process (zap_client.cpp, send_zap_request) if a
// handshake begins while that session ends: when the socket is being closed, or
// the handler. So sockets with a ZAP domain and no gate must not find a handler,
// and those with a gate have a session for each connection: see Redials.
func (c *Config) zapUse(g *gate) zapUse {
	switch {
	case g != nil:
		return asksHandler
	case c.rejectsOldPeers():
		return noHandler
	}
	return anyContext
}

// Redials reports whether libzmq connects only once to each endpoint of the
// socket. That is so if its peers are checked (see zapUse): then no session has
// two handshakes. And it is so with ReadFirst. After each ConnectRetried the owner
// must call Part, when it has read what came, and Redial.
func (c *Config) Redials() bool { return !c.Bind && (c.Access != nil || c.ReadFirst) }

// reconnectAfter returns after what time libzmq connects again by itself.
func (c *Config) reconnectAfter() time.Duration {
	if c.Redials() {
		return math.MaxInt32 * time.Millisecond
	}
	return ReconnectPause
}

// ReconnectPause is the least time from the end of a connection to the next
// attempt to connect.
const ReconnectPause = 100 * time.Millisecond

// pushes reports whether the receiver holds the sender back by not reading.
func (c *Config) pushes() bool { return c.Kind == zmq4.PUSH || c.Kind == zmq4.PULL }

// maxPeers returns how many peers may be connected; 0 for no limit.
func (c *Config) maxPeers() int {
	switch {
	case !c.Bind || c.MaxPeers == 0:
		return 0
	case c.Exclusive:
		return 1
	}
	return c.MaxPeers
}

// hearsNothing reports whether no message is expected from the peers of the
// socket but subscriptions.
func (c *Config) hearsNothing() bool { return c.Kind == zmq4.PUB || c.Kind == zmq4.PUSH }

// maxPart returns the size of the largest message part that is accepted.
func (c *Config) maxPart() int64 {
	if c.hearsNothing() {
		return maxChatterPart
	}
	return c.MaxMessage
}

// handshakeBytes returns the fewest bytes that a peer's handshake brings.
func (c *Config) handshakeBytes() int64 {
	switch {
	case !c.Secure:
		return plainHandshake
	case c.Server:
		return curveServerHandshake
	}
	return curveClientHandshake
}

// replyBytes returns the fewest bytes that this end has sent when a peer's
// handshake has ended; 0 where that is not used.
func (c *Config) replyBytes() int64 {
	switch {
	case !c.Secure:
		return plainHandshake
	case c.Server:
		return curveServerReply
	}
	return 0
}

// sentHandshake returns the fewest bytes that this end sends in a whole handshake.
func (c *Config) sentHandshake() int64 {
	if c.Secure && !c.Server {
		return curveServerHandshake // which the other side brings there
	}
	return c.replyBytes()
}

// Event is what happened to a connection of a socket.
type Event struct {
	Kind     EventKind
	Endpoint string // as it was connected to or bound; empty if not known
	// Peer is the address of a peer that has connected to this socket. It is
	// empty if this socket has connected to the peer, or if it is not known.
	Peer string
	// Address is the peer's address, whichever end has connected. It is empty if
	// it is not known for certain.
	Address string
	// Local is the address that a lost connection was made from, at a socket
	// that connects. It is empty if it is not known.
	Local string
	// Left is set for a lost connection whose end libzmq has not reported, as the
	// socket had left the endpoint (Part). The socket may be connected to it again
	// by then.
	Left bool
	// Age is how long the connection existed when its handshake failed, as far
	// as that is known.
	Age time.Duration
	// Err is why this end has ended the connection; nil if it has not.
	Err error
	// Value is the number that libzmq reports with a failed handshake. It is 0 where
	// libzmq only reports that the connection has ended.
	Value uint32
}

// EventKind is the kind of an Event.
type EventKind int

const (
	// Connected reports that a handshake has succeeded.
	Connected EventKind = iota + 1
	// Disconnected reports that a connection has ended after its handshake.
	Disconnected
	// ConnectRetried reports that a connection could not be made and will be
	// tried again.
	ConnectRetried
	// ProtocolFailed reports that a handshake has failed because the two ends do
	// not match.
	ProtocolFailed
	// AuthFailed reports that a handshake has failed because the peer has
	// rejected this end's key or address.
	AuthFailed
	// HungUp reports that the peer has ended a handshake without a reason.
	HungUp
	// PeerPending reports that a peer waits at the peer gate.
	PeerPending
	// PeerClosed reports that this end has ended a connection. Disconnected, or
	// a failed handshake, follows.
	PeerClosed
	// Subscribed reports that the peers of a publisher have sent something that
	// the socket has not processed.
	Subscribed
	// LeftUnread reports that connections which have ended may have left too much
	// unread. Until the owner has read what there is, no peer stays connected.
	LeftUnread
)

// String returns libzmq's name where libzmq has one.
func (k EventKind) String() string {
	switch k {
	case PeerPending:
		return "PEER_PENDING"
	case PeerClosed:
		return "PEER_CLOSED"
	case Subscribed:
		return "SUBSCRIBED"
	case LeftUnread:
		return "LEFT_UNREAD"
	}
	return eventOf[k].String()
}

// eventOf has libzmq's events by kind.
var eventOf = map[EventKind]zmq4.Event{
	Connected:      zmq4.EVENT_HANDSHAKE_SUCCEEDED,
	Disconnected:   zmq4.EVENT_DISCONNECTED,
	ConnectRetried: zmq4.EVENT_CONNECT_RETRIED,
	ProtocolFailed: zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL,
	AuthFailed:     zmq4.EVENT_HANDSHAKE_FAILED_AUTH,
	HungUp:         zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
}

// HandshakeFailed reports whether a peer connected and its handshake failed.
func (e *Event) HandshakeFailed() bool {
	return e.Kind == ProtocolFailed || e.Kind == AuthFailed || e.Kind == HungUp
}

// Why this end ends a connection, or opens another socket.
var (
	ErrPending    = errors.New("too many connections: handshakes are pending, or descriptors are scarce (ulimit -n)")
	ErrPeers      = errors.New("too many peers are connected (MaxPeers)")
	ErrUnreadable = errors.New("the peer sent a thousand messages within a second, of which none can be read")
	ErrPiledUp    = errors.New("the peer sent more than was read")
	ErrTinyParts  = errors.New("the peer sent very many very small parts, more than were read")
	ErrSpoiled    = errors.New("peers that have gone left too much unread")
	ErrChatter    = errors.New("the peer subscribed to too much, or sent what a send end does not expect")
)

// errStopped ends the goroutines of a monitor and of the handler.
var errStopped = errors.New("stopped")

// retryEINTR repeats a call that a signal interrupted.
func retryEINTR(try func() error) error {
	for {
		if err := try(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// earlier returns the earlier of two times, of which d may be zero.
func earlier(d, other time.Time) time.Time {
	if d.IsZero() || other.Before(d) {
		return other
	}
	return d
}

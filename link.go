package netgear

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/loglimit"
	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/sshtunnel"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// settings holds the options of an end, with what follows from them. They do
// not change.
type settings struct {
	opts       Options // with defaults filled in
	spec       *patternSpec
	wire       wire
	jpeg       bool
	fastDCT    bool
	colorspace turbojpeg.Colorspace
}

func newSettings(o Options) settings {
	s := settings{opts: o.withDefaults(), spec: o.Pattern.spec(), wire: o.Wire.wire()}
	s.jpeg = o.JPEGCompression != JPEGOff && o.Wire.compresses()
	s.fastDCT = o.JPEGCompressionFastDCT.or(true)
	s.colorspace = turbojpeg.BGR
	if cs, err := turbojpeg.ParseColorspace(string(o.JPEGCompression)); err == nil {
		s.colorspace = cs
	}
	return s
}

func (s *settings) decodeOptions() turbojpeg.DecodeOptions {
	return turbojpeg.DecodeOptions{FastDCT: s.fastDCT, FastUpsample: s.opts.JPEGCompressionFastUpsample}
}

// structured reports whether answers are JSON and may carry data.
func (s *settings) structured() bool { return s.opts.BidirectionalMode || s.opts.MulticlientMode }

// sendsPort reports whether this end's messages carry its port: in multi-server
// mode those of the senders, in multi-client mode those of the receivers.
func (s *settings) sendsPort() bool {
	if s.opts.ReceiveMode {
		return s.opts.MulticlientMode
	}
	return s.opts.MultiserverMode
}

// link holds what both ends have: the current socket and its replacement,
// endpoints and name resolution, counts, logs and events. It handles neither
// frames nor answers. An end embeds it.
//
// The end's owner of the socket is the receive goroutine, or the goroutine that
// sends. All methods may be called from any goroutine, except as noted.
type link struct {
	settings
	id       string
	security *security         // nil in Grasslands
	tunnel   *sshtunnel.Tunnel // nil without SSHTunnelMode
	resolver *resolver         // nil unless Address is a host name
	port     pyjson.Raw        // this end's port, if its messages carry it; set before the end runs

	// redials is set if libzmq connects only once to each endpoint, and the owner of
	// the socket must again.
	redials bool

	counters      counters
	perPort       perPortStats
	messageLog    loglimit.Limiter  // limits the log lines about messages
	floodLog      loglimit.Limiter  // limits the lines about connections that this end has closed
	connectionLog loglimit.Limiter  // limits the lines about connections that begin and end
	retryLog      *loglimit.Limiter // limits the lines of what is tried again and again
	events        *events
	calls         callbacks // the running ones

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	drainCtx context.Context // ends when Close begins; after that what SendAhead and SendLatest have queued is sent
	drain    context.CancelFunc

	// onEvent is called first for each connection event. onPending is called
	// when a peer begins to wait or sends something unread. explain adds to an
	// error what goes wrong at this end. They are set before the first socket
	// is opened.
	onEvent   func(*conn, transport.Event)
	onPending func()
	explain   func(error) error

	openSocket socketOpener // set before the first socket is opened

	mu      sync.Mutex
	active  *conn         // nil while there is no socket
	bound   []string      // endpoints with their real ports, after the first socket was bound
	changed chan struct{} // see change; nil while no call waits

	handshakeHangups atomic.Int32           // handshakes in a row that the peer ended without a reason
	admitted         atomic.Bool            // a handshake has succeeded, so the keys match
	departed         atomic.Bool            // a connection has ended since Close began
	lastGone         atomic.Pointer[string] // the address of the last peer that disconnected
	fruitless        atomic.Int32           // connections in a row that ended before a message or an answer arrived
	dropReason       atomic.Pointer[error]
	queueFull        atomic.Bool // receive end: it reads nothing, because its queue is full
}

// conn is one socket of an end, with the state of its connections. A new socket
// is a new conn.
type conn struct {
	socket
	link *link
	// endpoints are what the socket is bound or connected to, with real port
	// numbers. The owner changes them when the host has another address.
	endpoints []string
	refused   atomic.Pointer[refusal]
	rejected  rejectedEndpoints
	made      atomic.Uint64             // connections that were made
	madeAt    atomic.Pointer[time.Time] // when the last of them was
	lost      atomic.Uint64             // connections that have ended, without those that the owner has left
	// turns counts how often the owner has let the next connection take the place
	// of one that has ended: at PAIR by ReleaseSlot, and by Redial.
	turns int
	// peersChanged is set when a peer of a PAIR receive end connects,
	// disconnects or begins to wait.
	peersChanged atomic.Bool
}

func newLink(o Options) (*link, error) {
	l := &link{settings: newSettings(o), id: newID(), connectionLog: loglimit.Limiter{Spare: 20}, retryLog: loglimit.Retries(), openSocket: openTransport}
	var err error
	if l.security, err = newSecurity(&l.opts); err != nil {
		return nil, err
	}
	config := l.opts.socketConfig(l.security)
	l.redials = config.Redials()
	l.perPort = newPerPortStats(o.Pattern == PushPull || o.Pattern == ReqRep && o.MulticlientMode)
	for _, port := range o.peerPorts() {
		l.perPort.of(port)
	}
	if l.sendsPort() {
		l.port = rawPort(l.opts.Ports[0])
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.drainCtx, l.drain = context.WithCancel(l.ctx)
	l.resolver = newResolver(l.ctx, &l.opts, l.wake, l.opts.Logger, l.retryLog)
	l.events = startEvents(o.OnEvent, &l.calls)
	if l.tunnel, err = openTunnel(l.ctx, &l.opts); err != nil {
		l.close(0)
		return nil, err
	}
	return l, nil
}

// close releases what newLink has opened. The socket must be closed. The tunnel
// transfers what libzmq has written, or is still writing, for at most grace.
func (l *link) close(grace time.Duration) {
	l.cancel()
	l.resolver.close()
	if l.tunnel != nil {
		l.tunnel.Close(grace)
	}
	l.events.end()
}

// ---- the socket ----

// dialer opens a socket for endpoints, as a socketOpener does. moved is true if
// one of them differs from the last socket's, because the host has another
// address.
type dialer func(ctx context.Context, c *conn, endpoints []string, moved bool) (socket, []string, error)

// open opens a socket by dial, within ctx. The caller makes it the current one.
func (l *link) open(ctx context.Context, dial dialer) (*conn, error) {
	endpoints, moved, err := l.resolved(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{link: l}
	if c.socket, c.endpoints, err = dial(ctx, c, endpoints, moved); err != nil {
		return nil, err
	}
	if l.opts.binds() {
		l.mu.Lock()
		l.bound = c.endpoints
		l.resolver.bound(c.endpoints)
		l.mu.Unlock()
	}
	return c, nil
}

// open opens a socket that reports to c.
func (c *conn) open(endpoints []string) (socket, []string, error) {
	s, endpoints, err := c.link.openSocket(c.link.opts.socketConfig(c.link.security), endpoints, c.watch)
	return s, endpoints, addressError(err)
}

// resolved returns the endpoints in libzmq's spelling. A host name is resolved
// again for every socket, because the peer may have another address. If that
// fails later, the last address is used again.
func (l *link) resolved(ctx context.Context) (endpoints []string, moved bool, err error) {
	switch {
	case l.bound != nil && l.resolver == nil:
		return l.bound, false, nil
	case l.tunnel != nil:
		return []string{"ipc://" + l.tunnel.Path()}, false, nil
	}
	limit := resolveLimit
	if l.resolver != nil && l.resolver.known() {
		limit = min(limit, l.opts.RequestTimeout/2)
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	if l.resolver == nil {
		endpoints, err = l.opts.endpoints(within)
		return endpoints, false, err
	}
	endpoints, moved, err = l.resolver.endpoints(within)
	if over := l.over(ctx); over != nil {
		return nil, false, over
	}
	return endpoints, moved, err
}

// listensOn sets the port that this end's messages carry, if Options.Ports
// requests any free one. It is called once, with the first socket.
func (l *link) listensOn(c *conn) {
	if l.port != nil && l.opts.Ports[0] == "0" {
		l.port = rawPort(portIn(c.endpoints[0]))
	}
}

// use sets c, which may be nil, as the current socket.
func (l *link) use(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = c
	l.announce()
}

// current returns the current socket, nil if there is none.
func (l *link) current() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active
}

// wake makes the owner of the socket check whether its wait must end.
func (l *link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active != nil {
		l.active.Wake()
	}
	l.announce()
}

// peers returns how many peers are connected.
func (l *link) peers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active == nil {
		return 0
	}
	return l.active.Peers()
}

func (l *link) where() string { return strings.Join(l.endpoints(), ",") }

// endpoints returns what Endpoints documents.
func (l *link) endpoints() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.bound != nil:
		return slices.Clone(l.bound)
	case l.active != nil && l.tunnel == nil:
		return slices.Clone(l.active.endpoints)
	}
	host := l.opts.address()
	if l.opts.protocol() == "tcp" && strings.Contains(host, ":") {
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	eps := make([]string, len(l.opts.Ports))
	for i, p := range l.opts.Ports {
		eps[i] = l.opts.protocol() + "://" + host + ":" + p
	}
	return eps
}

// reroute connects a socket to the new addresses of the host. Messages that
// were queued for the old ones are dropped with their connection. The socket's
// owner must call it.
func (c *conn) reroute() error {
	l := c.link
	changes := l.resolver.changes()
	if len(changes) > 0 { // neither a refusal nor a success at the old address applies to the new one
		c.refused.Store(nil)
		l.handshakeHangups.Store(0)
		l.admitted.Store(false)
	}
	for _, change := range changes {
		l.opts.Logger.Info("the host has another address", "host", l.resolver.host, "was", change.from, "is", change.to)
		c.rejected.forget(change.from)
		c.Disconnect(change.from)
		if err := c.Dial(change.to); err != nil {
			return addressError(err)
		}
		l.mu.Lock()
		for i, ep := range c.endpoints {
			if ep == change.from {
				c.endpoints[i] = change.to
			}
		}
		l.mu.Unlock()
	}
	return nil
}

// lingerTimeout returns the linger time for the last messages of an end, or 0
// if no peer is connected that could read them. The socket's owner must call
// it.
func (l *link) lingerTimeout() time.Duration {
	if l.current() == nil {
		return 0 // it was closed with a frame that failed
	}
	// The monitor may be late; frames also show that there is a peer.
	seen := l.counters.frames.Load() > 0 && l.counters.lost.Load() == 0
	if l.peers() == 0 && !seen {
		return 0
	}
	return min(l.opts.RequestTimeout/5, maxLinger)
}

// ---- why a call ends ----

// closing returns ErrClosed once Close has been called and the time for queued
// frames is over.
func (l *link) closing() error {
	if l.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// over returns why a call must end: Close, or its context.
func (l *link) over(ctx context.Context) error {
	if err := l.closing(); err != nil {
		return err
	}
	return ctx.Err()
}

// hint adds the probable reason to the error of a context that has ended.
func (l *link) hint(ctx context.Context, err error) error {
	lost := l.lostInHandshakes()
	switch {
	case ctx.Err() == nil || !errors.Is(err, ctx.Err()):
		return err
	case l.mismatched():
		return fmt.Errorf("%w (%w)", err, l.refusal())
	case l.dropReason.Load() != nil && l.opts.ReceiveMode, l.fruitless.Load() >= manyFruitless:
		return l.explain(err)
	case lost != nil:
		return fmt.Errorf("%w (%w)", err, lost)
	case l.peers() == 0:
		return fmt.Errorf("%w (no peer is connected: %s)", err, l.whyNoPeer())
	case !l.opts.ReceiveMode && l.spec.answers && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w (a peer is connected and has not answered yet: does its application take frames?)", err)
	}
	return err
}

// whyNoPeer returns what to look at if no peer is connected, the commonest reason
// first.
func (l *link) whyNoPeer() string {
	other, does := "receive", "and listening at"
	if l.opts.ReceiveMode {
		other = "send"
	}
	if l.opts.binds() {
		does = "and connecting to"
	}
	text := fmt.Sprintf("is a %s end running, %s this address and port, with this pattern?", other, does)
	if l.opts.Pattern == Pair && !l.opts.ReceiveMode && !l.opts.binds() {
		text += " A PAIR receive end admits none while its application takes no frames, or while another sender is connected"
	}
	return text
}

// ---- what goes wrong ----

// manyFruitless is how many connections in a row end without a message when the
// reason is not a restart of the peer.
const manyFruitless = 3

// endedFruitless counts a connection that ended before anything arrived over
// it, and logs once that there are many.
func (l *link) endedFruitless() {
	if l.fruitless.Add(1) == manyFruitless {
		l.opts.Logger.Warn("connections end before anything came over them", "endpoint", l.where(), "why", l.explain(errPeerLost))
	}
}

// malformed counts and logs a dropped message. peer and port are its sender's,
// if they are known.
func (l *link) malformed(peer, port string, err error) {
	l.dropReason.Store(&err)
	l.noteMalformed(peer, port, "dropped a message that cannot be read", err)
}

// noteMalformed counts and logs a message that could not be read.
func (l *link) noteMalformed(peer, port, text string, err error) {
	l.countMalformed(port, err)
	l.messageLog.Log(l.opts.Logger, slog.LevelWarn, text, "endpoint", l.where(), "peer", peer, "port", port, "err", err)
}

// refusal is a failed handshake, with its most probable reason and its time.
type refusal struct {
	transport.Event
	err error
	at  time.Time
}

// hopeless reports whether the peer that this end connects to rejects it, so
// that retrying cannot help. An end that listens waits for another peer.
func (l *link) hopeless() bool { return !l.opts.binds() && l.mismatched() }

// mismatched reports whether the last handshake failed because the two ends do
// not match, and no peer is connected.
func (l *link) mismatched() bool {
	e := l.lastRefusal()
	if e == nil || l.peers() > 0 || l.opts.binds() && time.Since(e.at) > refusalTTL {
		return false
	}
	return e.Kind != transport.HungUp || l.hangsUp() && (l.opts.binds() || !l.admitted.Load())
}

// hangsUp reports whether the peer ends every handshake without a reason, as a
// secure peer does that cannot read this end's: the keys are not a pair. So does a
// relay whose target is down, or, once, a peer that is being closed. libzmq reports
// the same for both (unless the relay resets the connection, see hungUp). An end
// that connects takes it for the first until a handshake has succeeded, then for
// the second. l.handshakeHangups is kept when a socket is replaced, maybe
// before the third.
func (l *link) hangsUp() bool {
	return l.security != nil && l.handshakeHangups.Load() >= 3
}

// lostInHandshakes returns why no peer is connected, at an end whose handshakes
// succeeded once and are all ended without a reason now. Otherwise it returns nil.
func (l *link) lostInHandshakes() error {
	if l.opts.binds() || !l.hangsUp() || l.lastRefusal() == nil || l.peers() > 0 {
		return nil
	}
	return fmt.Errorf("every connection ends in the handshake: is a relay or proxy in between whose target is down? If not: %w", l.refusal())
}

func (l *link) lastRefusal() *refusal {
	if c := l.current(); c != nil {
		return c.refused.Load()
	}
	return nil
}

// refusal returns the error of the last handshake that failed.
func (l *link) refusal() error {
	if e := l.lastRefusal(); e != nil {
		return e.err
	}
	return l.reason(nil)
}

// These are the reasons if a PAIR peer has waited without being admitted.
var (
	errPlaceTaken = errors.New("another peer has the place: PAIR serves one at a time")
	errQueueFull  = errors.New("the peer gave up waiting: this end admits none while its queue is full, as its application takes no frames")
)

// reason returns the most probable reason of a failed handshake.
func (l *link) reason(e *transport.Event) error {
	waited := e != nil && l.opts.servesOne() && e.Kind == transport.HungUp
	switch {
	case waited && l.queueFull.Load():
		return errQueueFull
	case waited && l.peers() > 0:
		return errPlaceTaken
	case e != nil && l.security != nil:
		return l.security.refusal(e, &l.opts)
	}
	also := ""
	if e != nil && e.Kind == transport.HungUp {
		also = "; or the peer has too much to read already, or as many peers as it admits, or a relay or tunnel in between leads nowhere"
	}
	return fmt.Errorf("%w: both ends must have the same pattern (this one has %v) and the same security%s", ErrMismatch, l.opts.Pattern, also)
}

// reconnecting counts and reports that a new socket replaces one that was
// closed.
func (l *link) reconnecting(why error) {
	l.counters.retries.Add(1)
	l.events.add(Event{Kind: EventReconnecting, Endpoint: l.where(), Err: why})
}

// ---- what the monitor reports ----

// watch handles the events of the socket's monitor.
func (c *conn) watch(e transport.Event) {
	l := c.link
	switch e.Kind {
	case transport.PeerPending:
		c.peerWaits()
		return
	case transport.PeerClosed:
		l.closedPeer(e.Peer, e.Err)
		return
	case transport.Subscribed:
		l.onPending()
		return
	case transport.LeftUnread:
		l.wake()
		return
	}
	l.resolver.observe(e)
	switch {
	case e.Kind == transport.ConnectRetried:
		c.retried(e.Endpoint)
		l.onEvent(c, e)
	case e.Kind == transport.Connected:
		c.connected(e)
	case e.Kind == transport.Disconnected:
		c.disconnected(e)
	case l.probed(e):
	case e.HandshakeFailed():
		c.handshakeFailed(e)
	default:
		l.onEvent(c, e)
	}
}

// endpoint returns where an event happened. libzmq names no endpoint for some of
// them.
func (c *conn) endpoint(e *transport.Event) string {
	if e.Endpoint != "" {
		return e.Endpoint
	}
	return c.link.where()
}

func (c *conn) connected(e transport.Event) {
	l, endpoint, now := c.link, c.endpoint(&e), time.Now()
	l.counters.connections.Add(1)
	c.made.Add(1)
	c.madeAt.Store(&now)
	c.refused.Store(nil)
	// A monitor that is late may have reported the last attempt's failure after this
	// one had begun.
	c.rejected.drop(e.Endpoint)
	l.handshakeHangups.Store(0)
	l.admitted.Store(true)
	l.mu.Lock()
	l.announce()
	l.mu.Unlock()
	l.onEvent(c, e)
	if l.closing() == nil { // losses are not reported any more either
		l.events.add(Event{Kind: EventConnected, Endpoint: endpoint, Peer: e.Address})
	}
	l.connectionLog.Log(l.opts.Logger, slog.LevelInfo, "connected", "endpoint", endpoint, "peer", e.Address)
}

// newly reports whether a connection was made less than d ago.
func (c *conn) newly(d time.Duration) bool {
	at := c.madeAt.Load()
	return at != nil && time.Since(*at) < d
}

func (c *conn) disconnected(e transport.Event) {
	l, endpoint := c.link, c.endpoint(&e)
	if l.closing() != nil {
		// Closed by this end, or by a peer that has read the terminate message.
		l.departed.Store(true)
		l.onEvent(c, e)
		l.wake()
		return
	}
	l.onEvent(c, e)
	if !l.opts.binds() && e.Endpoint != "" && !e.Left {
		c.rejected.add(e.Endpoint, reconnectDelay) // until libzmq reports that it tries again
	}
	l.lastGone.Store(&e.Peer)
	l.counters.lost.Add(1)
	if !e.Left { // no answer was to come over one that the owner has left
		c.lost.Add(1)
	}
	l.events.add(Event{Kind: EventLost, Endpoint: endpoint, Peer: e.Address, Err: e.Err})
	l.wake()
	l.connectionLog.Log(l.opts.Logger, slog.LevelInfo, "connection lost", "endpoint", endpoint, "peer", e.Address)
}

func (c *conn) handshakeFailed(e transport.Event) {
	l, endpoint := c.link, c.endpoint(&e)
	l.onEvent(c, e)
	l.counters.refused.Add(1)
	if !l.opts.binds() && e.Kind != transport.HungUp {
		c.rejected.add(e.Endpoint, reconnectDelay)
	}
	if e.Err != nil {
		// This end has closed it, and closedPeer has reported why. libzmq may have
		// given the endpoint up all the same, for what the peer had sent before.
		l.wake()
		if errors.Is(e.Err, transport.ErrPeers) {
			l.events.add(Event{Kind: EventRefused, Endpoint: endpoint, Peer: e.Address, Err: e.Err})
		}
		return
	}
	why := l.reason(&e)
	c.refused.Store(&refusal{e, why, time.Now()})
	if e.Kind == transport.HungUp && e.Age < transport.HandshakeTime {
		l.hungUp(syscall.Errno(e.Value)) // after that time the peer was silent, or this end made it wait
	}
	l.wake()
	l.events.add(Event{Kind: EventRefused, Endpoint: endpoint, Peer: e.Address, Err: why})
	l.messageLog.Log(l.opts.Logger, slog.LevelWarn, "handshake failed", "endpoint", endpoint, "peer", e.Address, "err", why, "how", handshakeFailures[e.Kind], "code", handshakeCode(&e))
}

// handshakeFailures describes how handshakes fail, for the log.
var handshakeFailures = map[transport.EventKind]string{
	transport.AuthFailed:     "the keys or the address were rejected",
	transport.ProtocolFailed: "the two ends do not match",
	transport.HungUp:         "the peer closed the connection",
}

// handshakeCode returns what the event's value means: an errno, the status code of
// a ZAP reply, or one of libzmq's ZMQ_PROTOCOL_ERROR constants, as zmq.h has it. It
// is "" where libzmq reports none.
func handshakeCode(e *transport.Event) string {
	switch {
	case e.Value == 0:
		return ""
	case e.Kind == transport.HungUp:
		return syscall.Errno(e.Value).Error()
	case e.Kind == transport.ProtocolFailed:
		return fmt.Sprintf("%#x", e.Value)
	}
	return strconv.FormatUint(uint64(e.Value), 10)
}

// probed reports whether a failed handshake belongs to a PAIR sender that had
// lost its connection. It connected only to make this end reset its half of
// that connection (transport.HalfOpen).
func (l *link) probed(e transport.Event) bool {
	gone := l.lastGone.Load()
	return l.opts.Pattern == Pair && e.Kind == transport.HungUp && e.Peer != "" && gone != nil && *gone == e.Peer
}

// hungUp counts a peer that ended the handshake without a reason. A tunnel does
// the same if its far end is unreachable, which is not the peer's refusal. Neither
// is a reset: a peer that refuses a handshake has read all of it, so its system
// closes the connection in order. A relay without its target resets it if it has
// read nothing.
func (l *link) hungUp(how syscall.Errno) {
	if how == syscall.ECONNRESET {
		return
	}
	if l.tunnel != nil && l.tunnel.Err() != nil {
		l.handshakeHangups.Store(0)
		return
	}
	l.handshakeHangups.Add(1)
}

// closedPeer counts and logs a connection that this end has closed.
func (l *link) closedPeer(peer string, why error) {
	if errors.Is(why, transport.ErrPending) || errors.Is(why, transport.ErrPeers) || errors.As(why, new(syscall.Errno)) {
		l.floodLog.Log(l.opts.Logger, slog.LevelWarn, "too many connections, closed one", "endpoint", l.where(), "peer", peer, "err", why)
		return
	}
	if errors.Is(why, transport.ErrSpoiled) { // the peer itself did nothing wrong
		l.floodLog.Log(l.opts.Logger, slog.LevelWarn, "closed a connection, as there is too much to read already", "endpoint", l.where(), "peer", peer, "err", why)
		return
	}
	l.counters.flooded.Add(1)
	l.floodLog.Log(l.opts.Logger, slog.LevelWarn, "closed the connection of a peer that floods", "endpoint", l.where(), "peer", peer, "err", why)
}

// peerWaits handles a peer that begins to wait until it is admitted.
func (c *conn) peerWaits() {
	c.link.onPending()
	c.notePeers()
}

// notePeers makes a PAIR receive end check which peer is served, and which ones
// wait.
func (c *conn) notePeers() {
	if c.link.opts.Pattern == Pair && c.link.opts.ReceiveMode {
		c.peersChanged.Store(true)
		c.link.wake()
	}
}

// rejectedEndpoints holds endpoints that libzmq does not connect to again by
// itself: those that rejected this end, or whose peer sent what is no ZMTP, such
// as a part larger than MaxFrameBytes. A key may be added there later, or a
// program restarted with other options, so the owner of the socket connects again
// after reconnectDelay. And at an end that redials, every one whose connection has
// ended.
//
// libzmq does not report why a connection has ended. So each endpoint is here
// after the end of its connection, until libzmq reports the time of its next
// try, which it does at once.
type rejectedEndpoints struct {
	mu sync.Mutex
	at map[string]plan
}

// plan is when to connect again to an endpoint.
type plan struct {
	at time.Time
	// left is set when the socket has left the endpoint. Then the plan must be
	// carried out, whatever is reported later of connections before that.
	left bool
}

func (r *rejectedEndpoints) add(endpoint string, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[string]plan{}
	}
	if !r.at[endpoint].left {
		r.at[endpoint] = plan{at: time.Now().Add(after)}
	}
}

// drop removes an endpoint to which libzmq connects again, or which is connected,
// unless the socket has left it.
func (r *rejectedEndpoints) drop(endpoint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at[endpoint].left {
		delete(r.at, endpoint)
	}
}

// forget removes an endpoint that the socket does not have any more.
func (r *rejectedEndpoints) forget(endpoint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, endpoint)
}

// next returns when to connect again, or the zero Time if there is no such
// endpoint.
func (r *rejectedEndpoints) next() (at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.at {
		at = earlier(at, p.at)
	}
	return at
}

// retried records that libzmq would connect again, which it does not at an end
// that redials.
func (c *conn) retried(endpoint string) {
	if c.link.redials {
		c.rejected.add(endpoint, lossDelay)
		c.link.wake()
		return
	}
	c.rejected.drop(endpoint)
}

// retry connects again to the endpoints that are due. An end that redials leaves
// an endpoint first, and connects when libzmq has forgotten the old connection: at
// PAIR there would be no place for the new one. libzmq would set it up without a
// pipe, and never notice its end.
func (c *conn) retry() {
	c.rejected.mu.Lock()
	defer c.rejected.mu.Unlock()
	now, redials := time.Now(), c.link.redials
	for ep, p := range c.rejected.at {
		switch {
		case now.Before(p.at):
		case redials && !c.Parted(ep) && c.unread():
			c.rejected.at[ep] = plan{at: now.Add(lossDelay)}
		case redials && !c.Parted(ep):
			c.Part(ep)
			c.rejected.at[ep] = plan{at: now.Add(transport.ReconnectPause), left: true}
		default:
			delete(c.rejected.at, ep)
			c.turns++
			c.Redial(ep) // it does nothing if the peer's host has another address since
		}
	}
}

// unread reports whether messages of an ended connection may not have been read.
// Where there are several endpoints, in multi-server mode, those may be another's,
// and the sender of the lost one sends its frame again, or has published it.
func (c *conn) unread() bool {
	events, err := c.ProcessCommands()
	return err == nil && events&zmq4.POLLIN != 0 && len(c.endpoints) == 1
}

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
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"iter"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/sshtunnel"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// NetGear is one end of a connection. Make it with New, and Close it.
type NetGear struct {
	settings
	id       string
	security *security
	tunnel   *sshtunnel.Tunnel // nil without one
	counters counters
	tally    tally
	bursts   burst
	floods   burst // of connections that this end has ended
	// connections limits the lines about connections, of which a peer that comes
	// and goes without end would make dozens a second.
	connections burst
	states      *states
	life        context.Context // ends with Close
	end         context.CancelFunc
	shutting    context.Context // ends when Close begins: what was sent ahead still goes out
	shut        context.CancelFunc
	closer      sync.Once
	closed      error // what Close returns

	// The socket belongs to the receive goroutine, or to whoever holds turn;
	// the lock is for the others, who may wake it and ask it for its peers.
	sockMu   sync.Mutex
	sock     *socket
	bound    []string // endpoints with real ports, once they are known
	refused  atomic.Pointer[refusal]
	hangups  atomic.Int32 // in a row, in the handshake
	givenUp  givenUp      // endpoints that refused
	clients  *clientOrder // nil unless this is a multi-client REQ end that connects
	resolver *resolver    // nil unless Address is a host name
	crowd    atomic.Bool  // Pair receive end: somebody came, went or waits
	// departed is set when a connection ends while this end is being closed.
	departed atomic.Bool
	// What names the cause when nothing comes through: why the last message was
	// dropped, unless a frame came after it; and how many connections in a row
	// ended before a message came (receive end), or before the frame in hand was
	// answered (send end).
	dropReason atomic.Pointer[error]
	fruitless  atomic.Int32

	leftover leftover // Pair send end

	turn  chan struct{} // send end: held by whoever sends
	tx    sender
	ahead *ahead // nil unless Options.SendAhead

	queue     *queue // receive end
	loopDone  chan struct{}
	returning struct {
		sync.Mutex
		prepared          // what every answer carries
		other    prepared // for a sender that wants the other kind of answer
	}
}

// settings are the options as this end uses them.
type settings struct {
	opts       Options // with defaults filled in
	row        *patternRow
	wire       wire
	port       pyjson.Raw // this end's own port, where the wire carries it
	jpeg       bool
	fastDCT    bool
	colorspace turbojpeg.Colorspace
}

func newSettings(o Options) settings {
	n := settings{opts: o.withDefaults(), row: o.Pattern.row(), wire: o.Wire.wire()}
	n.jpeg = o.JPEGCompression != JPEGOff && o.Wire.compresses()
	n.fastDCT = o.JPEGCompressionFastDCT.or(true)
	n.colorspace = turbojpeg.BGR
	if cs, err := turbojpeg.ParseColorspace(string(o.JPEGCompression)); err == nil {
		n.colorspace = cs
	}
	// In multi-server mode the senders say who they are, in multi-client mode
	// the receivers.
	if o.ReceiveMode && o.MulticlientMode || !o.ReceiveMode && o.MultiserverMode {
		n.port = rawPort(n.opts.Ports[0])
	}
	return n
}

func (n *settings) decodeOptions() turbojpeg.DecodeOptions {
	return turbojpeg.DecodeOptions{FastDCT: n.fastDCT, FastUpsample: n.opts.JPEGCompressionFastUpsample}
}

// structured: answers are JSON and may carry data.
func (n *settings) structured() bool { return n.opts.BidirectionalMode || n.opts.MulticlientMode }

// New opens one end. A receive end listens when New returns; a send end
// connects in the background, so the order in which the two ends start does not
// matter. The caller must Close it.
func New(o Options) (*NetGear, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	n := &NetGear{settings: newSettings(o), id: newID(), turn: make(chan struct{}, 1), connections: burst{spare: 20}}
	var err error
	if n.security, err = newSecurity(&n.opts); err != nil {
		return nil, wrap("open", err)
	}
	n.life, n.end = context.WithCancel(context.Background())
	n.shutting, n.shut = context.WithCancel(n.life)
	n.tally = newTally(o.Pattern == PushPull)
	n.states = startStates(o.OnState)
	n.clients = newClientOrder(&n.opts)
	n.resolver = newResolver(n.life, &n.opts, n.wake, n.opts.Logger, &n.bursts)
	if n.tunnel, err = openTunnel(n.life, &n.opts); err == nil {
		err = n.start()
	}
	if err != nil {
		n.end()
		n.resolver.close()
		n.closeTunnel(0)
		n.states.end()
		return nil, wrap("open", err)
	}
	return n, nil
}

// start opens the socket and what works with it.
func (n *NetGear) start() error {
	sock, err := n.open(n.life)
	if err != nil {
		return err
	}
	n.setSocket(sock)
	if n.port != nil && n.opts.Ports[0] == "0" {
		ep := sock.endpoints[0]
		n.port = rawPort(ep[strings.LastIndexByte(ep, ':')+1:])
	}
	if n.opts.ReceiveMode {
		err = n.startReceiving(sock)
	} else {
		err = n.startSending()
	}
	if err != nil {
		n.end()
		sock.shut(0)
	}
	return err
}

// closeTunnel lets what libzmq has written go through it, or is still writing,
// for at most grace.
func (n *NetGear) closeTunnel(grace time.Duration) {
	if n.tunnel != nil {
		n.tunnel.Close(grace)
	}
}

func (n *NetGear) startReceiving(sock *socket) (err error) {
	n.returning.prepared = n.nothing(n.structured())
	n.returning.other = n.nothing(!n.structured())
	n.queue = newQueue(&n.settings, &n.counters, &n.tally)
	n.queue.bad, n.queue.faulty, n.queue.closed = n.malformed, n.noteFault, n.life.Done()
	n.queue.freed = n.wake
	n.loopDone = make(chan struct{})
	r := &receiver{n: n, sock: sock, retries: n.opts.MaxRetries}
	if n.opts.MultiserverMode {
		r.servers = map[string]bool{}
	}
	if r.dec, err = turbojpeg.NewDecoder(); err != nil {
		return err
	}
	r.dec.Stop[0] = n.life.Done()
	n.states.read(true)
	go r.run()
	return nil
}

func (n *NetGear) startSending() (err error) {
	n.tx.try = n.tryHead
	if n.tx.hold, err = zmsg.NewHold(); err != nil {
		return err
	}
	if n.tx.enc, err = turbojpeg.NewEncoder(); err == nil {
		n.ahead = startAhead(n)
	}
	return err
}

// watchers are what a socket of this end reports to.
func (n *NetGear) watchers() watchers { return watchers{n.watch, n.newcomers, n.closedPeer} }

// open opens this end's socket, the first time and every other, within ctx.
func (n *NetGear) open(ctx context.Context) (*socket, error) {
	endpoints, err := n.resolved(ctx)
	if err != nil {
		return nil, err
	}
	n.refused.Store(nil)
	n.crowd.Store(false)
	n.givenUp.forget()
	var s *socket
	if n.clients != nil {
		s, err = n.openClients(ctx, endpoints)
	} else {
		s, err = openSocket(&n.opts, n.security, n.leftover.source(endpoints), n.watchers())
	}
	if err != nil {
		return nil, err
	}
	if s.bound {
		n.sockMu.Lock()
		n.bound = s.endpoints
		n.resolver.bound(s.endpoints)
		n.sockMu.Unlock()
	}
	return s, nil
}

// resolved are the endpoints as libzmq spells them. Names are resolved again for
// every connection: the peer may have moved. Where that fails later on, the last
// address stands: a name server that is away for a while is no reason to give up.
func (n *NetGear) resolved(ctx context.Context) ([]string, error) {
	switch {
	case n.bound != nil && n.resolver == nil:
		return n.bound, nil
	case n.tunnel != nil:
		return []string{"ipc://" + n.tunnel.Path()}, nil
	}
	limit := 10 * time.Second
	if n.resolver != nil && n.resolver.known() {
		limit = min(limit, n.opts.RequestTimeout/2)
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer context.AfterFunc(n.life, cancel)()
	if n.resolver == nil {
		return n.opts.endpoints(within)
	}
	endpoints, moved, err := n.resolver.endpoints(within)
	if moved {
		n.leftover.cleared() // it is at the old address
	}
	if over := n.over(ctx); over != nil {
		return nil, over
	}
	return endpoints, err
}

// setSocket changes the current socket and returns the one before.
func (n *NetGear) setSocket(s *socket) *socket {
	n.sockMu.Lock()
	defer n.sockMu.Unlock()
	old := n.sock
	n.sock = s
	return old
}

// wake makes whoever waits at the socket look around.
func (n *NetGear) wake() {
	n.sockMu.Lock()
	defer n.sockMu.Unlock()
	if n.sock != nil {
		n.sock.Wake()
	}
}

// peers is how many peers are connected.
func (n *NetGear) peers() int {
	n.sockMu.Lock()
	defer n.sockMu.Unlock()
	if n.sock == nil {
		return 0
	}
	return max(0, int(n.sock.mon.connected.Load()))
}

// errNotOpened is for a nil or a zero NetGear.
var errNotOpened = fmt.Errorf("%w: it was not opened by New", ErrClosed)

func (n *NetGear) opened() error {
	if n == nil || n.life == nil {
		return errNotOpened
	}
	return nil
}

// closing is ErrClosed once Close has been called.
func (n *NetGear) closing() error {
	if n.life.Err() != nil {
		return ErrClosed
	}
	return nil
}

// refusal is a handshake that failed, and when.
type refusal struct {
	event
	at time.Time
}

// strangers is how long a refusal counts at an end that listens, where anybody
// may knock.
const strangers = 5 * time.Second

// hopeless: the peer that this end connects to will not have it, so trying again
// would not help. An end that listens waits for another.
func (n *NetGear) hopeless() bool { return !n.opts.binds() && n.mismatched() }

// mismatched: somebody is there, or was just now, and what they speak does not go
// together with this end.
func (n *NetGear) mismatched() bool {
	e := n.refused.Load()
	if e == nil || n.peers() > 0 || n.opts.binds() && time.Since(e.at) > strangers {
		return false
	}
	// A secure peer says nothing to those whose keys it cannot read: it hangs up,
	// every time. So does once a peer that is just closing. n.hangups counts on
	// when a socket takes another's place, which may be sooner than the third.
	return e.kind != zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL || n.security != nil && n.hangups.Load() >= 3
}

// refusal is what a failed handshake most likely means.
func (n *NetGear) refusal() error {
	e := n.refused.Load()
	if e != nil && n.opts.servesOne() && e.kind == zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL && n.peers() > 0 {
		return errPlaceTaken
	}
	if n.security != nil && e != nil {
		return n.security.refusal(&e.event, n.opts.ReceiveMode)
	}
	return fmt.Errorf("%w: both ends must have the same pattern (this one has %v) and the same security", ErrMismatch, n.opts.Pattern)
}

// goneReason is the error when the retries are used up.
func (n *NetGear) goneReason() error {
	switch {
	case n.mismatched():
		return n.refusal()
	case n.opts.ReceiveMode:
		return n.withTrouble(fmt.Errorf("%w: nobody was connected for %v; is the send end running, with this address and port?", ErrPeerGone,
			3*n.opts.RequestTimeout*time.Duration(max(1, n.opts.MaxRetries))))
	case n.fruitless.Load() >= manyFruitless:
		return n.withTrouble(ErrPeerGone)
	case n.tx.unasked.Load():
		return fmt.Errorf("%w: %w", ErrPeerGone, errUnasked)
	case !n.row.answers:
		return fmt.Errorf("%w: nobody took the frame within %v, %d times; %d are connected", ErrPeerGone, n.opts.RequestTimeout, n.opts.MaxRetries, n.peers())
	case n.peers() > 0:
		return fmt.Errorf("%w: it is connected but did not answer within %v; is it frozen, or its queue full?", ErrPeerGone, n.opts.RequestTimeout)
	}
	if n.tunnel != nil && n.tunnel.Err() != nil {
		return fmt.Errorf("%w: %w", ErrPeerGone, tunnelError(n.tunnel.Err()))
	}
	hint := ""
	if n.opts.Pattern == Pair {
		hint = " Is its queue full, or does it serve another sender? PAIR serves one at a time."
	}
	return fmt.Errorf("%w: nobody answered within %v, %d times; is the receive end running, with this address, port and pattern?%s",
		ErrPeerGone, n.opts.RequestTimeout, n.opts.MaxRetries, hint)
}

// malformed counts and logs a message that had to be dropped, of a port if it
// says so.
func (n *NetGear) malformed(port string, err error) {
	n.counters.malformed.Add(1)
	n.dropReason.Store(&err)
	n.tally.malformed(port)
	n.bursts.log(n.opts.Logger, slog.LevelWarn, "dropped a message that cannot be read", "endpoint", n.where(), "err", err)
}

func (n *NetGear) where() string { return strings.Join(n.Endpoints(), ",") }

// Endpoints are what this end listens on or connects to, such as
// "tcp://[::]:5555". Where port "0" was asked for, the real one is there;
// with an SSH tunnel it is the far end.
func (n *NetGear) Endpoints() []string {
	if n.opened() != nil {
		return nil
	}
	n.sockMu.Lock()
	defer n.sockMu.Unlock()
	switch {
	case n.bound != nil:
		return slices.Clone(n.bound)
	case n.sock != nil && n.tunnel == nil:
		return slices.Clone(n.sock.endpoints)
	}
	host := n.opts.address()
	if n.opts.protocol() == "tcp" && strings.Contains(host, ":") {
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	eps := make([]string, len(n.opts.Ports))
	for i, p := range n.opts.Ports {
		eps[i] = n.opts.protocol() + "://" + host + ":" + p
	}
	return eps
}

// Recv returns the next frame, in the order in which frames came; with
// Options.Latest the newest. It blocks until there is one. The caller must
// Close it.
//
// After the sender's goodbye Recv returns what was queued, then io.EOF.
// ErrTimeout (Options.SubscriberTimeout), ErrPeerGone and ErrAuth say that
// nothing comes; the end goes on listening, and so may the caller. After Close
// it returns ErrClosed.
func (n *NetGear) Recv(ctx context.Context) (*Frame, error) {
	if err := n.opened(); err != nil {
		return nil, wrap("receive", err)
	}
	if !n.opts.ReceiveMode {
		return nil, wrap("receive", fmt.Errorf("%w: this is a send end; make one with ReceiveMode: true to receive", ErrMode))
	}
	if ctx == nil {
		return nil, wrap("receive", ErrContext)
	}
	if err := ctx.Err(); err != nil {
		return nil, wrap("receive", err)
	}
	f, err := n.queue.pop(ctx)
	switch {
	case err == nil:
		n.counters.delivered.Add(1)
		return f, nil
	case err == io.EOF, errors.Is(err, ErrTimeout), errors.Is(err, ErrPeerGone), errors.Is(err, ErrAuth):
		return nil, err
	}
	return nil, wrap("receive on "+n.where(), n.hint(ctx, err))
}

// manyFruitless is how many connections in a row that end before anything came
// over them are more than a peer that restarts.
const manyFruitless = 3

// withTrouble adds to an error what is seen at this end to go wrong.
func (n *NetGear) withTrouble(err error) error {
	dropped, fruitless := n.dropReason.Load(), int(n.fruitless.Load())
	switch {
	case dropped != nil && n.opts.ReceiveMode:
		return fmt.Errorf("%w (messages arrive and are dropped, the last one because: %w)", err, *dropped)
	case fruitless < manyFruitless:
		return err
	case n.opts.ReceiveMode:
		return fmt.Errorf("%w (%d connections in a row ended before a whole message came: is it larger than this end's MaxFrameBytes, %d bytes?)", err, fruitless, n.opts.MaxFrameBytes)
	}
	return fmt.Errorf("%w (%d connections in a row ended before a frame of %d bytes was answered: is it larger than the receive end's MaxFrameBytes, by default %d bytes?)",
		err, fruitless, n.tx.size.Load(), int64(defaultMaxFrameBytes))
}

// endedFruitless counts a connection that ended before anything came over it,
// and logs once that there are many.
func (n *NetGear) endedFruitless() {
	if n.fruitless.Add(1) == manyFruitless {
		n.opts.Logger.Warn("connections end before anything came over them", "endpoint", n.where(), "why", n.withTrouble(errPeerLost))
	}
}

// hint adds to the error of a context that has ended what may be the reason.
func (n *NetGear) hint(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil || !errors.Is(err, ctx.Err()):
		return err
	case n.mismatched():
		return fmt.Errorf("%w (%w)", err, n.goneReason())
	case n.dropReason.Load() != nil && n.opts.ReceiveMode, n.fruitless.Load() >= manyFruitless:
		return n.withTrouble(err)
	case n.peers() == 0:
		return fmt.Errorf("%w (nobody is connected)", err)
	}
	return err
}

// Frames is Recv as an iterator. It ends after the sender's goodbye, after Close
// and after the context's end, which it reports; other errors it reports and
// goes on, unless the loop is left.
func (n *NetGear) Frames(ctx context.Context) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		for {
			f, err := n.Recv(ctx)
			if err == io.EOF || errors.Is(err, ErrClosed) {
				return
			}
			if !yield(f, err) || ctx == nil || ctx.Err() != nil || errors.Is(err, ErrMode) {
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
// Flush has reported it. In all other cases Close returns nil.
func (n *NetGear) Close() error {
	if err := n.opened(); err != nil {
		return wrap("close", err)
	}
	n.closer.Do(func() {
		defer n.states.end()
		n.shut()
		n.closed = wrap("close", n.ahead.finish())
		n.end()
		n.wake()
		if n.opts.ReceiveMode {
			<-n.loopDone
			n.resolver.close()
			n.queue.discard(ErrClosed)
			n.returning.Lock() // a Return may be under way
			defer n.returning.Unlock()
			n.returning.array.Release()
			return
		}
		n.turn <- struct{}{} // a Send that waits has been woken
		defer n.endTurn()
		linger := n.goodbye()
		n.awaitLeave(min(linger, n.patience()))
		over := time.Now().Add(linger)
		n.closeSender(linger)
		n.resolver.close()
		n.heed(context.Background())
		n.tx.hold.Close()
		n.tx.loans.Close()
		n.tx.enc.Close()
		n.closeTunnel(time.Until(over))
	})
	return n.closed
}

// patience is how long the last words of an end may take: not at all where
// nobody is connected to hear them. Only the socket's owner may ask.
func (n *NetGear) patience() time.Duration {
	if n.sock == nil {
		return 0 // it went with a frame that was broken off
	}
	// The monitor may be a little behind: frames tell of a peer as well.
	heard := n.counters.frames.Load() > 0 && n.counters.lost.Load() == 0
	if n.peers() == 0 && !heard {
		return 0
	}
	return min(n.opts.RequestTimeout/5, time.Second)
}

// goodbye tells the peer, if there is one, and returns how long the socket may
// linger for that; both together take no longer than patience says, and end when
// no peer is connected any more. A REQ socket of several clients takes them in
// turn, so there each client that has answered gets its own.
func (n *NetGear) goodbye() time.Duration {
	patience := n.patience()
	if patience == 0 {
		return 0
	}
	end := time.Now().Add(patience)
	n.leaveLost()
	text := n.wire.appendGoodbye(nil, n.port)
	say := func(deadline time.Time) error {
		return n.sock.Wait(deadline, n.deserted, func() error { return n.sock.TrySend(text, false) })
	}
	switch n.opts.Pattern {
	case PubSub:
		// Not to be dropped for a subscriber whose queue is full; where one takes
		// nothing for half of the time, the others are told.
		n.sock.SetXpubNodrop(true)
		if say(time.Now().Add(patience/2)) != nil {
			n.sock.SetXpubNodrop(false)
			n.sock.TrySend(text, false)
		}
		return n.lingering(end)
	case PushPull:
		// What is still on its way to them has the time that a frame has.
		end = time.Now().Add(n.opts.RequestTimeout)
		n.tellAll(func() error { return say(end) }, patience)
		return n.lingering(end)
	}
	if !n.wire.answersGoodbye(n.opts.Pattern) {
		say(end)
		return n.lingering(end)
	}
	answered := true
	for range max(1, min(len(n.tx.clients), n.peers())) {
		var m message
		if say(end) != nil || m.read(n.sock, end, n.deserted) != nil {
			answered = false // one that goes without an answer; the next must still be told
		}
		m.close()
	}
	if answered {
		return 0
	}
	return n.lingering(end)
}

// deserted ends a wait for a peer when there is none.
func (n *NetGear) deserted() error {
	if n.peers() == 0 && (n.departed.Load() || n.counters.lost.Load() > 0) {
		return errPeerLost
	}
	return nil
}

// lingering is how long a socket may linger so that it is closed by then: not at
// all where no peer takes what it still holds.
func (n *NetGear) lingering(end time.Time) time.Duration {
	if n.deserted() != nil {
		return 0
	}
	return max(0, time.Until(end))
}

// tellAll says goodbye to every receiver of a PushPull stream. Each goodbye goes
// to one that has room, so one may hear two of them and another, busy, none.
// Those that have heard it leave; the others are told again.
func (n *NetGear) tellAll(say func() error, patience time.Duration) {
	for peers := max(1, n.peers()); peers > 0; {
		for range peers {
			if say() != nil {
				return
			}
		}
		before := peers
		for end := time.Now().Add(patience); peers >= before; peers = n.peers() {
			if time.Now().After(end) {
				return // they stay: they wait for the next sender
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// awaitLeave gives those who are connected to an end that listens the time to read
// to the goodbye, at which they leave. When libzmq lets go of a port it lets go of
// the connections that came in by it, lingering or not, and of what it had not yet
// begun to send on them.
func (n *NetGear) awaitLeave(patience time.Duration) {
	for end := time.Now().Add(patience); n.opts.binds() && n.peers() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func never() error { return nil }

// ---- return data ----

// Return sets the data that rides on the answers from now on, until it is
// replaced: any value that JSON can hold, a Tuple, or an array, which is copied:
// an Array, a *Frame, a picture of package image, a gocv.Mat, or a pointer to one.
// It is VidGear's recv(return_data=…), so it rides on the answer to a later frame
// than the one last received. After an error the data before it stays. Receive
// end, in bidirectional or multi-client mode.
func (n *NetGear) Return(data any) error {
	if err := n.opened(); err != nil {
		return wrap("return data", err)
	}
	if !n.opts.ReceiveMode || !n.structured() || !n.row.answers {
		return wrap("return data", fmt.Errorf("%w: it needs ReceiveMode with BidirectionalMode (Pair, ReqRep) or MulticlientMode (ReqRep)", ErrMode))
	}
	p, err := n.prepare(data)
	if err != nil {
		return wrap("return data", err)
	}
	n.returning.Lock()
	defer n.returning.Unlock()
	if n.closing() != nil {
		p.array.Release()
		return wrap("return data", ErrClosed)
	}
	n.returning.array.Release()
	n.returning.prepared = p
	return nil
}

// nothing is an answer without data.
func (n *NetGear) nothing(structured bool) prepared {
	if !structured {
		return prepared{head: []byte(n.wire.received(n.id))}
	}
	return prepared{head: n.wire.appendAnswer(nil, &answer{port: n.port, returnType: "NoneType"})}
}

// prepare makes the answer, and the array's JPEG, once for all frames.
func (n *NetGear) prepare(data any) (prepared, error) {
	if tuple, ok := data.(Tuple); ok {
		return n.prepareData([]any(tuple), "tuple")
	}
	p, isArray, err := n.returnedArray(data)
	switch {
	case err != nil:
		return prepared{}, err
	case !isArray:
		return n.prepareData(data, "")
	}
	defer runtime.KeepAlive(data) // a dropped frame's memory goes with it
	return n.prepareArray(&p)
}

// prepareResponse is prepare for what Respond returned. An error of its own is
// none of the data.
func (n *NetGear) prepareResponse(data any) (prepared, error) {
	if err, failed := data.(error); failed && !isNilPointer(data) && kindOf(reflect.TypeOf(data)) == errorValue {
		return prepared{}, fmt.Errorf("Respond returned an error: %w", err)
	}
	p, err := n.prepare(data)
	if err != nil {
		return prepared{}, fmt.Errorf("Respond returned what cannot be sent: %w", err)
	}
	return p, nil
}

// returnedArray is what is returned as an array: arrays, frames, pictures and
// Mats, or pointers to them.
func (n *NetGear) returnedArray(data any) (p payload, isArray bool, err error) {
	if data == nil {
		return p, false, nil
	}
	kind := kindOf(reflect.TypeOf(data))
	switch v := data.(type) {
	case *Frame:
		p, err = n.framePayload(v)
		return p, true, err
	case image.Image:
		if kind == imageValue {
			p, err = n.imagePayload(v)
			return p, true, err
		}
	}
	if kind == plainValue || kind == errorValue {
		return p, false, nil
	}
	a, err := asArray(data, kind)
	if err == nil {
		p, err = n.arrayPayload(a)
	}
	return p, true, err
}

// prepareData makes the answer of data other than arrays; without a type name it
// is the data's own.
func (n *NetGear) prepareData(data any, typeName string) (prepared, error) {
	m, err := n.wire.encodeMessage(data)
	if err != nil {
		return prepared{}, err
	}
	a := answer{port: n.port, returnType: cmp.Or(typeName, n.wire.typeName(m)), data: m}
	return prepared{head: n.wire.appendAnswer(nil, &a)}, nil
}

func (n *NetGear) prepareArray(p *payload) (prepared, error) {
	enc, err := turbojpeg.NewEncoder()
	if err != nil {
		return prepared{}, err
	}
	defer enc.Close()
	enc.Stop[0] = n.life.Done()
	if err := n.mend(p, enc); err != nil {
		return prepared{}, n.stopped(context.Background(), err)
	}
	part, err := n.pack(p, enc, false)
	if err != nil {
		return prepared{}, n.stopped(context.Background(), err)
	}
	head := n.wire.appendAnswer(nil, &answer{port: n.port, returnType: "ndarray", array: true, coding: p.coding})
	return prepared{head: head, array: part.buf}, nil
}

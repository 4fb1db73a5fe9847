package netgear

import "time"

// The times that no option sets, each with its reason. Those of sockets and
// connections are in internal/transport.
const (
	// ---- both ends ----

	// resolveLimit bounds the first resolution of a host name. A later one gets
	// half of RequestTimeout at most, as the last address can be used instead.
	resolveLimit = 10 * time.Second
	// refusalTTL is how long a failed handshake affects errors at an end that
	// listens, where any peer may connect.
	refusalTTL = 5 * time.Second
	// reconnectDelay is how long this end does not connect again to a peer that
	// has rejected it.
	reconnectDelay = 500 * time.Millisecond
	// maxLinger bounds the linger time for the last messages of an end. A fifth
	// of RequestTimeout also bounds it.
	maxLinger = time.Second

	// ---- events ----

	// lossDelay is how long after a loss messages of that connection may still
	// be read.
	lossDelay = 20 * time.Millisecond
	// flushAfter is how long a loss is deferred while the receive goroutine
	// does not read because the queue is full or Respond is running.
	flushAfter = 500 * time.Millisecond
	// dedupWindow is how long after a refusal an equal one is not reported
	// again.
	dedupWindow = 10 * time.Second

	// ---- send end ----

	// firstPause is the pause before a frame is sent again on a new connection.
	// It doubles up to maxPause, so that a frame which the peer cannot accept
	// causes no flood.
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
	// confirmAfter is how soon a socket is asked again whether a loss has reached
	// it. A peer that connects meanwhile hides that. No frame is sent for that time
	// after a loss.
	confirmAfter = 2 * time.Millisecond
	// releaseLimit is how long libzmq may take to release the messages of a
	// socket that was closed, which its own threads do.
	releaseLimit = 500 * time.Millisecond
	// lateLimit is how long a client with a slow handshake may be served out of
	// order.
	lateLimit = 10 * time.Second
	// minClientWait and maxClientWait bound an eighth of RequestTimeout, the
	// limit of the wait for the handshakes of the clients that were present.
	minClientWait = 100 * time.Millisecond
	maxClientWait = 500 * time.Millisecond

	// ---- receive end ----

	// settleTime is how long after a peer has come or gone a PAIR socket is
	// checked: libzmq reports connections before the socket has processed them.
	settleTime = 10 * time.Millisecond
	// mismatchGrace is how long a peer may be connected but not served, or
	// served but not connected.
	mismatchGrace = 100 * time.Millisecond
	// firstReopen is the pause after a socket could not be opened again, for
	// instance because the port was in use. It doubles up to maxPause.
	firstReopen = 10 * time.Millisecond

	// imagezmqSilenceLimit is how long an end that listens on imagezmq's wire
	// keeps a connection that is cut off. A shorter limit loses peers (see
	// silenceLimit). Dead ones are counted as connected for that time.
	imagezmqSilenceLimit = time.Minute

	// ---- host names ----

	// lookupPause is the least time between two lookups of a name. After
	// quickLookups in a row without a change it is slowLookupPause.
	lookupPause     = 250 * time.Millisecond
	slowLookupPause = time.Second
	// lookupLimit bounds one lookup, and the attempts to connect to its
	// results.
	lookupLimit = 5 * time.Second
	// probeLimit bounds the attempt to connect to one more address of the host.
	probeLimit = 500 * time.Millisecond

	// maxLateness is how much earlier than the latest stamp a frame may be to
	// count as late. With an even earlier time it is of a sender that has
	// restarted and whose clock was set back.
	maxLateness = time.Minute
)

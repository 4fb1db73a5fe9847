package netgear

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
)

// clientOrder makes a multi-client REQ end send its frames to its clients in
// the order of Options.Ports, as VidGear does.
//
// libzmq serves connections in the order in which it has set them up. For a
// connection that it reconnects itself, that is when the handshake ends. When
// one is lost, the last takes its place. So the socket is replaced before the
// next frame when clients have connected or disconnected. The new socket sets
// up the connections to the present clients at once (no ZMQ_IMMEDIATE) and in
// order. Those to absent clients wait for their handshake, so that no frame
// goes there.
//
// A nil clientOrder belongs to any other end and does nothing.
type clientOrder struct {
	ports   []string
	limit   time.Duration // how long a handshake of a present client may take
	changed chan struct{} // a token: the monitor has reported a change

	mu      sync.Mutex
	present []bool      // by index in ports; kept when the socket is replaced
	late    []time.Time // until when a client may be served out of order
	here    []bool      // the handshake on this socket has succeeded
	failed  []bool      // no connection was possible on this socket
	order   []int       // the connections of this socket, as libzmq has set them up
	lost    bool        // one of them was lost

	// For the owner of the socket.
	served []int // order when the first frame was sent; nil before
	placed []int // the clients among them that are not late
	sent   int   // frames on this socket
	last   int   // the index of the client that got the last frame; -1 for none
}

// errClients is the reason for a new socket when clients have connected or
// disconnected.
var errClients = errors.New("clients have come or gone; they are served in the order of their ports")

func newClientOrder(o *Options) *clientOrder {
	if o.Pattern != ReqRep || o.ReceiveMode || !o.MulticlientMode || o.binds() || len(o.Ports) < 2 {
		return nil
	}
	k := len(o.Ports)
	c := &clientOrder{changed: make(chan struct{}, 1), present: make([]bool, k), late: make([]time.Time, k), here: make([]bool, k), failed: make([]bool, k), last: -1}
	c.limit = max(minClientWait, min(maxClientWait, o.RequestTimeout/8))
	for _, p := range o.Ports {
		c.ports = append(c.ports, plainPort(p))
	}
	if len(slices.Compact(slices.Sorted(slices.Values(c.ports)))) < k {
		return nil // one port twice: its clients cannot be distinguished
	}
	return c
}

// plainPort returns a port as libzmq reports it.
func plainPort(p string) string {
	if number, err := strconv.Atoi(p); err == nil {
		return strconv.Itoa(number)
	}
	return p
}

// observe follows the socket's connections. The monitor calls it.
func (c *clientOrder) observe(e transport.Event) {
	if c == nil {
		return
	}
	i := slices.Index(c.ports, portIn(e.Endpoint))
	if i < 0 || e.Left {
		return // this end has closed it, or left it for another connection to the client
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.Kind == transport.Connected:
		c.present[i], c.here[i] = true, true
		if !slices.Contains(c.order, i) {
			c.order = append(c.order, i)
		}
	case e.Kind == transport.Disconnected:
		c.present[i], c.late[i] = false, time.Time{}
		c.lost = true
	case e.Kind == transport.ConnectRetried, e.HandshakeFailed():
		c.present[i], c.failed[i] = false, true
	default:
		return
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// onTime returns the clients that are not late. c.mu must be held.
func (c *clientOrder) onTime(clients []int) []int {
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(clients), func(i int) bool { return now.Before(c.late[i]) })
}

// presentInOrder returns the present clients, beginning with the one that is
// served next. c.mu must be held.
func (c *clientOrder) presentInOrder() (all []int) {
	for k := range c.ports {
		if i := (c.last + 1 + k) % len(c.ports); c.present[i] {
			all = append(all, i)
		}
	}
	return c.onTime(all)
}

// stale reports whether the socket does not serve the present clients in order.
func (c *clientOrder) stale() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.onTime(c.order); {
	case c.lost:
		return true
	case c.served == nil:
		return !slices.Equal(now, c.presentInOrder())
	default:
		// Those that connected while the first frame waited came in any order.
		return !slices.Equal(now, c.placed) || !inTurn(c.placed)
	}
}

// inTurn reports whether clients are in the order of their ports, whichever is the
// first.
func inTurn(clients []int) bool {
	descents := 0
	for k, i := range clients {
		if clients[(k+1)%len(clients)] < i {
			descents++
		}
	}
	return descents <= 1
}

// lostOne reports whether a client of this socket has disconnected. The current
// frame may have gone to it.
func (c *clientOrder) lostOne() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// took counts a frame that was sent, which libzmq gives to the next client.
func (c *clientOrder) took() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.served == nil {
		c.served, c.placed = slices.Clone(c.order), c.onTime(c.order)
	}
	if len(c.served) > 0 {
		c.last = c.served[c.sent%len(c.served)]
		c.sent++
	}
}

// answered notes which client has answered. It may not be the client that took
// has assumed. libzmq skips a connection that has just been lost, before the
// monitor reports the loss.
func (c *clientOrder) answered(port string) {
	if c == nil {
		return
	}
	if i := slices.Index(c.ports, plainPort(port)); i >= 0 {
		c.mu.Lock()
		c.last = i
		c.mu.Unlock()
	}
}

// begin resets the state of the last socket and returns the clients to connect
// to in order.
func (c *clientOrder) begin() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order, c.lost, c.served, c.placed, c.sent = c.presentInOrder(), false, nil, nil, 0
	clear(c.here)
	clear(c.failed)
	return slices.Clone(c.order)
}

// await waits for the handshakes of the clients, and reports whether the socket
// serves them all. Clients that have failed, or have taken longer than limit,
// count as absent from then on.
func (c *clientOrder) await(ctx context.Context, clients []int, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		over := false
		select {
		case <-timer.C:
			over = true
		default:
		}
		if here, missing := c.count(clients, over); here+missing == len(clients) {
			return missing == 0
		}
		select {
		case <-c.changed:
		case <-timer.C:
			timer.Reset(0)
		case <-ctx.Done():
			return true // the caller checks ctx itself
		}
	}
}

// count returns how many clients have completed the handshake, and how many are
// missing.
func (c *clientOrder) count(clients []int, over bool) (here, missing int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range clients {
		switch {
		case c.here[i]:
			here++
		case over:
			c.late[i] = time.Now().Add(lateLimit)
			fallthrough
		case c.failed[i]:
			c.present[i] = false
			missing++
		}
	}
	return here, missing
}

// dialInOrder opens the socket of a multi-client REQ end, which serves the
// present clients in order.
func (s *sendEnd) dialInOrder(ctx context.Context, c *conn, endpoints []string) (socket, []string, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	for {
		present := s.order.begin()
		sock, _, err := c.open(nil)
		if err != nil {
			return nil, nil, err
		}
		if err := dialClients(sock, endpoints, present); err != nil {
			sock.Shut(0)
			return nil, nil, err
		}
		if s.order.await(within, present, s.order.limit) {
			return sock, endpoints, nil
		}
		sock.Shut(0)
	}
}

// dialClients connects to the present clients in order, and then to the others.
func dialClients(s socket, endpoints []string, present []int) error {
	errs := []error{s.SetImmediate(false)}
	for _, i := range present {
		errs = append(errs, addressError(s.Dial(endpoints[i])))
	}
	errs = append(errs, s.SetImmediate(true))
	for i, ep := range endpoints {
		if !slices.Contains(present, i) {
			errs = append(errs, addressError(s.Dial(ep)))
		}
	}
	return errors.Join(errs...)
}

// reorder closes the socket of a multi-client REQ end if it does not serve the
// clients in order. No frame may be in transfer.
func (s *sendEnd) reorder() {
	if s.conn == nil || s.conn.sent || !s.order.stale() {
		return
	}
	s.opts.Logger.Info("connecting again", "why", errClients)
	s.shut(0)
	s.events.add(Event{Kind: EventReconnecting, Endpoint: s.where(), Err: errClients})
}

// leaveLost disconnects from the clients that are gone, whose connections would
// otherwise take a terminate message.
func (s *sendEnd) leaveLost() {
	if s.order == nil {
		return
	}
	s.order.mu.Lock()
	defer s.order.mu.Unlock()
	for _, i := range s.order.order {
		if !s.order.present[i] {
			s.conn.Disconnect(s.conn.endpoints[i])
		}
	}
}

package netgear

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vidgear-go/netgear/internal/loglimit"
	"github.com/vidgear-go/netgear/internal/transport"
)

// resolver holds the address of the host that an end connects to, or listens
// on, by name. libzmq gets addresses, not names, and retries the same address
// forever. So when a connection is lost or fails, the resolver looks up the
// name again, and the socket's owner changes to the new address.
//
// An end that listens changes when it has lost its last peer, to an address of
// this machine.
//
// A nil resolver belongs to an end without a host name and does nothing.
type resolver struct {
	host    string
	listens bool
	life    context.Context
	changed func() // wakes the socket's owner
	log     func(msg string, args ...any)

	pending atomic.Bool // a route has another address to change to

	mu      sync.Mutex
	routes  []route // one for each of Options.Ports
	running bool    // the lookup goroutine exists
	asked   bool    // a connection was lost or failed since the lookup began
	ended   bool
	last    time.Time // end of the last lookup
	vain    int       // lookups in a row without a change
	lookups sync.WaitGroup
}

// route is the address of one port of the host, or of that port of this host.
type route struct {
	port   uint16
	at     netip.Addr // the address that the socket connects to
	next   netip.Addr // the address to change to; the zero Addr if there is none
	peers  int        // handshakes that have succeeded, less lost connections
	failed bool       // a connection to at has failed
}

const (
	// quickLookups is how many lookups in a row are made at short intervals.
	quickLookups = 20
	// maxAddresses bounds how many addresses of one host are tried.
	maxAddresses = 16
)

// errMoved ends a wait because the host has another address. It is then also
// the reason for a new socket.
var errMoved = errors.New("the host name has another address now")

// newResolver returns the resolver of an end whose address is a host name, and
// nil for any other end.
func newResolver(life context.Context, o *Options, changed func(), logger *slog.Logger, limit *loglimit.Limiter) *resolver {
	if !named(o) || o.SSHTunnelMode != "" {
		return nil
	}
	r := &resolver{host: strings.Trim(o.address(), "[]"), listens: o.binds(), life: life, changed: changed}
	r.log = func(msg string, args ...any) { limit.Log(logger, slog.LevelWarn, msg, args...) }
	for _, p := range o.Ports {
		port, _ := strconv.ParseUint(p, 10, 16) // checked by Validate
		r.routes = append(r.routes, route{port: uint16(port)})
	}
	return r
}

// named reports whether an end's address is a host name.
func named(o *Options) bool {
	if o.protocol() != "tcp" || o.address() == "*" {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(o.address(), "[]"))
	return err != nil
}

// endpoints returns what a new socket connects to or binds. It looks up the
// name within ctx. If that fails, it uses the last known addresses again. Of
// several ports those that were connected keep their address, because they are
// not the reason for the new socket.
//
// moved reports whether one of the endpoints is not the last socket's.
func (r *resolver) endpoints(ctx context.Context) (all []string, moved bool, err error) {
	addresses, err := lookupAddresses(ctx, r.host)
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.routes[0].at.IsValid()
	if err != nil && !known {
		return nil, false, err
	}
	if err != nil && ctx.Err() != context.Canceled {
		r.log("the last known address is used again", "host", r.host, "err", err)
	}
	all = make([]string, len(r.routes))
	for i := range r.routes {
		p, was := &r.routes[i], r.routes[i].at
		switch {
		case p.peers > 0 && len(r.routes) > 1:
		case err == nil:
			p.at = r.choose(p, addresses)
		case p.next.IsValid():
			p.at = p.next
		}
		moved = moved || p.at != was
		p.next, p.peers, p.failed = netip.Addr{}, 0, false
		all[i] = p.endpoint()
	}
	r.refresh()
	return all, moved, nil
}

// known reports whether the name has been resolved at least once.
func (r *resolver) known() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes[0].at.IsValid()
}

// bound sets the ports on which the socket listens, if any free one was
// requested.
func (r *resolver) bound(endpoints []string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, ep := range endpoints {
		if at, err := netip.ParseAddrPort(strings.TrimPrefix(ep, "tcp://")); err == nil {
			r.routes[i].port = at.Port()
		}
	}
}

// choose returns the address for a new socket: the one to change to, or the
// current one, if the host still has it. Otherwise it returns the host's first.
func (r *resolver) choose(p *route, addresses []netip.Addr) netip.Addr {
	for _, a := range []netip.Addr{p.next, p.at} {
		if slices.Contains(addresses, a) {
			return a
		}
	}
	if a := r.first(addresses); a.IsValid() || p.at.IsValid() {
		return cmp.Or(a, p.at)
	}
	return addresses[0] // the error of the bind contains the reason
}

// first returns the first address, or the zero Addr if there is none. At an end
// that listens it returns the first address of this machine.
func (r *resolver) first(addresses []netip.Addr) netip.Addr {
	for _, a := range addresses {
		if !r.listens || transport.Available(netip.AddrPortFrom(a, 0)) {
			return a
		}
	}
	return netip.Addr{}
}

// refresh sets pending according to the routes. r.mu must be held.
func (r *resolver) refresh() {
	r.pending.Store(slices.ContainsFunc(r.routes, func(p route) bool { return p.next.IsValid() }))
}

// idle reports whether no peer is connected. r.mu must be held.
func (r *resolver) idle() bool {
	return !slices.ContainsFunc(r.routes, func(p route) bool { return p.peers > 0 })
}

func (p *route) endpoint() string {
	return "tcp://" + netip.AddrPortFrom(p.at, p.port).String()
}

// observe follows the socket's connections. The monitor calls it.
func (r *resolver) observe(e transport.Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(e.Endpoint)
	if p == nil {
		return // the socket has left that endpoint
	}
	switch {
	case e.Kind == transport.Connected:
		p.peers++
		p.next, p.failed = netip.Addr{}, false
		r.vain = 0
		r.refresh()
		return
	case e.Kind == transport.Disconnected:
		p.peers = max(0, p.peers-1)
		if e.Left { // a new connection follows, or does already
			return
		}
	case r.listens:
		return
	case e.Kind == transport.ConnectRetried, e.HandshakeFailed():
		p.failed = true
	default:
		return
	}
	if !r.listens || r.idle() {
		r.ask()
	}
}

// find returns the route that an endpoint belongs to. r.mu must be held.
func (r *resolver) find(endpoint string) *route {
	text, _ := strings.CutPrefix(endpoint, "tcp://")
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil
	}
	for i := range r.routes {
		if p := &r.routes[i]; p.port == at.Port() && p.at == at.Addr().Unmap() {
			return p
		}
	}
	return nil
}

// ask starts a lookup, unless one is running. r.mu must be held.
func (r *resolver) ask() {
	r.asked = true
	if r.running || r.ended {
		return
	}
	r.running = true
	r.lookups.Go(r.run)
}

// run looks up the name until no connection has failed meanwhile. At an end
// that listens no connection fails, so there it continues until a peer has
// connected.
func (r *resolver) run() {
	for r.rest() {
		ctx, cancel := context.WithTimeout(r.life, lookupLimit)
		addresses, err := lookupAddresses(ctx, r.host)
		cancel()
		if err == nil {
			r.compare(addresses)
		} else if r.life.Err() == nil {
			r.log("cannot resolve the host again, the last known address stands", "host", r.host, "err", err)
		}
		r.mu.Lock()
		r.last = time.Now()
		if r.vain++; r.pending.Load() {
			r.vain = 0
		} else if r.listens && r.idle() {
			r.asked = true
		}
		r.mu.Unlock()
		if r.pending.Load() {
			r.changed()
		}
	}
}

// rest waits until the next lookup is due, and reports whether there is one.
func (r *resolver) rest() bool {
	r.mu.Lock()
	if r.ended || !r.asked {
		r.running = false
		r.mu.Unlock()
		return false
	}
	pause := lookupPause
	if r.vain > quickLookups {
		pause = slowLookupPause
	}
	due := r.last.Add(pause)
	r.mu.Unlock()
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.life.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = false
	r.running = r.life.Err() == nil
	return r.running
}

// compare compares the addresses of the name server with those in use.
func (r *resolver) compare(addresses []netip.Addr) {
	ctx, cancel := context.WithTimeout(r.life, lookupLimit)
	defer cancel()
	for k := range r.routes {
		r.mu.Lock()
		i := (k + r.vain) % len(r.routes) // begins with another route each time, in case ctx ends
		p := r.routes[i]
		r.mu.Unlock()
		next := netip.Addr{}
		switch {
		case p.peers > 0:
		case !slices.Contains(addresses, p.at):
			next = r.first(addresses)
		case p.failed:
			next = reachable(ctx, addresses, p)
		}
		r.mu.Lock()
		if now := &r.routes[i]; next.IsValid() && now.peers == 0 && now.at == p.at && (!r.listens || r.idle()) {
			now.next = next
			r.refresh()
		}
		r.mu.Unlock()
	}
}

// reachable returns another address of the host at which the port accepts a
// connection. A change to an address that does not would cost a socket for each
// attempt, while the peer is absent.
func reachable(ctx context.Context, addresses []netip.Addr, p route) netip.Addr {
	for _, a := range addresses {
		if a == p.at {
			continue
		}
		dialer := net.Dialer{Timeout: probeLimit}
		c, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, p.port).String())
		if err == nil {
			c.Close()
			return a
		}
	}
	return netip.Addr{}
}

// moved reports whether an endpoint has another address to change to.
func (r *resolver) moved() bool { return r != nil && r.pending.Load() }

// change is an endpoint to leave, and the one that replaces it.
type change struct{ from, to string }

// changes returns each change once to the owner of the socket. An endpoint that
// has been connected meanwhile stays.
func (r *resolver) changes() (all []change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.routes {
		p := &r.routes[i]
		if p.next.IsValid() && p.peers == 0 {
			c := change{from: p.endpoint()}
			p.at, p.failed = p.next, false
			c.to = p.endpoint()
			all = append(all, c)
		}
		p.next = netip.Addr{}
	}
	r.refresh()
	return all
}

// close ends the lookup goroutine, if it runs, and waits for it. The end's
// context must have ended.
func (r *resolver) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.lookups.Wait()
}

// ---- the name server ----

// lookupAddresses returns the addresses of a host, at most maxAddresses. IPv4
// is before IPv6 as in VidGear, whose sockets do not use IPv6.
func lookupAddresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if err := transport.CheckZone(net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}); err != nil {
			return nil, cannotResolve(host, err)
		}
		return []netip.Addr{a.Unmap()}, nil
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, cannotResolve(host, err)
	}
	err = errors.New("it has no address")
	var v4, v6 []netip.Addr
	for _, ip := range ips {
		a, _ := netip.AddrFromSlice(ip.IP)
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else if zone := transport.CheckZone(ip); zone != nil {
			err = zone
		} else if a.IsValid() {
			v6 = append(v6, a.WithZone(ip.Zone))
		}
	}
	all := append(v4, v6...)
	if len(all) == 0 {
		return nil, cannotResolve(host, err)
	}
	return all[:min(len(all), maxAddresses)], nil
}

func cannotResolve(host string, err error) error {
	//nolint:errorlint // a lookup that ran out of its own time is not the end of the caller's context
	return fmt.Errorf("%w: cannot resolve %q: %v", ErrAddress, host, err)
}

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

	"github.com/vidgear-go/netgear/internal/transport"
)

// resolver keeps the address of the host that an end connects to, or listens on,
// by name. libzmq is given addresses, not names, and retries the same address for
// ever. So whenever a connection is lost or cannot be made, the resolver looks the
// name up again, and the socket's owner changes to the new address.
//
// An end that listens changes when it has lost its last peer, to an address that
// this machine has.
//
// A nil resolver belongs to an end without a host name; it does nothing.
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
	asked   bool    // a connection was lost or not made since it last began
	ended   bool
	last    time.Time // end of the last lookup
	vain    int       // lookups in a row without a change
	lookups sync.WaitGroup
}

// route is the way to one port of the host, or that port of this host.
type route struct {
	port   uint16
	at     netip.Addr // the address that the socket connects to
	next   netip.Addr // the address to change to; the zero Addr if there is none
	peers  int        // handshakes that have succeeded, less lost connections
	failed bool       // no connection could be made to at
}

const (
	// quickLookups is how many lookups in a row are made at short intervals.
	quickLookups = 20
	// maxAddresses bounds the addresses of one host that are tried.
	maxAddresses = 16
)

// errMoved ends a wait because the host has another address. It also is the reason
// for a new socket then.
var errMoved = errors.New("the host name has another address now")

// newResolver returns the resolver of an end whose address is a host name, and nil
// for any other.
func newResolver(life context.Context, o *Options, changed func(), logger *slog.Logger, limit *logLimiter) *resolver {
	if !named(o) || o.SSHTunnelMode != "" {
		return nil
	}
	r := &resolver{host: strings.Trim(o.address(), "[]"), listens: o.binds(), life: life, changed: changed}
	r.log = func(msg string, args ...any) { limit.log(logger, slog.LevelWarn, msg, args...) }
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

// endpoints returns what a new socket connects to or binds. The name is looked up within
// ctx. Where that fails, the last known addresses are used again. Of several ports
// those that were connected keep their address: the socket is not replaced on
// their account.
//
// moved reports whether one of them is not the last socket's.
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

// bound sets the ports that the socket listens on, where any free one was asked
// for.
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

// choose returns the address for a new socket: the one to change to, or the one
// in use, if the host still has it; otherwise the host's first.
func (r *resolver) choose(p *route, addresses []netip.Addr) netip.Addr {
	for _, a := range []netip.Addr{p.next, p.at} {
		if slices.Contains(addresses, a) {
			return a
		}
	}
	if a := r.first(addresses); a.IsValid() || p.at.IsValid() {
		return cmp.Or(a, p.at)
	}
	return addresses[0] // the error of the bind says what is wrong
}

// first returns the first address, at an end that listens the first that this
// machine has; the zero Addr if there is none.
func (r *resolver) first(addresses []netip.Addr) netip.Addr {
	for _, a := range addresses {
		if !r.listens || transport.Available(netip.AddrPortFrom(a, 0)) {
			return a
		}
	}
	return netip.Addr{}
}

// refresh keeps pending in step with the routes. r.mu must be held.
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

// observe follows the socket's connections. It is called by the monitor.
func (r *resolver) observe(e transport.Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(e.Endpoint)
	if p == nil {
		return // an endpoint that has been left meanwhile
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

// ask starts a lookup, unless one is under way. r.mu must be held.
func (r *resolver) ask() {
	r.asked = true
	if r.running || r.ended {
		return
	}
	r.running = true
	r.lookups.Go(r.run)
}

// run looks the name up until no connection has failed meanwhile. At an end that
// listens nothing fails, so there it goes on until a peer has connected.
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

// compare holds what the name server says against the addresses in use.
func (r *resolver) compare(addresses []netip.Addr) {
	ctx, cancel := context.WithTimeout(r.life, lookupLimit)
	defer cancel()
	for k := range r.routes {
		r.mu.Lock()
		i := (k + r.vain) % len(r.routes) // another begins each time, should ctx end
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
// connection. Changing without that would cost a socket for each attempt, as
// long as the peer is away.
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

// change is an endpoint to leave, and the one that takes its place.
type change struct{ from, to string }

// changes returns what the owner of the socket has to change, once. An endpoint
// that has been connected meanwhile stays.
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

// close ends the lookup goroutine, if it runs, and waits for it. The life of the
// end must be over.
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

// lookupIP is the system's name resolution. Tests replace it with swapLookup.
var lookupIP = struct {
	sync.RWMutex
	call func(context.Context, string) ([]net.IPAddr, error)
}{call: net.DefaultResolver.LookupIPAddr}

// lookupAddresses returns the addresses of a host, at most maxAddresses, IPv4
// before IPv6 as VidGear (whose sockets know no IPv6).
func lookupAddresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if err := transport.CheckZone(net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}); err != nil {
			return nil, cannotResolve(host, err)
		}
		return []netip.Addr{a.Unmap()}, nil
	}
	lookupIP.RLock()
	call := lookupIP.call
	lookupIP.RUnlock()
	ips, err := call(ctx, host)
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
	return fmt.Errorf("%w: cannot resolve %q: %v", ErrAddress, host, err)
}

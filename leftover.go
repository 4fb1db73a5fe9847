package netgear

import (
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// leftover is the far half of a PAIR connection that was lost in silence: the line
// was cut, this system gave the connection up, and the peer, which only listens,
// never heard of it. It waits for the old connection's next frame and refuses every
// other; VidGear's receive end does so for 12 s, and then mostly fails.
//
// So the next connection is made from the port that the lost one had. The peer's
// system takes that for a mistake and asks; this system knows nothing of the old
// connection and says so with a reset, which ends the far half as well (RFC 9293,
// 3.5.1, half-open connections). A second later the attempt is repeated, and finds
// the place free.
type leftover struct {
	mu    sync.Mutex
	heard time.Time // when the peer last answered
	from  string    // what the lost connection was made from, "10.0.0.2:43210"; "" if nothing is left over
}

// silence is how long nothing must have been heard for a loss to be one in
// silence: then the peer did not end the connection. TCP needs twice that long to
// give one up.
const silence = deadLine / 2

// answered: the peer has answered, so nothing that is left over is in the way.
func (l *leftover) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard, l.from = time.Now(), ""
}

// lost is told where every connection that is lost was made from.
func (l *leftover) lost(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == "" && !l.heard.IsZero() && time.Since(l.heard) >= silence {
		l.from = from
	}
}

// cleared: a connection has been made from the old port, so the old one has gone.
func (l *leftover) cleared() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = ""
}

// source makes endpoints such that they are connected to from the lost
// connection's port, if one is left over and the port can be had.
func (l *leftover) source(endpoints []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, err := netip.ParseAddrPort(l.from)
	// libzmq looks the addresses of this machine up for it, and aborts the
	// process if it has no descriptor for that.
	if err != nil || !available(from) || checkDescriptors() != nil {
		return endpoints
	}
	all := make([]string, len(endpoints))
	for i, ep := range endpoints {
		all[i] = strings.Replace(ep, "://", "://"+l.from+";", 1)
	}
	return all
}

// withoutSource is an endpoint without the place that it is connected to from.
func withoutSource(endpoint string) string {
	protocol, rest, ok := strings.Cut(endpoint, "://")
	if _, to, sourced := strings.Cut(rest, ";"); ok && sourced && protocol == "tcp" {
		return "tcp://" + to
	}
	return endpoint
}

// available says whether a connection can be made from a local address: it may be
// this machine's no more, and the port another's. libzmq would try for ever.
func available(from netip.AddrPort) bool {
	family, address := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(from.Port()), Addr: from.Addr().As16()})
	if from.Addr().Is4() {
		family, address = unix.AF_INET, &unix.SockaddrInet4{Port: int(from.Port()), Addr: from.Addr().As4()}
	}
	return tryStream(family, func(fd int) bool {
		// As libzmq does it.
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) == nil && unix.Bind(fd, address) == nil
	})
}

// tryStream calls try with the descriptor of a new stream socket, which it
// closes, and returns the result; false if there is no such socket.
func tryStream(family int, try func(fd int) bool) bool {
	syscall.ForkLock.RLock() // no child inherits it
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return try(fd)
}

// localAddress is what a connection to a TCP endpoint was made from; "" if that
// cannot be told. The descriptor is libzmq's, which may have closed it by now and
// opened another: only one that is connected to that endpoint counts.
func localAddress(fd uint32, endpoint string) string {
	to, ok := strings.CutPrefix(withoutSource(endpoint), "tcp://")
	if !ok {
		return ""
	}
	peer, err := unix.Getpeername(int(fd))
	if err != nil || addrPort(peer).String() != to {
		return ""
	}
	local, err := unix.Getsockname(int(fd))
	if err != nil {
		return ""
	}
	from := addrPort(local)
	if !from.IsValid() || from.Addr().IsLinkLocalUnicast() && from.Addr().Is6() {
		return "" // an address that needs a zone
	}
	return from.String()
}

func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

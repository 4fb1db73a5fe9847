package netgear

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// leftover tracks a PAIR connection that may be half-open at the peer: the line
// was cut, this system gave the connection up, and the peer, which only listens,
// never heard of it. A PAIR peer serves the old connection and refuses every
// other; VidGear's receive end does so for 12 s, and then mostly fails.
//
// So before the next connection is made, this end connects once from the port of
// the lost one (endLeftover). The peer's system finds that such a connection
// stands, and asks; this system knows nothing of it and answers with a reset,
// which ends the peer's half as well (RFC 9293, 3.5.1, half-open connections).
//
// libzmq can connect from a given port, too ("tcp://from;to"), but must not: at
// each try its I/O thread looks up the addresses of this machine for that, and
// aborts the process if it has no descriptor (ip_resolver.cpp, getifaddrs).
type leftover struct {
	mu       sync.Mutex
	heard    time.Time     // when the peer last answered
	quickest time.Duration // the shortest exchange so far, which took at least a round trip
	from, to string        // the lost connection's ends, "10.0.0.2:43210"; "" if nothing is left over
}

const (
	// silence is how long nothing must have been heard for a loss to be one in
	// silence: then the peer did not end the connection. TCP needs twice that
	// long to give one up.
	silence = deadLine / 2
	// probeShort and probeLong are how long the answer to a probe is awaited.
	// Short ones notice soon that the line is back. Long ones are for lines on
	// which no exchange was ever quicker; every longEach-th is one in any case,
	// as the line that is back may be another.
	probeShort = 250 * time.Millisecond
	probeLong  = time.Second
	longEach   = 16
	// probeStays is how long a probe that was answered stays open. Meanwhile a
	// PAIR peer frees the place of the connection that was reset: until then it
	// would refuse the next. And this library's receive end learns where the
	// probe comes from (link.probed).
	probeStays = 100 * time.Millisecond
)

// answered notes that the peer has answered, so nothing is left over, and how
// long the exchange took.
func (l *leftover) answered(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard.IsZero() || took < l.quickest {
		l.quickest = took
	}
	l.heard, l.from, l.to = time.Now(), "", ""
}

// wait returns how long the answer to the i-th probe is awaited.
func (l *leftover) wait(i int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i%longEach == 0 {
		return probeLong
	}
	return min(max(2*l.quickest, probeShort), probeLong)
}

// lost notes a connection that was lost, and where it was made from. The first
// counts until the peer has answered again.
func (l *leftover) lost(from, endpoint string) {
	to, tcp := strings.CutPrefix(endpoint, "tcp://")
	l.mu.Lock()
	defer l.mu.Unlock()
	if tcp && from != "" && l.from == "" && !l.heard.IsZero() && time.Since(l.heard) >= silence {
		l.from, l.to = from, to
	}
}

// cleared notes that nothing is left over any more.
func (l *leftover) cleared() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from, l.to = "", ""
}

// ends returns the ends of the connection that is left over; "" if none is.
func (l *leftover) ends() (from, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.from, l.to
}

// endLeftover blocks until the peer's half of a lost connection has gone, if
// there is one. It returns zmsg.ErrTimeout at the deadline, and what over returns
// when the call must end. Where the port cannot be had it does nothing.
func (s *sendEnd) endLeftover(ctx context.Context, deadline time.Time) error {
	for i := 1; ; i++ {
		from, to := s.leftover.ends()
		if from == "" || s.resolver.moved() {
			return nil
		}
		next := earlier(deadline, time.Now().Add(s.leftover.wait(i)))
		err := s.probe(ctx, from, to, next)
		switch {
		case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL):
			return nil // the port is another's, or the address this machine's no more
		case err == nil, errors.Is(err, syscall.ECONNREFUSED):
			s.leftover.cleared() // the peer's system has no such connection
			return s.over(ctx)
		}
		s.resolver.observe(event{kind: zmq4.EVENT_CONNECT_RETRIED, endpoint: "tcp://" + to})
		if over := s.rest(ctx, time.Until(next)); over != nil {
			return over
		}
		if time.Now().Before(deadline) {
			continue
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			return fmt.Errorf("cannot connect: close some file descriptors, or raise the limit (ulimit -n): %w", err)
		}
		return zmsg.ErrTimeout
	}
}

// probe connects from one address to another, and closes the connection. The
// deadline bounds the attempt to connect.
func (s *sendEnd) probe(ctx context.Context, from, to string, deadline time.Time) error {
	local, err := netip.ParseAddrPort(from)
	if err != nil {
		return err
	}
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Control: reuseAddress}
	c, err := dialer.DialContext(within, "tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	return s.rest(ctx, probeStays)
}

// reuseAddress lets a socket have a port that a connection had before.
func reuseAddress(_, _ string, c syscall.RawConn) (err error) {
	return errors.Join(c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}), err)
}

// available says whether a connection can be made from a local address: it may be
// this machine's no more, and the port another's.
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
	to, ok := strings.CutPrefix(endpoint, "tcp://")
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

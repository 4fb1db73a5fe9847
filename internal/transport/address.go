package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// AnyAddress returns the address that stands for every interface, as libzmq
// spells it: of IPv6 and IPv4 where one socket serves both, otherwise of IPv4.
func AnyAddress() string { return anyAddress(DualStack()) }

func anyAddress(dualStack bool) string {
	if dualStack {
		return "[::]"
	}
	return "0.0.0.0"
}

// DualStack reports whether one listening socket can serve IPv6 and IPv4. A
// system may be without IPv6, and OpenBSD separates the two. libzmq asks for both
// wherever it binds an IPv6 address.
func DualStack() bool {
	return tryStream(unix.AF_INET6, func(fd int) bool {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0) == nil &&
			unix.Bind(fd, &unix.SockaddrInet6{}) == nil
	})
}

// sameAddress reports whether two TCP endpoints are the same address and port,
// and their zones perhaps spelled in two ways.
func sameAddress(a, b string) bool {
	x, err := netip.ParseAddrPort(strings.TrimPrefix(a, "tcp://"))
	if err != nil {
		return false
	}
	y, err := netip.ParseAddrPort(strings.TrimPrefix(b, "tcp://"))
	return err == nil && x.Port() == y.Port() && x.Addr().WithZone("") == y.Addr().WithZone("") &&
		(x.Addr().Zone() == y.Addr().Zone() || sameZone(x.Addr().Zone(), y.Addr().Zone()))
}

// sameZone reports whether two zones name one interface.
func sameZone(a, b string) bool {
	x, err := zoneID(a)
	if err != nil {
		return false
	}
	y, err := zoneID(b)
	return err == nil && x == y
}

// NeedsZone reports whether an address lacks the interface without which it
// means nothing (RFC 4007).
func NeedsZone(ip netip.Addr) bool {
	return ip.Is6() && !ip.Is4In6() && ip.IsLinkLocalUnicast() && ip.Zone() == ""
}

// ZoneHint returns what a link-local address lacks.
func ZoneHint(ip string) string {
	return fmt.Sprintf("a link-local address is of one network; name this machine's interface to it, as in \"%s%%eth0\"", ip)
}

// CheckZone returns an error for a zone that names no interface of this machine,
// and for a link-local address without a zone. With either libzmq would try
// without end, and report no error.
func CheckZone(ip net.IPAddr) error {
	if a, ok := netip.AddrFromSlice(ip.IP); ok && NeedsZone(a.WithZone(ip.Zone)) {
		return fmt.Errorf("%s: %s", ip.IP, ZoneHint(ip.IP.String()))
	}
	if ip.Zone == "" {
		return nil
	}
	if _, err := net.InterfaceByName(ip.Zone); err != nil {
		return fmt.Errorf("%s: this machine has no interface %q", ip.IP, ip.Zone)
	}
	return nil
}

// Available reports whether a connection can be made from a local address. The
// machine may no longer have it, and another program may have the port.
func Available(from netip.AddrPort) bool {
	family, address, err := socketAddress(from.Addr(), int(from.Port()))
	if err != nil {
		return false // its zone is no interface of this machine
	}
	return tryStream(family, func(fd int) bool {
		// As libzmq does it.
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) == nil && unix.Bind(fd, address) == nil
	})
}

// tryStream calls try with the descriptor of a new stream socket, which it
// closes. It returns the result, and false if there is no such socket.
func tryStream(family int, try func(fd int) bool) bool {
	fd, err := newStream(family)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return try(fd)
}

// newStream opens a stream socket. No child process inherits it.
func newStream(family int) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}

// localAddress returns the address that a connection to a TCP endpoint was made
// from, and "" if it is not known. The descriptor is libzmq's, which may have
// closed it and opened another: only one that is connected to that endpoint
// counts.
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

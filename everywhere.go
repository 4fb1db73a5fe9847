package netgear

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// everywhere returns the address that stands for every interface: of IPv6 and
// IPv4 where one socket serves both, otherwise of IPv4 alone.
func everywhere() string {
	if dualStack() {
		return "[::]"
	}
	return "0.0.0.0"
}

// dualStack is a variable for the tests.
var dualStack = hasDualStack

// hasDualStack reports whether one listening socket can serve IPv6 and IPv4. A
// system may be without IPv6, and OpenBSD separates the two. libzmq asks for both
// wherever it binds an IPv6 address.
func hasDualStack() bool {
	return tryStream(unix.AF_INET6, func(fd int) bool {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0) == nil &&
			unix.Bind(fd, &unix.SockaddrInet6{}) == nil
	})
}

// needsZone reports whether an address means nothing without the interface that
// it is reached by (RFC 4007).
func needsZone(ip netip.Addr) bool {
	return ip.Is6() && !ip.Is4In6() && ip.IsLinkLocalUnicast() && ip.Zone() == ""
}

// zoneHint says what a link-local address lacks.
func zoneHint(ip string) string {
	return fmt.Sprintf("a link-local address is of one network; name this machine's interface to it, as in \"%s%%eth0\"", ip)
}

// checkZone refuses a zone that names no interface of this machine, and a
// link-local address without a zone: libzmq would try in vain, without an error.
func checkZone(ip net.IPAddr) error {
	if a, ok := netip.AddrFromSlice(ip.IP); ok && needsZone(a.WithZone(ip.Zone)) {
		return fmt.Errorf("%s: %s", ip.IP, zoneHint(ip.IP.String()))
	}
	if ip.Zone == "" {
		return nil
	}
	if _, err := net.InterfaceByName(ip.Zone); err != nil {
		return fmt.Errorf("%s: this machine has no interface %q", ip.IP, ip.Zone)
	}
	return nil
}

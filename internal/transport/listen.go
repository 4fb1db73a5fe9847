package transport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A TCP socket that listens is opened here and passed to libzmq (ZMQ_USE_FD).
// Given an address, libzmq would first look for an interface of that name, and
// abort the process if it has no descriptor for that (ip_resolver.cpp:542 in
// 4.3.4 and 4.3.5). No check before it can rule that out: peers connect meanwhile.

// listenQueue is how many connections wait at a listening socket until libzmq
// accepts them, as with libzmq's own.
const listenQueue = 100

// bindTCP makes libzmq listen at a TCP endpoint.
func (s *Socket) bindTCP(ep string) error {
	fd, err := listenTCP(ep)
	if err != nil {
		return err
	}
	if err := s.SetUseFd(fd); err != nil {
		unix.Close(fd)
		return err
	}
	defer s.SetUseFd(-1)
	if err := s.Bind(ep); err != nil {
		unix.Close(fd) // it fails only before it takes the socket
		return err
	}
	return nil
}

// listenTCP opens a listening socket with libzmq's settings. One of IPv6 serves
// IPv4 as well.
func listenTCP(ep string) (fd int, err error) {
	host, service, err := net.SplitHostPort(strings.TrimPrefix(ep, "tcp://"))
	if err != nil {
		return -1, syscall.EINVAL
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return -1, syscall.EINVAL
	}
	ip, err := localIP(host)
	if err != nil {
		return -1, err
	}
	family, address, err := socketAddress(ip, int(port))
	if err != nil {
		return -1, err
	}
	if fd, err = newStream(family); err != nil {
		return -1, err
	}
	if err = listen(fd, family, address); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// socketAddress returns what an address and a port are to the system.
func socketAddress(ip netip.Addr, port int) (family int, a unix.Sockaddr, err error) {
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}, nil
	}
	zone, err := zoneID(ip.Zone())
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: ip.As16(), ZoneId: zone}, err
}

func listen(fd, family int, address unix.Sockaddr) error {
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, address); err != nil {
		return err
	}
	// libzmq may accept a connection that is closed by then (turnAway).
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.Listen(fd, listenQueue)
}

// localIP returns the address that a socket is bound to: "*", an address, or the
// name of an interface, of which it returns the first IPv4 address.
func localIP(host string) (netip.Addr, error) {
	if host == "*" {
		return netip.IPv4Unspecified(), nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, nil
	}
	card, err := net.InterfaceByName(host)
	if err != nil {
		return netip.Addr{}, notLocal(err)
	}
	addresses, err := card.Addrs()
	if err != nil {
		return netip.Addr{}, notLocal(err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			return prefix.Addr(), nil
		}
	}
	return netip.Addr{}, syscall.ENODEV
}

// zoneID returns the number of an IPv6 address's interface.
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	card, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, notLocal(err)
	}
	return uint32(card.Index), nil
}

// notLocal returns ENODEV for a name that is no interface's, and what the system
// returned if it could not be asked.
func notLocal(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) && (errno == syscall.EMFILE || errno == syscall.ENFILE) {
		return errno
	}
	return syscall.ENODEV
}

package transport

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// identify returns what distinguishes a socket; false if it is none.
func identify(fd int) (id socketID, ok bool) {
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	return socketID{cookie: cookie}, err == nil
}

// dupOnto turns onto into a copy of fd, in one step.
func dupOnto(fd, onto int) error { return unix.Dup3(fd, onto, unix.O_CLOEXEC) }

// bytesReceived returns how many bytes a TCP connection has brought so far,
// read or not; false if that is not known.
func bytesReceived(fd int) (int64, bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, false
	}
	return int64(info.Bytes_received), true
}

// peek returns the bytes of a connection that libzmq has not read yet.
func peek(fd int, into []byte) []byte {
	n, _, err := unix.Recvfrom(fd, into, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return nil
	}
	return into[:max(n, 0)]
}

// inSystem returns how many bytes of a connection libzmq has not read yet.
func inSystem(fd int) int64 {
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return 0
	}
	return int64(n)
}

// residentMemory returns what the process occupies in memory; 0 if that is not
// known.
func residentMemory() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// outgoing returns what a TCP connection sends; false if that is not known.
func outgoing(fd int) (o Outgoing, ok bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return o, false
	}
	queued, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return Outgoing{
		Delivered: int64(info.Bytes_acked), Queued: int64(queued),
		Base: time.Duration(info.Min_rtt) * time.Microsecond,
	}, err == nil
}

// written returns how many bytes were written to a TCP connection, at least and at
// most; false if that is not known. The peer's system has acknowledged some of an
// open connection, the greeting: where none are reported, they are not counted.
func written(fd int) (least, most int64, ok bool) {
	before, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0, 0, false
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Bytes_acked == 0 {
		return 0, 0, false
	}
	after, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return int64(info.Bytes_acked) + int64(after), int64(info.Bytes_acked) + int64(before), err == nil
}

// limitUnsent makes the system report a connection as writable only while fewer
// bytes than limit have not been sent.
func limitUnsent(fd, limit int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, limit)
}

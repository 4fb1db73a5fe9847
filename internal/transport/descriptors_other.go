//go:build !linux

package transport

import "golang.org/x/sys/unix"

// identify returns what distinguishes a socket; false if it is none, or has no
// address.
func identify(fd int) (id socketID, ok bool) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return socketID{}, false
	}
	id.local = addrPort(local).String()
	if peer, err := unix.Getpeername(fd); err == nil {
		id.peer = addrPort(peer).String()
	}
	return id, addrPort(local).IsValid()
}

// dupOnto turns onto into a copy of fd, in one step.
func dupOnto(fd, onto int) error {
	err := unix.Dup2(fd, onto)
	unix.CloseOnExec(onto)
	return err
}

// bytesReceived returns how many bytes a TCP connection has brought so far: which
// these systems do not report.
func bytesReceived(int) (int64, bool) { return 0, false }

func peek(int, []byte) []byte { return nil }

func inSystem(int) int64 { return 0 }

func residentMemory() int64 { return 0 }

func outgoing(int) (o Outgoing, ok bool) { return o, false }

func written(int) (least, most int64, ok bool) { return 0, 0, false }

func limitUnsent(int, int) {}

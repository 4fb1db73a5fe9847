package transport

import (
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// libzmq aborts the process in several places when file descriptors run out:
// where it starts a context (epoll.cpp), opens a signaler, or looks up the
// addresses of this machine before it binds (ip_resolver.cpp). So a socket is
// opened only while enough descriptors are free, and the monitors keep the
// connections that peers open from taking the last ones (pending.go).

const (
	// socketDescriptors is how many free descriptors the first socket of a
	// process needs at most, with some room. It takes about a dozen.
	socketDescriptors = 48
	// acceptBurst is how many connections may be accepted while a socket is
	// being opened: as many as wait in the queue of one listening socket.
	acceptBurst = 100
	// roomForBurst is the limit of descriptors from which on there is room for
	// acceptBurst, too.
	roomForBurst = 512
)

// opening is held while a socket is opened, and while Shut takes descriptors: two
// ends must not both count on the same free ones.
var opening sync.Mutex

// descriptorLimit returns how many descriptors this process may have.
func descriptorLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil || r.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(r.Cur)
}

// neededDescriptors returns how many descriptors must be free before a socket
// is opened.
func neededDescriptors(limit int) int {
	if limit < roomForBurst {
		return socketDescriptors
	}
	return socketDescriptors + acceptBurst
}

// headroom returns how many descriptors below the limit connections may not
// take for long.
func headroom(limit int) int { return neededDescriptors(limit) + 16 }

// checkDescriptors returns an error unless enough descriptors are free to open
// a socket.
func checkDescriptors() error {
	limit := descriptorLimit()
	needed := neededDescriptors(limit)
	if free := freeDescriptors(limit, needed); free < needed {
		return fmt.Errorf("opening a socket needs %d free file descriptors, and %d of %d are free: close some, or raise the limit (ulimit -n): %w",
			needed, free, limit, syscall.EMFILE)
	}
	return nil
}

// freeDescriptors returns how many descriptors are free, most at most. It probes
// from the highest number downwards, where descriptors are most likely free, and
// takes none: that could fail another goroutine's call.
func freeDescriptors(limit, most int) (free int) {
	for fd := limit - 1; fd >= 0 && free < most; fd-- {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			free++
		}
	}
	return free
}

// reserve holds descriptors for what must be done when no other is free. They
// are open while the context exists.
var reserve reservedDescriptors

type reservedDescriptors struct {
	mu   sync.Mutex
	null int // refers to nothing of interest; the other two are copies of it
	pin  int // takes a copy of a connection's or a listener's descriptor
	slot int // closed for a moment so that a connection can be accepted
	held bool
}

// open opens the reserve. Without it, which is no error, connections are ended
// only while other descriptors are free.
func (s *reservedDescriptors) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	syscall.ForkLock.RLock() // no child inherits them
	defer syscall.ForkLock.RUnlock()
	var pipe [2]int
	if syscall.Pipe(pipe[:]) != nil {
		return
	}
	pin, err := syscall.Dup(pipe[0])
	if err != nil {
		syscall.Close(pipe[0])
		syscall.Close(pipe[1])
		return
	}
	s.null, s.slot, s.pin, s.held = pipe[0], pipe[1], pin, true
	for _, fd := range []int{s.null, s.slot, s.pin} {
		syscall.CloseOnExec(fd)
	}
}

func (s *reservedDescriptors) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		s.held = false
		for _, fd := range []int{s.null, s.slot, s.pin} {
			if fd >= 0 {
				syscall.Close(fd)
			}
		}
	}
}

// pinned calls do with a copy of a descriptor that is libzmq's, if it still is
// the socket with this id. libzmq may have closed it, and the number may be
// another file's by now. The copy is only valid within do. Where there is no
// reserve any more, the copy takes another descriptor.
//
// The id is checked before as well: closing the copy of a foreign file would
// release the process's locks on it (fcntl).
func (s *reservedDescriptors) pinned(fd int, id socketID, do func(fd int)) bool {
	if now, ok := identify(fd); !ok || now != id {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pin, err := s.pin, error(nil)
	if s.held {
		err = dupOnto(fd, pin)
		defer dupOnto(s.null, pin)
	} else if pin, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		defer unix.Close(pin)
	}
	if err != nil {
		return false
	}
	if now, ok := identify(pin); !ok || now != id {
		return false
	}
	do(pin)
	return true
}

// disconnect ends a connection of libzmq's, as if the peer had done so. The peer
// gets a reset when libzmq closes it: otherwise the system would keep what is
// left of it for a minute, since the peer still has much to send. What has come
// and libzmq has not read is dropped. No more comes after the shutdown, so libzmq
// cannot join what lies on both sides of the gap. disconnect returns how many
// bytes were dropped.
func (s *reservedDescriptors) disconnect(fd int, id socketID) (dropped int64, ok bool) {
	ok = s.pinned(fd, id, func(fd int) {
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Shutdown(fd, unix.SHUT_RDWR)
		dropped = drain(fd)
	})
	return dropped, ok
}

// turnAway accepts the connections that wait at a listening socket of libzmq's
// and closes them, with the reserved descriptor. libzmq, which can accept none,
// would try again without end. The socket is set to nonblocking, because libzmq
// may try to accept a connection that is closed by then.
func (s *reservedDescriptors) turnAway(fd int, id socketID) (turned int) {
	s.pinned(fd, id, func(fd int) {
		if !s.held || unix.SetNonblock(fd, true) != nil {
			return
		}
		for ; turned < acceptBurst; turned++ {
			syscall.ForkLock.RLock() // no child inherits it
			if s.slot >= 0 {
				syscall.Close(s.slot)
			}
			c, _, err := unix.Accept(fd)
			if err == nil {
				unix.Close(c)
			}
			if s.slot, _ = syscall.Dup(s.null); s.slot >= 0 {
				syscall.CloseOnExec(s.slot)
			}
			syscall.ForkLock.RUnlock()
			if err != nil {
				return
			}
		}
	})
	return turned
}

// socketID distinguishes a socket from every other one that may get its
// descriptor later.
type socketID struct {
	cookie      uint64 // the system's number for the socket, on Linux
	local, peer string //lint:ignore U1000 the addresses, for descriptors_other.go
}

// identifies reports whether the system identifies every socket. Where it does not,
// a socket that is not identified may be any.
var identifies = sync.OnceValue(func() bool {
	syscall.ForkLock.RLock() // no child inherits it
	defer syscall.ForkLock.RUnlock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	_, ok := identify(pair[0])
	return ok
})

// identifySocket returns what distinguishes a socket, and its addresses, where
// nil is none. A zero socketID means that the descriptor is no socket's, or was
// given to another file meanwhile.
func identifySocket(fd int) (id socketID, local, peer unix.Sockaddr) {
	id, ok := identify(fd)
	if !ok {
		return socketID{}, nil, nil
	}
	local, _ = unix.Getsockname(fd)
	peer, _ = unix.Getpeername(fd)
	if now, ok := identify(fd); !ok || now != id {
		return socketID{}, nil, nil
	}
	return id, local, peer
}

// atEndpoint reports whether a socket's address is that of the endpoint at which
// libzmq has reported the socket. When the monitor reads the report, libzmq may
// have closed the socket. Then the application may have a socket with this
// descriptor, which must not be taken for libzmq's. That one has another address.
func atEndpoint(a unix.Sockaddr, endpoint string) bool {
	if to, tcp := strings.CutPrefix(endpoint, "tcp://"); tcp {
		want, err := netip.ParseAddrPort(to)
		got := addrPort(a)
		return err == nil && got.Port() == want.Port() && got.Addr() == want.Addr().Unmap().WithZone("")
	}
	path, ipc := strings.CutPrefix(endpoint, "ipc://")
	local, ok := a.(*unix.SockaddrUnix)
	// The peer may have spelled the folder in another way.
	return ipc && ok && filepath.Base(local.Name) == filepath.Base(path)
}

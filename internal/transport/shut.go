package transport

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// libzmq aborts the process (session_base.cpp, clean_pipes, to 4.3.5 at least) if
// a connection is lost between two moments of a closing socket: when its pipe has
// begun to end, and when the socket has confirmed that. It does so if only a part
// of a message has left the pipe by then, as at a peer that does not read. So no
// connection may exist at that time. Where messages must still be sent, the time
// is when they have been sent, or the linger time is over.
//
// For the same reason nothing is unbound: that ends the pipes of all connections,
// and the socket confirms it only when its owner makes the next call.

const (
	// endLimit is how long it may take until libzmq has ended the connections of
	// a socket. It takes less than a millisecond.
	endLimit = 100 * time.Millisecond
	// lingerSlack is by how much libzmq's linger time exceeds that of the caller,
	// after which the connections are ended. It is less than ReconnectPause.
	lingerSlack = 50 * time.Millisecond
	// portLimit is how long it may take until libzmq has closed a listening
	// socket.
	portLimit = time.Second
)

// Shut closes the socket and releases the context. Messages that were not sent
// are kept for linger. When it returns, bound ports are free.
func (s *Socket) Shut(linger time.Duration) {
	s.tearDown(linger)
	s.gate.close()
	s.context.release()
}

func (s *Socket) tearDown(linger time.Duration) {
	if linger > 0 {
		s.SetLinger(linger + lingerSlack)
	} else {
		s.SetLinger(linger)
		s.monitor.endAll()
	}
	// In this order: a monitor without a reader would block libzmq.
	s.monitor.stop(s.Socket.Socket)
	listeners := copyListeners(s.monitor.listeners)
	s.Close()
	if linger > 0 {
		endLater(s.monitor.conns, linger)
	}
	freePorts(listeners)
}

// listener is a socket of libzmq's that listens.
type listener struct {
	fd   int // libzmq's descriptor
	id   socketID
	copy int // a descriptor of the caller's; -1 if the process has none to spare
}

// copyListeners returns sockets that listen, with descriptors that the caller owns,
// if enough remain free for a socket that is opened meanwhile.
func copyListeners(listeners map[uint32]socketID) []listener {
	opening.Lock()
	defer opening.Unlock()
	limit := descriptorLimit()
	needed := neededDescriptors(limit) + len(listeners)
	spare := len(listeners) > 0 && freeDescriptors(limit, needed) == needed
	var all []listener
	for fd, id := range listeners {
		l := listener{fd: int(fd), id: id, copy: -1}
		if spare {
			l.duplicate()
		}
		all = append(all, l)
	}
	return all
}

// duplicate sets the copy.
func (l *listener) duplicate() {
	fd, err := unix.FcntlInt(uintptr(l.fd), unix.F_DUPFD_CLOEXEC, 0)
	switch {
	case err != nil:
	case l.is(fd):
		l.copy = fd
	default:
		unix.Close(fd)
	}
}

// is reports whether fd is a descriptor of the socket.
func (l *listener) is(fd int) bool {
	id, ok := identify(fd)
	return ok && id == l.id
}

// freePorts waits, not for long, until libzmq has closed sockets that listen, and
// closes the copies. No event reports that at a socket that was closed.
//
// A socket listens until its last descriptor is closed. That may be after close has
// taken libzmq's: its thread may be preempted in close, and a program that another
// goroutine starts has a copy until it runs. So the socket is shut down as well:
// then others may have its port (as all have SO_REUSEADDR) and its path. That is
// not done before: libzmq aborts if it cannot accept from a socket.
func freePorts(listeners []listener) {
	end := time.Now().Add(portLimit)
	for _, l := range listeners {
		closed := !l.is(l.fd)
		for pause := 50 * time.Microsecond; !closed && time.Now().Before(end); pause = min(2*pause, 5*time.Millisecond) {
			time.Sleep(pause)
			closed = !l.is(l.fd)
		}
		if l.copy < 0 {
			continue
		}
		if closed {
			unix.Shutdown(l.copy, unix.SHUT_RD)
		}
		unix.Close(l.copy)
	}
}

// lingering is the timers of endLater, which may outlive their sockets.
var lingering sync.WaitGroup

// endLater ends the connections of a closed socket when its linger time is over.
func endLater(conns []*connection, linger time.Duration) {
	if len(conns) == 0 {
		return
	}
	lingering.Add(1)
	time.AfterFunc(linger, func() {
		defer lingering.Done()
		for _, c := range conns {
			c.endReading()
		}
	})
}

// endReading makes libzmq read the end of a connection, as if the peer had sent
// it. What libzmq has written is still sent. What has come and was not read is
// dropped. It reports whether libzmq may have had the connection until then.
func (c *connection) endReading() bool {
	return !c.identified() && c.exists() || reserve.pinned(int(c.fd), c.id, func(fd int) {
		unix.Shutdown(fd, unix.SHUT_RD)
		drain(fd)
	})
}

// drain drops what has come over a connection and was not read, and returns how
// many bytes that were.
func drain(fd int) (dropped int64) {
	var buffer [16 << 10]byte
	for dropped < mostToDrop {
		n, _, err := unix.Recvfrom(fd, buffer[:], unix.MSG_DONTWAIT)
		if err != nil || n == 0 {
			break
		}
		dropped += int64(n)
	}
	return dropped
}

// mostToDrop is more than the system keeps for one connection.
const mostToDrop = 32 << 20

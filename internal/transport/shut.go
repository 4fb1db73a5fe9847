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
	s.Close()
	if linger > 0 {
		endLater(s.monitor.conns, linger)
	}
	awaitClosed(s.monitor.listeners)
}

// awaitClosed waits, not for long, until libzmq has closed listening sockets.
// Then their ports are free. No event reports that at a socket that was closed.
func awaitClosed(listeners map[uint32]socketID) {
	end := time.Now().Add(portLimit)
	for fd, want := range listeners {
		for pause := 50 * time.Microsecond; time.Now().Before(end); pause = min(2*pause, 5*time.Millisecond) {
			if id, ok := identify(int(fd)); !ok || id != want {
				break
			}
			time.Sleep(pause)
		}
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
	return !c.identified() || reserve.pinned(int(c.fd), c.id, func(fd int) {
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

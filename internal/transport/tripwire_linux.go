package transport

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tripwire reports the connections that data has come over, as it comes. The
// monitor of a publisher cannot leave that to its next check: the work that
// subscriptions cause must be bounded before libzmq has read many of them.
type tripwire struct {
	alarm func()
	epoll int
	file  *os.File // owns epoll
	conn  syscall.RawConn
	quit  chan struct{}
	done  chan struct{}

	mu  sync.Mutex
	fds map[uint32]bool
}

// tripPause is how long after a report the next may come.
const tripPause = 2 * time.Millisecond

// newTripwire returns nil if the system has none. Then the monitor relies on its
// regular checks.
func newTripwire(alarm func()) *tripwire {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil
	}
	t := &tripwire{alarm: alarm, epoll: fd, file: os.NewFile(uintptr(fd), "epoll"), quit: make(chan struct{}), done: make(chan struct{}), fds: map[uint32]bool{}}
	if t.conn, err = t.file.SyscallConn(); err == nil {
		err = t.file.SetReadDeadline(time.Time{}) // fails unless Go's poller watches it
	}
	if err != nil {
		t.file.Close()
		return nil
	}
	go t.run()
	return t
}

// watch adds a connection. The system drops it when it is closed.
func (t *tripwire) watch(fd uint32) {
	if t != nil {
		unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)})
	}
}

// reported returns the descriptors that data has come over since the last call.
func (t *tripwire) reported() map[uint32]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	fds := t.fds
	t.fds = map[uint32]bool{}
	return fds
}

func (t *tripwire) run() {
	defer close(t.done)
	var events [64]unix.EpollEvent
	for {
		n := 0
		err := t.conn.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		t.mu.Lock()
		for i := range events[:n] {
			t.fds[uint32(events[i].Fd)] = true
		}
		t.mu.Unlock()
		t.alarm()
		select {
		case <-t.quit:
			return
		case <-time.After(tripPause):
		}
	}
}

func (t *tripwire) close() {
	if t != nil {
		close(t.quit)
		t.file.Close()
		<-t.done
	}
}

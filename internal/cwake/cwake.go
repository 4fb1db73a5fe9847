// Package cwake wakes a goroutine from a thread of C's, where a call into Go
// would be slow. What is done waits on a list of C's. Whoever puts the first on
// it writes a byte to a pipe, on which the goroutine sleeps.
package cwake

import (
	"cmp"
	"os"
)

// Waker is the pipe and its goroutine.
type Waker struct {
	news, tell *os.File // the pipe's ends
	gone       chan struct{}
}

// Start opens the pipe. start is told the descriptor that C is to write to, which
// never waits: a full pipe is as good as one byte more. Then the goroutine calls
// take each time that bytes have come, and once more at the end, to take all that
// is on the list.
func Start(start func(fd int) error, take func()) (*Waker, error) {
	news, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	conn, err := tell.SyscallConn() // Fd would make it wait
	if err == nil {
		failed := conn.Control(func(fd uintptr) { err = start(int(fd)) })
		err = cmp.Or(failed, err)
	}
	if err != nil {
		news.Close()
		tell.Close()
		return nil, err
	}
	w := &Waker{news: news, tell: tell, gone: make(chan struct{})}
	go w.run(take)
	return w, nil
}

func (w *Waker) run(take func()) {
	defer close(w.gone)
	var bytes [64]byte
	for {
		_, end := w.news.Read(bytes[:])
		take()
		if end != nil {
			return
		}
	}
}

// Stop ends the goroutine and waits for it. C must not write any more.
func (w *Waker) Stop() {
	w.tell.Close()
	<-w.gone
	w.news.Close()
}

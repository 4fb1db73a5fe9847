// Package cwake wakes a goroutine from a C thread through a descriptor, because
// a call into Go would be slow there.
//
// A Waker has a goroutine of its own, for results that no goroutine waits for.
// C collects them in a list, and writes a byte when it adds the first one. An
// Event wakes a goroutine that waits for one result.
package cwake

import (
	"cmp"
	"os"
)

// Waker holds the pipe and its goroutine.
type Waker struct {
	reader, writer *os.File // of the pipe
	done           chan struct{}
}

// Start opens the pipe and calls start with the descriptor for C to write to.
// Writing never blocks: a full pipe wakes the goroutine as well. Then the
// goroutine calls take each time that bytes arrive, and once more at the end.
// take must remove everything from the list. An error of start ends Start.
func Start(start func(fd int) error, take func()) (*Waker, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	conn, err := writer.SyscallConn() // Fd would make writing block
	if err == nil {
		failed := conn.Control(func(fd uintptr) { err = start(int(fd)) })
		err = cmp.Or(failed, err)
	}
	if err != nil {
		reader.Close()
		writer.Close()
		return nil, err
	}
	w := &Waker{reader: reader, writer: writer, done: make(chan struct{})}
	go w.run(take, false)
	return w, nil
}

// run calls take, which may end its goroutine (runtime.Goexit). Then another one
// continues, with what take has left.
func (w *Waker) run(take func(), left bool) {
	ended := false
	defer func() {
		if !ended {
			go w.run(take, true)
		}
	}()
	if left {
		take()
	}
	w.loop(take)
	ended = true
	close(w.done)
}

func (w *Waker) loop(take func()) {
	var bytes [64]byte
	for {
		_, end := w.reader.Read(bytes[:])
		take()
		if end != nil {
			return
		}
	}
}

// Stop ends the goroutine and waits for it. C must not write to the pipe from
// then on.
func (w *Waker) Stop() {
	w.writer.Close()
	<-w.done
	w.reader.Close()
}

package record

import "sync"

// queue holds the items that wait for the disk, and the one that is being
// written.
type queue struct {
	wake chan struct{} // has an element when an item or the end has come

	mu       sync.Mutex // guards what follows
	items    []*item
	bytes    int64
	maxItems int
	maxBytes int64
	dropped  uint64
	closed   bool
}

func (q *queue) init(items int, bytes int64) {
	q.wake, q.maxItems, q.maxBytes = make(chan struct{}, 1), items, bytes
}

// admit reserves room for an item of so many bytes.
func (q *queue) admit(bytes int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case len(q.items) >= q.maxItems || q.bytes > 0 && q.bytes+bytes > q.maxBytes:
		q.dropped++
		return ErrQueueFull
	}
	q.bytes += bytes
	return nil
}

// add queues an item for which admit has reserved room, unless the queue was
// closed meanwhile.
func (q *queue) add(i *item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.items = append(q.items, i)
	q.signal()
	return nil
}

// cancel releases the room of an item that is not added.
func (q *queue) cancel(bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
}

// next removes the first item, and waits for one. It returns nil when the queue
// is closed and empty. Until finished is called the item's bytes count.
func (q *queue) next() *item {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			i := q.items[0]
			q.items[0] = nil
			q.items = q.items[1:]
			q.mu.Unlock()
			return i
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return nil
		}
		<-q.wake
	}
}

// finished releases an item that next has returned.
func (q *queue) finished(i *item) {
	i.release()
	q.cancel(i.memory)
}

// close lets next return nil after the last item.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// signal wakes next. q.mu must be held.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// counts returns the queue's part of Stats.
func (q *queue) counts() (items int, bytes int64, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items), q.bytes, q.dropped
}

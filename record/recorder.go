package record

import (
	"fmt"
	"sync"

	"github.com/vidgear-go/netgear"
)

// Recorder writes frames into Matroska files. Create returns one. All methods
// may be called from any goroutine.
type Recorder struct {
	o     Options
	queue queue
	done  chan struct{} // closed when the writer has ended
	err   error         // why the last file is incomplete; valid after done

	mu    sync.Mutex // guards stats
	stats Stats
}

// Stats holds the counts of a Recorder since Create.
type Stats struct {
	Frames  uint64 // frames written
	Bytes   uint64 // bytes of their pictures or arrays
	Dropped uint64 // frames that arrived at a full queue
	Failed  uint64 // frames that could not be written: the disk was full, or there were too many senders
	Files   uint64 // files begun
	Deleted uint64 // files deleted for DiskBudget
	Senders int    // senders in the current file

	Queue      int   // frames that wait for the disk
	QueueBytes int64 // and their bytes

	File string // the current file; "" if there is none
	// Err is why frames cannot be written at this moment, such as
	// syscall.ENOSPC for a full disk. It is nil while recording works.
	Err error
}

// Create returns a Recorder that records into Options.Path or Options.Dir. The
// caller must Close it.
//
// The folder is created at once, and a Path too, so that an error shows at the
// start. A file in Dir begins with its first frame.
func Create(o Options) (*Recorder, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	r := &Recorder{o: o, done: make(chan struct{})}
	r.queue.init(o.QueueFrames, o.QueueBytes)
	w, err := newWriter(r)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	go func() {
		defer close(r.done)
		r.err = w.run()
	}()
	return r, nil
}

// Write records a frame of the sender with this name. It does not wait for the
// disk: it queues the frame, or drops it and returns ErrQueueFull. The caller
// still owns the frame and may Close it at once.
//
// The name becomes the name of a track. If it is empty, it is the frame's Port,
// or "camera". Two senders with one name, such as two programs that both claim
// one port, get tracks of their own as long as the frame's Peer distinguishes
// them. The second is named "NAME (2)". A sender that returns from another port
// after two seconds of silence continues its track.
//
// A frame that cannot be recorded is an error that wraps netgear.ErrFrame.
// After Close it is ErrClosed.
func (r *Recorder) Write(name string, f *netgear.Frame) error {
	i, err := newItem(name, f, r.o.now())
	if err != nil {
		return err
	}
	if err := r.queue.admit(i.memory); err != nil {
		return err
	}
	err = i.hold(f)
	if err == nil {
		err = r.queue.add(i)
	}
	if err != nil {
		i.release()
		r.queue.cancel(i.memory)
	}
	return err
}

// Close writes what is queued, and ends the file: its index and its duration
// are written, so that players can seek. It returns why frames at the end of
// the recording are missing, if they are. A second call waits for the first and
// returns the same.
func (r *Recorder) Close() error {
	r.queue.close()
	<-r.done
	return r.err
}

// Stats returns the counts at this moment. It may be called at any time, also
// after Close.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	s := r.stats
	r.mu.Unlock()
	s.Queue, s.QueueBytes, s.Dropped = r.queue.counts()
	return s
}

// count changes the counts.
func (r *Recorder) count(change func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats)
}

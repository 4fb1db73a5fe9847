package main

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// progress is what an end has done, in a file that it shares with the program
// that started it. So it is exact also after the end was killed.
type progress struct {
	// Send end: the frame whose send call has begun, and the last one whose
	// call has returned. A Python end writes these two (faults/end.py).
	Begun, Ended atomic.Int64
	// Receive end: all frames of this process.
	Frames atomic.Int64
	// Receive end: for each send end the run of frames that is not yet reported.
	Open [several]openRun
}

// openRun is a run that goes on.
type openRun struct {
	Life, First, Last, Step, Count, Late, FirstAt, LastAt atomic.Int64
}

// openProgress maps a file, which it creates or, for the first use, clears.
func openProgress(name string, first bool) (*progress, error) {
	flags := os.O_RDWR | os.O_CREATE
	if first {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const size = int(unsafe.Sizeof(progress{}))
	if err := f.Truncate(int64(size)); err != nil {
		return nil, err
	}
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*progress)(unsafe.Pointer(&data[0])), nil
}

// run returns the run as far as it has come.
func (o *openRun) run() run {
	return run{
		Life: o.Life.Load(), First: o.First.Load(), Last: o.Last.Load(), Step: max(1, o.Step.Load()),
		Count: o.Count.Load(), Late: o.Late.Load(), FirstAt: o.FirstAt.Load(), LastAt: o.LastAt.Load(),
	}
}

// close unmaps the file.
func (p *progress) close() {
	unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p)))
}

package record

import "errors"

// Errors to test for with errors.Is.
var (
	// ErrOption reports Options that contradict each other.
	ErrOption = errors.New("record: invalid option")
	// ErrClosed reports a call after Close.
	ErrClosed = errors.New("record: closed")
	// ErrQueueFull reports a frame that was dropped because the disk does not
	// keep up.
	ErrQueueFull = errors.New("record: the queue is full, the frame is dropped")
	// ErrTooManySenders reports a frame of a sender for which the file has no
	// room in its list of tracks.
	ErrTooManySenders = errors.New("record: too many senders in one file")
	// ErrFormat reports a file that is no Matroska or AVI file, or that has no
	// track that can be played.
	ErrFormat = errors.New("record: not a recording that can be played")
	// ErrTruncated reports a recording whose end is missing, as after a crash.
	// All frames before it have been returned.
	ErrTruncated = errors.New("record: the recording is truncated")
	// ErrCorrupt reports a recording with damaged parts. The frames before and
	// after them have been returned.
	ErrCorrupt = errors.New("record: the recording is corrupt")
	// ErrTooLarge reports a frame that is larger than PlayerOptions permit.
	ErrTooLarge = errors.New("record: a frame is larger than the limit")
)

package netgear

import (
	"errors"
	"sync/atomic"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// MalformedStats counts the messages of Stats.Malformed by what was wrong with
// them. Their sum is Stats.Malformed.
type MalformedStats struct {
	Header  uint64 // the header cannot be read, has a port that is too long, or the number of parts is wrong
	Wire    uint64 // the sender uses another wire (Options.Wire)
	Message uint64 // the message of the frame contains an array that is refused (AsyncWire)
	Array   uint64 // the array's type is unknown or refused, or does not fit its bytes
	JPEG    uint64 // the JPEG cannot be decoded, or not to the colorspace that the header requires
	Limit   uint64 // the decoded frame would exceed Options.MaxFrameBytes
	Answer  uint64 // send end: an answer cannot be read; if the JPEG in it is the reason, JPEG or Limit counts it
	Other   uint64 // anything else, such as no memory to decode into
}

// malformedReason is the index of a count of MalformedStats.
type malformedReason int

const (
	malformedHeader malformedReason = iota
	malformedWire
	malformedMessage
	malformedArray
	malformedJPEG
	malformedLimit
	malformedAnswer
	malformedOther
	malformedReasons // how many there are
)

// malformedCounts holds a count for each reason.
type malformedCounts [malformedReasons]atomic.Uint64

func (c *malformedCounts) stats() (s MalformedStats, sum uint64) {
	load := func(r malformedReason) uint64 {
		n := c[r].Load()
		sum += n
		return n
	}
	s = MalformedStats{
		Header: load(malformedHeader), Wire: load(malformedWire), Message: load(malformedMessage), Array: load(malformedArray),
		JPEG: load(malformedJPEG), Limit: load(malformedLimit), Answer: load(malformedAnswer), Other: load(malformedOther),
	}
	return s, sum
}

// reasonedError is an error of a malformed message with its reason.
type reasonedError struct {
	error
	reason malformedReason
}

func (e *reasonedError) Unwrap() error { return e.error }

// because adds a reason to an error that has none. It returns nil for nil.
func because(reason malformedReason, err error) error {
	if err == nil || errors.As(err, new(*reasonedError)) {
		return err
	}
	return &reasonedError{err, reason}
}

// reasonOf returns the reason of an error. Without one the error is that of a
// header, of the message in it, or of an array, by the errors that it wraps.
func reasonOf(err error) malformedReason {
	reasoned := (*reasonedError)(nil)
	switch {
	case errors.Is(err, zmsg.ErrNoMemory), errors.Is(err, turbojpeg.ErrNoMemory):
		return malformedOther
	case errors.As(err, &reasoned):
		return reasoned.reason
	case errors.Is(err, errWire) && (errors.Is(err, ErrFrame) || errors.Is(err, ErrObjectArray) || errors.Is(err, ErrStructuredArray)):
		return malformedMessage
	case errors.Is(err, errWire):
		return malformedHeader
	case errors.Is(err, ErrFrame):
		return malformedArray
	}
	return malformedOther
}

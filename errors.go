package netgear

import (
	"errors"
	"fmt"

	"github.com/vidgear-go/netgear/internal/pymsgpack"
)

// Errors to test for with errors.Is. What reaches the caller wraps one of them
// with what was being done, where, and what to do about it.
var (
	// ErrNonBlocking: Options.Flag is not 0. It would make every socket call
	// return at once with EAGAIN instead of waiting (VidGear issue #390).
	ErrNonBlocking = errors.New("non-blocking socket calls are refused")
	// ErrOption: an option is out of its range, unknown, of the wrong type, or
	// does not go together with another. The error is an *[OptionError].
	ErrOption = errors.New("invalid option")
	// ErrAddress: the endpoint cannot be used: in use, not of this machine,
	// not resolvable.
	ErrAddress = errors.New("unusable address")
	// ErrClosed: this end was closed.
	ErrClosed = errors.New("closed")
	// ErrMode: a send end was asked to receive, or the other way round.
	ErrMode = errors.New("wrong mode")
	// ErrContext: a call was given a nil context.
	ErrContext = errors.New("the context is nil; give context.Background()")
	// ErrPeerGone: nobody answered (or, at a receive end, nobody was connected)
	// until the retries were used up. The end stays usable: the next call
	// starts with fresh retries.
	ErrPeerGone = errors.New("peer is gone")
	// ErrMismatch: somebody is there but refuses the connection; most often the
	// two ends use different patterns. It also is an ErrPeerGone.
	ErrMismatch = fmt.Errorf("%w: it refuses the connection", ErrPeerGone)
	// ErrAuth: the two ends do not trust each other, or a certificate is missing
	// or malformed.
	ErrAuth = errors.New("authentication failed")
	// ErrTimeout: a subscriber heard nothing for Options.SubscriberTimeout. The
	// end goes on listening.
	ErrTimeout = errors.New("timed out")
	// ErrRejected: the receive end has answered that it dropped the frame, and
	// why: it would decode to more than its MaxFrameBytes, say, or is on another
	// wire. The frame is not sent again. Only receive ends of this library answer
	// so. A frame whose bytes alone are over the limit is no ErrRejected: libzmq
	// ends the connection, and the call returns ErrPeerGone after its tries, whose
	// text names the limit.
	ErrRejected = errors.New("the receive end dropped the frame")
	// ErrFrame: a frame cannot be sent, or cannot be had in the form asked for.
	ErrFrame = errors.New("unusable frame")
	// ErrMessage: a message cannot be written as JSON, or read from it; or there is
	// something in it that would arrive as nonsense (an Array, a Mat, an error).
	ErrMessage = errors.New("unusable message")
	// ErrObjectArray: an array of Python objects (numpy's dtype object), as a frame
	// or in a message. It would travel as a pickle, which is a program that runs
	// where it is read, or as addresses in the sender's memory. It is never looked
	// into. One that arrives is dropped, counted in Stats.Malformed, and this is the
	// "err" that Options.Logger gets.
	ErrObjectArray = pymsgpack.ErrObjectArray
	// ErrStructuredArray: an array whose elements have fields (numpy's structured
	// dtypes), which NetGear_Async's wire does not carry here, and whose dtype's text
	// numpy does not read back on NetGear's. As ErrObjectArray; on NetGear's wire one
	// that arrives is delivered.
	ErrStructuredArray = pymsgpack.ErrStructuredArray
)

// LostError says that frames sent ahead (Options.SendAhead) were not answered, or
// with PubSub not sent. They may have arrived all the same.
type LostError struct {
	Frames int    // how many, of those not reported before
	First  uint64 // the first one's number: 1 is the first frame that the end took
	Err    error  // why the first one was lost
}

func (e *LostError) Error() string {
	if e.Frames == 1 {
		return fmt.Sprintf("frame %d, sent ahead, was lost: %v", e.First, e.Err)
	}
	return fmt.Sprintf("%d frames sent ahead were lost, the first of them frame %d: %v", e.Frames, e.First, e.Err)
}

// Unwrap is why the first frame was lost.
func (e *LostError) Unwrap() error { return e.Err }

// OptionError says which option is wrong and why.
type OptionError struct {
	Field  string // the field of Options, or the key of VidGear's dictionary
	Value  any    // what it was set to
	Reason string // the rule, and what to do
	Err    error  // ErrOption or ErrNonBlocking
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("netgear: %v: %s = %#v: %s", e.Err, e.Field, e.Value, e.Reason)
}

// Unwrap makes errors.Is(err, ErrOption) true for every OptionError.
func (e *OptionError) Unwrap() []error {
	if e.Err == ErrOption {
		return []error{e.Err}
	}
	return []error{e.Err, ErrOption}
}

// wrap prefixes err with the package and what was being done.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("netgear: %s: %w", doing, err)
}

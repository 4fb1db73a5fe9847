package netgear

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/vidgear-go/netgear/internal/pymsgpack"
	"github.com/vidgear-go/netgear/internal/transport"
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
	// ErrClosed: this end was closed. It also is a net.ErrClosed.
	ErrClosed error = &sentinel{"closed", net.ErrClosed}
	// ErrMode: a send end was asked to receive, or the other way round.
	ErrMode = errors.New("wrong mode")
	// ErrCallback: a call was made inside a callback of the same end that it would
	// wait for. That is Close inside OnEvent, OnReply, Respond and the release
	// functions of SendArrayOwned, any send call and Flush inside OnReply and the
	// release functions, and Recv inside Respond. Nothing has happened. Make the
	// call in another goroutine ("go end.Close()"), for which the callback must
	// not wait: that would not be noticed, and block for ever.
	ErrCallback = errors.New("the call would wait for the callback that makes it")
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
	// end goes on listening. It also is an os.ErrDeadlineExceeded.
	ErrTimeout error = &sentinel{"timed out", os.ErrDeadlineExceeded}
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

// sentinel is an error of this package that also is one of the standard library.
type sentinel struct {
	text string
	also error
}

func (e *sentinel) Error() string { return e.text }

// Unwrap returns the standard library's error.
func (e *sentinel) Unwrap() error { return e.also }

// OptionError says in parts which option is wrong, why, and what to set instead.
// No part holds a password: see [Secret].
type OptionError struct {
	// Field is the field of Options. It is empty if VidGear has no such option.
	Field string
	// Key is the key of VidGear's dictionary, as it was written there. It is empty
	// if the option has none.
	Key string
	// Value is what the option was set to, as far as it may be shown; nil if it
	// may not.
	Value any
	// Reason is the rule.
	Reason string
	// Fixes are settings that each keep to the rule. There may be none.
	Fixes []Setting
	// Err is ErrOption or ErrNonBlocking.
	Err error

	inDictionary bool // Error names the key
}

// Error returns one line that names the option, its value, the rule and the fixes.
func (e *OptionError) Error() string {
	var b strings.Builder
	name := e.Field
	if name == "" || e.inDictionary {
		name = e.Key
	}
	fmt.Fprintf(&b, "netgear: %v: %s", e.Err, name)
	if e.Value != nil {
		fmt.Fprintf(&b, " = %#v", e.Value)
	}
	b.WriteString(": " + e.Reason)
	for i, fix := range e.Fixes {
		b.WriteString(fixedBy(i) + fix.String())
	}
	return b.String()
}

func fixedBy(i int) string {
	if i == 0 {
		return "; set "
	}
	return " or "
}

// Unwrap makes errors.Is(err, ErrOption) true for every OptionError.
func (e *OptionError) Unwrap() []error {
	if errors.Is(e.Err, ErrOption) {
		return []error{e.Err}
	}
	return []error{e.Err, ErrOption}
}

// Setting is one option and a value for it.
type Setting struct {
	Field string // the field of Options
	Key   string // the key of VidGear's dictionary; empty if the option has none
	Value any
}

// String returns the setting as Go writes it: Pattern: netgear.ReqRep.
func (s Setting) String() string { return fmt.Sprintf("%s: %#v", s.Field, s.Value) }

// invalid returns an *OptionError for a field of Options.
func invalid(field string, value any, reason string, args ...any) error {
	return &OptionError{Field: field, Key: keyOf(field), Value: shown(value), Reason: fmt.Sprintf(reason, args...), Err: ErrOption}
}

// fixed adds settings that keep to the rule to what invalid has returned.
func fixed(err error, fixes ...Setting) error {
	err.(*OptionError).Fixes = fixes
	return err
}

func set(field string, value any) Setting {
	return Setting{Field: field, Key: keyOf(field), Value: value}
}

// addressError returns err, which is an ErrAddress if it is about an address.
func addressError(err error) error {
	if wrong := (*transport.AddressError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return err
}

// wrap prefixes err with the package and what was being done.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("netgear: %s: %w", doing, err)
}

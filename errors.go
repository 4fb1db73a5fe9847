package netgear

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/pymsgpack"
	"github.com/vidgear-go/netgear/internal/transport"
)

// Errors to test for with errors.Is. The errors that calls return wrap one of
// them, with what the call did, where, and what the caller can do about it.
var (
	// ErrNonBlocking is returned if Options.Flag is not 0. That would make
	// every socket call return at once with EAGAIN instead of waiting (VidGear
	// issue #390).
	ErrNonBlocking = errors.New("non-blocking socket calls are refused")
	// ErrOption is returned for an option that is out of its range, unknown, of
	// the wrong type, or incompatible with another. The error is an
	// *[OptionError].
	ErrOption = errors.New("invalid option")
	// ErrAddress is returned if the endpoint cannot be used: it is in use, not
	// an address of this machine, or not resolvable.
	ErrAddress = errors.New("unusable address")
	// ErrClosed is returned after Close. It also is a net.ErrClosed.
	ErrClosed error = &sentinel{"closed", net.ErrClosed}
	// ErrMode is returned if a send end is called to receive, or a receive end
	// to send.
	ErrMode = errors.New("wrong mode")
	// ErrCallback is returned by a call inside a callback of the same end for
	// which the call would wait. That is Close inside OnEvent, OnReply, Respond
	// and the release functions of SendArrayOwned. It is also any send call and
	// Flush inside OnReply and the release functions, and Recv inside Respond.
	// The call has had no effect.
	//
	// Make the call in another goroutine ("go end.Close()"). The callback must
	// not wait for that goroutine: such a wait is not detected, and blocks
	// forever.
	ErrCallback = errors.New("the call would wait for the callback that makes it")
	// ErrContext is returned by a call with a nil context.
	ErrContext = errors.New("the context is nil; give context.Background()")
	// ErrPeerGone is returned if no peer answered until the retries were used
	// up, or at a receive end if no peer was connected. The end stays usable:
	// the next call starts with all retries.
	ErrPeerGone = errors.New("peer is gone")
	// ErrMismatch is returned if the peer refuses the connection. The most
	// frequent reason is that the two ends use different patterns. It also is
	// an ErrPeerGone.
	ErrMismatch = fmt.Errorf("%w: it refuses the connection", ErrPeerGone)
	// ErrAuth is returned if one end rejects the other's keys or address, or if
	// a certificate is missing or malformed.
	ErrAuth = errors.New("authentication failed")
	// ErrTimeout is returned if a subscriber received nothing for
	// Options.SubscriberTimeout. The end continues to listen. It also is an
	// os.ErrDeadlineExceeded.
	ErrTimeout error = &sentinel{"timed out", os.ErrDeadlineExceeded}
	// ErrRejected is returned if the receive end has answered that it dropped
	// the frame. The text has its reason, for instance that the decoded frame
	// exceeds its MaxFrameBytes, or that it uses another wire. The frame is not
	// sent again. Only receive ends of this library answer so.
	//
	// A frame whose bytes alone exceed the limit is no ErrRejected, because
	// libzmq ends the connection. After its tries the call returns ErrPeerGone,
	// whose text names the limit.
	ErrRejected = errors.New("the receive end dropped the frame")
	// ErrFrame is returned if a frame cannot be sent, or is not available in
	// the requested form.
	ErrFrame = errors.New("unusable frame")
	// ErrMessage is returned if a message cannot be written as JSON or read
	// from it. It is also returned if a value in it would have no useful JSON
	// (an Array, a Mat, an error).
	ErrMessage = errors.New("unusable message")
	// ErrObjectArray is returned for an array of Python objects (numpy's dtype
	// object), as a frame or in a message. It would be sent as a pickle, which
	// is a program that runs where it is read, or as addresses in the sender's
	// memory. Its content is never read. One that arrives is dropped and
	// counted in Stats.Malformed, and this error is the "err" in the line that
	// Options.Logger gets.
	ErrObjectArray = pymsgpack.ErrObjectArray
	// ErrStructuredArray is returned for an array whose elements have fields
	// (numpy's structured dtypes). This library does not send them on
	// NetGear_Async's wire, and on NetGear's wire numpy cannot parse the text
	// of such a dtype. It is otherwise handled like ErrObjectArray, but one
	// that arrives on NetGear's wire is delivered.
	ErrStructuredArray = pymsgpack.ErrStructuredArray
)

// LostError reports that frames sent ahead (Options.SendAhead) were not
// answered, or with PubSub not sent. The peer may have received them
// nevertheless. OnReply gets one for each of these frames.
type LostError struct {
	Frames int    // the number of frames lost, of those not reported before
	First  uint64 // the number of the first one: 1 is the first frame that the end took; with SendAhead also the number of its stamp, if the end chooses that
	Err    error  // why the first one was lost
}

func (e *LostError) Error() string {
	if e.Frames == 1 {
		return fmt.Sprintf("frame %d, sent ahead, was lost: %v", e.First, e.Err)
	}
	return fmt.Sprintf("%d frames sent ahead were lost, the first of them frame %d: %v", e.Frames, e.First, e.Err)
}

// Unwrap returns why the first frame was lost.
func (e *LostError) Unwrap() error { return e.Err }

// sentinel is an error of this package that also is one of the standard
// library.
type sentinel struct {
	text string
	also error
}

func (e *sentinel) Error() string { return e.text }

// Unwrap returns the standard library's error.
func (e *sentinel) Unwrap() error { return e.also }

// OptionError describes in parts which option is wrong, why, and what to set
// instead. No part contains a password: see [Secret].
type OptionError struct {
	// Field is the field of Options. It is empty if the key is none of
	// VidGear's.
	Field string
	// Key is the key of VidGear's dictionary, as it is spelled there. For an
	// option in the dictionary's object "go" it is such as "go.queue_frames". It
	// is empty for functions, which the dictionary cannot have.
	Key string
	// Value is the value of the option as far as it may be shown, or nil if it
	// may not.
	Value any
	// Reason is the rule that the option violates.
	Reason string
	// Fixes are settings that each satisfy the rule. There may be none.
	Fixes []Setting
	// Err is ErrOption or ErrNonBlocking.
	Err error

	inDictionary bool // Error names the key
}

// Error returns one line with the option, its value, the rule and the fixes.
func (e *OptionError) Error() string {
	var b strings.Builder
	name := e.Field
	if name == "" || e.inDictionary {
		name = e.Key
	}
	fmt.Fprintf(&b, "netgear: %v: %s", e.Err, name)
	if e.Value != nil {
		fmt.Fprintf(&b, " = %s", goText(e.Value))
	}
	b.WriteString(": " + e.Reason)
	for i, fix := range e.Fixes {
		b.WriteString(fixedBy(i))
		if e.inDictionary {
			b.WriteString(fix.inJSON())
		} else {
			b.WriteString(fix.String())
		}
	}
	return b.String()
}

// goText returns a value as Go writes it, and a time as it is written in
// texts: 500ms.
func goText(value any) string {
	if d, ok := value.(time.Duration); ok {
		return d.String()
	}
	return fmt.Sprintf("%#v", value)
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
	Key   string // its key in VidGear's dictionary, as in OptionError
	Value any
}

// String returns the setting as Go writes it: Pattern: netgear.ReqRep.
func (s Setting) String() string { return fmt.Sprintf("%s: %#v", s.Field, s.Value) }

// inJSON returns the setting as it is in VidGear's dictionary: "pattern": 1.
func (s Setting) inJSON() string {
	value := s.Value
	switch v := value.(type) { // VidGear's numbers
	case Pattern:
		value = int(v)
	case SecureMode:
		value = int(v)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return s.String()
	}
	if name, ok := strings.CutPrefix(s.Key, goKey+"."); ok {
		return fmt.Sprintf("%q: {%q: %s}", goKey, name, text)
	}
	return fmt.Sprintf("%q: %s", s.Key, text)
}

// invalid returns an *OptionError for a field of Options.
func invalid(field string, value any, reason string, args ...any) *OptionError {
	return &OptionError{Field: field, Key: dictionaryKey(field), Value: shown(value), Reason: fmt.Sprintf(reason, args...), Err: ErrOption}
}

// fixed adds settings that satisfy the rule.
func fixed(err *OptionError, fixes ...Setting) error {
	err.Fixes = fixes
	return err
}

func set(field string, value any) Setting {
	return Setting{Field: field, Key: dictionaryKey(field), Value: value}
}

// addressError returns err, as an ErrAddress if it concerns an address.
func addressError(err error) error {
	if wrong := (*transport.AddressError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return err
}

// wrap prefixes err with the package and what the call did.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("netgear: %s: %w", doing, err)
}

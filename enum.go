package netgear

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// enum is an exported type with a fixed set of values.
type enum interface {
	~int | ~int8
}

// enumTable describes the values of an enum.
type enumTable[T enum] struct {
	name   string // of the type
	values []enumValue[T]
	// numbered enums are numbers to VidGear, and are read from numbers, too.
	numbered bool
}

type enumValue[T enum] struct {
	value T
	text  string // what String returns
	name  string // of the Go constant
}

func (t *enumTable[T]) find(v T) (enumValue[T], bool) {
	i := slices.IndexFunc(t.values, func(e enumValue[T]) bool { return e.value == v })
	if i < 0 {
		return enumValue[T]{}, false
	}
	return t.values[i], true
}

// text returns the value's text, or such as Pattern(7) for a value that the
// enum does not have.
func (t *enumTable[T]) text(v T) string {
	if e, ok := t.find(v); ok {
		return e.text
	}
	return t.name + "(" + strconv.Itoa(int(v)) + ")"
}

func (t *enumTable[T]) goText(v T) string {
	if e, ok := t.find(v); ok {
		return "netgear." + e.name
	}
	return "netgear." + t.text(v)
}

func (t *enumTable[T]) marshal(v T) ([]byte, error) {
	if e, ok := t.find(v); ok {
		return []byte(e.text), nil
	}
	return nil, fmt.Errorf("netgear: %w: %s is none of %s", ErrOption, t.text(v), t.all())
}

func (t *enumTable[T]) unmarshal(v *T, raw []byte) error {
	if v == nil {
		return fmt.Errorf("netgear: %w: a text is to be read into a %s that is nil", ErrOption, t.name)
	}
	text := strings.TrimSpace(string(raw))
	for _, e := range t.values {
		if strings.EqualFold(e.text, text) || strings.EqualFold(e.name, text) || t.numbered && strconv.Itoa(int(e.value)) == text {
			*v = e.value
			return nil
		}
	}
	return fmt.Errorf("netgear: %w: %s %.40q is none of %s", ErrOption, t.name, text, t.all())
}

// all lists the texts of the values.
func (t *enumTable[T]) all() string {
	var texts []string
	for _, e := range t.values {
		text := e.text
		if t.numbered {
			text = strconv.Itoa(int(e.value)) + " (" + text + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// unmarshalJSON reads a number as VidGear writes it, or a text.
func (t *enumTable[T]) unmarshalJSON(v *T, raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	return t.unmarshal(v, []byte(text))
}

var (
	toggles = enumTable[Toggle]{"Toggle", []enumValue[Toggle]{
		{ToggleDefault, "default", "ToggleDefault"}, {ToggleOn, "on", "ToggleOn"}, {ToggleOff, "off", "ToggleOff"},
	}, false}
	attachments = enumTable[Attachment]{"Attachment", []enumValue[Attachment]{
		{AttachDefault, "default", "AttachDefault"}, {AttachBind, "bind", "AttachBind"}, {AttachConnect, "connect", "AttachConnect"},
	}, false}
	wires = enumTable[Wire]{"Wire", []enumValue[Wire]{
		{NetGearWire, "NetGear", "NetGearWire"}, {AsyncWire, "NetGear_Async", "AsyncWire"}, {ImageZMQWire, "imagezmq", "ImageZMQWire"},
	}, false}
	terminatePolicies = enumTable[TerminatePolicy]{"TerminatePolicy", []enumValue[TerminatePolicy]{
		{StopOnTerminate, "stop", "StopOnTerminate"}, {KeepWaiting, "keep waiting", "KeepWaiting"},
	}, false}
	secureModes = enumTable[SecureMode]{"SecureMode", []enumValue[SecureMode]{
		{Grasslands, "Grasslands", "Grasslands"}, {StoneHouse, "StoneHouse", "StoneHouse"}, {IronHouse, "IronHouse", "IronHouse"},
	}, true}
	patternNames = enumTable[Pattern]{"Pattern", []enumValue[Pattern]{
		{Pair, "PAIR", "Pair"}, {ReqRep, "REQ/REP", "ReqRep"}, {PubSub, "PUB/SUB", "PubSub"}, {PushPull, "PUSH/PULL", "PushPull"},
	}, true}
	decodePolicies = enumTable[DecodePolicy]{"DecodePolicy", []enumValue[DecodePolicy]{
		{DecodeFollowUse, "follow use", "DecodeFollowUse"}, {DecodeAhead, "ahead", "DecodeAhead"}, {DecodeOnUse, "on use", "DecodeOnUse"},
	}, false}
	eventKinds = enumTable[EventKind]{"EventKind", []enumValue[EventKind]{
		{EventConnected, "connected", "EventConnected"},
		{EventLost, "lost", "EventLost"},
		{EventReconnecting, "reconnecting", "EventReconnecting"},
		{EventStalled, "stalled", "EventStalled"},
		{EventResumed, "resumed", "EventResumed"},
		{EventRefused, "refused", "EventRefused"},
		{EventTerminated, "terminated", "EventTerminated"},
		{EventAdapted, "adapted", "EventAdapted"},
	}, false}
)

// String returns "default", "on" or "off".
// For any other value it returns such as "Toggle(7)".
func (t Toggle) String() string { return toggles.text(t) }

// GoString returns the name of the constant, for %#v.
func (t Toggle) GoString() string { return toggles.goText(t) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (t Toggle) MarshalText() ([]byte, error) { return toggles.marshal(t) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. It returns an ErrOption for any other text.
func (t *Toggle) UnmarshalText(text []byte) error { return toggles.unmarshal(t, text) }

// String returns "default", "bind" or "connect".
// For any other value it returns such as "Attachment(7)".
func (a Attachment) String() string { return attachments.text(a) }

// GoString returns the name of the constant, for %#v.
func (a Attachment) GoString() string { return attachments.goText(a) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (a Attachment) MarshalText() ([]byte, error) { return attachments.marshal(a) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. It returns an ErrOption for any other text.
func (a *Attachment) UnmarshalText(text []byte) error { return attachments.unmarshal(a, text) }

// String returns VidGear's name of the class that uses the wire, or imagezmq.
// For any other value it returns such as "Wire(7)".
func (w Wire) String() string { return wires.text(w) }

// GoString returns the name of the constant, for %#v.
func (w Wire) GoString() string { return wires.goText(w) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (w Wire) MarshalText() ([]byte, error) { return wires.marshal(w) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. It returns an ErrOption for any other text.
func (w *Wire) UnmarshalText(text []byte) error { return wires.unmarshal(w, text) }

// String returns "stop" or "keep waiting".
// For any other value it returns such as "TerminatePolicy(7)".
func (t TerminatePolicy) String() string { return terminatePolicies.text(t) }

// GoString returns the name of the constant, for %#v.
func (t TerminatePolicy) GoString() string { return terminatePolicies.goText(t) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (t TerminatePolicy) MarshalText() ([]byte, error) { return terminatePolicies.marshal(t) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. It returns an ErrOption for any other text.
func (t *TerminatePolicy) UnmarshalText(text []byte) error {
	return terminatePolicies.unmarshal(t, text)
}

// String returns "follow use", "ahead" or "on use".
// For any other value it returns such as "DecodePolicy(7)".
func (p DecodePolicy) String() string { return decodePolicies.text(p) }

// GoString returns the name of the constant, for %#v.
func (p DecodePolicy) GoString() string { return decodePolicies.goText(p) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (p DecodePolicy) MarshalText() ([]byte, error) { return decodePolicies.marshal(p) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. It returns an ErrOption for any other text.
func (p *DecodePolicy) UnmarshalText(text []byte) error { return decodePolicies.unmarshal(p, text) }

// String returns VidGear's name of the mode.
// For any other value it returns such as "SecureMode(7)".
func (m SecureMode) String() string { return secureModes.text(m) }

// GoString returns the name of the constant, for %#v.
func (m SecureMode) GoString() string { return secureModes.goText(m) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (m SecureMode) MarshalText() ([]byte, error) { return secureModes.marshal(m) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. VidGear's number is read, too. It returns an ErrOption for any
// other text.
func (m *SecureMode) UnmarshalText(text []byte) error { return secureModes.unmarshal(m, text) }

// UnmarshalJSON reads a text as UnmarshalText does, or VidGear's number.
func (m *SecureMode) UnmarshalJSON(raw []byte) error { return secureModes.unmarshalJSON(m, raw) }

// String returns ZeroMQ's name of the pattern, such as REQ/REP.
// For any other value it returns such as "Pattern(7)".
func (p Pattern) String() string { return patternNames.text(p) }

// GoString returns the name of the constant, for %#v.
func (p Pattern) GoString() string { return patternNames.goText(p) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (p Pattern) MarshalText() ([]byte, error) { return patternNames.marshal(p) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. VidGear's number is read, too. It returns an ErrOption for any
// other text.
func (p *Pattern) UnmarshalText(text []byte) error { return patternNames.unmarshal(p, text) }

// UnmarshalJSON reads a text as UnmarshalText does, or VidGear's number.
func (p *Pattern) UnmarshalJSON(raw []byte) error { return patternNames.unmarshalJSON(p, raw) }

// GoString returns the name of the constant, for %#v.
func (k EventKind) GoString() string { return eventKinds.goText(k) }

// MarshalText returns String, or an ErrOption for a value that is no constant.
func (k EventKind) MarshalText() ([]byte, error) { return eventKinds.marshal(k) }

// UnmarshalText reads what MarshalText returns, or the name of the constant, in
// any case. It returns an ErrOption for any other text.
func (k *EventKind) UnmarshalText(text []byte) error { return eventKinds.unmarshal(k, text) }

// String returns the name of the colorspace, "off" for JPEGOff and "default"
// for JPEGDefault.
func (c Colorspace) String() string {
	if c == JPEGDefault {
		return "default"
	}
	return string(c)
}

// GoString returns the name of the constant, for %#v.
func (c Colorspace) GoString() string {
	switch c {
	case JPEGDefault:
		return "netgear.JPEGDefault"
	case JPEGOff:
		return "netgear.JPEGOff"
	case JPEGBGR:
		return "netgear.JPEGBGR"
	case JPEGRGB:
		return "netgear.JPEGRGB"
	case JPEGGray:
		return "netgear.JPEGGray"
	}
	return fmt.Sprintf("netgear.Colorspace(%.40q)", string(c))
}

// MarshalText returns String, or an ErrOption for a colorspace that VidGear
// does not have.
func (c Colorspace) MarshalText() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads what MarshalText returns, in any case. It returns an
// ErrOption for any other text.
func (c *Colorspace) UnmarshalText(text []byte) error {
	if c == nil {
		return fmt.Errorf("netgear: %w: a text is to be read into a Colorspace that is nil", ErrOption)
	}
	read := Colorspace(strings.ToUpper(strings.TrimSpace(string(text))))
	switch read {
	case "DEFAULT":
		read = JPEGDefault
	case "OFF":
		read = JPEGOff
	}
	if err := read.check(); err != nil {
		return err
	}
	*c = read
	return nil
}

func (c Colorspace) check() error {
	if c == JPEGDefault || c == JPEGOff {
		return nil
	}
	if _, err := turbojpeg.ParseColorspace(string(c)); err != nil {
		return fmt.Errorf("netgear: %w: Colorspace %.40q is none of default, off and %s", ErrOption, string(c), colorspaces)
	}
	return nil
}

package netgear

import (
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"reflect"
	"strings"

	"github.com/vidgear-go/netgear/internal/secret"
)

// Secret holds a password or a passphrase. No verb of package fmt, no log and
// no JSON contains it, also if it is part of another struct. The zero Secret is
// the empty text. Two Secrets with the same text are not equal by ==, but they
// are by [reflect.DeepEqual].
type Secret struct{ text secret.Text }

// NewSecret returns a Secret that holds text.
func NewSecret(text string) Secret { return Secret{secret.New(text)} }

// Reveal returns the text itself. It is the only method that does.
func (s Secret) Reveal() string { return s.text.Reveal() }

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s == Secret{} }

// String returns "[redacted]", or "" for the empty text.
func (s Secret) String() string { return s.text.String() }

// Format writes String, for every verb.
func (s Secret) Format(f fmt.State, verb rune) { s.text.Format(f, verb) }

// LogValue returns String for package slog.
func (s Secret) LogValue() slog.Value { return s.text.LogValue() }

// MarshalText returns String: a Secret does not leave the process in JSON.
func (s Secret) MarshalText() ([]byte, error) { return s.text.MarshalText() }

// UnmarshalText sets s to text, so that a Secret can be a flag or part of a
// configuration file.
func (s *Secret) UnmarshalText(text []byte) error {
	if s == nil {
		return fmt.Errorf("netgear: %w: a text is to be read into a Secret that is nil", ErrOption)
	}
	*s = NewSecret(string(text))
	return nil
}

// String returns the options that are set, without passwords:
//
//	{ReceiveMode:true Port:5454 Pattern:REQ/REP}
func (o Options) String() string { return o.text(":", " ", "%v") }

// GoString returns the options that are set as Go writes them, without
// passwords.
func (o Options) GoString() string { return "netgear.Options" + o.text(":", ", ", "%#v") }

// Format writes GoString for %#v and String for every other verb.
func (o Options) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, o.GoString())
		return
	}
	io.WriteString(f, o.String())
}

// LogValue returns the options that are set as a group for package slog,
// without passwords.
func (o Options) LogValue() slog.Value {
	var attrs []slog.Attr
	o.each(func(field string, value any) { attrs = append(attrs, slog.Any(field, value)) })
	return slog.GroupValue(attrs...)
}

func (o Options) text(is, between, verb string) string {
	var parts []string
	o.each(func(field string, value any) { parts = append(parts, field+is+fmt.Sprintf(verb, value)) })
	return "{" + strings.Join(parts, between) + "}"
}

// each calls f for each field that is not zero, with the part of its value that
// may be shown.
func (o Options) each(f func(field string, value any)) {
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		if field := v.Field(i); !field.IsZero() {
			f(v.Type().Field(i).Name, shown(field.Interface()))
		}
	}
}

// shown returns the part of an option's value that a text may contain.
func shown(value any) any {
	switch v := value.(type) {
	case string:
		return secret.Hide(v)
	case []string:
		hidden := make([]string, len(v))
		for i, text := range v {
			hidden[i] = secret.Hide(text)
		}
		return hidden
	case Colorspace:
		return Colorspace(secret.Hide(string(v)))
	case *slog.Logger:
		return describedAs("a logger")
	case nil, bool, int, int64, float64:
		return v
	case *big.Int:
		return describedAs("an integer beyond 64 bits")
	case []any, map[string]any: // of a dictionary: it may hold a password anywhere
		return describedAs(map[bool]string{true: "a list", false: "an object"}[reflect.TypeOf(v).Kind() == reflect.Slice])
	}
	if reflect.TypeOf(value).Kind() == reflect.Func {
		return describedAs("a function")
	}
	return value
}

// describedAs replaces a value that has no text. It prints without quotes.
type describedAs string

func (d describedAs) GoString() string { return string(d) }

// Package secret keeps passwords and private keys out of error texts and logs.
package secret

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Redacted replaces a secret in a text.
const Redacted = "[redacted]"

// Text holds a secret text that no formatting prints. It holds a pointer: for
// an unexported field package fmt calls no methods and prints the contents, but
// of a pointer only the address. The zero Text is empty.
type Text struct{ text *string }

// New returns a Text that holds text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{&text}
}

// Reveal returns the text itself.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// String returns Redacted, or "" for the empty text.
func (t Text) String() string {
	if t.text == nil {
		return ""
	}
	return Redacted
}

// Format writes String for every verb, flag and width.
func (t Text) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// LogValue returns String for package slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns String, so that JSON does not contain the text.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Hide returns text without its secrets: the password of user:password@host and
// of URLs, the query of a URL, and any private key.
func Hide(text string) string {
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "secret-key") {
		return Redacted
	}
	start := 0
	// A password may contain "://": a scheme has no colon before it.
	if i := strings.Index(text, "://"); i >= 0 && !strings.ContainsAny(text[:i], ":@") {
		start = i + len("://")
	}
	if at := strings.LastIndexByte(text, '@'); at > start {
		if colon := strings.IndexByte(text[start:at], ':'); colon >= 0 {
			text = text[:start+colon+1] + Redacted + text[at:]
		}
	}
	if query := strings.IndexByte(text[start:], '?'); start > 0 && query >= 0 {
		text = text[:start+query+1] + Redacted
	}
	return text
}

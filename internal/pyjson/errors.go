package pyjson

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// ErrSyntax matches every SyntaxError with errors.Is.
var ErrSyntax = errors.New("not valid JSON")

// SyntaxError reports where a text is not JSON by Python's rules.
type SyntaxError struct {
	Offset  int    // bytes before the error
	Problem string // such as "expected a value"
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Problem) }

// Unwrap returns ErrSyntax.
func (e *SyntaxError) Unwrap() error { return ErrSyntax }

// EncodeError reports which part of a Go value has no JSON form.
type EncodeError struct {
	Type reflect.Type // the type that could not be written
	Err  error        // why

	path []string // innermost step first
}

// maxPath is how many steps of a path are printed. A cycle's path has a
// thousand.
const maxPath = 16

// Path returns the path from the value passed to Encode to the part, such as
// ".Items[3].Done".
func (e *EncodeError) Path() string {
	var b strings.Builder
	for i, v := range slices.Backward(e.path) {
		if len(e.path)-i > maxPath {
			b.WriteString("…")
			break
		}
		b.WriteString(v)
	}
	return b.String()
}

func (e *EncodeError) Error() string {
	if len(e.path) == 0 {
		return fmt.Sprintf("cannot encode %v: %v", e.Type, e.Err)
	}
	return fmt.Sprintf("cannot encode %v at %s: %v", e.Type, e.Path(), e.Err)
}

// Unwrap returns the reason.
func (e *EncodeError) Unwrap() error { return e.Err }

// at adds the step that led to a failed part of a value.
func at(err error, step string) error {
	var e *EncodeError
	if errors.As(err, &e) {
		e.path = append(e.path, step)
	}
	return err
}

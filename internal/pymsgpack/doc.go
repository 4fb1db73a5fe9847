// Package pymsgpack reads and writes msgpack as Python's msgpack and
// msgpack_numpy do: the messages of NetGear_Async, and numpy's arrays, whose
// memory it never copies.
//
// Check accepts or refuses all input first. It checks lengths before anything
// is allocated, and limits depth and number. github.com/vmihailenco/msgpack
// then reads and writes the values.
package pymsgpack

import (
	"errors"

	"github.com/vidgear-go/netgear/internal/numpy"
)

// Raw is the bytes of one msgpack value.
type Raw []byte

// Ext is an uninterpreted extension value (Python's ExtType).
type Ext struct {
	Type int8
	Data []byte
}

// maxDepth is how deep lists and maps may be nested, Python's limit too.
const maxDepth = 511

// maxValues is how many values a value may contain, keys included. A value of a
// byte or two needs some hundred bytes in memory.
const maxValues = 1_000_000

var (
	// ErrSyntax is returned for bytes that are not one msgpack value.
	ErrSyntax = errors.New("not msgpack")
	// ErrObjectArray is returned for an array of Python objects, which is never
	// decoded.
	ErrObjectArray = numpy.ErrObjectArray
	// ErrStructuredArray is returned for an array whose elements have fields.
	ErrStructuredArray = numpy.ErrStructuredArray
)

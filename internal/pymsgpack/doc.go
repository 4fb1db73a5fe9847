// Package pymsgpack reads and writes msgpack as Python's msgpack and
// msgpack_numpy do: the values that ride on the wire of NetGear_Async, and
// numpy's arrays around their memory, which is never copied here.
//
// Everything that comes from outside passes Check first, which looks at lengths
// before anything is allocated and bounds depth and number; the values themselves
// are read and written by github.com/vmihailenco/msgpack.
package pymsgpack

import (
	"errors"

	"github.com/vidgear-go/netgear/internal/numpy"
)

// Raw is one msgpack value as it stands on the wire.
type Raw []byte

// Ext is an extension value that has no meaning here (Python's ExtType).
type Ext struct {
	Type int8
	Data []byte
}

// maxDepth is how deep lists and maps may be nested, as in Python's packer.
const maxDepth = 511

// maxValues is how many values one may consist of, keys among them. A value of a
// byte or two becomes one of some hundred bytes in memory.
const maxValues = 1_000_000

var (
	// ErrSyntax is the reason for which bytes are refused that are not one msgpack
	// value.
	ErrSyntax = errors.New("not msgpack")
	// ErrObjectArray is the reason for which an array of Python objects is
	// refused. It is never decoded.
	ErrObjectArray = numpy.ErrObjectArray
	// ErrStructuredArray is the reason for which an array is refused whose
	// elements have fields.
	ErrStructuredArray = numpy.ErrStructuredArray
)

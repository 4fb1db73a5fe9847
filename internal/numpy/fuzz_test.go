package numpy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"os"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// FuzzDType reads names of element types. A type that can be sent is received
// as the same, and its name is one that numpy reads.
func FuzzDType(f *testing.F) {
	text, err := os.ReadFile("testdata/numpy.txt")
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; n%9 == 0 {
			name, _, _ := strings.Cut(line, "\t")
			f.Add(name)
		}
	}
	for _, name := range []string{"", "object", "|O8", "[('a', 'O')]", "{'names': ['a']}", "i4,,f4", "CV_8UC3", "S999999999,S999999999", "<", "=u1", ">c16"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var d DType
		var err error
		alloctest.AtMost(t, "a dtype", 256*len(name)+1<<17, func() { d, err = Parse(name) })
		if err != nil {
			if name != "" && !errors.Is(err, ErrObjectArray) || len(err.Error()) > 500 {
				t.Errorf("%q: %v", name, err)
			}
			if _, err := ParseSendable(name); err == nil {
				t.Errorf("%q can be sent, and not received", name)
			}
			return
		}
		if d.Size < 0 || d.Size > 0 && d.Size%d.Unit != 0 || d.BigEndian && d.Unit < 2 {
			t.Errorf("%q: %+v", name, d)
		}
		sent, err := ParseSendable(name)
		if err != nil {
			return
		}
		if sent.Size < 1 || sent.Name != d.Name || d.Size > 0 && sent != d {
			t.Errorf("%q: %+v is sent as %+v", name, d, sent)
		}
		if again, err := ParseSendable(sent.Spelling()); err != nil || again != sent {
			t.Errorf("%q: sent as %q, which is %+v, %v", name, sent.Spelling(), again, err)
		}
	})
}

// FuzzShape checks shapes against sizes: eight bytes of the input are one
// dimension. No product overflows.
func FuzzShape(f *testing.F) {
	shape := func(dims ...int64) (raw []byte) {
		for _, d := range dims {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(d))
		}
		return raw
	}
	f.Add(shape(3, 4), "uint8", 12)
	f.Add(shape(1<<32, 1<<32), "uint8", 0)
	f.Add(shape(1<<62, 2), "float64", 0)
	f.Add(shape(-3, -4), "uint8", 12)
	f.Add(shape(0, 1<<62), "S5", 0)
	f.Add(shape(), "S5", 5)
	f.Fuzz(func(t *testing.T, raw []byte, name string, size int) {
		d, err := Parse(name)
		if err != nil || size < 0 || len(raw) > 8*MaxDims {
			return
		}
		var shape []int
		for ; len(raw) >= 8; raw = raw[8:] {
			shape = append(shape, int(binary.LittleEndian.Uint64(raw))) //nolint:gosec // any number
		}
		// The product, in 128 bits as long as it is not too large.
		total, empty, fits := uint64(max(d.Size, 1)), false, true
		for _, n := range shape {
			fits = fits && n >= 0
			empty = empty || n == 0
		}
		for _, n := range shape {
			if n > 0 {
				high, low := bits.Mul64(total, uint64(n))
				fits, total = fits && (high == 0 && low>>63 == 0 || empty), low
			}
		}
		if empty {
			total = 0
		}
		err = d.Check(shape, size)
		if err == nil && (!fits && !empty || d.Size > 0 && total != uint64(size)) {
			t.Errorf("%v of %q has %d bytes", shape, name, size)
		}
		if err != nil && fits && d.Size > 0 && total == uint64(size) && !empty {
			t.Errorf("%v of %q, %d bytes: %v", shape, name, size, err)
		}
		if d.Size == 0 || len(shape) == 0 {
			return
		}
		// Bytes that are swapped twice are as they were.
		src := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 4)
		src = src[:len(src)/d.Size*d.Size]
		once, twice := make([]byte, len(src)), make([]byte, len(src))
		SwapBytes(once, src, d.Unit)
		if SwapBytes(twice, once, d.Unit); !bytes.Equal(twice, src) {
			t.Errorf("%+v: %v became %v", d, src, twice)
		}
	})
}

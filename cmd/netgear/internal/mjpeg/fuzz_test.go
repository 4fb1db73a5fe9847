package mjpeg

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// FuzzReader reads streams of JPEGs. What is returned is the stream, divided
// before each JPEG, however the stream arrives. A JPEG by itself is read as the
// same, and the memory does not depend on the lengths that a stream names.
func FuzzReader(f *testing.F) {
	odd := "\xFF\xD8\xFF\xE1\x00\x06\xFF\xD9\xFF\xD8\xFF\xFF\xDA\x00\x02ab\xFF\x00c\xFF\xD3d\xFF\xFF\xD9"
	for _, stream := range []string{
		"", odd, odd + odd, odd + "\xFF", odd[:len(odd)-1], "\xFF\xD8\xFF\xD9", "\xFF\xD8\xFF\xE0\xFF\xFF", "\xFF\xD8\xFF\xE0\x00\x01", "\xFF\xD8\xFF\xD8\xFF\x01\xFF\xD0\xFF\xD9",
		"\xFF\xD8\xFF\xDA\x00\x02" + "\xFF\xFF\x00\xFF\xD9", "GIF89a",
	} {
		f.Add([]byte(stream))
	}
	const limit = 1 << 12
	read := func(in io.Reader) (all [][]byte, err error) {
		r := NewReader(in)
		r.limit = limit
		for {
			jpeg, err := r.Next()
			if err != nil {
				return all, err
			}
			all = append(all, bytes.Clone(jpeg))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		var all [][]byte
		var err error
		alloctest.AtMost(t, "a stream", 32*len(stream)+1<<20+1<<17, func() { all, err = read(bytes.NewReader(stream)) })
		whole := bytes.Join(all, nil)
		if !bytes.HasPrefix(stream, whole) || err == io.EOF && len(whole) != len(stream) {
			t.Errorf("%q became %q, %v", stream, all, err)
		}
		for _, jpeg := range all {
			if len(jpeg) > limit || !bytes.HasPrefix(jpeg, []byte("\xFF\xD8")) || !bytes.HasSuffix(jpeg, []byte("\xFF\xD9")) {
				t.Errorf("%q is no JPEG", jpeg)
			}
			if alone, err := read(bytes.NewReader(jpeg)); err != io.EOF || len(alone) != 1 || !bytes.Equal(alone[0], jpeg) {
				t.Errorf("%q is read as %q, %v", jpeg, alone, err)
			}
		}
		if slowly, slowErr := read(iotest.OneByteReader(bytes.NewReader(stream))); slowErr.Error() != err.Error() || !bytes.Equal(bytes.Join(slowly, nil), whole) || len(slowly) != len(all) {
			t.Errorf("%q is read as %q, %v, and byte by byte as %q, %v", stream, all, err, slowly, slowErr)
		}
	})
}

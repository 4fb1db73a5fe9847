package numpy

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Every name that numpy accepts can be sent, with numpy's size, and is parsed.
// Every name that numpy rejects, or cannot read from bytes, is refused. numpy
// itself wrote the list (testdata/numpy.py).
func TestDTypesOfNumpy(t *testing.T) {
	text, err := os.ReadFile("testdata/numpy.txt")
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		name := field[0]
		d, err := ParseSendable(name)
		if field[1] == "refused" {
			if err == nil {
				t.Errorf("%q: %+v, but numpy refuses it", name, d)
			}
			continue
		}
		own := byName[field[1]]
		size, _ := strconv.Atoi(field[2])
		if err != nil || d.Size != size || d.BigEndian != (len(field) > 3 && own != nil && own.Size > 1) {
			t.Errorf("%q: %+v, %v, but numpy says %v", name, d, err, field[1:])
			continue
		}
		sent++
		if own != nil && d.Name != field[1] {
			t.Errorf("%q is %s, to numpy it is %s", name, d.Name, field[1])
		}
		// The name that is sent is one of numpy's too, with the same meaning.
		if again, err := ParseSendable(d.Spelling()); err != nil || again != d {
			t.Errorf("%q is sent as %q, which is %+v, %v", name, d.Spelling(), again, err)
		}
		if got, err := Parse(name); err != nil || got.Name != d.Name {
			t.Errorf("%q is received as %+v, %v", name, got, err)
		}
	}
	if sent < 400 {
		t.Errorf("only %d names", sent)
	}
}

func TestReasons(t *testing.T) {
	for name, want := range map[string]error{
		"object": ErrObjectArray, "|O": ErrObjectArray, ">O8": ErrObjectArray, "[('a', 'O')]": ErrObjectArray,
		"[('a', '<i4')]": ErrStructuredArray, "{'names':['a'],'formats':['i4']}": ErrStructuredArray,
	} {
		if _, err := ParseSendable(name); !errors.Is(err, want) {
			t.Errorf("%s is sent: %v", name, err)
		}
		if _, err := Parse(name); errors.Is(err, ErrObjectArray) != (want == ErrObjectArray) || want != ErrObjectArray && err != nil {
			t.Errorf("%s is received: %v", name, err)
		}
	}
}

func TestArrayProtocol(t *testing.T) {
	for name, want := range map[string]string{
		"uint8": "|u1", "bool": "|b1", "float32": "<f4", "complex256": "<c32", "uint64": "<u8", "S3": "", ">u2": "", "": "",
	} {
		if got, ok := ArrayProtocol(name); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v", name, got, ok)
		}
	}
	// Every spelling is parsed as its own type.
	for _, name := range Names() {
		text, _ := ArrayProtocol(name)
		if d, err := Parse(text); err != nil || d != byName[name].DType {
			t.Errorf("%s is spelled %s, which is %+v, %v", name, text, d, err)
		}
	}
}

func TestCheck(t *testing.T) {
	word, _ := Parse("uint16")
	unknown, _ := Parse("S3")
	for _, c := range []struct {
		d       DType
		shape   []int
		size    int
		wantErr string // "" if it fits
	}{
		{word, []int{2, 3}, 12, ""}, {word, nil, 2, ""}, {word, []int{0, 3}, 0, ""},
		{word, []int{2, 3}, 13, "13 bytes, but shape [2 3] of uint16 takes 12"},
		{word, []int{-1, -2}, 4, "shape [-1 -2]"}, {word, []int{math.MaxInt, 2}, 4, "shape ["}, {word, []int{math.MaxInt}, 4, "shape ["},
		{unknown, []int{2}, 6, ""}, {unknown, []int{0}, 0, ""},
		{unknown, []int{4}, 6, "6 bytes do not divide into shape [4] of S3"}, {unknown, []int{4}, 0, "do not divide"}, {unknown, []int{0}, 3, "do not divide"},
	} {
		err := c.d.Check(c.shape, c.size)
		if c.wantErr == "" && err != nil || c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)) {
			t.Errorf("%d bytes for %v of %s: %v", c.size, c.shape, c.d.Name, err)
		}
	}
}

func TestSwapBytes(t *testing.T) {
	src := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for unit, want := range map[int][]byte{1: src, 2: {2, 1, 4, 3, 6, 5, 8, 7}, 4: {4, 3, 2, 1, 8, 7, 6, 5}, 8: {8, 7, 6, 5, 4, 3, 2, 1}} {
		dst := make([]byte, len(src))
		if SwapBytes(dst, src, unit); !bytes.Equal(dst, want) {
			t.Errorf("units of %d: % x", unit, dst)
		}
	}
}

package avi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"
)

// pack returns a RIFF chunk. A list has its type before the content.
func pack(id string, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	b := append([]byte(id), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(body)))
	return append(append(b, body...), make([]byte, len(body)&1)...)
}

// words returns numbers as they are in headers.
func words(all ...uint32) (b []byte) {
	for _, w := range all {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// film returns an AVI file of MJPEG, 25 pictures a second, after a stream of
// sound. Its pictures are the given ones.
func film(pictures ...[]byte) []byte {
	strl := func(kind string, format []byte) []byte {
		header := append([]byte(kind+"xxxx"), words(0, 0, 0, 1, 25, 0, 0)...)
		return pack("LIST", []byte("strl"), pack("strh", header), pack("strf", format))
	}
	video := append(append(words(40, 64, 48, 0), "MJPG"...), make([]byte, 20)...)
	content := [][]byte{[]byte("movi"), pack("00wb", make([]byte, 7))}
	for _, p := range pictures {
		content = append(content, pack("01dc", p))
	}
	return pack("RIFF", []byte("AVI "),
		pack("LIST", []byte("hdrl"), pack("avih", words(50000, 0)), strl("auds", make([]byte, 20)), strl("vids", video)),
		pack("LIST", content...), pack("idx1", make([]byte, 32)))
}

func jpeg(n int) []byte {
	return append(append([]byte{0xFF, 0xD8, 0xFF}, bytes.Repeat([]byte{byte(n)}, 20+n)...), 0xFF, 0xD9)
}

// all returns the pictures of a file with their numbers, and the error at its
// end.
func all(t testing.TB, file []byte, limit int64, from int) (pictures [][]byte, numbers []int, err error) {
	t.Helper()
	a, err := New(bytes.NewReader(file), limit)
	if err != nil {
		return nil, nil, err
	}
	for {
		p, number, err := a.Next(nil, from)
		if err != nil {
			return pictures, numbers, err
		}
		pictures, numbers = append(pictures, p), append(numbers, number)
	}
}

// Each picture is returned with its number; an empty one repeats the last.
func TestNext(t *testing.T) {
	file := film(jpeg(1), nil, jpeg(2), jpeg(3))
	pictures, numbers, err := all(t, file, 1000, 1)
	if !errors.Is(err, io.EOF) || len(pictures) != 2 || numbers[0] != 2 || numbers[1] != 3 || !bytes.Equal(pictures[0], jpeg(2)) || !bytes.Equal(pictures[1], jpeg(3)) {
		t.Errorf("%d pictures, %v, %v", len(pictures), numbers, err)
	}
	a, err := New(bytes.NewReader(file), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if w, h := a.Size(); w != 64 || h != 48 || a.Period() != time.Second/25 {
		t.Errorf("%dx%d, %v", w, h, a.Period())
	}
	if n := a.Count(); n != 4 || a.Count() != 0 {
		t.Errorf("%d pictures", n)
	}
	a.Rewind()
	for range 2 {
		if p, number, err := a.Next(nil, 0); err != nil || number != 0 || !bytes.Equal(p, jpeg(1)) {
			t.Errorf("picture %d, %v", number, err)
		}
		a.Rewind()
	}
}

// A file may be cut anywhere: the pictures before are returned.
func TestTruncated(t *testing.T) {
	file := film(jpeg(1), jpeg(2), jpeg(3))
	last := 0
	for n := range file {
		pictures, _, err := all(t, file[:n], 1000, 0)
		if len(pictures) < last || err == nil {
			t.Fatalf("cut at %d: %d pictures, %v", n, len(pictures), err)
		}
		last = len(pictures)
		for i, p := range pictures {
			if !bytes.Equal(p, jpeg(i+1)) {
				t.Fatalf("cut at %d: picture %d differs", n, i)
			}
		}
	}
	if last != 3 {
		t.Errorf("%d pictures", last)
	}
	if _, _, err := all(t, file, 21, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("above the limit: %v", err)
	}
	for _, foreign := range [][]byte{nil, []byte("RIFF"), file[8:], bytes.Replace(file, []byte("MJPG"), []byte("H264"), 1), bytes.Replace(file, []byte("movi"), []byte("none"), 1)} {
		if _, err := New(bytes.NewReader(foreign), 1000); !errors.Is(err, ErrFormat) {
			t.Errorf("a foreign file: %v", err)
		}
	}
}

// A file that was never filled is given up: it has an empty chunk every eight
// bytes.
func TestUnfilled(t *testing.T) {
	file := film(jpeg(1))
	file = append(file[:len(file)-40], make([]byte, 8*(maxChunks+10))...) // without the index
	binary.LittleEndian.PutUint32(file[4:], 0)
	a, err := New(bytes.NewReader(append(file, pack("01dc", jpeg(2))...)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Next(nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Next(nil, 0); !errors.Is(err, io.EOF) {
		t.Errorf("after the gap: %v", err)
	}
	empty := append(film()[:24], make([]byte, 8*(maxChunks+10))...)
	if _, err := New(bytes.NewReader(empty), 1000); !errors.Is(err, ErrFormat) {
		t.Errorf("a header that was never filled: %v", err)
	}
}

// FuzzNext reads damaged files. It must end, and return no more than is in the
// file.
func FuzzNext(f *testing.F) {
	file := film(jpeg(1), nil, jpeg(2))
	f.Add(file)
	f.Add(file[:len(file)-60])
	f.Fuzz(func(t *testing.T, b []byte) {
		pictures, _, err := all(t, b, 1<<20, 0)
		total := 0
		for _, p := range pictures {
			total += len(p)
		}
		if err == nil || total > len(b) {
			t.Errorf("%d pictures of %d bytes, %v", len(pictures), total, err)
		}
	})
}

package turbojpeg

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// withoutTables returns a JPEG without its Huffman tables, as cameras send it.
func withoutTables(tb testing.TB, jpeg []byte) []byte {
	tb.Helper()
	out := bytes.Clone(jpeg)
	for {
		at := bytes.Index(out, []byte{0xFF, mDHT})
		if sos := bytes.Index(out, []byte{0xFF, mSOS}); at < 0 || at > sos {
			return out
		}
		out = slices.Delete(out, at, at+2+int(out[at+2])<<8+int(out[at+3]))
	}
}

// cameraJPEGs returns JPEGs of each sampling, with and without restart markers
// and Huffman tables.
func cameraJPEGs(tb testing.TB) map[string][]byte {
	tb.Helper()
	e := newEncoder(tb)
	one := encodeStrips(tb, e, picture(40, 64, 3), 40, 64, BGR, EncodeOptions{90, true}, 1)
	strips := encodeStrips(tb, e, picture(40, 64, 3), 40, 64, BGR, EncodeOptions{90, true}, 4)
	return map[string][]byte{
		"422": one, "422 in strips": strips, "422 without tables": withoutTables(tb, strips),
		"gray":               encodeStrips(tb, e, picture(33, 17, 1), 33, 17, GRAY, EncodeOptions{50, true}, 1),
		"420 without tables": file(tb, "nodht-420.jpg"), "AVI1": file(tb, "nodht-avi1-422.jpg"), "gray without tables": file(tb, "nodht-gray.jpg"),
	}
}

// TestTidyKnowsGoodJPEGs checks that a camera's JPEG need not be checked by
// libjpeg, whatever follows its end.
func TestTidyKnowsGoodJPEGs(t *testing.T) {
	for name, jpeg := range cameraJPEGs(t) {
		for after, more := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 4096), "another JPEG": jpeg} {
			full := slices.Concat(jpeg, more)
			if whole, v := tidy(full, new(Stop)); v != sound || len(whole) != len(full) {
				t.Errorf("%s and %s: verdict %d", name, after, v)
			}
		}
	}
	for name, jpeg := range map[string][]byte{
		"a progressive one": golden(t).Decode["progressive 49x35"].JPEG, "one with inks": file(t, "cmyk-adobe.jpg"),
		"none": []byte("hello"), "nothing": nil, "a header": file(t, "ok-small.jpg")[:300],
	} {
		if _, v := tidy(jpeg, new(Stop)); v != unknown {
			t.Errorf("%s: verdict %d", name, v)
		}
	}
}

// TestTidyEnds checks that what is behind the last code is replaced by an end.
func TestTidyEnds(t *testing.T) {
	e := newEncoder(t)
	for name, jpeg := range cameraJPEGs(t) {
		scan := jpeg[:bytes.LastIndex(jpeg, eoi)]
		for _, c := range []struct {
			name string
			jpeg []byte
			want verdict
		}{
			{"no end", scan, endless},
			{"zeros for an end", slices.Concat(scan, make([]byte, 99)), endless},
			{"zeros before the end", slices.Concat(scan, make([]byte, 99), eoi), overlong},
			{"half an end", slices.Concat(scan, eoi[:1]), endless},
		} {
			whole, v := tidy(c.jpeg, new(Stop))
			if v != c.want || !bytes.Equal(whole, slices.Concat(scan, eoi)) {
				t.Errorf("%s, %s: verdict %d, %d bytes", name, c.name, v, len(whole))
			}
			if made, err := mend(t, e, c.jpeg); err != nil || !bytes.Equal(made, whole) {
				t.Errorf("%s, %s: mended: %d bytes, %v", name, c.name, len(made), err)
			}
		}
	}
}

// checkTidy checks that libjpeg finds no fault in a JPEG that tidy accepts. It
// returns the verdict.
func checkTidy(tb testing.TB, e *Encoder, d *Decoder, jpeg []byte) verdict {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil || info.Width*info.Height > 1<<18 {
		return unknown
	}
	whole, v := tidy(jpeg, new(Stop))
	if v == unknown {
		return v
	}
	if warning, err := e.check(whole, info, 1<<24); err != nil || warning != "" {
		tb.Fatalf("verdict %d, but libjpeg reports %q, %v", v, warning, err)
	}
	if !bytes.Equal(pixels(tb, d, whole, RGB, DecodeOptions{}, 1), pixels(tb, d, jpeg, RGB, DecodeOptions{}, 1)) || d.Warning() != "" && v == sound {
		tb.Fatalf("verdict %d, but other pixels, or %q", v, d.Warning())
	}
	return v
}

// TestTidyMissesNoFault damages JPEGs at every byte. tidy may doubt what libjpeg
// accepts, but must not accept what libjpeg warns of.
func TestTidyMissesNoFault(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	var seen [4]int
	for name, jpeg := range cameraJPEGs(t) {
		t.Run(name, func(t *testing.T) {
			for at := range jpeg {
				if step := 1 + len(jpeg)/150; at%step > 0 && at < len(jpeg)-6 {
					continue
				}
				for _, value := range []byte{0xFF, 0, jpeg[at] ^ 1<<(at%8)} {
					bad := bytes.Clone(jpeg)
					bad[at] = value
					seen[checkTidy(t, e, d, bad)]++
				}
				seen[checkTidy(t, e, d, jpeg[:at])]++
				seen[checkTidy(t, e, d, slices.Delete(bytes.Clone(jpeg), at, at+1))]++
			}
		})
	}
	for v, n := range seen {
		if n == 0 {
			t.Errorf("no JPEG of verdict %d", v)
		}
	}
}

// TestTidyWithOtherTables checks that a JPEG's own tables count, whatever came
// before.
func TestTidyWithOtherTables(t *testing.T) {
	t.Setenv("TJ_OPTIMIZE", "1") // tables computed for the picture
	own := encodeStrips(t, newEncoder(t), picture(40, 64, 3), 40, 64, BGR, EncodeOptions{90, true}, 1)
	standard := file(t, "nodht-420.jpg")
	for range 3 {
		for _, jpeg := range [][]byte{own, standard} {
			if _, v := tidy(jpeg, new(Stop)); v != sound {
				t.Fatalf("verdict %d", v)
			}
		}
	}
	if _, v := tidy(withoutTables(t, own), new(Stop)); v == sound {
		t.Error("without the tables it is sound too")
	}
}

// TestTidyOfACodeOfOnes checks that a Huffman table in which a code is all ones
// is none: libjpeg refuses it.
func TestTidyOfACodeOfOnes(t *testing.T) {
	segment := func(marker byte, body ...byte) []byte {
		return append([]byte{0xFF, marker, 0, byte(2 + len(body))}, body...)
	}
	for _, c := range []struct {
		codes byte // of DC differences, each of one bit
		want  verdict
	}{{1, sound}, {2, unknown}} {
		counts := append([]byte{0, c.codes}, make([]byte, 15)...)
		jpeg := slices.Concat([]byte{0xFF, mSOI},
			segment(mDQT, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...),
			segment(mSOF0, 8, 0, 8, 0, 8, 1, 1, 0x11, 0),
			segment(mDHT, append(counts, []byte{0, 1}[:c.codes]...)...),
			segment(mSOS, 1, 1, 0, 0, 63, 0),
			[]byte{0b0_1010_111}, eoi) // the difference 0, the end of the block
		if v := checkTidy(t, newEncoder(t), newDecoder(t), jpeg); v != c.want {
			t.Errorf("%d codes: verdict %d", c.codes, v)
		}
	}
}

func TestTrim(t *testing.T) {
	jpeg := file(t, "ok-small.jpg")
	for _, before := range []string{"", "\x00", "\xFF", "\xFF\xD8", strings.Repeat("\x00", 5000), "--b\r\nContent-Type: image/jpeg\r\n\r\n", "\xFF\xFE\xD8"} {
		got := Trim(slices.Concat([]byte(before), jpeg))
		want := jpeg
		if before == "\xFF\xD8" {
			want = slices.Concat([]byte(before), jpeg) // libjpeg names the second SOI
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%q: %d bytes, want %d", before, len(got), len(want))
		}
	}
	for _, none := range []string{"", "\xFF", "\xFF\xD8", "hello", "hello\xFF\xD8"} {
		if got := Trim([]byte(none)); string(got) != none {
			t.Errorf("%q becomes %q", none, got)
		}
	}
}

func FuzzTidy(f *testing.F) {
	for _, jpeg := range cameraJPEGs(f) {
		f.Add(jpeg)
		f.Add(append([]byte("\x00\xFF"), jpeg...))
		f.Add(jpeg[:len(jpeg)-2])
	}
	f.Fuzz(func(t *testing.T, jpeg []byte) {
		trimmed := Trim(jpeg)
		if !bytes.HasSuffix(jpeg, trimmed) {
			t.Fatal("Trim returns other bytes")
		}
		checkTidy(t, newEncoder(t), newDecoder(t), trimmed)
	})
}

func BenchmarkMend(b *testing.B) {
	e := newEncoder(b)
	for _, size := range [][2]int{{640, 480}, {1920, 1080}} {
		jpeg := encodeStrips(b, e, picture(size[0], size[1], 3), size[0], size[1], BGR, EncodeOptions{90, true}, 1)
		info, err := ReadInfo(jpeg)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("tidy/%dx%d", size[0], size[1]), func(b *testing.B) {
			b.SetBytes(int64(len(jpeg)))
			for b.Loop() {
				tidy(jpeg, &e.Stop)
			}
		})
		b.Run(fmt.Sprintf("libjpeg/%dx%d", size[0], size[1]), func(b *testing.B) {
			b.SetBytes(int64(len(jpeg)))
			for b.Loop() {
				if _, err := e.check(jpeg, info, 1<<30); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package hostile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
)

// mutator changes recorded messages.
type mutator struct {
	*rand.Rand
	recorded []message
	pictures []message // those of recorded with a JPEG
}

// jpegStart begins a JPEG.
var jpegStart = []byte("\xff\xd8\xff")

func newMutator(r *rand.Rand, recorded []message) *mutator {
	m := &mutator{Rand: r, recorded: recorded}
	for _, each := range recorded {
		if slices.ContainsFunc(each, func(part []byte) bool { return bytes.HasPrefix(part, jpegStart) }) {
			m.pictures = append(m.pictures, each)
		}
	}
	return m
}

// next returns a recorded message with up to three changes. One in sixteen has
// none.
func (m *mutator) next() message {
	all := m.recorded
	if len(m.pictures) > 0 && m.IntN(3) == 0 {
		all = m.pictures
	}
	parts := message{}
	for _, part := range all[m.IntN(len(all))] {
		parts = append(parts, bytes.Clone(part))
	}
	if m.IntN(16) == 0 {
		return parts
	}
	for range 1 + m.IntN(3) {
		parts = m.change(parts)
	}
	return parts
}

// change makes one change, to the parts or to one of them.
func (m *mutator) change(parts message) message {
	i := m.IntN(len(parts))
	switch m.IntN(12) {
	case 0:
		return m.arrange(parts, i)
	case 1: // with a part of another message
		other := m.recorded[m.IntN(len(m.recorded))]
		parts[i] = bytes.Clone(other[m.IntN(len(other))])
	case 2, 3:
		parts[i] = m.number(parts[i])
	case 4, 5:
		if bytes.HasPrefix(parts[len(parts)-1], jpegStart) {
			i = len(parts) - 1
		}
		parts[i] = m.marker(parts[i])
	case 6:
		parts[i] = m.token(parts[i])
	case 7:
		parts[i] = m.length(parts[i])
	default:
		parts[i] = m.damage(parts[i])
	}
	return parts
}

// arrange swaps, doubles, removes and adds parts. One is always left.
func (m *mutator) arrange(parts message, i int) message {
	j := m.IntN(len(parts))
	switch m.IntN(6) {
	case 0:
		parts[i], parts[j] = parts[j], parts[i]
	case 1:
		parts = slices.Insert(parts, j, bytes.Clone(parts[i]))
	case 2:
		if len(parts) > 1 {
			parts = slices.Delete(parts, i, i+1)
		}
	case 3:
		parts = slices.Insert(parts, j, []byte{})
	case 4:
		for range 1 + m.IntN(40) {
			parts = append(parts, m.noise(8))
		}
	case 5:
		parts[i] = nil
	}
	return parts
}

// damage changes bits and bytes, cuts, inserts, repeats, and joins a part with a
// part of another message.
func (m *mutator) damage(b []byte) []byte {
	if len(b) == 0 {
		return m.noise(64)
	}
	i, j := m.IntN(len(b)), m.IntN(len(b))
	switch m.IntN(8) {
	case 0, 1:
		for range 1 + m.IntN(8) {
			b[m.IntN(len(b))] ^= 1 << m.IntN(8)
		}
	case 2:
		for range 1 + m.IntN(8) {
			b[m.IntN(len(b))] = byte(m.Uint32())
		}
	case 3:
		return b[:i]
	case 4:
		return slices.Delete(b, min(i, j), max(i, j))
	case 5:
		return slices.Insert(b, i, m.noise(64)...)
	case 6:
		return slices.Insert(b, i, bytes.Clone(b[min(i, j):max(i, j)])...)
	case 7:
		other := m.recorded[m.IntN(len(m.recorded))]
		tail := other[m.IntN(len(other))]
		return slices.Concat(b[:i], tail[m.IntN(len(tail)+1):])
	}
	return b
}

func (m *mutator) noise(most int) []byte {
	b := make([]byte, m.IntN(most+1))
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

// numbers take the place of a number in a text.
var numbers = []string{
	"0", "-0", "-1", "1", "2", "65500", "65536", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
	"18446744073709551615", "18446744073709551616", "-9223372036854775809", "1e308", "1e309", "-1e309", "1E-999", "0.1", "1.", "01", "NaN", "Infinity", "-Infinity",
	"1e2147483648", strings.Repeat("9", 400), "0." + strings.Repeat("0", 400) + "1", "null", "true",
}

// number replaces one number of a text.
func (m *mutator) number(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	from := m.IntN(len(b))
	isDigit := func(r rune) bool { return '0' <= r && r <= '9' }
	i := bytes.IndexFunc(b[from:], isDigit)
	if i < 0 {
		return m.damage(b)
	}
	i += from
	j := i
	for j < len(b) && isDigit(rune(b[j])) {
		j++
	}
	return slices.Concat(b[:i], []byte(numbers[m.IntN(len(numbers))]), b[j:])
}

// tokens take the place of a value in a text.
var tokens = []string{
	"null", "true", "false", `""`, `"x"`, "[]", "{}", "[[]]", `{"a": 1}`, `"\ud800"`, `"\u0000"`, `"\udc00\ud800"`, "\"\xff\xfe\"", `"\x"`, "\"\n\"", "'a'", ",", ":", `"uint8"`, `"object"`,
	`"|O"`, `">c16"`, `"[('a', 'O')]"`, `"<U9999999999"`, `"S999999999999"`, `"GRAY"`, `"CMYK"`, `"YUV"`, `[16, 24, 3]`, `[0, 24, 3]`, `[16, 24, 3, 0]`, "[" + strings.Repeat("1, ", 64) + "1]",
	strings.Repeat("[", 600) + strings.Repeat("]", 600), strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 600), `"` + strings.Repeat("x", 70000) + `"`, `{"terminate_flag": true}`,
}

// token replaces the text between two of JSON's delimiters.
func (m *mutator) token(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	const delimiters = ",:{}[] "
	from := m.IntN(len(b))
	i := bytes.IndexAny(b[from:], delimiters)
	if i < 0 {
		return m.damage(b)
	}
	i += from + 1
	j := bytes.IndexAny(b[i:], delimiters)
	if j < 0 {
		j = len(b) - i
	}
	return slices.Concat(b[:i], []byte(tokens[m.IntN(len(tokens))]), b[i+j:])
}

// length writes the beginning of a value of msgpack, with a length that the
// bytes need not have.
func (m *mutator) length(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	kinds := []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf}
	lengths := []uint32{0, 1, 2, 1 << 8, 1 << 16, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, uint32(len(b)), m.Uint32()} //nolint:gosec // small
	i := m.IntN(len(b))
	length := binary.BigEndian.AppendUint32(nil, lengths[m.IntN(len(lengths))])
	value := append([]byte{kinds[m.IntN(len(kinds))]}, length[m.IntN(5):]...)
	if m.IntN(2) == 0 {
		return slices.Concat(b[:i], value, b[min(len(b), i+len(value)):])
	}
	return slices.Concat(b[:i], value, b[i+1:])
}

// marker changes a JPEG at one of its markers: its code, the length after it, or
// what follows, such as the size of the picture and the tables.
func (m *mutator) marker(b []byte) []byte {
	var at []int
	for i := 0; i+4 < len(b); i++ {
		if b[i] == 0xff && b[i+1] != 0 && b[i+1] != 0xff {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return m.damage(b)
	}
	i := at[m.IntN(len(at))]
	codes := []byte{0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc9, 0xcc, 0xd0, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xe0, 0xee, 0xfe, 0x01, 0xff, 0x00}
	switch m.IntN(6) {
	case 0:
		b[i+1] = codes[m.IntN(len(codes))]
	case 1:
		binary.BigEndian.PutUint16(b[i+2:], uint16(m.Uint32())) //nolint:gosec // any
	case 2:
		small := []uint16{0, 1, 2, 3, 8, 17, 0xffff}
		binary.BigEndian.PutUint16(b[i+2:], small[m.IntN(len(small))])
	case 3: // what follows
		for range 1 + m.IntN(4) {
			b[min(len(b)-1, i+4+m.IntN(24))] = byte(m.Uint32())
		}
	case 4: // a marker more
		return slices.Concat(b[:i], []byte{0xff, codes[m.IntN(len(codes))]}, b[i:])
	case 5: // the segment once more, or gone
		end := min(len(b), i+2+int(binary.BigEndian.Uint16(b[i+2:])))
		if m.IntN(2) == 0 {
			return slices.Concat(b[:end], b[i:])
		}
		return slices.Delete(b, i, end)
	}
	return b
}

// Package jpegtest creates unusual JPEGs for tests.
package jpegtest

import "encoding/binary"

// Scans returns a gray progressive JPEG of so many scans, at most 800, which
// libjpeg accepts. Every scan covers the whole picture. The first takes one bit
// for each block of 8x8 pixels, each of the others 15 bits for 32767 blocks. So
// decoding some kilobytes can take minutes.
func Scans(width, height, scans int) []byte {
	blocks := ((width + 7) / 8) * ((height + 7) / 8)
	jpeg := []byte{0xFF, 0xD8}
	jpeg = segment(jpeg, 0xDB, append([]byte{0}, ones(64)...)...)
	jpeg = segment(jpeg, 0xC2, append(binary.BigEndian.AppendUint16(
		binary.BigEndian.AppendUint16([]byte{8}, uint16(height)), uint16(width)), 1, 1, 0x11, 0)...)
	jpeg = table(jpeg, 0x00, 0x00) // DC: the difference is 0
	jpeg = table(jpeg, 0x10, 0xE0) // AC: 16384 blocks, and as many as 14 bits count, end here
	jpeg = segment(jpeg, 0xDA, 1, 1, 0, 0, 0, 0)
	jpeg = append(jpeg, make([]byte, blocks/8)...)
	if blocks%8 > 0 {
		jpeg = append(jpeg, 0xFF>>(blocks%8))
	}
	run := runs((blocks + 32766) / 32767)
	const bits = 14 // of each coefficient, one by one
	for i := range scans - 1 {
		band, low := byte(1+i/bits), byte(bits-1-i%bits)
		high := (low + 1) % bits // of the previous scan, 0 for the first
		jpeg = segment(jpeg, 0xDA, 1, 1, 0, band, band, high<<4|low)
		jpeg = append(jpeg, run...)
	}
	return append(jpeg, 0xFF, 0xD9)
}

// segment appends a marker segment.
func segment(jpeg []byte, marker byte, body ...byte) []byte {
	jpeg = binary.BigEndian.AppendUint16(append(jpeg, 0xFF, marker), uint16(2+len(body)))
	return append(jpeg, body...)
}

// table appends a Huffman table of one symbol, whose code is one bit, 0.
func table(jpeg []byte, class, symbol byte) []byte {
	body := append([]byte{class, 1}, make([]byte, 15)...)
	return segment(jpeg, 0xC4, append(body, symbol)...)
}

func ones(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 1
	}
	return b
}

// runs returns n codes of 15 bits: 0, and a number of 14 ones.
func runs(n int) (data []byte) {
	var current byte
	for i := range (n*15 + 7) / 8 * 8 {
		current <<= 1
		if i >= n*15 || i%15 > 0 { // the last byte is padded with ones
			current |= 1
		}
		if i%8 == 7 {
			data = append(data, current)
			if current == 0xFF {
				data = append(data, 0)
			}
		}
	}
	return data
}

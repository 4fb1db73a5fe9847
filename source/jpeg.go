package source

import "bytes"

// endsJPEG reports whether bytes end as a JPEG does: with EOI and at most some
// padding.
func endsJPEG(b []byte) bool {
	const padding = 4096
	return bytes.Contains(b[max(0, len(b)-padding):], []byte{0xFF, 0xD9})
}

// isJPEG reports whether bytes begin as a JPEG does.
func isJPEG(b []byte) bool { return bytes.HasPrefix(b, []byte{0xFF, 0xD8, 0xFF}) }

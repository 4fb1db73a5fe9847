package source

import "bytes"

// isJPEG reports whether bytes begin as a JPEG does.
func isJPEG(b []byte) bool { return bytes.HasPrefix(b, []byte{0xFF, 0xD8, 0xFF}) }

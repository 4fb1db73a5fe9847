// Package zmtp writes and reads the bytes of ZeroMQ's protocol: greetings,
// frames and commands (RFC 37), and the CURVE handshake (RFC 26). It is for
// programs that examine a peer, or that test what an end does with bytes which
// libzmq would not send.
package zmtp

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Signature begins every greeting.
const Signature = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"

// GreetingSize is the length of a greeting of version 3.
const GreetingSize = 64

// The flags of a frame.
const (
	More      = 1
	Long      = 2 // the length has eight bytes
	IsCommand = 4
)

// maxBody bounds what is read of one frame.
const maxBody = 64 << 10

// Greeting returns a greeting of version 3.
func Greeting(minor byte, mechanism string, server bool) string {
	b := make([]byte, GreetingSize)
	copy(b, Signature)
	b[10], b[11] = 3, minor
	copy(b[12:32], mechanism)
	if server {
		b[32] = 1
	}
	return string(b)
}

// Frame returns a frame: a part of a message, or a command. Its length has eight
// bytes if the flags or the body require it.
func Frame(flags byte, body string) string {
	if len(body) > 255 {
		flags |= Long
	}
	if flags&Long != 0 {
		return string([]byte{flags}) + Number(uint64(len(body))) + body
	}
	return string([]byte{flags, byte(len(body))}) + body //nolint:gosec // up to 255
}

// Command returns a command.
func Command(name, body string) string { return Frame(IsCommand, named(name)+body) }

// named returns a name with its length in one byte before it.
func named(name string) string { return string([]byte{byte(len(name))}) + name } //nolint:gosec // a few bytes

// Property returns one property of metadata.
func Property(name, value string) string {
	return named(name) + string(binary.BigEndian.AppendUint32(nil, uint32(len(value)))) + value //nolint:gosec // small
}

// Metadata returns the metadata of a socket without an identity.
func Metadata(socketType string) string {
	return Property("Socket-Type", socketType) + Property("Identity", "")
}

// Ready returns the command that ends a handshake without security.
func Ready(socketType string) string { return Command("READY", Metadata(socketType)) }

// Number returns a number of eight bytes, as lengths and nonces are.
func Number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// ReadFrame reads a frame, or the beginning of a long one.
func ReadFrame(r io.Reader) (flags byte, body []byte, err error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	flags = head[0]
	size := uint64(head[1])
	if flags&Long != 0 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	body = make([]byte, min(size, maxBody))
	_, err = io.ReadFull(r, body)
	return flags, body, err
}

// ReadCommand reads frames up to the next command, and returns its name and
// body.
func ReadCommand(r io.Reader) (name string, body []byte, err error) {
	for {
		flags, b, err := ReadFrame(r)
		if err != nil {
			return "", nil, err
		}
		if flags&IsCommand == 0 || len(b) == 0 || len(b) < 1+int(b[0]) {
			continue
		}
		end := 1 + int(b[0])
		return string(b[1:end]), b[end:], nil
	}
}

// SocketType returns the property Socket-Type of metadata, or "".
func SocketType(metadata []byte) string {
	for len(metadata) > 0 {
		n := int(metadata[0])
		if len(metadata) < 1+n+4 {
			return ""
		}
		name, size := metadata[1:1+n], metadata[1+n:1+n+4]
		metadata = metadata[1+n+4:]
		length := int64(binary.BigEndian.Uint32(size)) // an int may have 32 bits
		if length > int64(len(metadata)) {
			return ""
		}
		if bytes.EqualFold(name, []byte("Socket-Type")) {
			return string(metadata[:length])
		}
		metadata = metadata[length:]
	}
	return ""
}

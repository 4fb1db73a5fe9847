package netgear

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// maxParts is how many parts of one message are kept; NetGear's messages have
// two.
const maxParts = 2

// message is one multipart message as read. It is reused for the next one.
type message struct {
	parts  [maxParts]zmsg.Msg
	count  int    // parts that came
	source int    // the descriptor of the connection that it came over
	peer   string // the address of its peer; empty if unknown

	// Of a message that was read early: the socket, and its turns by then.
	conn  *recvConn
	turns int

	// The part being read, its socket, and tryPart as a value that is created
	// once: a closure for each part would allocate memory.
	sock socket
	part *zmsg.Msg
	try  func() error
}

func (m *message) tryPart() error { return m.sock.TryRecv(m.part) }

// take moves the parts to a new message.
func (m *message) take() *message {
	own := &message{count: m.count, source: m.source, peer: m.peer}
	for i := range m.parts {
		m.parts[i].MoveTo(&own.parts[i])
	}
	m.count = 0
	return own
}

// bytes returns the message's size in memory.
func (m *message) bytes() int64 {
	n := int64(frameOverhead)
	for i := range m.parts {
		n += int64(len(m.parts[i].Bytes()))
	}
	return n
}

func (m *message) close() {
	for i := range m.parts {
		m.parts[i].Close()
	}
	m.count = 0
}

// maxExtraParts bounds how many parts of a message are read beyond those of a
// message on either wire. libzmq itself has no bound.
const maxExtraParts = 1000

// errManyParts is returned for a message that no peer of this protocol sends.
// The rest of it is still in the socket.
var errManyParts = fmt.Errorf("a message of more than %d parts", maxParts+maxExtraParts)

// read blocks until it has read one whole message. libzmq returns a message
// only when all its parts have arrived, so there is no deadline between parts.
// stop is called only while there is nothing to read.
func (m *message) read(s socket, deadline time.Time, stop func() error) error {
	if m.sock = s; m.try == nil {
		m.try = m.tryPart
	}
	for more := true; more; m.count++ {
		if m.count == maxParts+maxExtraParts {
			m.close()
			return errManyParts
		}
		m.part = &m.parts[min(m.count, maxParts-1)]
		m.part.Close() // too many parts: read all of them, keep the first and the last
		if err := s.Wait(deadline, stop, m.try); err != nil {
			m.close()
			return err
		}
		more = m.part.More()
		deadline = time.Time{}
	}
	m.source, m.peer = s.Source(), s.Peer()
	return nil
}

// retryEINTR repeats a call that a signal interrupted.
func retryEINTR(try func() error) error {
	for {
		if err := try(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

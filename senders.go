package netgear

import "github.com/vidgear-go/netgear/internal/recent"

// maxSenders bounds the memory for senders: those that have gone, and those
// that a peer invents. All of them take less than a megabyte.
const maxSenders = 1 << 12

// seenNumbers is how many of a sender's last numbers are known one by one.
const seenNumbers = 64

// senders holds the state of the senders that stamps name, for each port. If
// there are too many, the one that has not been used for the longest time goes:
// if it comes again it is new.
type senders = recent.Table[senderKey, sender]

type senderKey struct {
	port *portCounts
	id   uint64
}

// sender holds which of a sender's numbers have arrived.
type sender struct {
	top  uint64 // the largest one
	seen uint64 // bit i is set if top - i has arrived; 0 before the first frame
	log  stampLog
}

// numbered notes the number of a frame. It returns how many numbers between
// the largest one before and this one are missing, and 1 if the frame has
// arrived before. A late frame is one of those that were missing. Of one that is
// late by seenNumbers or more it is not known whether it has arrived before.
func (s *sender) numbered(seq uint64) (gap, again uint64) {
	switch {
	case s.seen == 0:
		s.top, s.seen = seq, 1
	case seq > s.top:
		by := seq - s.top
		s.top, s.seen = seq, s.seen<<by|1
		return by - 1, 0
	case s.top-seq < seenNumbers:
		bit := uint64(1) << (s.top - seq)
		if s.seen&bit != 0 {
			return 0, 1
		}
		s.seen |= bit
	}
	return 0, 0
}

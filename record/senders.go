package record

import (
	"fmt"
	"time"
)

// takeover is how long a sender must be silent before another one of its name
// continues its track.
const takeover = 2 * time.Second

// clockSkew is how far a stamp may be from the time of arrival. Beyond it the
// clocks of the two machines disagree, and the difference is removed.
const clockSkew = 5 * time.Second

// sender is one sender's state, which outlives the files.
type sender struct {
	title string // the name of its tracks
	peer  string
	last  time.Time     // when its last frame arrived
	skew  time.Duration // is added to its stamps
}

// senders distinguishes the senders of one Recorder.
type senders struct {
	named map[string][]*sender
	count int
}

// maxSenders bounds the senders of one Recorder: peers may invent names.
const maxSenders = 4096

// of returns the sender of an item.
func (s *senders) of(i *item) (*sender, error) {
	if s.named == nil {
		s.named = map[string][]*sender{}
	}
	found := match(s.named[i.name], i)
	if found == nil {
		if s.count >= maxSenders {
			return nil, ErrTooManySenders
		}
		found = &sender{title: i.name, peer: i.peer}
		if n := len(s.named[i.name]); n > 0 {
			found.title = fmt.Sprintf("%s (%d)", i.name, n+1)
		}
		s.named[i.name] = append(s.named[i.name], found)
		s.count++
	}
	if i.peer != "" {
		found.peer = i.peer
	}
	found.last = i.received
	return found, nil
}

// match returns which of the senders with one name has sent an item, or nil if
// it is another. A connection's first frames may have no address.
func match(named []*sender, i *item) *sender {
	for _, s := range named {
		if s.peer == i.peer || s.peer == "" || i.peer == "" {
			return s
		}
	}
	for _, s := range named {
		if i.received.Sub(s.last) >= takeover {
			return s
		}
	}
	return nil
}

// time returns the time of an item in the file. It is the time of capture if
// that is recorded, on the clock of this machine.
func (s *sender) time(i *item, arrival bool) time.Time {
	if arrival || i.captured.IsZero() {
		return i.received
	}
	if late := i.received.Sub(i.captured.Add(s.skew)); late.Abs() > clockSkew {
		s.skew = i.received.Sub(i.captured)
		if s.skew.Abs() <= clockSkew {
			s.skew = 0
		}
	}
	at := i.captured.Add(s.skew)
	if at.Sub(i.received).Abs() > clockSkew { // a clock that is centuries off
		return i.received
	}
	return at
}

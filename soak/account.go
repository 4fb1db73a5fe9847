package main

import "fmt"

// account is what the ends of a run have reported about its frames. Its balance
// is every frame that was lost or came twice, and who reported it.
type account struct {
	pattern   int
	queue     int64 // frames that a receive end may have answered, and not yet have delivered
	severed   bool  // connections were cut, or processes killed
	senders   map[int64]*senderRecord
	receivers []*receiverRecord
}

// senderRecord is one process of the send end.
type senderRecord struct {
	begun   int64          // the last frame whose send call has begun
	killed  bool           // or not this library's: the fate of its last frame is not known
	lost    map[int64]bool // send calls that returned an error
	retried map[int64]bool // frames that were sent more than once
	blind   bool           // a Python end, which reports neither
}

// receiverRecord is one process of the receive end.
type receiverRecord struct {
	runs     []run
	killed   bool
	reported int64 // Stats.Missed and Stats.Dropped
	counts   bool  // whether reported is known
}

// balance is what has become of the frames.
type balance struct {
	Sent, Received int64
	Lost           int64 // reported: by the send call, Missed or Dropped
	Late           int64 // after frames that were sent later
	Twice          int64 // reported: the send end has sent them again
	WithReceiver   int64 // in the queue of a receive end that was killed
	WithConnection int64 // in PUSH/PULL, on a connection that was cut; in PUB/SUB, before the subscriber was connected, or while none ran
	InTransit      int64 // when the send end was killed
	Unreported     []string
}

const (
	pubSub   = 2
	pushPull = 3
)

// maxListed is how many unreported frames are listed.
const maxListed = 50

func (b *balance) unreported(format string, args ...any) {
	if len(b.Unreported) < maxListed {
		b.Unreported = append(b.Unreported, fmt.Sprintf(format, args...))
	}
}

func (a *account) balance() (b balance) {
	for life, s := range a.senders {
		if s.blind {
			s.begun = a.last(life)
		}
		b.Sent += s.begun
		a.follow(&b, life, s)
	}
	for i, r := range a.receivers {
		missing := int64(0)
		for _, run := range r.runs {
			b.Received += run.Count
			missing += run.missing()
			b.Late += run.Late
			if run.Late > 0 && !a.severed {
				b.unreported("receive end %d: %d frames came after later ones", i+1, run.Late)
			}
		}
		if r.counts && missing > r.reported {
			b.unreported("receive end %d: %d frames are missing, and Missed and Dropped are %d", i+1, missing, r.reported)
		}
		// Frames that were dropped after the last one that was delivered count, too.
		if last := a.last(1); r.counts && !a.severed && r.reported > missing+a.senders[1].begun-last {
			b.unreported("Missed and Dropped are %d, and %d frames are missing before the last one, %d", r.reported, missing, last)
		}
		b.Lost += missing
	}
	return b
}

// last returns the last frame of one process of the send end that was received.
func (a *account) last(life int64) (last int64) {
	for _, r := range a.receivers {
		for _, run := range r.runs {
			if run.Life == life {
				last = max(last, run.Last)
			}
		}
	}
	return last
}

// follow goes through the frames of one process of the send end.
func (a *account) follow(b *balance, life int64, s *senderRecord) {
	next := int64(1)
	absent := map[int64]bool{} // skipped, and not reported lost; PUSH/PULL: or on a connection that was cut
	before := -1               // the receive end that got the frame before next
	for i, r := range a.receivers {
		for _, run := range r.runs {
			if run.Life != life {
				continue
			}
			for index := run.First; index <= min(run.Last, next-1); index++ {
				a.again(b, life, s, index, absent)
			}
			if run.First > next {
				a.gap(b, life, s, next, run.First-1, before, i, absent)
			}
			next, before = max(next, run.Last+1), i
		}
	}
	if next <= s.begun {
		a.gap(b, life, s, next, s.begun, before, len(a.receivers)-1, absent)
	}
	if a.pattern == pushPull && a.severed {
		b.WithConnection += int64(len(absent))
		return
	}
	for index := range absent {
		b.unreported("frame %d of life %d is lost", index, life)
	}
}

// again is a frame that came after a later one.
func (a *account) again(b *balance, life int64, s *senderRecord, index int64, absent map[int64]bool) {
	switch {
	case absent[index]:
		delete(absent, index)
		b.Late++
	case s.retried[index] || s.lost[index] || s.killed && index == s.begun || s.blind && a.severed:
		b.Twice++
	default:
		b.unreported("frame %d of life %d came twice", index, life)
	}
}

// gap is a part of the frames that no receive end got, from the one with the
// number before to the one with the number after.
func (a *account) gap(b *balance, life int64, s *senderRecord, first, last int64, before, after int, absent map[int64]bool) {
	switch {
	case a.pattern == pubSub:
		if last == s.begun {
			b.InTransit += last - first + 1
		} else {
			b.WithConnection += last - first + 1
		}
		return
	case a.pattern == pushPull && a.severed:
		// Those that were read from the old connection, and not lost, may come after
		// frames of the new one.
		for index := first; index <= last; index++ {
			absent[index] = true
		}
		return
	}
	// The receive ends that were killed in between had these in their queues.
	died := int64(0)
	for i := max(before, 0); i <= after && i < len(a.receivers); i++ {
		if a.receivers[i].killed && (i < after || last == s.begun) {
			died += a.queue
		}
	}
	for index := first; index <= last; index++ {
		switch {
		case s.lost[index]:
			b.Lost++
		case s.killed && index == s.begun:
			b.InTransit++
		case s.blind && a.severed:
			b.InTransit++ // it reports nothing
		case died > 0:
			died--
			b.WithReceiver++
		default:
			absent[index] = true
		}
	}
}

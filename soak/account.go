package main

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// account is what the ends of a run have reported about its frames. Its balance
// is every frame that was lost or came twice, and who reported it.
type account struct {
	pattern   int
	queue     int64         // frames that a receive end may have answered, and not yet have delivered
	severed   bool          // connections were cut, or processes killed
	severings int64         // how often that may have been
	times     *times        // in PUB/SUB, when frames may be lost; nil: not known
	brief     time.Duration // in PUB/SUB, how long frames may be missing at any time
	early     int64         // in PUB/SUB without faults, the most frames before the first one that comes; 0: not known
	senders   map[int64]*senderRecord
	receivers []*receiverRecord // in the order in which they were started
}

// senderRecord is one process of a send end.
type senderRecord struct {
	begun   int64          // the last frame whose send call has begun
	killed  bool           // the fate of its last frame is not known
	lost    map[int64]bool // send calls that returned an error; in a Python end, or gave the frame up
	retried map[int64]bool // frames that were sent more than once

	full map[int64]bool // in PUB/SUB, frames that found the queue of the subscriber full: Stats.Overflows

	from, to int64 // when it was started, and stopped or killed, in microseconds
}

// receiverRecord is one process of a receive end.
type receiverRecord struct {
	place    int // which of the receive ends
	runs     []run
	gaps     []gap // in PUB/SUB
	killed   bool
	reported int64 // Stats.Missed and Stats.Dropped
	counts   bool  // whether reported is known
}

// balance is what has become of the frames.
type balance struct {
	Sent           int64    `json:"sent"`
	Received       int64    `json:"received"`
	Lost           int64    `json:"lost"`            // reported: by the send call, Missed or Dropped
	Late           int64    `json:"late"`            // after frames that were sent later
	Twice          int64    `json:"twice"`           // reported: the send end has sent them again
	Uncounted      int64    `json:"uncounted"`       // in PUB/SUB, between frames that a receive end got, where none counts them: it was killed, or one of the ends is in Python
	WithReceiver   int64    `json:"with_receiver"`   // in the queue of a receive end that was killed
	WithConnection int64    `json:"with_connection"` // in PUSH/PULL, on a connection that was cut; in PUB/SUB, before the subscriber was connected, or while none ran
	InTransit      int64    `json:"in_transit"`      // when the send end was killed
	Gaps           int64    `json:"gaps"`            // in PUSH/PULL, the rows of frames without one that came that WithConnection has
	Unreported     []string `json:"unreported,omitempty"`
}

const (
	pubSub   = 2
	pushPull = 3
)

// gapsEach is how many such rows one severing may leave. What a connection or a
// process takes with it, in the queues of both ends and in the buffers of the
// system, is one row of frames. A fault that lasts may sever a connection twice,
// such as one at which an end gives it up, and what came meanwhile is refused when
// it continues. How long a row is has no simple bound: the system's buffers are
// megabytes.
const gapsEach = 2

// maxListed is how many unreported frames are listed.
const maxListed = 50

func (b *balance) unreported(format string, args ...any) {
	if len(b.Unreported) < maxListed {
		b.Unreported = append(b.Unreported, fmt.Sprintf(format, args...))
	}
}

func (a *account) balance() (b balance) {
	queues := make([]int64, len(a.receivers)) // frames that may have been lost in each
	for i, r := range a.receivers {
		if r.killed {
			queues[i] = a.queue
		}
	}
	for _, life := range slices.Sorted(maps.Keys(a.senders)) {
		s := a.senders[life]
		b.Sent += s.begun
		if a.pattern == pubSub {
			a.published(&b, life, s)
		} else {
			a.follow(&b, life, s, queues)
		}
	}
	if limit := gapsEach * a.severings; b.Gaps > limit {
		b.unreported("frames are missing in %d places, and %d faults explain at most %d", b.Gaps, a.severings, limit)
	}
	for i, r := range a.receivers {
		missing, rest := int64(0), int64(0)
		for _, run := range r.runs {
			b.Received += run.Count
			missing += run.missing()
			b.Late += run.Late
			if run.Late > 0 && !a.severed {
				b.unreported("receive end %d: %d frames came after later ones", i+1, run.Late)
			}
		}
		if !r.counts {
			b.Uncounted += missing
			a.checkGaps(&b, r)
			continue
		}
		b.Lost += missing
		if missing > r.reported {
			b.unreported("receive end %d: %d frames are missing, and Missed and Dropped are %d", i+1, missing, r.reported)
		}
		if a.severed {
			continue
		}
		// Frames that were dropped after the last one that was delivered count, too.
		for life, s := range a.senders {
			_, last := r.span(life)
			rest += max(0, s.begun-last)
		}
		dropped := min(rest, max(0, r.reported-missing))
		b.Lost += dropped
		if rest > dropped {
			b.unreported("receive end %d: %d frames after the last one are missing, and %d of them are in Missed and Dropped", i+1, rest, dropped)
		}
		if r.reported > missing+rest {
			b.unreported("receive end %d: Missed and Dropped are %d, and %d frames are missing, with at most %d after the last one", i+1, r.reported, missing, rest)
		}
	}
	return b
}

// span returns the first and the last frame of a life that a receive end got; 0
// for none.
func (r *receiverRecord) span(life int64) (first, last int64) {
	for _, run := range r.runs {
		if run.Life != life {
			continue
		}
		if last == 0 || run.First < first {
			first = run.First
		}
		last = max(last, run.Last)
	}
	return first, last
}

// published goes through the frames of one process of a publisher, once for each
// receive end. Those that are missing between frames that it got are counted by
// balance.
func (a *account) published(b *balance, life int64, s *senderRecord) {
	next, last := map[int]int64{}, map[int]int64{} // by place: the frame after the last one, and when that was captured
	for _, r := range a.receivers {
		n, at := max(1, next[r.place]), max(s.from, last[r.place])
		for _, run := range r.runs {
			if run.Life != life {
				continue
			}
			for index := run.First; index <= min(run.Last, n-1); index++ {
				if !s.lost[index] && !(s.killed && index == s.begun) {
					b.unreported("frame %d of %s came twice", index, lifeName(life))
				}
			}
			before := max(0, run.First-n)
			b.WithConnection += before
			a.mayLose(b, r.place, gap{life, n, before, at, run.FirstAt}, "before the first one")
			if !a.severed && a.early > 0 && before > a.early {
				b.unreported("receive end %d: %d frames of %s are missing before the first one", r.place+1, before, lifeName(life))
			}
			n, at = max(n, run.Last+1), max(at, run.LastAt)
		}
		next[r.place], last[r.place] = n, at
	}
	for _, r := range a.receivers {
		n, ok := next[r.place]
		if delete(next, r.place); !ok {
			continue // another process in its place has been counted
		}
		if a.severed || !r.counts {
			a.mayLose(b, r.place, gap{life, n, max(0, s.begun-n+1), last[r.place], s.to}, "after the last one")
		}
		switch rest := max(0, s.begun-n+1); {
		case a.severed:
			b.InTransit += rest
		case !r.counts:
			b.Uncounted += rest
		} // else balance compares it with what the receive end has counted
	}
}

// follow goes through the frames of one process of a send end, each of which one
// receive end gets.
func (a *account) follow(b *balance, life int64, s *senderRecord, queues []int64) {
	var seen bits
	highest := map[int]int64{} // by receive end
	late := int64(0)
	for _, r := range a.receivers {
		for _, run := range r.runs {
			if run.Life != life {
				continue
			}
			for index := run.First; index <= run.Last; index += run.Step {
				switch {
				case seen.set(index):
					a.again(b, life, s, index)
				case index > s.begun:
					b.unreported("frame %d of %s was received, and not sent", index, lifeName(life))
				case index < highest[r.place]:
					late++
				}
				highest[r.place] = max(highest[r.place], index)
			}
		}
	}
	b.Late += late
	if late > 0 && !a.severed {
		b.unreported("%d frames of %s came after later ones", late, lifeName(life))
	}
	before := b.WithConnection
	for index := int64(1); index <= s.begun; index++ {
		if seen.has(index) {
			continue
		}
		if a.absent(b, life, s, index, queues); b.WithConnection > before && (index == 1 || seen.has(index-1)) {
			b.Gaps++
		}
		before = b.WithConnection
	}
}

// again is a frame that came already.
func (a *account) again(b *balance, life int64, s *senderRecord, index int64) {
	if s.retried[index] || s.lost[index] || s.killed && index == s.begun {
		b.Twice++
		return
	}
	b.unreported("frame %d of %s came twice", index, lifeName(life))
}

// absent is a frame that no receive end got.
func (a *account) absent(b *balance, life int64, s *senderRecord, index int64, queues []int64) {
	switch {
	case s.lost[index]:
		b.Lost++
		return
	case s.killed && index == s.begun:
		b.InTransit++
		return
	case a.pattern == pushPull && a.severed:
		b.WithConnection++
		return
	}
	for i := range a.receivers {
		if queues[i] > 0 && a.queued(i, life, index) {
			queues[i]--
			b.WithReceiver++
			return
		}
	}
	b.unreported("frame %d of %s is lost", index, lifeName(life))
}

// queued reports whether a receive end may have had a frame in its queue when it
// was killed: it is after the last one that it delivered, and before the first one
// that the next process in its place did.
func (a *account) queued(i int, life, index int64) bool {
	r := a.receivers[i]
	if _, last := r.span(life); index <= last {
		return false
	}
	for _, next := range a.receivers[i+1:] {
		if first, _ := next.span(life); next.place == r.place && first > 0 {
			return index < first
		}
	}
	return true
}

package netem

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// Link is one direction of a network: a bottleneck with a queue before it, then
// a line with delay. Times are passed in and must not decrease. It is not safe
// for concurrent use.
type Link struct {
	settings Settings
	random   *rand.Rand
	bad      bool // the state of Loss
	counts   Counts

	queue  [][]byte
	queued int           // bytes in queue
	begun  time.Duration // when the first of queue began to pass
	left   float64       // bits of it that had not passed at that time

	line line
	next uint64        // number of the next packet on the line
	last time.Duration // latest due time of a packet in order
}

// NewLink returns a Link that makes the same decisions for the same seed,
// packets and times.
func NewLink(seed uint64, s Settings) *Link {
	return &Link{settings: s, random: rand.New(rand.NewPCG(seed, 0x6e6574656d))}
}

// Settings returns the settings at the moment.
func (l *Link) Settings() Settings { return l.settings }

// Counts returns what happened so far.
func (l *Link) Counts() Counts { return l.counts }

// Queued returns how many bytes wait for the bottleneck.
func (l *Link) Queued() int { return l.queued }

// Set changes the settings from now on. Packets that passed the bottleneck keep
// their delay.
func (l *Link) Set(now time.Duration, s Settings) {
	l.advance(now)
	if len(l.queue) > 0 {
		if l.settings.Rate > 0 { // what has passed at the old rate
			l.left = max(0, l.left-(now-l.begun).Seconds()*float64(l.settings.Rate))
		}
		l.begun = now
	}
	l.settings = s
	if s.Down {
		l.counts.Blocked += int64(len(l.queue))
		l.queue, l.queued = nil, 0
	}
}

// Offer takes a packet in. The link keeps it.
func (l *Link) Offer(now time.Duration, packet []byte) {
	l.advance(now)
	l.counts.Offered++
	switch {
	case l.settings.Down:
		l.counts.Blocked++
	case l.settings.Rate > 0 && l.queued+len(packet) > l.settings.queue():
		l.counts.Overflowed++
	default:
		if len(l.queue) == 0 {
			l.start(now, packet)
		}
		l.queue = append(l.queue, packet)
		l.queued += len(packet)
		l.advance(now)
	}
}

// Take returns the next packet that is due by now, or nil.
func (l *Link) Take(now time.Duration) []byte {
	l.advance(now)
	if len(l.line) == 0 || l.line[0].due > now {
		return nil
	}
	p := heap.Pop(&l.line).(flying)
	l.counts.Delivered++
	l.counts.DeliveredBytes += int64(len(p.packet))
	l.counts.Late += now - p.due
	return p.packet
}

// Due returns the next time at which Take may return a packet, and whether
// there is any.
func (l *Link) Due() (time.Duration, bool) {
	due, waits := time.Duration(0), false
	if len(l.queue) > 0 {
		due, waits = l.passed(), true
	}
	if len(l.line) > 0 && (!waits || l.line[0].due < due) {
		due, waits = l.line[0].due, true
	}
	return due, waits
}

// start lets a packet begin to pass the bottleneck.
func (l *Link) start(now time.Duration, packet []byte) {
	l.begun, l.left = now, 8*float64(len(packet))
}

// passed returns when the first of the queue has passed the bottleneck.
func (l *Link) passed() time.Duration {
	if l.settings.Rate <= 0 {
		return l.begun
	}
	return l.begun + time.Duration(l.left/float64(l.settings.Rate)*float64(time.Second))
}

// advance moves every packet that has passed the bottleneck by now to the line.
// The times are those of the bottleneck, not those of the calls, so that late
// calls do not change the rate.
func (l *Link) advance(now time.Duration) {
	for len(l.queue) > 0 {
		at := l.passed()
		if at > now {
			return
		}
		packet := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.queued -= len(packet)
		l.counts.PassedBytes += int64(len(packet))
		if len(l.queue) > 0 {
			l.start(at, l.queue[0])
		}
		l.fly(at, packet)
	}
}

// fly sends a packet on the line behind the bottleneck.
func (l *Link) fly(at time.Duration, packet []byte) {
	if l.loses() {
		l.counts.Lost++
		return
	}
	copies := 1
	if l.happens(l.settings.Duplicate) {
		l.counts.Duplicated++
		copies = 2
	}
	due := at + l.settings.Delay
	if l.settings.Jitter > 0 {
		due += time.Duration(l.random.Int64N(int64(l.settings.Jitter)))
	}
	if l.happens(l.settings.Reorder) {
		l.counts.Reordered++
		due = at
	} else {
		due = max(due, l.last)
		l.last = due
	}
	for range copies {
		heap.Push(&l.line, flying{due, l.next, packet})
		l.next++
	}
}

// loses reports whether the next packet is lost.
func (l *Link) loses() bool {
	loss := &l.settings.Loss
	switch {
	case loss.Enter == 0:
		l.bad = false
	case l.bad:
		l.bad = !l.happens(loss.Exit)
	default:
		l.bad = l.happens(loss.Enter)
	}
	if l.bad {
		return l.happens(loss.Bad)
	}
	return l.happens(loss.Good)
}

// happens decides by the seed. It draws no number if the share is 0.
func (l *Link) happens(share float64) bool { return share > 0 && l.random.Float64() < share }

// flying is a packet on the line.
type flying struct {
	due    time.Duration
	number uint64 // equal times keep their order
	packet []byte
}

// line is a heap, with the packet that is due next first.
type line []flying

func (w line) Len() int      { return len(w) }
func (w line) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *line) Push(x any)   { *w = append(*w, x.(flying)) }

func (w line) Less(i, j int) bool {
	if w[i].due != w[j].due {
		return w[i].due < w[j].due
	}
	return w[i].number < w[j].number
}

func (w *line) Pop() any {
	old := *w
	x := old[len(old)-1]
	*w = old[:len(old)-1]
	return x
}

package record

import (
	"encoding/binary"
	"slices"
	"time"
)

// flagKey marks a SimpleBlock as a key frame.
const flagKey = 0x80

// appendUint appends an element that is a number, in eight bytes.
func appendUint(b []byte, id uint32, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(appendID(b, id), 0x88), v)
}

// appendBlockHeader appends what stands before the content of a block of n
// bytes. rel is its time relative to the cluster's.
func appendBlockHeader(b []byte, id uint32, number uint64, rel time.Duration, flags byte, n int) []byte {
	inner := appendNumber(make([]byte, 0, 8), number)
	inner = binary.BigEndian.AppendUint16(inner, uint16(rel/time.Millisecond)) //nolint:gosec // two's complement
	inner = append(inner, flags)
	b = appendSize(appendID(b, id), int64(len(inner)+n))
	return append(b, inner...)
}

// appendNumber appends a track's number, as long as an element's size.
func appendNumber(b []byte, n uint64) []byte {
	if n < 0x7F {
		return append(b, 0x80|byte(n))
	}
	return append(b, 0x40|byte(n>>8), byte(n)) //nolint:gosec // a file has at most some hundred tracks
}

// appendText appends a subtitle that is shown for a while.
func appendText(b []byte, number uint64, rel, shown time.Duration, text []byte) []byte {
	inner := appendBlockHeader(make([]byte, 0, len(text)+32), idBlock, number, rel, 0, len(text))
	inner = append(inner, text...)
	inner = appendUint(inner, idBlockDuration, uint64(shown/time.Millisecond)) //nolint:gosec // never negative
	b = appendSize(appendID(b, idBlockGroup), int64(len(inner)))
	return append(b, inner...)
}

// cueList collects the index of a file: for each track a point every so often.
type cueList struct {
	points []cue
	step   time.Duration            // between two points of a track
	last   map[uint64]time.Duration // each track's last point
}

type cue struct {
	at    time.Duration
	pos   int64 // of the cluster
	track uint64
}

// maxCues bounds the index. When it is full, every second point is removed.
const maxCues = 32 << 10

func (l *cueList) add(track uint64, at time.Duration, pos int64) {
	if l.last == nil {
		l.last, l.step = map[uint64]time.Duration{}, clusterTime
	}
	if last, ok := l.last[track]; ok && at < last+l.step {
		return
	}
	l.last[track] = at
	l.points = append(l.points, cue{at, pos, track})
	for len(l.points) > maxCues {
		old := l.points
		*l = cueList{step: 2 * l.step, last: map[uint64]time.Duration{}, points: make([]cue, 0, len(old))}
		for _, p := range old {
			l.add(p.track, p.at, p.pos)
		}
	}
}

// bytes returns the size of the index at most, with the next frame's point.
func (l *cueList) bytes() int64 {
	const point = 4*2 + 4 + 2 + 8 + 2 // the headers, and three numbers
	return point*int64(len(l.points)+1) + maxHeader
}

// element returns the index, ordered by time.
func (l *cueList) element() (c cues) {
	slices.SortStableFunc(l.points, func(a, b cue) int { return int(a.at - b.at) })
	c.Cues.CuePoint = make([]cuePoint, len(l.points))
	for i, p := range l.points {
		c.Cues.CuePoint[i] = cuePoint{
			CueTime:           uint64(p.at / time.Millisecond),         //nolint:gosec // never negative
			CueTrackPositions: []cuePosition{{p.track, uint64(p.pos)}}, //nolint:gosec // never negative
		}
	}
	return c
}

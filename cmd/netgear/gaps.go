package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/internal/recent"
	"github.com/vidgear-go/netgear/record"
)

// maxRanges bounds the ranges of missing numbers that are printed of a track.
const maxRanges = 20

// maxGaps bounds the gaps that are kept of a track, in which late frames are
// looked for: the first maxRanges, which are printed, and the last.
const maxGaps = 1000

// span is a range of numbers, with both ends.
type span struct{ first, last uint64 }

// numbers describes a range of the numbers of frames.
func (r span) numbers() string {
	if r.first == r.last {
		return fmt.Sprint("number ", r.first)
	}
	return fmt.Sprintf("numbers %d to %d", r.first, r.last)
}

func (r span) String() string {
	if r.first == r.last {
		return fmt.Sprint(r.first)
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

// maxOrigins bounds the senders of a track whose last number is known.
const maxOrigins = 64

// origin is what is known of a sender that the stamps of a track name, or of all
// that they do not name.
type origin struct {
	last   uint64    // the number; 0 before the first
	latest time.Time // of its stamps
	file   int       // that has its last frame
}

// gap is a range of numbers of a sender that are missing.
type gap struct {
	span
	sender uint64
	where  string // such as "in a.mkv" or "before b.mkv"; empty with one file
}

// numbers follows the numbers of one track's stamps through the files of a
// recording.
type numbers struct {
	frames  int
	first   uint64 // the number of the first frame that has one
	stamped bool
	origins recent.Table[uint64, origin]
	senders int
	gaps    []gap  // at most maxGaps
	missing uint64 // frames in all gaps
	more    int    // gaps that are not in gaps
	unsure  bool   // a late frame may be of such a gap: missing may be too high
	starts  int    // how often a sender that is not named has started again
	file    int    // the current one, from 1 on
	name    string // its name; empty if there is no other
}

// begin begins a file of the recording. Without a name it is the only one.
func (n *numbers) begin(file int, name string) { n.file, n.name = file, name }

// of returns a sender. Of more than maxOrigins the one that has been silent for the
// longest time is forgotten.
func (n *numbers) of(sender uint64) *origin {
	n.origins.Max = maxOrigins
	r, known := n.origins.Use(sender)
	if !known {
		n.senders++
	}
	return r
}

// add notes a frame. A sender that has started again is another one, or has
// smaller numbers and later times; a frame that has an older number and no later
// time is late.
func (n *numbers) add(s *netgear.Stamp) {
	n.frames++
	if s == nil {
		return
	}
	if !n.stamped {
		n.stamped, n.first = true, s.Seq
	}
	r := n.of(s.Sender)
	switch {
	case r.last == 0 || s.Seq == r.last+1:
	case s.Seq > r.last:
		n.gap(gap{span{r.last + 1, s.Seq - 1}, s.Sender, n.where(r)})
	case s.Sender == 0 && s.Time.After(r.latest):
		n.starts++
	default:
		n.late(s)
		return
	}
	r.last, r.latest, r.file = s.Seq, s.Time, n.file
}

// where describes the place of a gap that ends with the current frame.
func (n *numbers) where(r *origin) string {
	switch {
	case n.name == "":
		return ""
	case r.file == n.file:
		return "in " + n.name
	}
	return "before " + n.name
}

func (n *numbers) gap(g gap) {
	n.missing += min(g.last-g.first+1, math.MaxUint64-n.missing) // the sender chooses the numbers
	n.gaps = append(n.gaps, g)
	n.bound()
}

// bound drops gaps if there are too many: those after the printed ones, where
// late frames are the least likely.
func (n *numbers) bound() {
	if excess := len(n.gaps) - maxGaps; excess > 0 {
		n.gaps = slices.Delete(n.gaps, maxRanges, maxRanges+excess)
		n.more += excess
	}
}

// late takes the number of a late frame out of the latest gap that has it.
func (n *numbers) late(s *netgear.Stamp) {
	for i, g := range slices.Backward(n.gaps) {
		if s.Sender != g.sender || s.Seq < g.first || s.Seq > g.last {
			continue
		}
		var rest []gap
		if g.first < s.Seq {
			rest = append(rest, gap{span{g.first, s.Seq - 1}, g.sender, g.where})
		}
		if s.Seq < g.last {
			rest = append(rest, gap{span{s.Seq + 1, g.last}, g.sender, g.where})
		}
		n.gaps = slices.Replace(n.gaps, i, i+1, rest...)
		n.missing--
		n.bound()
		return
	}
	n.unsure = n.unsure || n.more > 0
}

// String describes the recording, such as "1039 frames, numbers 1 to 1500; 461
// numbers are missing: 12-471 in a.mkv, 480 before b.mkv", or "30 frames of 2
// senders; 3 numbers are missing: 7-8 of 314, 5 of 271".
func (n *numbers) String() string {
	var b strings.Builder
	b.WriteString(program.Count(n.frames, "frame", "frames"))
	if !n.stamped {
		return b.String() + " without numbers"
	}
	switch {
	case n.senders > 1:
		fmt.Fprintf(&b, " of %d senders", n.senders)
	case n.starts == 0:
		n.origins.All(func(r *origin) { fmt.Fprintf(&b, ", %s", span{n.first, r.last}.numbers()) })
	}
	if n.starts > 0 {
		fmt.Fprintf(&b, "; the sender started again: %s", program.Count(n.starts, "time", "times"))
	}
	if n.missing == 0 {
		return b.String() + "; no number is missing between first and last"
	}
	shown := n.gaps[:min(len(n.gaps), maxRanges)]
	var ranges []string
	for i, g := range shown {
		text, last := g.String(), i+1 == len(shown)
		if n.senders > 1 && (last || shown[i+1].sender != g.sender || shown[i+1].where != g.where) {
			text += " of " + cmp.Or(strings.TrimPrefix(strconv.FormatUint(g.sender, 10), "0"), "the one without a name")
		}
		if g.where != "" && (last || shown[i+1].where != g.where) {
			text += " " + g.where
		}
		ranges = append(ranges, text)
	}
	most := ""
	if n.unsure {
		most = "at most "
	}
	fmt.Fprintf(&b, "; %s%s missing: %s", most, program.Count(n.missing, "number is", "numbers are"), strings.Join(ranges, ", "))
	if more := len(n.gaps) - len(ranges) + n.more; more > 0 {
		fmt.Fprintf(&b, " and in %s", program.Count(more, "more gap", "more gaps"))
	}
	return b.String()
}

// series has the numbers of a recording by track, and the tracks in the order of
// their first frames.
type series struct {
	tracks map[string]*numbers
	names  []string
	file   int
	name   string // as numbers has it
}

// begin begins a file of the recording. Without a name it is the only one.
func (s *series) begin(name string) {
	s.file++
	s.name = name
	for _, n := range s.tracks {
		n.begin(s.file, name)
	}
}

// of returns the numbers of a track.
func (s *series) of(track string) *numbers {
	n := s.tracks[track]
	if n == nil {
		n = &numbers{}
		n.begin(s.file, s.name)
		if s.tracks == nil {
			s.tracks = map[string]*numbers{}
		}
		s.tracks[track] = n
		s.names = append(s.names, track)
	}
	return n
}

// read reads a file of the recording to its end, and calls seen for each frame.
// It returns the error that ends it early.
func (s *series) read(ctx context.Context, player *record.Player, seen func(at time.Duration)) error {
	for {
		f, err := player.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		seen(f.At)
		s.of(f.Track).add(f.Stamp)
	}
}

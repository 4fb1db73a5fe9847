package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/numbered"
)

// received divides frames of life 1 into the runs of a receive end.
func received(t *testing.T, gaps bool, frames ...int64) (r receiverRecord, twice int) {
	t.Helper()
	var all []numbered.Numbers
	for _, i := range frames {
		all = append(all, numbered.Numbers{Life: 1, Index: i})
	}
	return receivedOf(t, gaps, 1, all)
}

// receivedOf does so with frames of any lives, of which those of a run may be up to
// steps apart.
func receivedOf(t *testing.T, gaps bool, steps int64, frames []numbered.Numbers) (r receiverRecord, twice int) {
	t.Helper()
	p, err := openProgress(filepath.Join(t.TempDir(), "progress"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	all := runs{
		gaps: gaps, steps: steps, now: p,
		ended: func(ended run) { r.runs = append(r.runs, ended) },
		twice: func(numbered.Numbers) { twice++ },
		gap:   func(g gap) { r.gaps = append(r.gaps, g) },
	}
	for _, n := range frames {
		all.frame(n)
	}
	for i := range p.Open {
		if open := p.Open[i].run(); open.Count > 0 {
			r.runs = append(r.runs, open)
		}
	}
	return r, twice
}

func sequence(first, last int64) (all []int64) {
	for i := first; i <= last; i++ {
		all = append(all, i)
	}
	return all
}

func set(frames ...int64) map[int64]bool {
	m := map[int64]bool{}
	for _, i := range frames {
		m[i] = true
	}
	return m
}

// What is lost or comes twice in the patterns with answers is found, unless an
// end has reported it.
func TestBalanceOfLockstep(t *testing.T) {
	for _, c := range []struct {
		name       string
		sender     senderRecord
		receivers  [][]int64 // all but the last one were killed
		unreported []string
		want       balance
	}{
		{name: "nothing", sender: senderRecord{begun: 500}, receivers: [][]int64{sequence(1, 500)}, want: balance{Sent: 500, Received: 500}},
		{
			name: "lost", sender: senderRecord{begun: 500}, receivers: [][]int64{slices.Concat(sequence(1, 200), sequence(202, 500))},
			unreported: []string{"frame 201 of life 1 is lost"}, want: balance{Sent: 500, Received: 499},
		},
		{
			name: "the first and the last lost", sender: senderRecord{begun: 500}, receivers: [][]int64{sequence(2, 499)},
			unreported: []string{"frame 1 of life 1 is lost", "frame 500 of life 1 is lost"}, want: balance{Sent: 500, Received: 498},
		},
		{
			name: "lost and reported", sender: senderRecord{begun: 500, lost: set(201)}, receivers: [][]int64{slices.Concat(sequence(1, 200), sequence(202, 500))},
			want: balance{Sent: 500, Received: 499, Lost: 1},
		},
		{
			name: "twice", sender: senderRecord{begun: 500}, receivers: [][]int64{slices.Concat(sequence(1, 200), sequence(200, 500))},
			unreported: []string{"frame 200 of life 1 came twice"}, want: balance{Sent: 500, Received: 501},
		},
		{
			name: "twice, and sent again", sender: senderRecord{begun: 500, retried: set(200)}, receivers: [][]int64{slices.Concat(sequence(1, 200), sequence(200, 500))},
			want: balance{Sent: 500, Received: 501, Twice: 1},
		},
		{
			name: "in another order", sender: senderRecord{begun: 5}, receivers: [][]int64{{1, 3, 2, 4, 5}},
			want:       balance{Sent: 5, Received: 5, Late: 1},
			unreported: []string{"1 frames of life 1 came after later ones"},
		},
		{
			name: "in the queue of an end that was killed", sender: senderRecord{begun: 500}, receivers: [][]int64{sequence(1, 200), sequence(251, 500)},
			want: balance{Sent: 500, Received: 450, WithReceiver: 50},
		},
		{
			name: "more than its queue", sender: senderRecord{begun: 500}, receivers: [][]int64{sequence(1, 200), sequence(300, 500)},
			unreported: []string{"frame 299 of life 1 is lost"}, want: balance{Sent: 500, Received: 401, WithReceiver: 98},
		},
		{
			name: "in transit when the send end was killed", sender: senderRecord{begun: 500, killed: true}, receivers: [][]int64{sequence(1, 499)},
			want: balance{Sent: 500, Received: 499, InTransit: 1},
		},
		{
			name: "never sent", sender: senderRecord{begun: 499}, receivers: [][]int64{sequence(1, 500)},
			unreported: []string{"frame 500 of life 1 was received, and not sent"}, want: balance{Sent: 499, Received: 500},
		},
		{
			name: "more than that", sender: senderRecord{begun: 500, killed: true}, receivers: [][]int64{sequence(1, 498)},
			unreported: []string{"frame 499 of life 1 is lost"}, want: balance{Sent: 500, Received: 498, InTransit: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := account{pattern: 1, queue: 98, senders: map[int64]*senderRecord{1: &c.sender}}
			for i, frames := range c.receivers {
				r, _ := received(t, false, frames...)
				r.killed = i < len(c.receivers)-1
				a.receivers = append(a.receivers, &r)
			}
			got := a.balance()
			slices.Sort(got.Unreported)
			if !slices.Equal(got.Unreported, c.unreported) {
				t.Errorf("unreported: %q", got.Unreported)
			}
			got.Unreported = nil
			if !equal(got, c.want) {
				t.Errorf("%+v\nis not %+v", got, c.want)
			}
		})
	}
}

func equal(a, b balance) bool {
	return a.Sent == b.Sent && a.Received == b.Received && a.Lost == b.Lost && a.Late == b.Late && a.Twice == b.Twice &&
		a.Uncounted == b.Uncounted && a.Gaps == b.Gaps && a.WithReceiver == b.WithReceiver && a.WithConnection == b.WithConnection && a.InTransit == b.InTransit
}

// In PUB/SUB the subscriber's counts must be those of the frames that are
// missing.
func TestBalanceOfPubSub(t *testing.T) {
	frames := slices.Concat(sequence(4, 100), sequence(131, 490))
	for _, c := range []struct {
		name     string
		frames   []int64
		reported int64
		severed  bool
		problem  string
	}{
		{"reported", frames, 40, false, ""},
		{"too few are reported", frames, 29, false, "30 frames are missing, and Missed and Dropped are 29"},
		{"too many are reported", frames, 41, false, "Missed and Dropped are 41, and 30 frames are missing, with at most 10"},
		{"nothing after the last one", slices.Concat(sequence(4, 100), sequence(131, 500)), 30, false, ""},
		{"the last ones are not reported", slices.Concat(frames, sequence(491, 499)), 30, false, "1 frames after the last one are missing, and 0 of them"},
		{"some of the last ones are not reported", frames, 39, false, "10 frames after the last one are missing, and 9 of them"},
		{"the last ones, after a fault", frames, 30, true, ""},
		{"none at all", nil, 0, false, "500 frames after the last one are missing, and 0 of them"},
		{"none at all, after a fault", nil, 0, true, ""},
		{"as many before the first one as may be", sequence(11, 500), 0, false, ""},
		{"more before the first one", sequence(12, 500), 0, false, "11 frames of life 1 are missing before the first one"},
		{"more before the first one, after a fault", sequence(12, 500), 0, true, ""},
		{"late", append(slices.Clone(frames), 110), 40, false, "1 frames came after later ones"},
		{"late, after a fault", append(slices.Clone(frames), 110), 30, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, twice := received(t, true, c.frames...)
			r.reported, r.counts = c.reported, true
			a := account{pattern: pubSub, severed: c.severed, early: 10, senders: map[int64]*senderRecord{1: {begun: 500}}, receivers: []*receiverRecord{&r}}
			got := strings.Join(a.balance().Unreported, "; ")
			if twice != 0 || (got == "") != (c.problem == "") || !strings.Contains(got, c.problem) {
				t.Errorf("%q, %d came twice", got, twice)
			}
		})
	}
	if r, twice := received(t, true, 1, 2, 5, 3, 5, 2, 6); twice != 2 || len(r.runs) != 1 || r.runs[0] != (run{Life: 1, First: 1, Last: 6, Step: 1, Count: 5, Late: 1}) {
		t.Errorf("%d came twice, %+v", twice, r.runs)
	}
}

// In PUB/SUB what is not in Missed or Dropped does not count as reported.
func TestBalanceOfUncounted(t *testing.T) {
	frames := slices.Concat(sequence(4, 100), sequence(131, 490))
	for _, c := range []struct {
		name           string
		killed, counts bool
		severed        bool
		want           balance
	}{
		{"counted", false, true, false, balance{Sent: 500, Received: 457, WithConnection: 3, Lost: 40}},
		{"counted, after a fault", false, true, true, balance{Sent: 500, Received: 457, WithConnection: 3, Lost: 30, InTransit: 10}},
		{"killed", true, false, true, balance{Sent: 500, Received: 457, WithConnection: 3, Uncounted: 30, InTransit: 10}},
		{"in Python", false, false, false, balance{Sent: 500, Received: 457, WithConnection: 3, Uncounted: 40}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := received(t, true, frames...)
			r.killed, r.counts = c.killed, c.counts
			if c.counts {
				r.reported = 40
			}
			a := account{pattern: pubSub, severed: c.severed, early: 10, senders: map[int64]*senderRecord{1: {begun: 500}}, receivers: []*receiverRecord{&r}}
			if got := a.balance(); len(got.Unreported) > 0 || !equal(got, c.want) {
				t.Errorf("%+v\nis not %+v", got, c.want)
			}
		})
	}
}

// In PUSH/PULL what was read from a connection that was cut may come after frames
// of the next one. What comes twice is found all the same.
func TestBalanceOfPushPull(t *testing.T) {
	twoGaps := slices.Concat(sequence(1, 200), sequence(202, 210), sequence(212, 500))
	for _, c := range []struct {
		name       string
		frames     []int64
		severed    bool
		unreported []string
		want       balance
	}{
		{"as often as a connection may be", twoGaps, true, nil, balance{Sent: 500, Received: 498, WithConnection: 2, Gaps: 2}},
		{"more often", slices.Delete(slices.Clone(twoGaps), 300, 301), true, []string{"frames are missing in 3 places, and 1 faults explain at most 2"}, balance{Sent: 500, Received: 497, WithConnection: 3, Gaps: 3}},
		{"lost", slices.Concat(sequence(1, 200), sequence(202, 500)), false, []string{"frame 201 of life 1 is lost"}, balance{Sent: 500, Received: 499}},
		{"lost with a connection", slices.Concat(sequence(1, 200), sequence(251, 500)), true, nil, balance{Sent: 500, Received: 450, WithConnection: 50, Gaps: 1}},
		{"late", slices.Concat(sequence(1, 200), []int64{251, 201, 252, 202}, sequence(253, 500)), true, nil, balance{Sent: 500, Received: 452, Late: 2, WithConnection: 48, Gaps: 1}},
		{"late, and twice", slices.Concat(sequence(1, 200), []int64{251, 201, 252, 201}, sequence(253, 500)), true, []string{"frame 201 of life 1 came twice"}, balance{Sent: 500, Received: 452, Late: 1, WithConnection: 49, Gaps: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := received(t, false, c.frames...)
			a := account{pattern: pushPull, severed: c.severed, severings: 1, senders: map[int64]*senderRecord{1: {begun: 500}}, receivers: []*receiverRecord{&r}}
			got := a.balance()
			if !slices.Equal(got.Unreported, c.unreported) {
				t.Errorf("unreported: %q", got.Unreported)
			}
			if got.Unreported = nil; !equal(got, c.want) {
				t.Errorf("%+v\nis not %+v", got, c.want)
			}
		})
	}
}

// every returns each step-th frame of life 1.
func every(first, last, step int64) (all []numbered.Numbers) {
	for i := first; i <= last; i += step {
		all = append(all, numbered.Numbers{Life: 1, Index: i})
	}
	return all
}

// Of several receive ends that get the frames in turn each has every second one, in
// one run. What is lost, comes twice or was in the queue of one that was killed is
// found among all of them.
func TestBalanceOfMulticlient(t *testing.T) {
	odd, even := every(1, 499, 2), every(2, 500, 2)
	for _, c := range []struct {
		name       string
		receivers  [several][][]numbered.Numbers // by place; all but the last of each were killed
		unreported []string
		want       balance
	}{
		{"nothing", [several][][]numbered.Numbers{{odd}, {even}}, nil, balance{Sent: 500, Received: 500}},
		{
			"alone for a while", [several][][]numbered.Numbers{{slices.Concat(every(1, 199, 2), every(200, 300, 1), every(301, 499, 2))}, {slices.Concat(every(2, 198, 2), every(302, 500, 2))}},
			nil, balance{Sent: 500, Received: 500},
		},
		{
			"lost", [several][][]numbered.Numbers{{odd}, {slices.Concat(every(2, 200, 2), every(204, 500, 2))}},
			[]string{"frame 202 of life 1 is lost"}, balance{Sent: 500, Received: 499},
		},
		{
			"at both", [several][][]numbered.Numbers{{odd}, {slices.Concat(every(2, 200, 2), every(201, 201, 1), every(202, 500, 2))}},
			[]string{"frame 201 of life 1 came twice"}, balance{Sent: 500, Received: 501},
		},
		{
			"in a queue", [several][][]numbered.Numbers{{odd}, {every(2, 200, 2), every(300, 500, 2)}},
			nil, balance{Sent: 500, Received: 451, WithReceiver: 49},
		},
		{
			"not in its queue", [several][][]numbered.Numbers{{slices.Concat(every(1, 399, 2), every(403, 499, 2))}, {every(2, 200, 2), every(202, 500, 2)}},
			[]string{"frame 401 of life 1 is lost"}, balance{Sent: 500, Received: 499},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := account{pattern: 1, queue: 98, severed: true, senders: map[int64]*senderRecord{1: {begun: 500}}}
			for place, all := range c.receivers {
				for i, frames := range all {
					r, _ := receivedOf(t, false, several, frames)
					r.place, r.killed = place, i < len(all)-1
					a.receivers = append(a.receivers, &r)
				}
			}
			got := a.balance()
			if !slices.Equal(got.Unreported, c.unreported) {
				t.Errorf("unreported: %q", got.Unreported)
			}
			if got.Unreported = nil; !equal(got, c.want) {
				t.Errorf("%+v\nis not %+v", got, c.want)
			}
		})
	}
	if r, _ := receivedOf(t, false, several, odd); len(r.runs) != 1 || r.runs[0] != (run{Life: 1, First: 1, Last: 499, Step: 2, Count: 250}) {
		t.Errorf("every second frame: %+v", r.runs)
	}
}

// The frames of several send ends are accounted for one by one, however they arrive
// among each other. In PUB/SUB each receive end gets all of them.
func TestBalanceOfMultiserver(t *testing.T) {
	var mixed []numbered.Numbers
	for i := int64(1); i <= 500; i++ {
		mixed = append(mixed, numbered.Numbers{Life: 1, Index: i}, numbered.Numbers{Life: lifeOf(1, 1), Index: i})
	}
	for _, c := range []struct {
		name       string
		pattern    int
		reported   int64
		without    int // of mixed; -1: none
		unreported []string
	}{
		{"nothing", 1, 0, -1, nil},
		{"lost", 1, 0, 401, []string{"frame 201 of life 1 of send end b is lost"}},
		{"PUB/SUB", pubSub, 0, -1, nil},
		{"PUB/SUB, lost", pubSub, 0, 401, []string{"receive end 1: 1 frames are missing, and Missed and Dropped are 0"}},
		{"PUB/SUB, lost and reported", pubSub, 1, 401, nil},
		{"PUB/SUB, not lost and reported", pubSub, 1, -1, []string{"receive end 1: Missed and Dropped are 1, and 0 frames are missing, with at most 0 after the last one"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames := slices.Clone(mixed)
			if c.without >= 0 {
				frames = slices.Delete(frames, c.without, c.without+1)
			}
			r, twice := receivedOf(t, c.pattern == pubSub, 1, frames)
			r.reported, r.counts = c.reported, c.pattern == pubSub
			a := account{pattern: c.pattern, queue: 98, senders: map[int64]*senderRecord{1: {begun: 500}, lifeOf(1, 1): {begun: 500}}, receivers: []*receiverRecord{&r}}
			got := a.balance()
			if twice != 0 || !slices.Equal(got.Unreported, c.unreported) || got.Sent != 1000 || got.Received != int64(len(frames)) {
				t.Errorf("%+v, %d came twice", got, twice)
			}
		})
	}
}

// A Python end is started again when no frame comes. If none comes after that either,
// without another fault, or often, it is the other end that hangs.
func TestHopeless(t *testing.T) {
	for _, c := range []struct {
		name   string
		vain   int
		struck bool
		want   bool
	}{
		{"not started again", 0, false, false},
		{"not since the last frame", 0, true, false},
		{"without a fault", 1, false, true},
		{"with a fault", 1, true, false},
		{"often", vainLimit, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &soak{kind: kind{Sender: goPeer, Receiver: vidgearPeer}, base: settings{Faults: true}, vain: []int{c.vain}, struck: c.struck, calm: make([]time.Duration, 1), cause: make([]string, 1)}
			if revived := s.revive(0); revived == c.want || revived != (s.hung != "") {
				t.Errorf("it is started again: %v, %q", revived, s.hung)
			}
			if err := s.mayRestart(); (err != nil) != c.want {
				t.Errorf("it may be started again: %v", err)
			}
		})
	}
}

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/numbered"
)

// received divides frames of life 1 into the runs of a receive end.
func received(t *testing.T, gaps bool, frames ...int64) (r receiverRecord, twice int) {
	t.Helper()
	p, err := openProgress(filepath.Join(t.TempDir(), "progress"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	all := runs{
		gaps: gaps, steps: 1, now: p,
		ended: func(ended run) { r.runs = append(r.runs, ended) },
		twice: func(numbered.Numbers) { twice++ },
	}
	for _, i := range frames {
		all.frame(numbered.Numbers{Life: 1, Index: i})
	}
	r.runs = append(r.runs, p.Open[0].run())
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
		a.WithReceiver == b.WithReceiver && a.WithConnection == b.WithConnection && a.InTransit == b.InTransit
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
		{"reported", frames, 30, false, ""},
		{"with what was dropped at the end", frames, 40, false, ""},
		{"too few are reported", frames, 29, false, "30 frames are missing, and Missed and Dropped are 29"},
		{"too many are reported", frames, 41, false, "Missed and Dropped are 41, and 30 frames are missing, with at most 10"},
		{"late", append(slices.Clone(frames), 110), 30, false, "1 frames came after later ones"},
		{"late, after a fault", append(slices.Clone(frames), 110), 30, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, twice := received(t, true, c.frames...)
			r.reported, r.counts = c.reported, true
			a := account{pattern: pubSub, severed: c.severed, senders: map[int64]*senderRecord{1: {begun: 500}}, receivers: []*receiverRecord{&r}}
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

// In PUSH/PULL what was read from a connection that was cut may come after frames
// of the next one. What comes twice is found all the same.
func TestBalanceOfPushPull(t *testing.T) {
	for _, c := range []struct {
		name       string
		frames     []int64
		severed    bool
		unreported []string
		want       balance
	}{
		{"lost", slices.Concat(sequence(1, 200), sequence(202, 500)), false, []string{"frame 201 of life 1 is lost"}, balance{Sent: 500, Received: 499}},
		{"lost with a connection", slices.Concat(sequence(1, 200), sequence(251, 500)), true, nil, balance{Sent: 500, Received: 450, WithConnection: 50}},
		{"late", slices.Concat(sequence(1, 200), []int64{251, 201, 252, 202}, sequence(253, 500)), true, nil, balance{Sent: 500, Received: 452, Late: 2, WithConnection: 48}},
		{"late, and twice", slices.Concat(sequence(1, 200), []int64{251, 201, 252, 201}, sequence(253, 500)), true, []string{"frame 201 of life 1 came twice"}, balance{Sent: 500, Received: 452, Late: 1, WithConnection: 49}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := received(t, false, c.frames...)
			a := account{pattern: pushPull, severed: c.severed, senders: map[int64]*senderRecord{1: {begun: 500}}, receivers: []*receiverRecord{&r}}
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

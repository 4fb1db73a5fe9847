package web

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vidgear-go/netgear"
)

// After whatever happens, the streams that a viewer has ready are those that a look
// at all of them finds, and each of them has its turn.
func TestReadyStreams(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		v, _ := newViewer(t, Options{MaxStreams: 8})
		s := watching(t, v)
		s.window.more = 4
		frame := jpegFrame(t, 1, nil)
		var sources []*Source
		since := map[int]int{} // frames chosen since a stream became ready
		for step := range 1000 {
			switch random.IntN(7) {
			case 0:
				sources = append(sources, v.Source(fmt.Sprint(step)))
			case 1:
				if i := random.IntN(20); i < len(sources) {
					sources[i].Close()
					sources = slices.Delete(sources, i, i+1)
				}
			case 2:
				list := v.describe()
				s.forget(list)
				s.list(list)
			case 3, 4:
				if len(sources) > 0 {
					frame.Peer = fmt.Sprintf("192.0.2.%d:1", random.IntN(3))
					publish(t, sources[random.IntN(len(sources))], frame)
				}
			case 5:
				if ids := slices.Sorted(maps.Keys(s.unacked)); len(ids) > 0 {
					id := ids[random.IntN(len(ids))]
					s.acknowledge(id, !s.unacked[id].held && random.IntN(2) == 0)
				}
			case 6:
				if p, id := s.next(); p != nil {
					p.release()
					s.note(id, 1000)
					s.end()
					delete(since, id)
					for other := range since {
						since[other]++
					}
				}
			}
			for _, st := range v.streams {
				_, waits := s.unacked[st.id]
				ready := st.picture != nil && s.sent[st.id] != st.seq && st.id <= s.listed && !waits
				if n, counted := since[st.id]; ready && !counted {
					since[st.id] = 0
				} else if !ready {
					delete(since, st.id)
				} else if n > 8 {
					t.Fatalf("seed %d, step %d: stream %d has no turn for %d frames", seed, step, st.id, n)
				}
				if ready != s.queued[st.id] || ready != slices.Contains(s.ready, st) {
					t.Fatalf("seed %d, step %d: stream %d is ready: %v, queued: %v", seed, step, st.id, ready, s.queued[st.id])
				}
			}
			if len(s.ready) != len(s.queued) || uint64(len(s.ends)) != s.chosen-s.arrived {
				t.Fatalf("seed %d, step %d: %d ready, %d queued; %d on their way of %d", seed, step, len(s.ready), len(s.queued), len(s.ends), s.chosen-s.arrived)
			}
		}
	}
}

// BenchmarkFrameOfManyStreams takes a frame of one of many senders at one receive
// end to a viewer.
func BenchmarkFrameOfManyStreams(b *testing.B) {
	frame, err := netgear.NewJPEGFrame(jpegOf(b, blocks(1, 32, 18)), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer frame.Close()
	peers := make([]string, 200)
	for i := range peers {
		peers[i] = fmt.Sprintf("192.0.2.%d:5555", i)
	}
	for _, streams := range []int{1, 8, 200} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			v, err := New(Options{MaxStreams: streams})
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			source := v.Source("")
			next := func(n int) {
				frame.Peer = peers[n%streams]
				if err := source.Publish(frame); err != nil {
					b.Fatal(err)
				}
			}
			for n := range streams {
				next(n)
			}
			s := watching(b, v)
			s.choose()
			for id := range s.unacked {
				s.acknowledge(id, false)
			}
			for n := 0; b.Loop(); n++ {
				next(n)
				p, id := s.next()
				if p == nil {
					b.Fatal("there is no frame")
				}
				p.release()
				s.note(id, 1000)
				s.end()
				s.acknowledge(id, false)
			}
		})
	}
}

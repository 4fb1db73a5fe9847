package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vidgear-go/netgear"
)

// names returns the streams' names and states, such as "gate=live".
func names(v *Viewer) string {
	var all []string
	for _, s := range v.Streams() {
		all = append(all, fmt.Sprintf("%s=%s", s.Name, s.State))
	}
	return strings.Join(all, ", ")
}

// event sends an event of now.
func event(s *Source, kind netgear.EventKind, peer, port string) {
	s.Event(netgear.Event{Kind: kind, Time: time.Now(), Peer: peer, Port: port})
}

func TestSenders(t *testing.T) {
	const a, a2, b, c = "10.0.0.1:4001", "10.0.0.1:4002", "10.0.0.2:4001", "10.0.0.1:4003"
	// from publishes a frame that comes from a peer, in multi-server mode with a
	// port.
	from := func(peer string, port ...string) func(*testing.T, *Source) {
		return func(t *testing.T, s *Source) {
			f := jpegFrame(t, 1, nil)
			f.Peer, f.Port = peer, strings.Join(port, "")
			publish(t, s, f)
		}
	}
	on := func(kind netgear.EventKind, peer string, port ...string) func(*testing.T, *Source) {
		return func(_ *testing.T, s *Source) { event(s, kind, peer, strings.Join(port, "")) }
	}
	late := func(t *testing.T, s *Source) {
		f := jpegFrame(t, 1, nil)
		f.Peer, f.ReceivedAt = a, time.Now().Add(-time.Second)
		publish(t, s, f)
	}
	type steps = []func(*testing.T, *Source)
	for _, x := range []struct {
		name  string
		steps steps
		want  string
	}{
		{"none", nil, "gate=waiting"},
		{"one", steps{from(a), from(a)}, "gate=live"},
		{"an address that is known late", steps{from(""), from(a), from(a)}, "gate=live"},
		{"never an address", steps{from(""), from("")}, "gate=live"},
		{"lost", steps{from(a), on(netgear.EventLost, a)}, "gate=lost"},
		{"lost, address unknown", steps{from(a), on(netgear.EventLost, "")}, "gate=lost"},
		{"lost, another", steps{from(a), on(netgear.EventLost, b)}, "gate=live"},
		{"lost before its last frame was read", steps{from(a), on(netgear.EventLost, a), late}, "gate=lost"},
		{"lost, without any frame", steps{on(netgear.EventLost, a)}, "gate=waiting"},
		{"reconnecting", steps{from(a), on(netgear.EventReconnecting, "")}, "gate=lost"},
		{"ended", steps{from(a), on(netgear.EventTerminated, a), on(netgear.EventLost, a)}, "gate=ended"},
		{"other events", steps{from(a), on(netgear.EventConnected, b), on(netgear.EventRefused, a)}, "gate=live"},
		{"returned", steps{from(a), on(netgear.EventLost, a), from(a2)}, "gate=live"},
		{"returned, loss reported late", steps{from(a), from(a2), on(netgear.EventLost, a), from(a2)}, "gate=live"},
		{"replaced", steps{from(a), on(netgear.EventLost, a), from(b)}, "gate=live"},
		{"two machines", steps{from(a), from(b), from(a), from(b)}, "gate=live, gate (2)=live"},
		{"two on one machine", steps{from(a), from(a2), from(a), from(a2), from(a)}, "gate=live, gate (2)=live"},
		{"three on one machine", steps{from(a), from(a2), from(c), from(a), from(a2), from(c), from(a), from(a2), from(c)}, "gate=live, gate (2)=live, gate (3)=live"},
		{"two, one lost", steps{from(a), from(b), on(netgear.EventLost, a)}, "gate=lost, gate (2)=live"},
		{"ports", steps{from(a, "5566"), from(a, "5567"), from(a2, "5566")}, "gate 5566=live, gate 5567=live"},
		{"ports, one ended", steps{from(a, "5566"), from(a2, "5567"), on(netgear.EventTerminated, a2, "5567")}, "gate 5566=live, gate 5567=ended"},
		{"ports, an unknown one lost", steps{from(a, "5566"), from(a2, "5567"), on(netgear.EventLost, "")}, "gate 5566=live, gate 5567=live"},
		{"two senders with one port", steps{from(a, "5566"), from(b, "5566"), from(a, "5566")}, "gate 5566=live, gate 5566 (2)=live"},
	} {
		t.Run(x.name, func(t *testing.T) {
			v, err := New(Options{StallAfter: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			s := v.Source("gate")
			for _, step := range x.steps {
				step(t, s)
			}
			if got := names(v); got != x.want {
				t.Errorf("%s, not %s", got, x.want)
			}
		})
	}
}

func TestSourcesWithOneName(t *testing.T) {
	v, _ := newViewer(t, Options{StallAfter: time.Hour})
	v.Source("gate (2)")
	first, second := v.Source("gate"), v.Source("gate")
	publish(t, first, jpegFrame(t, 1, nil))
	if got, want := names(v), "gate (2)=waiting, gate=live, gate (3)=waiting"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	second.Close()
	publish(t, v.Source(""), jpegFrame(t, 1, nil))
	if got, want := names(v), "gate (2)=waiting, gate=live, camera=live"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if err := second.Publish(jpegFrame(t, 1, nil)); err == nil {
		t.Error("a closed source takes frames")
	}
}

func TestStalled(t *testing.T) {
	v, _ := newViewer(t, Options{StallAfter: time.Millisecond})
	s := v.Source("gate")
	f := jpegFrame(t, 1, nil)
	f.ReceivedAt = time.Now().Add(-time.Second)
	publish(t, s, f)
	if got := names(v); got != "gate=stalled" {
		t.Error(got)
	}
}

func TestNames(t *testing.T) {
	for port, want := range map[string]string{
		"":                               "camera",
		" 5566\n":                        "5566",
		"\x00\u202e\u200b\xff\ufffd":     "camera",
		"<b>&amp;</b>":                   "<b>&amp;</b>",
		"__proto__":                      "__proto__",
		strings.Repeat("x", 200):         strings.Repeat("x", maxName),
		strings.Repeat("\u00fc", 200):    strings.Repeat("\u00fc", maxName),
		"a\tb":                           "ab",
		"cam\u00e9ra \u30ab\u30e1\u30e9": "cam\u00e9ra \u30ab\u30e1\u30e9",
	} {
		v, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := jpegFrame(t, 1, nil)
		f.Port = port
		publish(t, v.Source(""), f)
		if got := v.Streams()[0].Name; got != want || !utf8.ValidString(got) {
			t.Errorf("%q, not %q", got, want)
		}
		v.Close()
	}
}

// A sender that invents ports, or connects again and again, displaces no live
// stream and takes no memory.
func TestManySenders(t *testing.T) {
	v, _ := newViewer(t, Options{MaxStreams: 4, StallAfter: time.Hour})
	gate, flood := v.Source("gate"), v.Source("flood")
	f := jpegFrame(t, 1, nil)
	publish(t, gate, f)
	event(gate, netgear.EventReconnecting, "", "")
	for i := range 1000 {
		f.Port, f.ReceivedAt = fmt.Sprint(i), time.Now()
		publish(t, flood, f)
	}
	if got, want := names(v), "gate=lost, flood 0=live, flood 1=live, flood 2=live"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	event(flood, netgear.EventReconnecting, "", "")
	f.Port, f.ReceivedAt = "new", time.Now()
	publish(t, flood, f)
	if got, want := names(v), "gate=lost, flood 1=lost, flood 2=lost, flood new=live"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

func TestClosedFrames(t *testing.T) {
	v, _ := newViewer(t, Options{})
	s := v.Source("")
	jpeg, raw := jpegFrame(t, 1, nil), arrayFrame(t, fill("uint8", []int{2, 2}, 1))
	jpeg.Close()
	raw.Close()
	for _, f := range []*netgear.Frame{jpeg, raw, nil, {}} {
		if err := s.Publish(f); err == nil {
			t.Error("a frame that is closed or nil was taken")
		}
	}
	if got := names(v); got != "" {
		t.Error(got)
	}
}

func TestRate(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		every time.Duration
		n     int
		want  float64
	}{
		{time.Second / 30, 90, 30}, {time.Second / 240, 1000, 240}, {time.Second, 10, 1}, {5 * time.Second, 3, 0}, {0, 10, 0}, {time.Second, 1, 0},
	} {
		var r rate
		now := start
		for range c.n {
			r.add(now)
			now = now.Add(c.every)
		}
		now = now.Add(-c.every)
		if got := r.perSecond(now); got != c.want {
			t.Errorf("%d frames, one each %v: %v a second", c.n, c.every, got)
		}
		if got := r.perSecond(now.Add(time.Minute)); got != 0 {
			t.Errorf("a minute later: %v a second", got)
		}
	}
}

// A stream may change its size and type with every frame.
func TestChangingStream(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	c := dial(t, url)
	frames := []*netgear.Frame{
		jpegFrame(t, 1, nil),
		arrayFrame(t, fill("uint8", []int{8, 8}, 1)),
		arrayFrame(t, fill("float32", []int{2, 3, 4, 5}, 0)),
		arrayFrame(t, fill("uint8", []int{480, 640, 3}, 1)),
		jpegFrame(t, 2, nil),
	}
	for i, f := range frames {
		publish(t, s, f)
		h, jpeg := c.frame()
		if h.Seq != uint64(i+1) || h.DType != f.DType() || !slices.Equal(h.Shape, f.Shape()) || (h.Reason == "") != (len(jpeg) > 0) {
			t.Errorf("frame %d: %+v, %d bytes", i, h, len(jpeg))
		}
		c.acknowledge(h.ID)
	}
}

package board

import (
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

func received(t *testing.T, port, peer string, at time.Time) *netgear.Frame {
	t.Helper()
	f, err := netgear.NewFrame(netgear.Array{DType: "uint8", Shape: []int{10, 100}, Data: make([]byte, 1000)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.Port, f.Peer, f.ReceivedAt = port, peer, at
	f.Stamp = &netgear.Stamp{Time: at.Add(-20 * time.Millisecond)}
	return f
}

// The rows follow what senders do: they come, fall silent, leave, end and come
// back from another port.
func TestStates(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	b := New()
	b.last = start
	in := b.Input("gate")
	in.Open(func() netgear.Stats { return netgear.Stats{Dropped: 3, Missed: 2} })
	check := func(now int, want ...Row) {
		t.Helper()
		rows := b.Rows(at(now))
		if len(rows) != len(want) {
			t.Fatalf("%+v, want %+v", rows, want)
		}
		for i, r := range rows {
			if r.Name != want[i].Name || r.State != want[i].State || r.FPS != want[i].FPS || r.Frames != want[i].Frames {
				t.Errorf("%+v, want %+v", r, want[i])
			}
		}
	}
	check(1, Row{Name: "gate", State: Waiting})
	in.Frame(received(t, "", "10.0.0.1:1", at(1)))
	in.Frame(received(t, "", "10.0.0.1:1", at(1)))
	rows := b.Rows(at(2))
	if r := rows[0]; r.State != Live || r.FPS != 2 || r.Rate != 0.002 || *r.Dropped != 3 || *r.Missed != 2 || r.Latency == nil || *r.Latency != 20 {
		t.Errorf("%+v", r)
	}
	check(5, Row{Name: "gate", State: Stalled, Frames: 2})
	in.Frame(received(t, "", "10.0.0.1:1", at(5)))
	in.Event(netgear.Event{Kind: netgear.EventLost, Peer: "10.0.0.1:1", Time: at(6)})
	check(6, Row{Name: "gate", State: Lost, FPS: 1, Frames: 3})
	in.Frame(received(t, "", "10.0.0.1:2", at(7))) // the same sender, again
	in.Frame(received(t, "", "10.0.0.1:3", at(7))) // a second one on its host
	check(7, Row{Name: "gate", State: Live, FPS: 2, Frames: 5}, Row{Name: "gate/10.0.0.1:2", State: Live, FPS: 1, Frames: 4}, Row{Name: "gate/10.0.0.1:3", State: Live, FPS: 1, Frames: 1})
	in.Event(netgear.Event{Kind: netgear.EventTerminated, Peer: "10.0.0.1:3", Time: at(8)})
	in.Frame(received(t, "", "10.0.0.1:3", at(7))) // was queued when the sender ended
	in.Event(netgear.Event{Kind: netgear.EventLost, Peer: "10.0.0.1:3", Time: at(8)})
	check(8, Row{Name: "gate", State: Live, FPS: 1, Frames: 6}, Row{Name: "gate/10.0.0.1:2", State: Live, Frames: 4}, Row{Name: "gate/10.0.0.1:3", State: Ended, FPS: 1, Frames: 2})
}

// The first frames of a connection have no address: they are of the sender whose
// address comes next, also if it has returned.
func TestFirstFramesWithoutAddress(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	b := New()
	in := b.Input("gate")
	in.Open(func() netgear.Stats { return netgear.Stats{} })
	check := func(when string, want map[string]uint64) {
		t.Helper()
		got := map[string]uint64{}
		for _, r := range b.Rows(at(1)) {
			if r.Senders == 0 {
				got[r.Name] = r.Frames
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	for range 2 { // the second one of them is another sender
		in.Frame(received(t, "", "", at(0)))
		in.Frame(received(t, "", "10.0.0.1:"+strconv.Itoa(1+len(in.senders)), at(0)))
	}
	check("two begin", map[string]uint64{"gate/10.0.0.1:2": 2, "gate/10.0.0.1:3": 2})
	in.Event(netgear.Event{Kind: netgear.EventLost, Peer: "10.0.0.1:3", Time: at(1)})
	in.Frame(received(t, "", "", at(2)))
	in.Frame(received(t, "", "10.0.0.1:4", at(2)))
	check("one returns", map[string]uint64{"gate/10.0.0.1:2": 2, "gate/10.0.0.1:4": 4})
}

// Counts that are known of all senders together are in one row alone.
func TestSums(t *testing.T) {
	now := time.Now()
	b := New()
	b.last = now
	in := b.Input("gate")
	in.Open(func() netgear.Stats { return netgear.Stats{Dropped: 5, Missed: 7} })
	for i := range 2 {
		in.Frame(received(t, "", "10.0.0."+strconv.Itoa(i)+":1", now))
	}
	in.Event(netgear.Event{Kind: netgear.EventLost, Peer: "10.0.0.0:1", Time: now.Add(time.Millisecond)})
	rows := b.Rows(now.Add(time.Second))
	if len(rows) != 3 {
		t.Fatalf("%+v", rows)
	}
	if r := rows[0]; r.Name != "gate" || r.Senders != 2 || r.State != Live || r.FPS != 2 || r.Rate != 0.002 || r.Frames != 2 || *r.Dropped != 5 || *r.Missed != 7 || *r.Latency != 20 {
		t.Errorf("%+v", r)
	}
	for _, r := range rows[1:] {
		if r.Senders != 0 || r.Frames != 1 || r.Dropped != nil || r.Missed != nil {
			t.Errorf("%+v", r)
		}
	}
}

// In multi-server mode each port has a row with its own counts, also before its
// first frame.
func TestPorts(t *testing.T) {
	b := New()
	in := b.Input("all")
	in.Open(func() netgear.Stats {
		return netgear.Stats{Dropped: 9, Ports: map[string]netgear.PortStats{"1": {Dropped: 1}, "2": {Dropped: 2}}}
	})
	in.Frame(received(t, "2", "", time.Now()))
	rows := b.Rows(time.Now())
	if len(rows) != 2 || rows[0].Name != "all/2" || *rows[0].Dropped != 2 || *rows[1].Dropped != 1 || rows[1].Name != "all/1" || rows[1].State != Waiting {
		t.Errorf("%+v", rows)
	}
}

// A peer that invents ports does not make the board grow without end.
func TestInventedPorts(t *testing.T) {
	start := time.Now()
	b := New()
	in := b.Input("gate")
	ports := map[string]netgear.PortStats{}
	in.Open(func() netgear.Stats { return netgear.Stats{Ports: ports} })
	for i := range 2 * maxSenders {
		ports[strconv.Itoa(i)] = netgear.PortStats{Frames: 1}
		in.Frame(received(t, strconv.Itoa(i), "10.0.0.1:1", start.Add(time.Duration(i)*time.Millisecond)))
	}
	rows := b.Rows(start.Add(time.Second))
	if last := "gate/" + strconv.Itoa(2*maxSenders-1); len(rows) != maxSenders || rows[maxSenders-1].Name != last {
		t.Errorf("%d rows, the last is %s, want %d and %s", len(rows), rows[len(rows)-1].Name, maxSenders, last)
	}
}

// A camera without a clock sends stamps of 1970. More of those than a
// time.Duration has room for are a second's.
func TestStampsOfACameraWithoutAClock(t *testing.T) {
	now := time.Now()
	b := New()
	in := b.Input("gate")
	in.Open(func() netgear.Stats { return netgear.Stats{} })
	for range 20 {
		f := received(t, "", "10.0.0.1:1", now)
		f.Stamp.Time = time.Unix(0, 0)
		in.Frame(f)
	}
	want := float64(now.UnixMilli())
	if r := b.Rows(now.Add(time.Second))[0]; r.Latency == nil || *r.Latency < want-10 || *r.Latency > want+10 {
		t.Errorf("%+v, not %v ms", r, want)
	}
}

// The size of a raw frame is that of its bytes, and is known without reading them:
// a send end does not copy them afterwards.
func TestSizeReadsNothing(t *testing.T) {
	send, err := netgear.New(netgear.Options{Pattern: netgear.PubSub, Attach: netgear.AttachBind, Address: "127.0.0.1", Port: "0", JPEGCompression: netgear.JPEGOff})
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	for _, name := range append(numpy.Names(), "<U3") {
		d, err := numpy.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		known := d.Size > 0
		if !known {
			d.Size = 12
		}
		f, err := netgear.NewFrame(netgear.Array{DType: name, Shape: []int{20, 30}, Data: make([]byte, 600*d.Size)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := zmsg.Requested()
		if size := Size(f); size != int64(600*d.Size) {
			t.Errorf("%s: %d bytes", name, size)
		}
		if _, err := send.SendFrame(t.Context(), f, nil); err != nil {
			t.Error(name, err)
		}
		if after, _ := zmsg.Requested(); known && after != before {
			t.Errorf("%s: %d copies", name, after-before)
		}
		f.Close()
	}
}

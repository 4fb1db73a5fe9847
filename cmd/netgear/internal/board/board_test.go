package board

import (
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
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
	if r := rows[0]; r.State != Live || r.FPS != 2 || r.Rate != 0.002 || r.Dropped != 3 || r.Missed != 2 || r.Latency == nil || *r.Latency != 20 {
		t.Errorf("%+v", r)
	}
	check(5, Row{Name: "gate", State: Stalled, Frames: 2})
	in.Frame(received(t, "", "10.0.0.1:1", at(5)))
	in.Event(netgear.Event{Kind: netgear.EventLost, Peer: "10.0.0.1:1", Time: at(6)})
	check(6, Row{Name: "gate", State: Lost, FPS: 1, Frames: 3})
	in.Frame(received(t, "", "10.0.0.1:2", at(7))) // the same sender, again
	in.Frame(received(t, "", "10.0.0.1:3", at(7))) // a second one on its host
	check(7, Row{Name: "gate/10.0.0.1:2", State: Live, FPS: 1, Frames: 4}, Row{Name: "gate/10.0.0.1:3", State: Live, FPS: 1, Frames: 1})
	in.Event(netgear.Event{Kind: netgear.EventTerminated, Peer: "10.0.0.1:3", Time: at(8)})
	in.Frame(received(t, "", "10.0.0.1:3", at(7))) // was queued when the sender ended
	in.Event(netgear.Event{Kind: netgear.EventLost, Peer: "10.0.0.1:3", Time: at(8)})
	check(8, Row{Name: "gate/10.0.0.1:2", State: Live, Frames: 4}, Row{Name: "gate/10.0.0.1:3", State: Ended, FPS: 1, Frames: 2})
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
	if len(rows) != 2 || rows[0].Name != "all/2" || rows[0].Dropped != 2 || rows[1].Name != "all/1" || rows[1].State != Waiting {
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

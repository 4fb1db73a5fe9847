package netgear

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
)

// heap returns the bytes in use on Go's heap, after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// portHeader returns the header of a frame of one byte, with a port as given.
func portHeader(port string) []byte {
	return fmt.Appendf(nil, `{"port": %s, "terminate_flag": false, "compression": false, "message": null, "pattern": "1", "dtype": "uint8", "shape": [1]}`, port)
}

// Texts in a header's port are kept only in the modes that use them, up to a
// length, whether or not the message can be read.
func TestPortTextsAreBounded(t *testing.T) {
	long := strings.Repeat("9", 1<<18)
	for _, c := range []struct {
		name     string
		o        Options
		ports    func(i int) string
		messages int
		kept     int    // ports in Stats
		read     bool   // the messages are frames
		from     string // Frame.Port
	}{
		{"long, plain mode", Options{}, func(i int) string { return fmt.Sprintf(`"%d%s"`, i, long) }, 20, 0, true, ""},
		{"a number, plain mode", Options{}, func(i int) string { return fmt.Sprintf("%d%s", 1+i, long) }, 20, 0, false, ""},
		{"short, plain mode", Options{}, func(int) string { return `"5555"` }, 20, 0, true, ""},
		{"long", Options{MultiserverMode: true}, func(i int) string { return fmt.Sprintf(`"%d%s"`, i, long) }, 20, 0, false, ""},
		{"a long number", Options{MultiserverMode: true}, func(i int) string { return fmt.Sprintf("%d%s", 1+i, long) }, 20, 0, false, ""},
		{"escaped", Options{MultiserverMode: true}, func(int) string { return `"` + strings.Repeat(`\u00e9`, maxPortText/2) + `"` }, 10, 1, true, strings.Repeat("é", maxPortText/2)},
		{"too long, escaped", Options{MultiserverMode: true}, func(int) string { return `"` + strings.Repeat(`\u00e9`, maxPortText) + `"` }, 10, 0, false, ""},
		{"the longest", Options{MultiserverMode: true}, func(int) string { return `"` + long[:maxPortText] + `"` }, 10, 1, true, long[:maxPortText]},
		{"many", Options{MultiserverMode: true}, func(i int) string { return fmt.Sprintf(`"%0*d"`, maxPortText, i) }, maxServers + 1000, maxServers, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, pixels := range []string{"x", "too long"} {
				o := c.o
				o.ReceiveMode, o.Address, o.Port, o.Pattern, o.Latest = true, "127.0.0.1", "0", ReqRep, true
				recv := mustNew(t, o)
				peer := newBare(t, zmq4.REQ, recv)
				before := heap()
				messages := c.messages
				if pixels != "x" {
					messages = min(messages, 500) // a thousand within a second would be a flood
				}
				for i := range messages {
					peer.send(portHeader(c.ports(i)), []byte(pixels))
					if peer.recv(testTimeout) == nil {
						t.Fatal("no answer")
					}
				}
				await(t, "the last message", func() bool { s := recv.Stats(); return s.Frames+s.Malformed == uint64(messages) })
				s := recv.Stats()
				if (s.Malformed == 0) != (c.read && pixels == "x") || len(s.Ports) != min(c.kept, messages) {
					t.Errorf("%q: %d malformed, %d ports", pixels, s.Malformed, len(s.Ports))
				}
				size := 0
				for port := range s.Ports {
					size += len(port)
				}
				if took := heap() - before; size > maxServers*maxPortText || took > 3<<20+int64(c.kept)<<10 {
					t.Errorf("%q: %d bytes of ports, %d on the heap", pixels, size, took)
				}
				if c.from != "" && s.Frames > 0 {
					f := mustRecv(t, recv, testContext(t))
					if f.Port != c.from {
						t.Errorf("port %q", f.Port)
					}
					f.Close()
				}
				recv.Close()
			}
		})
	}
}

// A client's port is bounded as well, and kept in multi-client mode only.
func TestPortOfAnAnswerIsBounded(t *testing.T) {
	long := strings.Repeat("9", 1<<20)
	for _, clients := range []bool{true, false} {
		peer := newBare(t, zmq4.REP, nil)
		send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), Pattern: ReqRep, MulticlientMode: clients, BidirectionalMode: !clients})
		for _, port := range []string{long, "7"} {
			done := make(chan Reply, 1)
			go func() {
				r, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
				if err != nil {
					t.Error(err)
				}
				done <- r
			}()
			peer.recv(testTimeout)
			peer.send(fmt.Appendf(nil, `{"port": %q, "return_type": "NoneType", "data": null}`, port))
			want := map[bool]string{true: "7"}[clients && port == "7"]
			if r := <-done; r.Port != want {
				t.Errorf("port %.80q", r.Port)
			}
		}
		if s := send.Stats(); len(s.Ports) != map[bool]int{true: 1}[clients] || (s.Malformed == 1) != clients {
			t.Errorf("%d ports, %d malformed", len(s.Ports), s.Malformed)
		}
	}
}

// The configured ports have counts from the start, so that a camera that has
// never sent is seen.
func TestConfiguredPortsHaveCounts(t *testing.T) {
	ports := []string{freePort(t), freePort(t)}
	for _, c := range []struct {
		o    Options
		want int
	}{
		{Options{ReceiveMode: true, MultiserverMode: true, Pattern: ReqRep}, 2},
		{Options{ReceiveMode: true, MultiserverMode: true, Pattern: PubSub}, 2},
		{Options{ReceiveMode: true, MultiserverMode: true, Pattern: ReqRep, Wire: ImageZMQWire}, 0}, // senders have names there
		{Options{MulticlientMode: true, Pattern: ReqRep}, 2},
		{Options{MulticlientMode: true, Pattern: PubSub}, 0}, // no answer names a port
	} {
		o := c.o
		o.Address, o.Ports = "127.0.0.1", ports
		n := mustNew(t, o)
		s := n.Stats()
		for port, p := range s.Ports {
			if !slices.Contains(ports, port) || p != (PortStats{}) {
				t.Errorf("%+v: port %s: %+v", c.o, port, p)
			}
		}
		if len(s.Ports) != c.want {
			t.Errorf("%+v: %d ports, want %d", c.o, len(s.Ports), c.want)
		}
		n.Close()
	}
}

// Multi-server mode at the receive end alone is logged once, although each frame
// shows it.
func TestPortlessFramesAreLogged(t *testing.T) {
	for _, c := range []struct {
		o    Options // of the send end
		want int
	}{{Options{}, 1}, {Options{MultiserverMode: true}, 0}} {
		var log bytes.Buffer
		recv := mustNew(t, Options{ReceiveMode: true, MultiserverMode: true, Pattern: ReqRep, Address: "127.0.0.1", Port: "0", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		o := c.o
		o.Pattern, o.Address, o.Port = ReqRep, "127.0.0.1", recv.Port()
		send := mustNew(t, o)
		ctx := testContext(t)
		for range 3 {
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 3), nil); err != nil {
				t.Fatal(err)
			}
			mustRecv(t, recv, ctx).Close()
		}
		send.Close()
		recv.Close() // nothing is logged after it
		if got := strings.Count(log.String(), "multi-server mode is off at a sender"); got != c.want {
			t.Errorf("%+v: %d lines, want %d\n%s", c.o, got, c.want, &log)
		}
	}
}

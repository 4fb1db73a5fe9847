//go:build !nogocv

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// mode is a row of the table in docs/interop.md.
type mode struct {
	name                            string
	patterns                        []netgear.Pattern // in which VidGear allows the mode
	bidirectional, servers, clients bool
}

var modes = []mode{
	{name: "plain", patterns: allPatterns},
	{name: "bidirectional", patterns: lockstep, bidirectional: true},
	{name: "multiserver", patterns: manyEnds, servers: true},
	{name: "multiclient", patterns: manyEnds, clients: true},
	{name: "bidirectional-multiserver", patterns: manyEnds[:1], bidirectional: true, servers: true},
	{name: "bidirectional-multiclient", patterns: manyEnds[:1], bidirectional: true, clients: true},
}

var manyEnds = []netgear.Pattern{netgear.ReqRep, netgear.PubSub}

// direction is which ends are VidGear's.
type direction struct {
	name                        string
	pythonSends, pythonReceives bool
}

var directions = []direction{
	{name: "go-to-python", pythonReceives: true},
	{name: "python-to-go", pythonSends: true},
	{name: "go-to-go"},
}

// TestModes streams real video in every exclusive mode, with two ends on the
// side with several. Every frame and message must arrive unchanged, name its
// sender's port, and be answered with the data of its receive end.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		for _, pattern := range m.patterns {
			for _, c := range []compression{raw, jpegDefault} {
				for _, d := range directions {
					if m.name == "plain" && d.name != "go-to-go" {
						continue // TestMatrix has them
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%s", m.name, patternNames[pattern], c.name, d.name), func(t *testing.T) {
						t.Parallel()
						newCell(t, m, pattern, c, d).run(t)
					})
				}
			}
		}
	}
}

// cell is one case of the table with its ends, one or two on each side.
type cell struct {
	mode
	direction
	netgear.Options // of every end, but for the port
	compression
	senders   []sender
	receivers []receiver
	sendPorts []string // multi-server mode: of each sender
	recvPorts []string // of each receiver
}

const (
	// Frames of each sender. With PubSub, where frames are lost while the ends
	// connect, it sends until so many have arrived.
	streamFrames = footageFrames / 2
	// They repeat the footage without its last frame, the marker.
	round  = footageFrames - 1
	marker = footageFrames - 1

	pubSubRate = 25 // per second
)

// sender is a send end that streams its part of the footage.
type sender interface {
	start(t *testing.T)            // in the background
	answers(t *testing.T) []answer // to all frames; lockstep patterns
	pause(t *testing.T)            // the stream; PubSub
	more(t *testing.T) int         // sends one more frame, and returns its number
	close(t *testing.T)
}

// receiver is a receive end.
type receiver interface {
	next(t *testing.T, within time.Duration) (arrival, bool)
	end(t *testing.T) // after the remaining frames
}

// arrival is a frame as a receive end shows it. answer is the send end's
// answer: JSON, or the picture of an array.
type (
	arrival struct{ port, picture, message string }
	answer  struct{ port, data string }
)

func newCell(t *testing.T, m mode, pattern netgear.Pattern, c compression, d direction) *cell {
	t.Helper()
	x := &cell{mode: m, direction: d, compression: c, Options: netgear.Options{
		Pattern: pattern, Address: address(t, "tcp"), JPEGCompression: c.jpeg, RequestTimeout: longTimeout,
		BidirectionalMode: m.bidirectional, MultiserverMode: m.servers, MulticlientMode: m.clients,
	}}
	for i := range 1 + count(m.clients) {
		x.openReceiver(t, i)
	}
	for i := range 1 + count(m.servers) {
		x.openSender(t, i)
	}
	return x
}

func count(on bool) int {
	if on {
		return 1
	}
	return 0
}

// answered reports whether receive ends return data.
func (x *cell) answered() bool {
	return x.Pattern != netgear.PubSub && (x.bidirectional || x.clients)
}

// frame returns which frame of the footage sender s has at place i of its
// stream, and its message.
func (x *cell) frame(s, i int) (frame int, message string) {
	frame = marker
	if i >= 0 {
		frame = (i + s*streamFrames) % round
	}
	return frame, fmt.Sprintf(`{"of": %d, "place": %d}`, s, i)
}

func (x *cell) run(t *testing.T) {
	for _, s := range x.senders {
		s.start(t)
	}
	if x.Pattern == netgear.PubSub {
		x.runPubSub(t)
	} else {
		x.runLockstep(t)
	}
	// They send the terminate message one after the other; only the last one
	// ends the stream.
	for i, s := range x.senders {
		if i > 0 || x.Pattern == netgear.PubSub {
			x.reach(t, i)
		}
		s.close(t)
	}
	if x.clients && x.Pattern == netgear.PubSub && x.pythonSends {
		return // VidGear sends no terminate message there
	}
	for _, r := range x.receivers {
		r.end(t)
	}
}

// reach sends single frames until every receiver has one. With PubSub the
// terminate message does not have to queue then.
func (x *cell) reach(t *testing.T, s int) {
	t.Helper()
	within := waitLimit
	if x.Pattern == netgear.PubSub {
		within = 2 * time.Second
	}
	for _, end := range x.receivers {
		for deadline := time.Now().Add(waitLimit); ; {
			want := x.expected(t, s, x.senders[s].more(t))
			a, ok := end.next(t, within)
			for ok && a != want {
				a, ok = end.next(t, within)
			}
			if ok {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a frame does not arrive")
			}
		}
	}
}

// runLockstep checks that every frame arrives once, in order, at the receiver
// that answered it.
func (x *cell) runLockstep(t *testing.T) {
	arrived := make([]map[string][]arrival, len(x.receivers)) // by the sender's port
	each := len(x.senders) * streamFrames / len(x.receivers)  // clients take turns
	for r, end := range x.receivers {
		arrived[r] = map[string][]arrival{}
		for range each {
			a := must(t, end)
			arrived[r][a.port] = append(arrived[r][a.port], a)
		}
	}
	for s, end := range x.senders {
		answers := end.answers(t)
		want := make([][]arrival, len(x.receivers))
		turns := make([]int, len(x.receivers))
		for i, a := range answers {
			r := 0
			if x.clients {
				r = slices.Index(x.recvPorts, a.port)
			}
			if r < 0 || !x.clients && a.port != "" {
				t.Fatalf("frame %d of sender %d was answered by port %q, there are %v", i, s, a.port, x.recvPorts)
			}
			want[r] = append(want[r], x.expected(t, s, i))
			if x.answered() {
				turns[r] = x.judge(t, a.data, s, i, r, turns[r])
			} else {
				equal(t, "an answer's data", a.data, "null")
			}
		}
		for r := range x.receivers {
			equalArrivals(t, fmt.Sprintf("sender %d to receiver %d", s, r), arrived[r][x.portOf(s)], want[r])
		}
	}
}

// runPubSub checks that frames arrive in order and unchanged, and in
// multi-client mode that every receiver has the same stream.
func (x *cell) runPubSub(t *testing.T) {
	for r, end := range x.receivers {
		arrived := map[string][]arrival{}
		for s := 0; s < len(x.senders); {
			a := must(t, end)
			if x.servers && !slices.Contains(x.sendPorts, a.port) || !x.servers && a.port != "" {
				t.Fatalf("a frame from port %q, the senders have %v", a.port, x.sendPorts)
			}
			arrived[a.port] = append(arrived[a.port], a)
			for s < len(x.senders) && len(arrived[x.portOf(s)]) >= streamFrames {
				s++
			}
		}
		for s := range x.senders {
			port := x.portOf(s)
			at, last := 0, int(waitLimit.Seconds())*pubSubRate
			for i, a := range arrived[port] {
				for a != x.expected(t, s, at) {
					if at++; at > last {
						t.Fatalf("frame %d from sender %d at receiver %d is damaged or out of order: %v", i, s, r, a)
					}
				}
				at++
			}
		}
	}
	for _, s := range x.senders {
		s.pause(t)
	}
}

// portOf returns the port that a receive end shows for sender s.
func (x *cell) portOf(s int) string {
	if x.servers {
		return x.sendPorts[s]
	}
	return ""
}

// expected returns how frame i of sender s arrives.
func (x *cell) expected(t *testing.T, s, i int) arrival {
	frame, message := x.frame(s, i)
	if x.pythonReceives && !x.bidirectional && !x.servers {
		message = "" // VidGear does not show it
	}
	return arrival{x.portOf(s), x.pictures(t)[frame], message}
}

// must returns the receiver's next frame.
func must(t *testing.T, r receiver) arrival {
	t.Helper()
	a, ok := r.next(t, waitLimit)
	if !ok {
		t.Fatalf("no frame for %v", waitLimit)
	}
	return a
}

func equalArrivals(t *testing.T, what string, got, want []arrival) {
	t.Helper()
	equal(t, what+": number of frames", len(got), len(want))
	for i := range want {
		equal(t, fmt.Sprintf("%s: frame %d", what, i), got[i], want[i])
	}
}

// ---- what is returned ----

// A Go receive end answers each frame with data about it (Respond): at even
// places with a value, at the others with the frame itself.
func respond(r int) func(context.Context, *netgear.Frame) (any, error) {
	return func(_ context.Context, f *netgear.Frame) (any, error) {
		var m struct{ Place int }
		if err := f.Message.Decode(&m); err != nil {
			return nil, err
		}
		if m.Place%2 == 1 {
			return f, nil
		}
		return map[string]any{"by": r, "message": f.Message}, nil
	}
}

// returned returns item k of Python receive end r's data, for its k'th call of
// recv, in peer.py's form and as it arrives. One end returns either data or
// arrays: VidGear reads the data several times for one answer, and ends when
// recv replaces an array with data meanwhile.
func (x *cell) returned(t *testing.T, r, k int) (told, arrives string) {
	if (r+int(x.Pattern))%2 == 1 {
		file, _ := json.Marshal(x.clip().npy(k % footageFrames)) // texts always encode
		return fmt.Sprintf(`{"$npy": %s}`, file), x.pictures(t)[k%footageFrames]
	}
	told = fmt.Sprintf(`{"by": %d, "item": %d}`, r, k)
	return told, told
}

// judge checks the answer of receiver r to frame i of sender s. A VidGear
// receive end answers before the application has the frame. So the answer has
// the item of the previous answer or a later one, from the number from on.
// judge returns the item's number.
func (x *cell) judge(t *testing.T, data string, s, i, r, from int) int {
	t.Helper()
	if !x.pythonReceives {
		frame, message := x.frame(s, i)
		want := x.pictures(t)[frame]
		if i%2 == 0 {
			want = fmt.Sprintf(`{"by": %d, "message": %s}`, r, message)
		}
		equal(t, fmt.Sprintf("answer to frame %d", i), data, want)
		return 0
	}
	last := i
	if x.servers { // both have the same items
		last = 2*streamFrames - 1
	}
	for k := from; k <= last; k++ {
		if _, arrives := x.returned(t, r, k); arrives == data {
			return k
		}
	}
	t.Fatalf("answer to frame %d of sender %d by receiver %d: %.300s\nit is none of the items from %d to %d", i, s, r, data, from, last)
	return 0
}

// ---- Go ends ----

type goReceiver struct{ *netgear.NetGear }

func (x *cell) openReceiver(t *testing.T, i int) {
	t.Helper()
	o := x.Options
	switch {
	case x.servers:
		o.Ports = []string{"0", "0"}
	case x.clients && !x.pythonReceives:
		// A client's port identifies it. The system could choose it, but
		// VidGear's users set it.
		o.Port = peertest.FreePort(t)
	}
	if x.pythonReceives {
		var flags []string
		if x.answered() {
			items := make([]string, 2*streamFrames)
			for k := range items {
				items[k], _ = x.returned(t, i, k)
			}
			flags = []string{"--returns", "[" + strings.Join(items, ", ") + "]"}
		}
		var p *peer
		p, o = startReceiver(t, o, flags...)
		x.receivers = append(x.receivers, pyReceiver{p})
	} else {
		if x.answered() {
			o.Respond = respond(i)
		}
		var n *netgear.NetGear
		n, o = openReceiver(t, o)
		x.receivers = append(x.receivers, goReceiver{n})
	}
	x.sendPorts, x.recvPorts = o.Ports, append(x.recvPorts, o.Port)
}

func (r goReceiver) next(t *testing.T, within time.Duration) (arrival, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	f, err := r.Recv(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return arrival{}, false
	}
	if err != nil {
		t.Fatalf("%v (%+v)", err, r.Stats())
	}
	defer f.Close()
	return arrival{f.Port, framePicture(t, f), f.Message.String()}, true
}

func (r goReceiver) end(t *testing.T) { drain(t, r.NetGear) }

// drain receives up to the end of the stream.
func drain(t *testing.T, n *netgear.NetGear) {
	t.Helper()
	for {
		f, err := tryReceive(n)
		if err != nil {
			break
		}
		f.Close()
	}
	receiveEnd(t, n)
}

// goSender streams in a goroutine.
type goSender struct {
	*netgear.NetGear
	x       *cell
	s       int
	sent    int
	replies []answer
	halt    context.CancelFunc
	done    chan error
}

func (x *cell) openSender(t *testing.T, i int) {
	t.Helper()
	o := x.Options
	switch {
	case x.servers:
		o.Port = x.sendPorts[i]
	case x.clients:
		o.Ports = x.recvPorts
	default:
		o.Port = x.recvPorts[0]
	}
	if x.pythonSends {
		x.senders = append(x.senders, x.startPython(t, o, i))
		return
	}
	connected := make(chan struct{}, len(x.recvPorts))
	o.OnEvent = func(netgear.Event) { // EventConnected is the first
		select {
		case connected <- struct{}{}:
		default: // the test no longer reads it
		}
	}
	x.senders = append(x.senders, &goSender{NetGear: open(t, o), x: x, s: i})
	// All clients are connected, so they take turns from the first frame on.
	for range x.receivers {
		select {
		case <-connected:
		case <-time.After(waitLimit):
			t.Fatal("the ends do not connect")
		}
	}
}

func (g *goSender) start(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	g.halt, g.done = cancel, make(chan error, 1)
	go func() { g.done <- g.stream(ctx) }()
}

func (g *goSender) stream(ctx context.Context) error {
	pace := time.NewTicker(time.Second / pubSubRate)
	defer pace.Stop()
	for g.x.Pattern == netgear.PubSub || g.sent < streamFrames {
		if g.x.Pattern == netgear.PubSub {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return nil
			}
		}
		if err := g.send(ctx, g.sent); err != nil {
			return err
		}
	}
	return nil
}

// send sends the frame of place i.
func (g *goSender) send(ctx context.Context, i int) error {
	frame, text := g.x.frame(g.s, i)
	message, err := netgear.MessageFromJSON([]byte(text))
	if err != nil {
		return err
	}
	reply, err := g.NetGear.Send(ctx, g.x.clip().mats[frame], message)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	data := reply.Data.String()
	if reply.Array != nil {
		data = picture(*reply.Array)
	}
	g.replies = append(g.replies, answer{reply.Port, data})
	g.sent++
	return err
}

func (g *goSender) answers(t *testing.T) []answer {
	t.Helper()
	if err := <-g.done; err != nil {
		t.Fatal(err)
	}
	return g.replies
}

func (g *goSender) pause(t *testing.T) {
	t.Helper()
	g.halt()
	if err := <-g.done; err != nil {
		t.Fatal(err)
	}
}

// more sends the marker, which the test recognizes among older frames also
// without messages.
func (g *goSender) more(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	if err := g.send(ctx, -1); err != nil {
		t.Fatal(err)
	}
	return -1
}

func (g *goSender) close(t *testing.T) {
	t.Helper()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// ---- Python ends ----

type pyReceiver struct{ *peer }

func (r pyReceiver) next(t *testing.T, within time.Duration) (arrival, bool) {
	t.Helper()
	e, ok := r.poll(within)
	if ok && e.text("event") != "frame" {
		r.Fail("the Python end said %v, not \"frame\"", e)
	}
	return arrival{e.text("port"), e.picture(), e["message"]}, ok
}

func (r pyReceiver) end(t *testing.T) {
	t.Helper()
	r.peer.end("terminated")
}

type pySender struct {
	*peer
	x *cell
}

// startPython starts a VidGear send end with its part of the footage.
func (x *cell) startPython(t *testing.T, o netgear.Options, s int) pySender {
	t.Helper()
	dir := t.TempDir()
	for i := range round {
		frame, _ := x.frame(s, i)
		if err := os.Symlink(x.clip().npy(frame), filepath.Join(dir, filepath.Base(x.clip().npy(i)))); err != nil {
			t.Fatal(err)
		}
	}
	flags := []string{"--source", "npy-dir", dir, "--n", "1000000", "--wait-ready"}
	if s == 1 {
		flags = append(flags, "--int-port") // VidGear accepts and sends ports as numbers too
	}
	messages := streamFrames + 1
	if x.Pattern == netgear.PubSub {
		messages = int(waitLimit.Seconds()) * pubSubRate
		flags = append(flags, "--fps", fmt.Sprint(pubSubRate), "--linger", "30000") // for the terminate message, see peer.py
	}
	p := startSender(t, o, flags...)
	list := make([]string, messages)
	for i := range list {
		_, list[i] = x.frame(s, i)
	}
	p.Tell("messages [" + strings.Join(list, ", ") + "]")
	return pySender{p, x}
}

func (p pySender) start(*testing.T) {
	if p.x.Pattern == netgear.PubSub {
		p.Tell("go")
	} else {
		p.Tell(fmt.Sprint("go ", streamFrames))
	}
}

func (p pySender) answers(t *testing.T) []answer {
	t.Helper()
	all := make([]answer, streamFrames)
	for i := range all {
		e := p.expect("frame")
		all[i] = answer{e.text("reply_port"), e["reply"]}
		if strings.HasPrefix(e["reply"], `{"shape"`) {
			all[i].data = e.inner("reply").picture()
		}
	}
	return all
}

func (p pySender) pause(*testing.T) {
	p.Tell("pause")
	p.until("paused")
}

func (p pySender) more(*testing.T) int {
	p.Tell("go 1")
	if p.x.Pattern == netgear.PubSub {
		p.Tell("resume")
	}
	e := p.next()
	if e.text("event") == "resumed" {
		e = p.next()
	}
	var sent struct{ Place int }
	if err := json.Unmarshal([]byte(e["message"]), &sent); err != nil {
		p.Fail("the Python end said %v", e)
	}
	return sent.Place
}

func (p pySender) close(*testing.T) {
	p.Tell("close")
	p.peer.end("closed")
}

// ---- stamps ----

// TestStamps checks that a stamped message is a dictionary in Python, and that
// the same dictionary from Python is a stamp in Go.
func TestStamps(t *testing.T) {
	t.Parallel()
	captured := time.Date(2025, 12, 1, 0, 0, 0, 250e6, time.UTC)
	const seconds = "1764547200.25"
	inner := []string{"null", `"hello"`, "[1, 2.5, NaN]", `{"seq": 3}`}
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		o.BidirectionalMode = true // VidGear shows messages then
		t.Run("go-to-python", func(t *testing.T) {
			t.Parallel()
			p, o := startReceiver(t, o)
			o.Stamp = true
			sender := open(t, o)
			for i, text := range inner {
				message, err := netgear.MessageFromJSON([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				send(t, sender, number(i), netgear.StampedMessage{At: captured, Message: message})
				e := p.expect("frame")
				equal(t, "frame", e.picture(), picture(number(i)))
				own, err := strconv.ParseUint(e.inner("message")["sender"], 10, 53)
				if err != nil || own == 0 {
					t.Fatalf("the sender of %s: %v", e["message"], err)
				}
				equal(t, "message", e["message"], fmt.Sprintf(`{"seq": %d, "t": %s, "sender": %d, "message": %s}`, i+1, seconds, own, text))
			}
			// Without StampedMessage it is the time of the call.
			before := time.Now()
			send(t, sender, number(9), "now")
			m := p.expect("frame").inner("message")
			var at float64
			if err := json.Unmarshal([]byte(m["t"]), &at); err != nil {
				t.Fatal(err)
			}
			if at < float64(before.UnixMicro())/1e6 || at > float64(time.Now().UnixMicro())/1e6 {
				t.Fatalf("stamped %v, between %v and now", m, before)
			}
			sender.Close()
			p.end("terminated")
		})
		t.Run("python-to-go", func(t *testing.T) {
			t.Parallel()
			o := o
			o.Stamp = true
			receiver, o := openReceiver(t, o)
			// Two numbers are left out, and the last message has no stamp.
			list := make([]string, len(inner))
			for i, text := range inner {
				list[i] = fmt.Sprintf(`{"seq": %d, "t": %s, "message": %s}`, 7+i+2*(i/3), seconds, text)
			}
			list = append(list, `{"seq": 1, "t": 2}`)
			p := startSender(t, o, append(numberedSource, "--n", fmt.Sprint(len(list)), "--messages", "["+strings.Join(list, ", ")+"]")...)
			for i, text := range inner {
				f := receive(t, receiver)
				equal(t, "frame", framePicture(t, f), picture(number(i)))
				equal(t, "message", f.Message.String(), text)
				if f.Stamp == nil {
					t.Fatalf("frame %d has no stamp", i)
				}
				equal(t, "number", f.Stamp.Seq, uint64(7+i+2*(i/3)))
				equal(t, "time", f.Stamp.Time.Equal(captured), true)
				f.Close()
			}
			f := receive(t, receiver)
			equal(t, "a message that is no stamp", f.Message.String(), list[len(inner)])
			equal(t, "it has a stamp", f.Stamp != nil, false)
			f.Close()
			receiveEnd(t, receiver)
			p.end("count")
			s := receiver.Stats()
			equal(t, "stamped frames", s.Latency.Frames, uint64(len(inner)))
			equal(t, "missed", s.Missed, uint64(2))
		})
	})
}

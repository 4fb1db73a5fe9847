package netgear

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// hostileSubscribers subscribe to very many topics and disconnect, repeatedly.
type hostileSubscribers struct {
	number int
	topics int
	byte   string        // what each subscription begins with: "\x01", or "\x00\x01" for one that is ended again
	pause  time.Duration // between the handshake and the subscriptions
	hasty  bool          // they close at once, and do not wait for the end
	stay   bool          // they stay until they are disconnected
	reset  bool          // they send a heartbeat among all that and reset the connection
}

// subscriptions are messages that subscribe to different topics.
func (h hostileSubscribers) subscriptions(who int) string {
	var all strings.Builder
	for i := range h.topics {
		topic := fmt.Sprintf("%020d", who*h.topics+i)
		all.WriteString(zmtp(0, "\x01"+topic))
		if h.byte != "\x01" {
			all.WriteString(zmtp(0, "\x00"+topic))
		}
	}
	return all.String()
}

// attack connects to a port until stop is called. It returns how many
// connections have sent all of their bytes.
func (h hostileSubscribers) attack(kind string, next func() (net.Conn, error)) (rounds *atomic.Int64, stop func()) {
	rounds = new(atomic.Int64)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range h.number {
		text := h.subscriptions(i)
		all.Go(func() {
			for ctx.Err() == nil {
				c, err := next()
				if err != nil {
					select {
					case <-ctx.Done():
					case <-time.After(time.Millisecond):
					}
					continue
				}
				h.play(ctx, c, kind, text, rounds)
			}
		})
	}
	return rounds, sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
}

const heartbeat = "\x04\x07\x04PING\x00\x00"

func (h hostileSubscribers) play(ctx context.Context, c net.Conn, kind, text string, rounds *atomic.Int64) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if h.reset {
		// With a heartbeat, before the handshake has ended, and right after it.
		if rounds.Add(1)%2 == 0 {
			io.WriteString(c, greeting+ready(kind)+heartbeat+text)
		} else if shakeHands(c, kind) == nil {
			io.WriteString(c, text+heartbeat)
		}
		c.(*net.TCPConn).SetLinger(0)
		return
	}
	if shakeHands(c, kind) != nil {
		return
	}
	if h.pause > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(h.pause):
		}
	}
	io.WriteString(c, text)
	rounds.Add(1)
	if h.hasty {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok && !h.stay {
		tcp.CloseWrite()
	}
	io.Copy(io.Discard, c)
}

// dialing returns what connects to a send end.
func dialing(n *NetGear) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.DialTimeout("tcp", "127.0.0.1:"+n.Port(), time.Second) }
}

var subscriberAttacks = map[string]hostileSubscribers{
	"6 wait for the end":  {number: 6, topics: 11000, byte: "\x01"},
	"6 close at once":     {number: 6, topics: 11000, byte: "\x01", hasty: true},
	"30 wait for the end": {number: 30, topics: 11000, byte: "\x01"},
	"30 close at once":    {number: 30, topics: 11000, byte: "\x01", hasty: true},
	"30 after a second":   {number: 30, topics: 11000, byte: "\x01", pause: time.Second},
	"30 within the limit": {number: 30, topics: 1000, byte: "\x01", hasty: true},
	"30 stay":             {number: 30, topics: 1000, byte: "\x01", stay: true},
	"30 reset":            {number: 30, topics: 500, byte: "\x01", reset: true},
	"6 take topics back":  {number: 6, topics: 5500, byte: "\x00\x01"},
}

// Peers that subscribe to thousands of topics and disconnect, repeatedly, do
// not delay the calls of a publisher, nor keep a good subscriber out.
func TestHostileSubscribers(t *testing.T) {
	for name, attack := range subscriberAttacks {
		for _, ahead := range []int{0, 2} {
			if (ahead > 0 || testing.Short()) && name != "6 wait for the end" {
				continue
			}
			t.Run(fmt.Sprintf("%s/ahead %d", name, ahead), func(t *testing.T) {
				send := mustNew(t, Options{Pattern: PubSub, Address: "127.0.0.1", Port: "0", Attach: AttachBind, JPEGCompression: JPEGOff, SendAhead: ahead})
				rounds, stop := attack.attack("SUB", dialing(send))
				defer stop()
				worst := worstSend(t, send)
				good := startStopwatch()
				subscribeAndGet(t, send)
				endsWithin(t, "a good subscriber's frame", good, 5*time.Second)
				stop()
				await(t, "the monitor to see all go", func() bool { return send.link.peers() == 0 })
				from := startStopwatch()
				send.Close()
				endsWithin(t, "Close", from, limit)
				t.Logf("worst send %v; %d rounds, %d flooded", worst, rounds.Load(), send.Stats().Flooded)
				if attack.topics > 5000 && send.Stats().Flooded == 0 {
					t.Error("none was disconnected")
				}
			})
		}
	}
}

// The peer that a send end connects to may be hostile as well, and so may those
// that take frames in turn.
func TestHostilePeersOfSendEnds(t *testing.T) {
	for name, o := range map[string]Options{
		"PUB that connects":  {Pattern: PubSub, Attach: AttachConnect},
		"PUSH that listens":  {Pattern: PushPull, Wire: AsyncWire, Attach: AttachBind},
		"PUSH that connects": {Pattern: PushPull, Wire: AsyncWire, Attach: AttachConnect},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Address, o.Port, o.JPEGCompression, o.RequestTimeout = "127.0.0.1", "0", JPEGOff, 300*time.Millisecond
			attack := hostileSubscribers{number: 6, topics: 11000, byte: "\x01", hasty: true}
			kind := peerKinds[false][o.Pattern]
			var stop func()
			var send *NetGear
			if o.Attach == AttachConnect {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				_, o.Port, _ = net.SplitHostPort(l.Addr().String())
				attack.number = 1
				send = mustNew(t, o)
				_, leave := attack.attack(kind, l.Accept)
				stop = func() { l.Close(); leave() }
			} else {
				send = mustNew(t, o)
				_, stop = attack.attack(kind, dialing(send))
			}
			defer stop()
			worst := worstSend(t, send)
			from := startStopwatch()
			send.Close()
			endsWithin(t, "Close", from, limit)
			t.Logf("worst send %v, %d flooded", worst, send.Stats().Flooded)
		})
	}
}

// worstSend leaves an end idle, and then returns the longest that a send call
// takes, without the time for which there was no processor.
func worstSend(t *testing.T, n *NetGear) (worst time.Duration) {
	t.Helper()
	time.Sleep(2 * time.Second) // the end is idle: what is tested
	for range 10 {
		from := startStopwatch()
		briefSend(n)
		took, _ := from.took()
		worst = max(worst, took)
	}
	if worst > limit {
		t.Errorf("a send call with a context of 100 ms took %v", worst)
	}
	return worst
}

// Very many subscribers at once, and one that subscribes to a hundred topics, are
// no floods.
func TestManySubscribers(t *testing.T) {
	send := mustNew(t, Options{Pattern: PubSub, Address: "127.0.0.1", Port: "0", Attach: AttachBind, JPEGCompression: JPEGOff})
	const number = 200
	from := time.Now()
	subs := make([]*bare, number)
	for i := range subs {
		subs[i] = newBare(t, zmq4.SUB, send)
		subs[i].SetSubscribe("")
	}
	picky := newBare(t, zmq4.SUB, send)
	for i := range 100 {
		picky.SetSubscribe(fmt.Sprintf("%020d", i))
	}
	picky.SetSubscribe("{")
	subs = append(subs, picky)
	awaitPeers(t, send, len(subs))
	t.Logf("%d subscribers after %v", len(subs), time.Since(from))
	for i, sub := range subs {
		await(t, fmt.Sprintf("subscriber %d to get a frame", i), func() bool {
			briefSend(send)
			return sub.recv(20*time.Millisecond) != nil
		})
	}
	if s := send.Stats(); s.Flooded != 0 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// briefSend sends a frame within 100 ms, or tries to.
func briefSend(n *NetGear) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	n.SendArray(ctx, testArray(0, "uint8", 1, 1), nil)
	if n.link.opts.SendAhead > 0 {
		n.Flush(ctx)
	}
}

// subscribeAndGet returns when a new subscriber has got a frame.
func subscribeAndGet(t *testing.T, send *NetGear) {
	t.Helper()
	recv := mustNew(t, Options{ReceiveMode: true, Pattern: PubSub, Address: "127.0.0.1", Port: send.Port(), Attach: AttachConnect, TerminatePolicy: KeepWaiting})
	got := make(chan error, 1)
	go func() {
		f, err := recv.Recv(testContext(t))
		if err == nil {
			f.Close()
		}
		got <- err
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
			recv.Close()
			return
		case <-tick.C:
			briefSend(send)
		}
	}
}

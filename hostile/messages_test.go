package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// target is an end that mutated messages are sent to.
type target struct {
	name string
	o    netgear.Options
}

// targets returns ends of every wire, pattern and mode.
func targets(t *testing.T) (all []target) {
	location := t.TempDir()
	if _, err := netgear.CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	add := func(receive bool, wire netgear.Wire, pattern netgear.Pattern, mode string, set func(o *netgear.Options)) {
		o := base()
		o.ReceiveMode, o.Wire, o.Pattern, o.Attach = receive, wire, pattern, netgear.AttachBind
		if !receive {
			o.RequestTimeout = 2 * time.Second
		}
		if set != nil {
			set(&o)
		}
		side := map[bool]string{true: "receive", false: "send"}[receive]
		all = append(all, target{fmt.Sprintf("%s %v %v %s", side, wire, pattern, mode), o})
	}
	type (
		P = netgear.Pattern
		O = *netgear.Options
	)
	const (
		netGear, async, imageZMQ       = netgear.NetGearWire, netgear.AsyncWire, netgear.ImageZMQWire
		pair, reqRep, pubSub, pushPull = netgear.Pair, netgear.ReqRep, netgear.PubSub, netgear.PushPull
	)
	secure := func(o O) { o.SecureMode, o.CustomCertLocation = netgear.IronHouse, location }
	connects := func(o O) { o.Attach = netgear.AttachConnect }
	bidirectional := func(o O) { o.BidirectionalMode = true }
	several := func(o O) { o.Ports = []string{peertest.FreePort(t), peertest.FreePort(t)} }
	for _, p := range []P{pair, reqRep, pubSub} {
		add(true, netGear, p, "plain", nil)
		add(true, netGear, p, "decoded ahead", func(o O) { o.Decode = netgear.DecodeAhead })
		add(true, netGear, p, "decoded on use, IronHouse", func(o O) { o.Decode = netgear.DecodeOnUse; secure(o) })
		add(true, async, p, "plain", nil)
		add(true, async, p, "IronHouse", secure)
		add(false, netGear, p, "plain", nil)
		add(false, netGear, p, "connects", connects)
		add(false, netGear, p, "IronHouse", secure)
		if p != pubSub {
			add(true, netGear, p, "connects", connects)
			add(true, netGear, p, "bidirectional", bidirectional)
			add(true, async, p, "bidirectional", bidirectional)
			add(false, netGear, p, "bidirectional", bidirectional)
			add(false, async, p, "bidirectional, connects", func(o O) { bidirectional(o); connects(o) })
		} else {
			add(true, netGear, p, "Latest", func(o O) { o.Latest, o.Decode = true, netgear.DecodeOnUse })
			add(false, async, p, "plain", nil)
			add(true, imageZMQ, p, "connects", connects)
			add(false, imageZMQ, p, "plain", nil)
		}
	}
	add(true, netGear, reqRep, "Respond", func(o O) {
		bidirectional(o)
		o.Respond = func(_ context.Context, f *netgear.Frame) (any, error) {
			_, err := f.Bytes()
			return netgear.Tuple{answerText, f}, err
		}
	})
	add(true, netGear, reqRep, "multi-server", func(o O) { o.MultiserverMode = true; several(o) })
	add(true, netGear, pubSub, "multi-server, Latest", func(o O) { o.MultiserverMode, o.Latest = true, true; several(o) })
	add(true, netGear, reqRep, "multi-client", func(o O) { o.MulticlientMode = true })
	add(true, netGear, reqRep, "Stamp", func(o O) { o.Stamp = true })
	add(true, netGear, reqRep, "Reading", func(o O) { o.Reading = netgear.Reading{Reduce: 2, Region: image.Rect(2, 2, 12, 12)} })
	add(true, async, pushPull, "plain", nil)
	add(true, async, pushPull, "IronHouse", secure)
	add(true, imageZMQ, reqRep, "multi-server", func(o O) { o.MultiserverMode = true })
	add(true, imageZMQ, reqRep, "bidirectional, IronHouse", func(o O) { bidirectional(o); secure(o) })
	add(false, imageZMQ, reqRep, "bidirectional", bidirectional)
	add(false, netGear, reqRep, "multi-client", func(o O) { o.MulticlientMode = true; several(o); connects(o) })
	return all
}

// TestMessages sends mutated messages to every end. Each message is accounted
// for in Stats, every frame that is delivered can be decoded or is an ErrFrame,
// and after every thousand messages a good peer is served.
func TestMessages(t *testing.T) {
	all := targets(t)
	share := (messages + len(all) - 1) / len(all)
	t.Run("ends", func(t *testing.T) {
		for _, each := range all {
			t.Run(each.name, func(t *testing.T) {
				t.Parallel()
				each.attack(t, share)
			})
		}
	})
}

// mostGrown is how much the memory of the process may grow between the first
// thousand messages and the last, in MB. Sanitizers keep freed memory.
const mostGrown = 300

// attack sends a number of messages, and serves a good peer after each block.
func (e target) attack(t *testing.T, number int) {
	l := open(t, e.o)
	l.serve()
	memory := int64(0)
	for block := 0; number > 0; block, number = block+1, number-blockSize {
		if onlyBlock >= 0 && block != onlyBlock {
			continue
		}
		m := newMutator(random(t, block), recorded(t, e.o.Wire, e.o.ReceiveMode))
		if e.o.ReceiveMode {
			l.attackReceiver(m, min(number, blockSize))
		} else {
			l.attackSender(m, min(number, blockSize))
		}
		l.serve()
		if t.Failed() {
			t.Fatalf("repeat with NETGEAR_HOSTILE_SEED=%d NETGEAR_HOSTILE_MESSAGES=%d NETGEAR_HOSTILE_BLOCK=%d -run '%s$'", seed, messages, block, t.Name())
		}
		if memory == 0 {
			memory = alloctest.Memory() >> 20
		}
	}
	await(t, "the last frames to be closed", func() bool {
		s := l.Stats()
		return s.Open == 0 && s.Queue == 0 && s.QueueBytes == 0
	})
	progress("%s: %s; %d MB", e.name, l.counts(), alloctest.Memory()>>20)
	if grown := alloctest.Memory()>>20 - memory; grown > mostGrown {
		t.Errorf("%d MB more than after the first block", grown)
	}
}

// counts returns the counts of an end that are not zero.
func (l *live) counts() string { return countsOf(l.t, l.NetGear) }

func countsOf(t testing.TB, n *netgear.NetGear) string {
	t.Helper()
	text, err := json.Marshal(n.Stats())
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for name, value := range all {
		if n, isNumber := value.(float64); !isNumber || n == 0 {
			delete(all, name)
		}
	}
	return fmt.Sprint(all)
}

// ---- raw sockets ----

// raw is a ZeroMQ socket without a NetGear around it.
type raw struct {
	*zmq4.Socket
	t   *testing.T
	ctx *zmq4.Context
}

// newRaw opens a socket that is connected to the end, or that listens if the end
// connects. In a secure mode it has valid keys.
func (l *live) newRaw(kind zmq4.Type) *raw {
	l.t.Helper()
	ctx, err := zmq4.NewContext()
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := ctx.NewSocket(kind)
	if err != nil {
		l.t.Fatal(err)
	}
	r := &raw{s, l.t, ctx}
	r.must(errors.Join(s.SetLinger(0), s.SetSndtimeo(waitLimit), s.SetRcvtimeo(waitLimit), s.SetSndhwm(0), s.SetReconnectIvl(10*time.Millisecond)))
	if l.o.SecureMode != netgear.Grasslands {
		r.secure(l.o.CustomCertLocation, !l.o.ReceiveMode)
	}
	endpoint := "tcp://127.0.0.1:" + l.port(false)
	if l.listens() {
		r.must(s.Connect(endpoint))
	} else {
		await(l.t, "a free port", func() bool { return s.Bind(endpoint) == nil })
	}
	return r
}

func (r *raw) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// secure gives the socket the keys of a certificate folder.
func (r *raw) secure(location string, server bool) {
	dir, err := netgear.CertificateDir(location)
	r.must(err)
	name := certs.Client
	if server {
		name = certs.Server
	}
	public, secret, err := certs.ReadPair(certs.SecretFile(dir, name))
	r.must(err)
	r.must(errors.Join(r.SetCurvePublickey(public), r.SetCurveSecretkey(secret.Reveal())))
	if server {
		r.must(r.SetCurveServer(1))
		return
	}
	key, err := certs.ReadPublic(certs.PublicFile(dir, certs.Server))
	r.must(err)
	r.must(r.SetCurveServerkey(key))
}

func (r *raw) send(parts message) error {
	_, err := r.SendMessage([][]byte(parts))
	return err
}

func (r *raw) close() {
	r.Close()
	r.ctx.Term()
}

// ---- into receive ends ----

// senders are the raw sockets that send frames.
var senders = map[netgear.Pattern]zmq4.Type{netgear.Pair: zmq4.PAIR, netgear.ReqRep: zmq4.DEALER, netgear.PubSub: zmq4.XPUB, netgear.PushPull: zmq4.PUSH}

// accounted returns how many messages a receive end has accounted for, and
// whether its application has nothing left to do.
func (l *live) accounted() (n uint64, idle bool) {
	handled, undecodable := l.handled.Load(), l.undecodable.Load()
	s := l.Stats()
	return s.Delivered + s.Dropped + s.Discarded + s.TerminatesReceived + s.Malformed - undecodable, s.Queue == 0 && s.Delivered == handled
}

// awaitAccounted waits until a number of messages are accounted for.
func (l *live) awaitAccounted(want uint64) {
	l.t.Helper()
	got, end := uint64(0), time.Now().Add(waitLimit)
	for idle := false; !idle || got < want; time.Sleep(100 * time.Microsecond) {
		if got, idle = l.accounted(); time.Now().After(end) {
			l.t.Fatalf("%d messages are accounted for, of %d: %s", got, want, l.counts())
		}
	}
	if got > want {
		l.t.Fatalf("%d messages are accounted for, of %d: %s", got, want, l.counts())
	}
}

// attackReceiver sends messages to a receive end, and reads the answers.
func (l *live) attackReceiver(m *mutator, number int) {
	l.t.Helper()
	s := l.newRaw(senders[l.o.Pattern])
	defer func() { s.close() }()
	if l.o.Pattern == netgear.PubSub {
		_, err := s.RecvBytes(0) // the subscription
		s.must(err)
	}
	start, idle := l.accounted()
	for ; !idle; start, idle = l.accounted() {
		time.Sleep(100 * time.Microsecond)
	}
	for i := range number {
		parts := m.next()
		if l.o.Pattern == netgear.ReqRep {
			parts = append(message{nil}, parts...) // the delimiter
		}
		terminates := l.Stats().TerminatesReceived
		if err := s.send(parts); err != nil {
			l.t.Fatalf("message %d: %v", i, err)
		}
		if !answers(&l.o) {
			if i%20 == 19 || i == number-1 {
				l.awaitAccounted(start + uint64(i) + 1)
			}
			continue
		}
		if answered := l.awaitAnswer(s, terminates); !answered {
			// The peer that sent it is expected to leave.
			l.awaitAccounted(start + uint64(i) + 1)
			s.close()
			s = l.newRaw(senders[l.o.Pattern])
		}
	}
	l.awaitAccounted(start + uint64(number))
	s.close()
	if l.good != nil {
		l.awaitPeers(1)
	} else {
		l.awaitPeers(0)
	}
}

// awaitAnswer waits for the answer to a message. It returns false if a PAIR end
// has taken the message for a terminate message: it disconnects a peer that stays
// after one, and need not answer it.
func (l *live) awaitAnswer(s *raw, terminates uint64) bool {
	l.t.Helper()
	if l.o.Pattern == netgear.Pair {
		s.must(s.SetRcvtimeo(20 * time.Millisecond))
	}
	for end := time.Now().Add(waitLimit); ; {
		_, err := s.RecvMessageBytes(0)
		switch {
		case err == nil && l.o.Pattern == netgear.Pair:
			return l.Stats().TerminatesReceived == terminates
		case err == nil:
			return true
		case l.o.Pattern == netgear.Pair && l.Stats().TerminatesReceived > terminates:
			return false
		case zmq4.AsErrno(err) != zmq4.Errno(syscall.EAGAIN) || time.Now().After(end):
			l.t.Fatalf("no answer: %v; %s", err, l.counts())
		}
	}
}

// ---- into send ends ----

// receivers are the raw sockets that receive frames.
var receivers = map[netgear.Pattern]zmq4.Type{netgear.Pair: zmq4.PAIR, netgear.ReqRep: zmq4.REP, netgear.PubSub: zmq4.XSUB}

// small is what a send end sends to hostile peers.
var small = netgear.Array{DType: "uint8", Shape: []int{4}, Data: []byte("tiny")}

// attackSender answers the frames of a send end with mutated answers.
func (l *live) attackSender(m *mutator, number int) {
	l.t.Helper()
	if l.o.Pattern == netgear.PubSub {
		l.subscribe(m, number)
		return
	}
	s := l.newRaw(receivers[l.o.Pattern])
	ctx, cancel := context.WithCancel(l.t.Context())
	var answering sync.WaitGroup
	answering.Go(func() { s.answer(ctx, m) })
	var other *live // a good peer that takes frames in turn
	if l.o.MulticlientMode {
		other = open(l.t, l.peerOptions())
		await(l.t, "both clients", func() bool { return l.Stats().Connected == 2 })
	}
	before := l.Stats()
	for i := range number {
		reply, err := l.SendArray(ctx, small, nil)
		if err != nil && !errors.Is(err, netgear.ErrRejected) {
			l.t.Errorf("frame %d: %v; %s", i, err, l.counts())
			break
		}
		l.examineReply(reply)
	}
	if s := l.Stats(); !l.t.Failed() && s.Frames+s.Rejected != before.Frames+before.Rejected+uint64(number) {
		l.t.Errorf("%d frames were answered: %+v, before %+v", number, s, before)
	}
	cancel()
	answering.Wait()
	if other != nil {
		other.close()
	}
	l.awaitPeers(0)
}

// examineReply reads the data of an answer.
func (l *live) examineReply(r netgear.Reply) {
	_ = fmt.Sprint(r.Data.Value(), r.PythonType, r.Port)
	if r.Array == nil {
		return
	}
	elements, err := numpy.Elements(r.Array.Shape)
	if err != nil {
		l.t.Errorf("an answer of the shape %v: %v", r.Array.Shape, err)
		return
	}
	if d, err := numpy.Parse(r.Array.DType); err == nil && d.Size > 0 && elements*d.Size != len(r.Array.Data) {
		l.t.Errorf("an answer of %v of %s has %d bytes", r.Array.Shape, r.Array.DType, len(r.Array.Data))
	}
}

// answer answers each frame with a mutated answer, until ctx ends, and closes
// the socket. A PAIR socket sometimes sends two.
func (r *raw) answer(ctx context.Context, m *mutator) {
	defer r.close()
	r.SetRcvtimeo(20 * time.Millisecond)
	kind, _ := r.GetType()
	for ctx.Err() == nil {
		if _, err := r.RecvMessageBytes(0); err != nil {
			continue
		}
		r.send(m.next())
		if kind == zmq4.PAIR && m.IntN(8) == 0 {
			r.send(m.next())
		}
	}
}

// subscribe sends mutated messages as subscriptions to a publisher, which sends
// frames meanwhile.
func (l *live) subscribe(m *mutator, number int) {
	l.t.Helper()
	for number > 0 {
		s := l.newRaw(zmq4.XSUB)
		s.must(s.SetSndtimeo(0))
		if l.listens() {
			await(l.t, "the hostile subscriber", func() bool { return l.Stats().Connected > 0 })
		}
		// Beyond some bytes a publisher disconnects its subscribers.
		for range min(number, 50) {
			number--
			for _, part := range m.next() {
				s.SendBytes(append([]byte{byte(m.IntN(3))}, part[:min(len(part), 1000)]...), 0)
			}
			if _, err := l.SendArray(l.t.Context(), small, nil); err != nil {
				l.t.Errorf("a frame: %v", err)
			}
		}
		s.close()
		l.awaitPeers(0)
	}
}

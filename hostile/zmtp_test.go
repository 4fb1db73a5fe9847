package hostile

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// tcpTargets returns ends of every pattern that listen and that connect, with
// and without security.
func tcpTargets(t *testing.T) (all []target) {
	location := t.TempDir()
	if _, err := netgear.CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	for _, receive := range []bool{true, false} {
		for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep, netgear.PubSub, netgear.PushPull} {
			for _, attach := range []netgear.Attachment{netgear.AttachBind, netgear.AttachConnect} {
				for _, mode := range []netgear.SecureMode{netgear.Grasslands, netgear.IronHouse} {
					o := base()
					o.ReceiveMode, o.Pattern, o.Attach, o.SecureMode = receive, pattern, attach, mode
					o.RequestTimeout = 300 * time.Millisecond
					if pattern == netgear.PushPull {
						o.Wire = netgear.AsyncWire
					}
					if mode != netgear.Grasslands {
						o.CustomCertLocation = location
					}
					name := map[bool]string{true: "receive", false: "send"}[receive]
					all = append(all, target{fmt.Sprintf("%s %v %v mode %d", name, pattern, attach, mode), o})
				}
			}
		}
	}
	return all
}

// each runs a test for every end of tcpTargets that is chosen.
func each(t *testing.T, chosen func(o *netgear.Options) bool, run func(t *testing.T, l *live)) {
	for _, target := range tcpTargets(t) {
		if !chosen(&target.o) {
			continue
		}
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			l := open(t, target.o)
			run(t, l)
			progress("%s: %s; %d MB", t.Name(), l.counts(), alloctest.Memory()>>20)
		})
	}
}

// siege leads hostile connections to an end, one after the other, and has a good
// peer served after each hundred. A send end sends frames meanwhile.
type siege struct {
	*live
	visits  int
	next    func() (net.Conn, error)
	release func()
}

// besiege begins a siege.
func (l *live) besiege() *siege {
	s := &siege{live: l}
	s.begin()
	return s
}

// begin opens the listener, and starts the sending application.
func (s *siege) begin() {
	next, stop := s.connections()
	ctx, cancel := context.WithCancel(s.t.Context())
	var sending sync.WaitGroup
	if !s.o.ReceiveMode {
		sending.Go(func() {
			for ctx.Err() == nil {
				_, err := s.SendArray(ctx, small, nil)
				s.checkIfError(err)
				time.Sleep(time.Millisecond) // the pace
			}
		})
	}
	s.next = next
	s.release = func() {
		stop()
		cancel()
		sending.Wait()
	}
}

// end ends the hostile part, and has a good peer served.
func (s *siege) end() {
	s.t.Helper()
	s.release()
	s.serve()
}

// visit makes the next connection, or accepts it, and calls play with it.
func (s *siege) visit(play func(c net.Conn)) {
	s.t.Helper()
	var c net.Conn
	for end := time.Now().Add(waitLimit); ; {
		var err error
		if c, err = s.next(); err == nil {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("no connection for %v: %v; %s", waitLimit, err, s.counts())
		}
	}
	c.SetDeadline(time.Now().Add(waitLimit))
	play(c)
	c.Close()
	if s.visits++; s.visits%100 == 0 {
		s.end()
		if s.t.Failed() {
			s.t.FailNow()
		}
		if s.visits%500 == 0 {
			progress("%s: %d connections so far", s.t.Name(), s.visits)
		}
		s.begin()
	}
}

// TestCutAndChanged performs a handshake and sends a message, cut at every byte,
// and with every byte changed. Nothing of a message that is cut is delivered, and
// nothing of a sealed one that is changed.
func TestCutAndChanged(t *testing.T) {
	each(t, func(*netgear.Options) bool { return true }, func(t *testing.T, l *live) {
		var keys keyring
		if l.o.SecureMode != netgear.Grasslands {
			keys = l.keysOf(t)
		}
		s := l.besiege()
		size, heads := s.untouched(keys)
		r := random(t, 0)
		var step, masks int
		switch {
		case !long() && l.listens():
			step, masks = size/10, 1
		case !long():
			step, masks = size/3, 1
		case l.listens():
			step, masks = max(1, 12/percent), rounds(8)
		default: // it connects again after a tenth of a second
			step, masks = max(1, 50/percent), 1
		}
		for at := r.IntN(step); at < size; at += step {
			s.tamper(keys, at, 0, heads, r.IntN(4))
			for i := range masks {
				mask := byte(1) << i
				if masks == 1 {
					mask = 1 << r.IntN(8)
				}
				s.tamper(keys, at, mask, heads, r.IntN(4))
			}
		}
		s.untouched(keys)
		s.end()
	})
}

// untouched performs a handshake and sends a message. It returns how many bytes
// were sent, and where the frames begin.
func (s *siege) untouched(keys keyring) (size int, heads []int) {
	s.t.Helper()
	for end := time.Now().Add(waitLimit); ; {
		var err error
		s.visit(func(c net.Conn) {
			w := &tampered{Conn: c, at: -1}
			err = s.converse(w, keys, "untouched")
			size, heads = w.sent, w.heads
			leave(c, 2)
		})
		if err == nil {
			return size, heads
		}
		// A PAIR end may still serve the last one, and a new socket may just be
		// opened.
		if time.Now().After(end) {
			s.t.Fatalf("a session without a fault fails: %v; %s", err, s.counts())
		}
	}
}

// The greeting and the 72 bytes of zeros in HELLO are not sealed.
const (
	paddingFrom = zmtp.GreetingSize + 2 + len("\x05HELLO") + 2
	paddingTo   = paddingFrom + 72
)

// sealed reports whether a byte of a CURVE session must not be changed. The
// flags of a frame may, as the frame's own are in the box.
func (s *siege) sealed(at int, heads []int) bool {
	if s.o.SecureMode == netgear.Grasslands || at < zmtp.GreetingSize || paddingFrom <= at && at < paddingTo {
		return false
	}
	return !slices.Contains(heads, at)
}

// tamper performs one session with a fault.
func (s *siege) tamper(keys keyring, at int, mask byte, heads []int, way int) {
	s.t.Helper()
	text := "?"
	if mask == 0 || s.sealed(at, heads) {
		text = forbidden
	}
	// The text has the same length in each session, as the numbers of the bytes
	// depend on it.
	s.visit(func(c net.Conn) {
		c.SetDeadline(time.Now().Add(peerTimeout))
		s.converse(&tampered{Conn: c, at: at, mask: mask}, keys, text+fmt.Sprintf("%05d %02x", at, mask))
		leave(c, way)
	})
}

// TestTalk sends what no peer of these patterns sends, after a good beginning:
// old versions, other mechanisms, commands, identities and metadata of any
// length, messages without an end.
func TestTalk(t *testing.T) {
	each(t, func(o *netgear.Options) bool { return o.SecureMode == netgear.Grasslands }, func(t *testing.T, l *live) {
		s := l.besiege()
		r := random(t, 0)
		times, share := 1, 40
		switch {
		case long() && l.listens():
			times, share = rounds(20), 1
		case long():
			times, share = rounds(4), 1
		case l.listens():
			share = 3
		}
		for round := range times {
			for _, text := range talks(l) {
				if r.IntN(share) > 0 {
					continue
				}
				if round%2 == 1 { // with a fault of its own
					b := []byte(text)
					for range 1 + r.IntN(3) {
						b[r.IntN(len(b))] = byte(r.Uint32())
					}
					text = string(b[:1+r.IntN(len(b))])
				}
				way := r.IntN(4)
				s.visit(func(c net.Conn) {
					c.SetDeadline(time.Now().Add(peerTimeout))
					io.WriteString(c, text)
					leave(c, way)
				})
			}
		}
		s.end()
	})
}

// The greetings of older versions (RFC 13, RFC 15).
const (
	greetingV1 = "\x01\x00"
	greetingV2 = zmtp.Signature + "\x01"
)

// talks returns what hostile peers send to an end without security.
func talks(l *live) (all []string) {
	kind := l.kind()
	hello, ready := zmtp.Greeting(0, "NULL", false), zmtp.Ready(kind)
	both := hello + ready
	message := strings.TrimPrefix(l.plainText("talk"), both)
	add := func(texts ...string) { all = append(all, texts...) }

	// Other versions and mechanisms.
	add(greetingV1, greetingV1+"\x05\x00hello", "\xff"+zmtp.Number(6)+"\x00abcde"+"\x06\x01hello", "\x7f", "\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00x")
	for socketType := range byte(13) {
		add(greetingV2+string(rune(socketType))+"\x00\x00", greetingV2+string(rune(socketType))+"\x00\xff"+strings.Repeat("i", 255)+message)
	}
	for _, version := range []string{"\x00\x00", "\x02\x00", "\x03\x01", "\x03\xff", "\x04\x00", "\xff\xff"} {
		add(zmtp.Signature + version + both[12:] + message)
	}
	for _, mechanism := range []string{"", "null", "PLAIN", "CURVE", "GSSAPI", strings.Repeat("X", 20), "NULL\x00X"} {
		add(zmtp.Greeting(0, mechanism, false)+ready+message, zmtp.Greeting(1, mechanism, true)+ready)
	}
	add(zmtp.Greeting(0, "PLAIN", false)+zmtp.Command("HELLO", "\x05admin\x05admin"), zmtp.Greeting(0, "CURVE", false)+zmtp.Command("HELLO", strings.Repeat("x", 194)),
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", strings.Repeat("\x00", 4096), strings.Repeat("\xff", 4096))

	// Metadata.
	property := zmtp.Property
	for _, metadata := range []string{
		"", property("Identity", "x"), property("Socket-Type", ""), property("Socket-Type", "PAIRX"), property("Socket-Type", strings.Repeat("PAIR", 50)),
		zmtp.Metadata(kind) + zmtp.Metadata(kind), property("socket-type", kind), property("Socket-Type", kind) + property("Identity", strings.Repeat("i", 255)),
		property("Socket-Type", kind) + property("Identity", strings.Repeat("i", 256)), property("Socket-Type", kind) + property("Identity", strings.Repeat("i", 60000)),
		property("Socket-Type", kind) + property("Identity", "\x00one"), property("Socket-Type", kind) + property("", ""), property("Socket-Type", kind) + property(strings.Repeat("n", 255), strings.Repeat("v", 60000)),
		property("Socket-Type", kind) + strings.Repeat(property("X-Name", "value"), 1000), property("Socket-Type", kind) + "\x01X\xff\xff\xff\xff", property("Socket-Type", kind) + "\x01X\x7f\xff\xff\xffabc",
		property("Socket-Type", kind) + "\x01X\x80\x00\x00\x00", property("Socket-Type", kind) + "\xffX", property("Socket-Type", kind) + "\x01X\x00\x00", "\x0bSocket-Type\x00\x00\x00\xffPAIR",
		property("Socket-Type", kind) + property("Big", strings.Repeat("x", 2<<20)),
	} {
		add(hello + zmtp.Command("READY", metadata) + message)
	}

	// Commands before the handshake has ended, and after it.
	commands := []string{
		"\x04PING\x00\x00", "\x04PING\x00\x01hello", "\x04PING", "\x04PING\x00", "\x04PING\xff\xff" + strings.Repeat("c", 16), "\x04PING\x00\x01" + strings.Repeat("c", 17), "\x04PING\x00\x01" + strings.Repeat("c", 70000),
		"\x04PONG", "\x04PONGhello", "\x04PONG" + strings.Repeat("c", 70000), "\x09SUBSCRIBE", "\x09SUBSCRIBEtopic", "\x09SUBSCRIBE" + strings.Repeat("t", 3000), "\x09SUBSCRIBE" + strings.Repeat("t", 70000),
		"\x06CANCEL", "\x06CANCELnever", "\x06CANCEL" + strings.Repeat("t", 3000), "\x05ERROR", "\x05ERROR\x00", "\x05ERROR\x03bad", "\x05ERROR\xffbad", "\x05ERROR\x01bad", "\x05ERROR\xff" + strings.Repeat("e", 255),
		"\x05READY", "\x05READY" + zmtp.Metadata(kind), "\x04JOINgroup", "\x05LEAVEgroup", "\x04JOIN" + strings.Repeat("g", 300), "\x03XXX", "\x00", "", "\xff", "\xffPING", "\x05PING", "\x07WELCOME" + strings.Repeat("w", 160),
		"\x05HELLO" + strings.Repeat("h", 194), "\x08INITIATE" + strings.Repeat("i", 300), "\x07MESSAGE" + strings.Repeat("m", 40), "\x05ERROR\x03400", "\x05ERROR\x03300",
	}
	for _, command := range commands {
		frame := zmtp.Frame(zmtp.IsCommand, command)
		add(hello+frame+ready+message, both+frame+message, both+zmtp.Frame(zmtp.IsCommand|zmtp.More, command)+message, both+zmtp.Frame(zmtp.More, "part")+frame+message)
	}
	add(both+strings.Repeat(zmtp.Frame(zmtp.IsCommand, "\x04PING\x00\x00"), 1000)+message, both+strings.Repeat(zmtp.Frame(zmtp.IsCommand, "\x05ERROR\x03bad"), 100))
	for i := range 200 { // topics that differ
		all[len(all)-1] += zmtp.Frame(zmtp.IsCommand, fmt.Sprintf("\x09SUBSCRIBE%d", i)) + zmtp.Frame(zmtp.IsCommand, fmt.Sprintf("\x06CANCEL%d", i/2))
	}

	// Frames.
	for flags := 1; flags < 256; flags <<= 1 {
		add(both+zmtp.Frame(byte(flags), "body")+message, both+zmtp.Frame(byte(flags), "body"), both+zmtp.Frame(byte(255^flags), "body")+message)
	}
	for _, length := range []uint64{0, 1 << 20, 1<<20 + 1, 1 << 31, 1<<32 - 1, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		for _, flags := range []string{"\x02", "\x03", "\x06"} {
			add(both+flags+zmtp.Number(length)+"body", hello+flags+zmtp.Number(length)+"body")
		}
	}
	add(both+strings.Repeat(zmtp.Frame(zmtp.More, "x"), 3000), both+strings.Repeat(zmtp.Frame(zmtp.More, ""), 3000)+message, both+strings.Repeat(message, 50)+zmtp.Frame(zmtp.More, "x"),
		both+strings.Repeat(zmtp.Frame(0, ""), 500), hello+message, message, both+zmtp.Frame(0, strings.Repeat("x", 900_000))+message)
	return all
}

// TestChatter connects two peers at once that send commands and parts of
// messages in any order, while an honest stream goes on.
func TestChatter(t *testing.T) {
	// A PULL end has a receive high-water mark, so heartbeats in a flood reach an
	// assertion of libzmq there: see docs/design.md.
	chosen := func(o *netgear.Options) bool {
		pull := o.ReceiveMode && o.Pattern == netgear.PushPull
		return o.SecureMode == netgear.Grasslands && listens(o) && !pull
	}
	each(t, chosen, func(t *testing.T, l *live) {
		visits := 60
		if long() {
			visits = rounds(100) * 100
		}
		for done := 0; done < visits; done += 100 {
			s := l.besiege()
			var peers sync.WaitGroup
			for i := range 2 {
				r := random(t, done+i)
				peers.Go(func() {
					for range min(visits, 100) / 2 {
						if c, err := s.next(); err == nil { // else a new socket is opened just now
							chat(r, l, c)
						}
					}
				})
			}
			if l.o.ReceiveMode {
				s.serve() // meanwhile
			}
			peers.Wait()
			s.end()
			if sent := done + 100; sent%500 == 0 {
				progress("%s: %d connections so far", t.Name(), sent)
			}
		}
	})
}

// chat is one peer of TestChatter.
func chat(r *rand.Rand, l *live, c net.Conn) {
	kind := l.kind()
	if r.IntN(5) == 0 {
		others := []string{"PAIR", "REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "CLIENT", "X", ""}
		kind = others[r.IntN(len(others))]
	}
	hello := scratched(r, zmtp.Greeting(byte(r.IntN(2)), "NULL", false)+zmtp.Ready(kind), 4)
	words := scratched(r, chatter(r, l), 3)
	if r.IntN(4) == 0 {
		words = words[:r.IntN(len(words)+1)]
	}
	c.SetDeadline(time.Now().Add(peerTimeout))
	io.WriteString(c, hello)
	if r.IntN(2) == 0 {
		// Some ends read nothing before their own half of the handshake.
		c.SetReadDeadline(time.Now().Add(peerTimeout / 10))
		if _, err := io.ReadFull(c, make([]byte, zmtp.GreetingSize)); err == nil {
			expect(c, "READY", func([]byte) error { return nil })
		}
	}
	io.WriteString(c, words)
	leave(c, r.IntN(4))
}

// scratched has some bytes changed, one time in so many.
func scratched(r *rand.Rand, text string, once int) string {
	if len(text) == 0 || r.IntN(once) > 0 {
		return text
	}
	b := []byte(text)
	for range 1 + r.IntN(3) {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	return string(b)
}

// chatter returns commands and parts of messages in any order, or messages with
// heartbeats between them.
func chatter(r *rand.Rand, l *live) string {
	ping := zmtp.Frame(zmtp.IsCommand, "\x04PING\x00\x00")
	var all strings.Builder
	if r.IntN(2) == 0 {
		frames := strings.TrimPrefix(l.plainText("chatter"), zmtp.Greeting(0, "NULL", false)+zmtp.Ready(l.kind()))
		for range 20 {
			all.WriteString(strings.Repeat(frames, 5) + ping)
		}
		return all.String()
	}
	commands := []string{"\x04PING\x00\x00", "\x04PING\x00\x01hello", "\x04PONG", "\x09SUBSCRIBEa", "\x06CANCELa", "\x05ERROR\x03bad", "\x05READY", "\x04JOINg", "\x05LEAVEg", "\x03XXX", "", "\xff"}
	content := l.content("chatter")
	for range r.IntN(40) {
		text := commands[r.IntN(len(commands))]
		if r.IntN(2) == 0 {
			text = content[r.IntN(len(content))]
		}
		flags := byte(r.IntN(8))
		all.WriteString(zmtp.Frame(flags, text))
	}
	return all.String()
}

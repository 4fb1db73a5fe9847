package hostile

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// row is what one hostile peer sends. A good peer is served after it.
type row struct {
	name string
	text string
	ends bool // the end must end the connection, though the peer stays
}

// wireTargets returns the ends of tcpTargets, and those of the other wires.
func wireTargets(t *testing.T) []target {
	all := tcpTargets(t)
	for i := range all {
		all[i].name = fmt.Sprint(all[i].o.Wire, " ", all[i].name)
	}
	for _, each := range slices.Clone(all) {
		for _, wire := range []netgear.Wire{netgear.AsyncWire, netgear.ImageZMQWire} {
			o := each.o
			o.Wire = wire
			pattern := o.Pattern
			if pattern == netgear.PushPull || pattern == netgear.Pair && wire == netgear.ImageZMQWire {
				continue
			}
			_, name, _ := strings.Cut(each.name, " ")
			all = append(all, target{fmt.Sprint(wire, " ", name), o})
		}
	}
	return all
}

// interleaved returns the frames of a message, with a text between its parts.
func interleaved(parts []string, between string) string {
	frames := make([]string, len(parts))
	for i, part := range parts {
		flags := byte(zmtp.More)
		if i == len(parts)-1 {
			flags = 0
		}
		frames[i] = zmtp.Frame(flags, part)
	}
	return strings.Join(frames, between)
}

// frameV1 returns a frame of version 1 (RFC 13).
func frameV1(flags byte, body string) string {
	if len(body)+1 >= 255 {
		return "\xff" + zmtp.Number(uint64(len(body)+1)) + string([]byte{flags}) + body
	}
	return string([]byte{byte(len(body) + 1), flags}) + body
}

// messageV1 returns a message of version 1.
func messageV1(parts []string) (all string) {
	for i, part := range parts {
		flags := byte(zmtp.More)
		if i == len(parts)-1 {
			flags = 0
		}
		all += frameV1(flags, part)
	}
	return all
}

// command returns the body of a command with a name. The length of the name is
// wrong by so much.
func command(name string, wrong int, body string) string {
	return string([]byte{byte(len(name) + wrong)}) + name + body
}

// oddCommands are the bodies of commands, right ones and wrong ones.
func oddCommands(kind string) map[string]string {
	all := map[string]string{
		"an empty command": "", "a command without a name": "\x00", "a length alone": "\x04", "an unknown command": command("UNKNOWN", 0, "body"),
		"READY": command("READY", 0, zmtp.Metadata(kind)), "READY of another type": command("READY", 0, zmtp.Metadata("STREAM")),
		"READY with another identity": command("READY", 0, zmtp.Property("Socket-Type", kind)+zmtp.Property("Identity", "another")),
		"READY of 60 KB":              command("READY", 0, strings.Repeat(zmtp.Property("X", "y"), 8000)),
		"ERROR":                       command("ERROR", 0, "\x03bad"), "PONG": command("PONG", 0, "context"), "JOIN": command("JOIN", 0, "group"), "LEAVE": command("LEAVE", 0, "group"),
		"PING without a TTL": command("PING", 0, ""), "PING with half a TTL": command("PING", 0, "\x00"),
	}
	for _, ttl := range []string{"\x00\x00", "\x02\x8f", "\x02\x90", "\xff\xff"} { // 655 and 656 tenths of a second: 65536 ms are more than libzmq can count
		for _, context := range []int{0, 1, 15, 16, 17, 255, 256, 3000} {
			all[fmt.Sprintf("PING with TTL %x and a context of %d", ttl, context)] = command("PING", 0, ttl+strings.Repeat("c", context))
		}
	}
	for _, name := range []string{"PING", "PONG", "SUBSCRIBE", "CANCEL", "READY", "ERROR", "JOIN", "LEAVE"} {
		for _, wrong := range []int{-1, 1, 9, 200} {
			all[fmt.Sprintf("%s whose name's length is wrong by %d", name, wrong)] = command(name, wrong, "\x00\x00")
		}
	}
	for _, name := range []string{"SUBSCRIBE", "CANCEL"} {
		for _, topic := range []int{0, 1, 254, 255, 256, 3000} {
			all[fmt.Sprintf("%s with a topic of %d", name, topic)] = command(name, 0, strings.Repeat("t", topic))
		}
	}
	return all
}

// identities are those that a peer may take. libzmq makes up ones of five bytes,
// the first of which is zero, for peers without.
var identities = []string{"i", "\x00", "\x00\x00\x00\x00\x00", "\x00\xff\xff\xff\xff", strings.Repeat("i", 254), strings.Repeat("i", 255), strings.Repeat("i", 256), strings.Repeat("i", 257), strings.Repeat("i", 65536)}

// rows returns what hostile peers send in one piece to an end, as if it had no
// security.
func rows(l *live, text string) (all []row) {
	kind, parts := l.kind(), l.content(text)
	message := interleaved(parts, "")
	add := func(name string, texts ...string) { all = append(all, row{name: name, text: strings.Join(texts, "")}) }

	for minor := range byte(2) {
		hello, ready := zmtp.Greeting(minor, "NULL", false), zmtp.Ready(kind)
		version := fmt.Sprintf("3.%d: ", minor)
		commands := oddCommands(kind)
		for _, name := range sorted(commands) {
			for _, flags := range []byte{zmtp.IsCommand, zmtp.IsCommand | zmtp.More} {
				frame, more := zmtp.Frame(flags, commands[name]), map[bool]string{true: ", more to come"}[flags&zmtp.More != 0]
				add(version+name+more+" before READY", hello, frame, ready, message)
				add(version+name+more+" after READY, three times", hello, ready, frame, frame, frame, message)
				add(version+name+more+" between the parts of a message", hello, ready, interleaved(parts, frame), message)
				add(version+name+more+" in place of the last part", hello, ready, zmtp.Frame(zmtp.More, parts[0]), frame, message)
			}
		}
		add(version+"a part that is called a command", hello, ready, interleaved(parts[:1], ""), zmtp.Frame(zmtp.IsCommand, parts[len(parts)-1]), message)
		for _, topic := range []string{"", "t", strings.Repeat("t", 255), strings.Repeat("t", 256), strings.Repeat("t", 3000)} {
			name := fmt.Sprintf(" a topic of %d", len(topic))
			subscribe, cancel := zmtp.Frame(0, "\x01"+topic), zmtp.Frame(0, "\x00"+topic)
			commandOf := func(name string) string { return zmtp.Frame(zmtp.IsCommand, command(name, 0, topic)) }
			add(version+"subscribes twice and cancels three times, by messages,"+name, hello, ready, subscribe, subscribe, cancel, cancel, cancel, message)
			add(version+"subscribes twice and cancels three times, by commands,"+name, hello, ready, strings.Repeat(commandOf("SUBSCRIBE"), 2), strings.Repeat(commandOf("CANCEL"), 3), message)
			add(version+"subscribes by a message and cancels by a command,"+name, hello, ready, subscribe, commandOf("CANCEL"), commandOf("CANCEL"), message)
			add(version+"subscribes by a command and cancels by a message,"+name, hello, ready, commandOf("SUBSCRIBE"), cancel, cancel, message)
			add(version+"a subscription of several parts,"+name, hello, ready, zmtp.Frame(zmtp.More, "\x01"+topic), subscribe, cancel, message)
		}
		for _, identity := range identities {
			metadata := zmtp.Property("Socket-Type", kind) + zmtp.Property("Identity", identity)
			name := fmt.Sprintf("an identity of %d, %.5q", len(identity), identity)
			add(version+name, hello, zmtp.Command("READY", metadata), message)
			add(version+"twice "+name, hello, zmtp.Command("READY", metadata+zmtp.Property("Identity", identity)), message)
		}
		// Nothing is sent for a tenth of a second.
		all = append(all, row{version + "PING with a TTL of 0.1 s, and silence", hello + ready + zmtp.Frame(zmtp.IsCommand, command("PING", 0, "\x00\x01")), true})
	}

	// Version 2.0 (RFC 15), and 1.0 (RFC 13) with and without a signature.
	for socketType := range 14 {
		if socketType == 13 {
			socketType = 255
		}
		for _, identity := range append([]string{""}, identities...) {
			name := fmt.Sprintf("type %d, an identity of %d, %.5q", socketType, len(identity), identity)
			add("2.0: "+name, greetingV2, string([]byte{byte(socketType)}), zmtp.Frame(0, identity), message)
			add("1.0: "+name, zmtp.Signature+"\x00"+string([]byte{byte(socketType)}), frameV1(0, identity), messageV1(parts))
		}
	}
	for _, identity := range append([]string{""}, identities...) {
		add(fmt.Sprintf("1.0 without a signature: an identity of %d, %.5q", len(identity), identity), frameV1(0, identity), messageV1(parts))
	}
	add("1.0 without a signature: a subscription and parts without an end", frameV1(0, ""), frameV1(0, "\x01"), strings.Repeat(frameV1(zmtp.More, "x"), 300))
	return all
}

// eachRow has rows visit an end, and a good peer served after each. Which rows an
// end gets is random: the ends together get all of them several times in the long
// form.
func (s *siege) eachRow(visit func(s *siege, r row), all []row) {
	s.t.Helper()
	some := 6
	if long() {
		some = rounds(150)
	}
	if !s.listens() {
		some = max(1, some/3)
	}
	random(s.t, 0).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = slices.Clone(all[:min(some, len(all))]) // the texts of all rows are megabytes
	for _, r := range all {
		visit(s, r)
		s.end()
		if s.t.Failed() {
			s.t.Fatalf("after %q", r.name)
		}
		s.begin()
	}
	s.end()
}

// TestRows sends each row to ends of every wire and pattern. At a secure end none
// of them gets further than the greeting, and nothing of a message is delivered.
func TestRows(t *testing.T) {
	for _, target := range wireTargets(t) {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			l := open(t, target.o)
			secure, text := l.o.SecureMode != netgear.Grasslands, "row"
			if secure {
				text = forbidden + text
			}
			ways := random(t, 1)
			l.besiege().eachRow(func(s *siege, r row) {
				way := ways.IntN(4)
				s.visit(func(c net.Conn) {
					c.SetDeadline(time.Now().Add(peerTimeout))
					io.WriteString(c, r.text)
					switch {
					case secure:
						c.(*net.TCPConn).CloseWrite()
						answer, _ := io.ReadAll(c)
						if len(answer) > zmtp.GreetingSize || bytes.Contains(answer, []byte("READY")) {
							t.Errorf("%q is answered by %q", r.name, answer)
						}
					case r.ends:
						c.SetDeadline(time.Now().Add(waitLimit))
						if _, err := io.Copy(io.Discard, c); isTimeout(err) {
							t.Errorf("after %q the connection stays; %s", r.name, s.counts())
						}
					}
					leave(c, way)
				})
			}, rows(l, text))
			progress("%s: %s; %d MB", t.Name(), l.counts(), alloctest.Memory()>>20)
		})
	}
}

// sealedRow is what a peer with a valid key sends after its handshake.
type sealedRow struct {
	frames []string
	flags  []byte
}

// The flags inside a box (RFC 26).
const sealedCommand = 2

// TestSealedCommands sends commands and parts that are sealed, after a handshake
// that has succeeded, to secure ends of every wire and pattern.
func TestSealedCommands(t *testing.T) {
	for _, target := range wireTargets(t) {
		if target.o.SecureMode == netgear.Grasslands {
			continue
		}
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			l := open(t, target.o)
			keys := l.keysOf(t)
			parts := l.content("sealed")
			sealed := map[string]sealedRow{}
			var all []row
			add := func(name string, r sealedRow) { sealed[name], all = r, append(all, row{name: name}) }
			whole := func(r sealedRow) sealedRow { // and a message after it
				for i, part := range parts {
					r.frames = append(r.frames, part)
					r.flags = append(r.flags, map[bool]byte{true: zmtp.More}[i < len(parts)-1])
				}
				return r
			}
			commands := oddCommands(l.kind())
			for _, name := range sorted(commands) {
				for _, flags := range []byte{sealedCommand, sealedCommand | zmtp.More, 255} {
					add(fmt.Sprintf("%s, flags %d", name, flags), whole(sealedRow{[]string{commands[name], commands[name]}, []byte{flags, flags}}))
				}
				between := sealedRow{[]string{parts[0], commands[name]}, []byte{zmtp.More, sealedCommand}}
				add(name+" in a message", whole(between))
			}
			for flags := 1; flags < 256; flags <<= 1 {
				add(fmt.Sprintf("a part with flags %d", flags), whole(sealedRow{[]string{parts[0]}, []byte{byte(flags)}}))
				add(fmt.Sprintf("an empty part with flags %d", flags), whole(sealedRow{[]string{""}, []byte{byte(flags)}}))
			}
			ways := random(t, 1)
			handshakes := 0
			l.besiege().eachRow(func(s *siege, r row) {
				way := ways.IntN(4)
				s.visit(func(c net.Conn) {
					c.SetDeadline(time.Now().Add(handshakeLimit))
					session, err := s.shakeHands(c, keys)
					if err != nil {
						return // a PAIR end may serve the last peer still
					}
					handshakes++
					c.SetDeadline(time.Now().Add(peerTimeout))
					for i, body := range sealed[r.name].frames {
						if session.write(sealed[r.name].flags[i], body) != nil {
							return
						}
					}
					leave(c, way)
				})
			}, all)
			// An end that connects may open a new socket before a handshake is over, and
			// a PAIR end may serve another peer.
			if handshakes == 0 && l.listens() && l.o.Pattern != netgear.Pair {
				t.Errorf("no handshake has succeeded; %s", l.counts())
			}
			progress("%s: %d rows, %d handshakes; %s; %d MB", t.Name(), len(all), handshakes, l.counts(), alloctest.Memory()>>20)
		})
	}
}

// TestSameIdentity has peers take the identity of a good one that is connected,
// and stay. The good one is answered all the while.
func TestSameIdentity(t *testing.T) {
	times := 2
	if long() {
		times = rounds(200)
	}
	for _, wire := range []netgear.Wire{netgear.NetGearWire, netgear.AsyncWire, netgear.ImageZMQWire} {
		for _, identity := range []string{"camera", "\x00zero", strings.Repeat("i", 255)} {
			t.Run(fmt.Sprintf("%v %.6q", wire, identity), func(t *testing.T) {
				t.Parallel()
				o := base()
				o.ReceiveMode, o.Pattern, o.Wire = true, netgear.ReqRep, wire
				l := open(t, o)
				ctx, err := zmq4.NewContext()
				if err != nil {
					t.Fatal(err)
				}
				good, err := ctx.NewSocket(zmq4.REQ)
				if err != nil {
					t.Fatal(err)
				}
				defer ctx.Term()
				defer good.Close()
				good.SetLinger(0)
				good.SetRcvtimeo(waitLimit)
				if identity[0] != 0 { // libzmq refuses those for its own sockets
					if err := good.SetIdentity(identity); err != nil {
						t.Fatal(err)
					}
				}
				if err := good.Connect("tcp://127.0.0.1:" + l.o.Port); err != nil {
					t.Fatal(err)
				}
				ask := func() {
					t.Helper()
					if _, err := good.SendMessage(l.content("good")[1:]); err != nil {
						t.Fatal(err)
					}
					if _, err := good.RecvMessage(0); err != nil {
						t.Fatalf("the good peer is not answered: %v; %s", err, l.counts())
					}
				}
				ask()
				metadata := zmtp.Property("Socket-Type", "DEALER") + zmtp.Property("Identity", identity)
				hostile := zmtp.Greeting(0, "NULL", false) + zmtp.Command("READY", metadata)
				r := random(t, 0)
				for range times {
					var peers []net.Conn
					for range 4 {
						c, err := net.Dial("tcp", "127.0.0.1:"+l.o.Port)
						if err != nil {
							t.Fatal(err)
						}
						peers = append(peers, c)
						c.SetDeadline(time.Now().Add(waitLimit))
						io.WriteString(c, hostile)
						if _, err := io.ReadFull(c, make([]byte, zmtp.GreetingSize)); err != nil {
							t.Fatal(err)
						}
						expect(c, "READY", func([]byte) error { return nil })
						io.WriteString(c, strings.Repeat(interleaved(l.content("hostile"), ""), r.IntN(3)))
						ask()
					}
					for _, c := range peers {
						leave(c, r.IntN(4))
						ask()
					}
				}
				l.serve()
			})
		}
	}
}

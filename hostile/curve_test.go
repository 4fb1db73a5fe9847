package hostile

import (
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// offense is a CURVE session of a peer with valid keys that breaks a rule. It
// sends a message with the text, which begins with forbidden or tolerated.
type offense func(l *live, c net.Conn, keys keyring, text string) error

// tolerated begins the text of a message that may be delivered although the
// peer's handshake breaks a rule: libzmq does not check that rule, and the peer's
// key is known, so it could have delivered the message anyway. One that comes right
// behind INITIATE mostly is not: a command that comes while libzmq waits for the
// reply about the key ends the connection (curve_server.cpp:109,
// process_handshake_command).
const tolerated = "tolerated "

// tolerances are the offenses that libzmq 4.3.4 tolerates, with the place.
var tolerances = map[string]string{
	// Only the client's key is compared, not the server's. The vouch is sealed for
	// the server's key of this one connection, so no other server can pass it on.
	"a vouch for another server": "curve_server.cpp:397",
	// A property whose value is missing ends the loop. It is an error only if bytes
	// are left, and here none is.
	"metadata that is none": "mechanism.cpp:260",
	// A socket type is checked where there is one. None is required.
	"metadata of 60 KB without a type": "mechanism.cpp:269",
	// The nonces of HELLO and INITIATE are noted, not compared. Each box has a
	// prefix of its own, so no pair of key and nonce comes twice.
	"INITIATE with HELLO's nonce":             "curve_server.cpp:357",
	"HELLO and INITIATE with a nonce of zero": "curve_server.cpp:190",
}

// cookies holds cookies of connections that have ended.
var cookies = struct {
	sync.Mutex
	all [][]byte
}{}

// clientOffenses are those of a client, at a receive end.
var clientOffenses = map[string]offense{
	"HELLO twice": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		return writeAll(c, zmtp.Command("HELLO", client.Hello()), initiateOf(l, client), sealed(l, client, text))
	},
	"HELLO for another key": helloWith(func(hello string, client *zmtp.CurveClient) string {
		other := zmtp.NewCurveClient(client.Own, zmtp.NewKeys().Public)
		return other.Hello()
	}),
	"HELLO of another version": helloWith(func(hello string, _ *zmtp.CurveClient) string { return "\x02\x00" + hello[2:] }),
	"HELLO, one byte less":     helloWith(func(hello string, _ *zmtp.CurveClient) string { return hello[:len(hello)-1] }),
	"HELLO, one byte more":     helloWith(func(hello string, _ *zmtp.CurveClient) string { return hello + "x" }),
	"HELLO of 60 KB":           helloWith(func(hello string, _ *zmtp.CurveClient) string { return hello + strings.Repeat("x", 60000) }),
	"HELLO with a key of zeros": helloWith(func(hello string, _ *zmtp.CurveClient) string {
		return hello[:74] + string(make([]byte, 32)) + hello[106:]
	}),
	"INITIATE before HELLO": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		client.Cookie = make([]byte, 96)
		return writeAll(c, initiateOf(l, client), sealed(l, client, text))
	},
	"messages before INITIATE": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		return writeAll(c, sealed(l, client, text), initiateOf(l, client))
	},
	"READY instead of INITIATE": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		return writeAll(c, zmtp.Ready(l.kind()), sealed(l, client, text))
	},
	"ERROR instead of INITIATE": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		return writeAll(c, zmtp.Command("ERROR", "\x03bad"), sealed(l, client, text))
	},
	"HELLO and INITIATE with a nonce of zero": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		client.Nonce = math.MaxUint64
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		client.Nonce = math.MaxUint64
		if err := writeAll(c, initiateOf(l, client)); err != nil {
			return err
		}
		if err := expect(c, "READY", func([]byte) error { return nil }); err != nil {
			return err
		}
		client.Nonce = 1 // libzmq takes none up to 1 as a message's, whatever INITIATE had
		return writeAll(c, sealed(l, client, text))
	},
	"INITIATE twice": func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		initiate := initiateOf(l, client)
		return writeAll(c, initiate, initiate, sealed(l, client, text))
	},
	"an unknown key": func(l *live, c net.Conn, k keyring, text string) error {
		k.own = zmtp.NewKeys()
		return l.converse(c, k, text)
	},
}

// atOnce ends the names of offenses whose message does not wait for a reply.
const atOnce = ", and a message at once"

// initiates are wrong INITIATE commands. Each is an offense twice: the message
// comes after the end's reply, and at once.
var initiates = map[string]func(l *live, client *zmtp.CurveClient) string{
	"a cookie of another connection": func(_ *live, client *zmtp.CurveClient) string {
		cookies.Lock()
		defer cookies.Unlock()
		cookies.all = append(cookies.all, client.Cookie)
		client.Cookie = cookies.all[0]
		if len(cookies.all) == 1 {
			client.Cookie = make([]byte, len(client.Cookie))
		}
		return client.Initiate(client.Vouch(), zmtp.Metadata("PAIR"))
	},
	"a vouch of another key": func(l *live, client *zmtp.CurveClient) string {
		thief := *client
		thief.Own = zmtp.NewKeys() // it has the public key alone
		return client.Initiate(thief.Vouch(), zmtp.Metadata(l.kind()))
	},
	"a vouch for another connection": func(l *live, client *zmtp.CurveClient) string {
		other := *client
		other.Short = zmtp.NewKeys()
		return client.Initiate(other.Vouch(), zmtp.Metadata(l.kind()))
	},
	"a vouch for another server": func(l *live, client *zmtp.CurveClient) string {
		other := *client
		other.Server = zmtp.NewKeys().Public
		return client.Initiate(other.Vouch(), zmtp.Metadata(l.kind()))
	},
	"a vouch of zeros": func(l *live, client *zmtp.CurveClient) string {
		return client.Initiate(string(make([]byte, 96)), zmtp.Metadata(l.kind()))
	},
	"no vouch": func(_ *live, client *zmtp.CurveClient) string { return client.Initiate("", "") },
	"metadata that is none": func(_ *live, client *zmtp.CurveClient) string {
		return client.Initiate(client.Vouch(), "\x0bSocket-Type\xff\xff\xff\xff")
	},
	"metadata of 60 KB without a type": func(_ *live, client *zmtp.CurveClient) string {
		return client.Initiate(client.Vouch(), strings.Repeat(zmtp.Property("X", "y"), 8000))
	},
	"another socket type": func(_ *live, client *zmtp.CurveClient) string {
		return client.Initiate(client.Vouch(), zmtp.Metadata("XSUB"))
	},
	"INITIATE with HELLO's nonce": func(l *live, client *zmtp.CurveClient) string {
		client.Nonce--
		return client.Initiate(client.Vouch(), zmtp.Metadata(l.kind()))
	},
	"INITIATE with the last of all nonces": func(l *live, client *zmtp.CurveClient) string {
		client.Nonce = math.MaxUint64 - 1
		return client.Initiate(client.Vouch(), zmtp.Metadata(l.kind()))
	},
}

func init() {
	for name, initiate := range initiates {
		clientOffenses[name] = initiateWith(initiate, false)
		clientOffenses[name+atOnce] = initiateWith(initiate, true)
	}
}

// greeted performs the greetings before an offense.
func greeted(then offense) offense {
	return func(l *live, c net.Conn, k keyring, text string) error {
		if _, err := io.WriteString(c, zmtp.Greeting(0, "CURVE", !l.o.ReceiveMode)); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, zmtp.GreetingSize)); err != nil {
			return err
		}
		return then(l, c, k, text)
	}
}

func writeAll(c net.Conn, texts ...string) error {
	for _, text := range texts {
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
	}
	return nil
}

func initiateOf(l *live, client *zmtp.CurveClient) string {
	return zmtp.Command("INITIATE", client.Initiate(client.Vouch(), zmtp.Metadata(l.kind())))
}

// sealed returns the frames of a message with a text.
func sealed(l *live, client *zmtp.CurveClient, text string) (all string) {
	frames := l.content(text)
	for i, body := range frames {
		flags := byte(1)
		if i == len(frames)-1 {
			flags = 0
		}
		all += client.Message(flags, body)
	}
	return all
}

func helloWith(change func(hello string, client *zmtp.CurveClient) string) offense {
	return func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := writeAll(c, zmtp.Command("HELLO", change(client.Hello(), client))); err != nil {
			return err
		}
		if err := expect(c, "WELCOME", client.Welcome); err != nil {
			return err
		}
		return writeAll(c, initiateOf(l, client), sealed(l, client, text))
	}
}

func initiateWith(initiate func(l *live, client *zmtp.CurveClient) string, hurried bool) offense {
	return func(l *live, c net.Conn, k keyring, text string) error {
		client := zmtp.NewCurveClient(k.own, k.server)
		if err := l.upToWelcome(c, client); err != nil {
			return err
		}
		if err := writeAll(c, zmtp.Command("INITIATE", initiate(l, client))); err != nil {
			return err
		}
		if !hurried {
			if _, _, err := zmtp.ReadCommand(c); err != nil {
				return err
			}
		}
		return writeAll(c, sealed(l, client, text))
	}
}

// serverOffenses are those of a server, at a send end.
var serverOffenses = map[string]offense{
	"WELCOME of another key": welcomeWith(func(s *zmtp.CurveServer) string {
		other := *s
		other.Own = zmtp.NewKeys()
		return other.Welcome()
	}),
	"WELCOME for another connection": welcomeWith(func(s *zmtp.CurveServer) string {
		other := *s
		other.Peer = zmtp.NewKeys().Public
		return other.Welcome()
	}),
	"WELCOME, one byte less":         welcomeWith(func(s *zmtp.CurveServer) string { return s.Welcome()[1:] }),
	"WELCOME of 60 KB":               welcomeWith(func(s *zmtp.CurveServer) string { return s.Welcome() + strings.Repeat("x", 60000) }),
	"WELCOME with an empty cookie":   welcomeWith(func(s *zmtp.CurveServer) string { s.Cookie = ""; return s.Welcome() }),
	"WELCOME with a cookie of 60 KB": welcomeWith(func(s *zmtp.CurveServer) string { s.Cookie = strings.Repeat("c", 60000); return s.Welcome() }),
	"READY of another connection": readyWith(func(_ *live, s *zmtp.CurveServer) string {
		other := *s
		other.Short = zmtp.NewKeys()
		return zmtp.Command("READY", other.Ready(""))
	}),
	"READY of two bytes":     readyWith(func(*live, *zmtp.CurveServer) string { return zmtp.Command("READY", "xx") }),
	"READY without metadata": readyWith(func(_ *live, s *zmtp.CurveServer) string { return zmtp.Command("READY", s.Ready("")) }),
	"READY with metadata, no type": readyWith(func(_ *live, s *zmtp.CurveServer) string {
		return zmtp.Command("READY", s.Ready(zmtp.Property("X", "y")))
	}),
	"READY with metadata that is none": readyWith(func(_ *live, s *zmtp.CurveServer) string {
		return zmtp.Command("READY", s.Ready("\x0bSocket-Type\xff\xff\xff\xff"))
	}),
	"READY with 60 KB": readyWith(func(l *live, s *zmtp.CurveServer) string {
		return zmtp.Command("READY", s.Ready(zmtp.Metadata(l.kind())+zmtp.Property("X", strings.Repeat("y", 60000))))
	}),
	"READY twice": readyWith(func(l *live, s *zmtp.CurveServer) string {
		return zmtp.Command("READY", s.Ready(zmtp.Metadata(l.kind()))) + zmtp.Command("READY", s.Ready(zmtp.Metadata(l.kind())))
	}),
	"READY instead of WELCOME": func(l *live, c net.Conn, _ keyring, _ string) error {
		if err := writeAll(c, zmtp.ReadyWithoutKeys(l.kind())); err != nil {
			return err
		}
		c.SetDeadline(time.Now().Add(waitLimit))
		for {
			_, body, err := zmtp.ReadFrame(c)
			if err != nil {
				if isTimeout(err) {
					l.t.Errorf("a connection stays whose peer has no keys; %s", l.counts())
				}
				return err
			}
			if strings.HasPrefix(string(body), "\x07MESSAGE") {
				l.t.Errorf("a peer without keys gets a message; %s", l.counts())
			}
		}
	},
	"ERROR":                       readyWith(func(*live, *zmtp.CurveServer) string { return zmtp.Command("ERROR", "\x03400") }),
	"ERROR, longer than it is":    readyWith(func(*live, *zmtp.CurveServer) string { return zmtp.Command("ERROR", "\xff400") }),
	"ERROR without a reason":      readyWith(func(*live, *zmtp.CurveServer) string { return zmtp.Command("ERROR", "") }),
	"ERROR that ends in nothing":  readyWith(func(*live, *zmtp.CurveServer) string { return zmtp.Command("ERROR", "\x00") }),
	"ERROR with a reason of 60 K": readyWith(func(*live, *zmtp.CurveServer) string { return zmtp.Command("ERROR", "\xff"+strings.Repeat("r", 60000)) }),
}

func welcomeWith(welcome func(s *zmtp.CurveServer) string) offense {
	return func(_ *live, c net.Conn, k keyring, _ string) error {
		s := zmtp.NewCurveServer(k.own)
		if err := expect(c, "HELLO", s.Hello); err != nil {
			return err
		}
		return writeAll(c, zmtp.Command("WELCOME", welcome(s)))
	}
}

func readyWith(ready func(l *live, s *zmtp.CurveServer) string) offense {
	return func(l *live, c net.Conn, k keyring, text string) error {
		s := zmtp.NewCurveServer(k.own)
		if err := expect(c, "HELLO", s.Hello); err != nil {
			return err
		}
		if err := writeAll(c, zmtp.Command("WELCOME", s.Welcome())); err != nil {
			return err
		}
		err := expect(c, "INITIATE", func(body []byte) error {
			_, err := s.Initiate(body)
			return err
		})
		if err != nil {
			return err
		}
		return writeAll(c, ready(l, s), s.Message(0, "an answer"))
	}
}

// afterwards are frames that break the rules of a session whose handshake has
// succeeded. Each has a message of one part in it.
var afterwards = map[string]func(s *session, body string) string{
	"a nonce once more":      func(s *session, body string) string { return s.withNonce(s.nonce(), body) },
	"a nonce that is past":   func(s *session, body string) string { return s.withNonce(1, body) },
	"a nonce of zero":        func(s *session, body string) string { return s.withNonce(0, body) },
	"the last of all nonces": func(s *session, body string) string { return s.withNonce(math.MaxUint64, body) + s.withNonce(1, body) },
	"a box that is changed":  func(s *session, body string) string { return zmtp.Frame(0, changed(s.content(s.nonce()+1, body), -1)) },
	"a nonce that is changed": func(s *session, body string) string {
		return zmtp.Frame(0, changed(s.content(s.nonce()+1, body), 9))
	},
	"no box":            func(s *session, body string) string { return zmtp.Frame(0, s.content(s.nonce()+1, body)[:16]) },
	"a box of 16 bytes": func(s *session, body string) string { return zmtp.Frame(0, s.content(s.nonce()+1, body)[:32]) },
	"a name alone":      func(*session, string) string { return zmtp.Frame(0, "\x07MESSAGE") },
	"another name": func(s *session, body string) string {
		return zmtp.Frame(0, "\x07message"+s.content(s.nonce()+1, body)[8:])
	},
	"an empty frame":           func(*session, string) string { return zmtp.Frame(0, "") },
	"a frame in the clear":     func(_ *session, body string) string { return zmtp.Frame(0, body) },
	"a command in the clear":   func(*session, string) string { return zmtp.Frame(zmtp.IsCommand, "\x04PING\x00\x00") },
	"ERROR":                    func(*session, string) string { return zmtp.Command("ERROR", "\x03bad") },
	"a frame of the handshake": func(*session, string) string { return zmtp.Command("INITIATE", strings.Repeat("x", 300)) },
}

// nonce returns the last nonce of the peer.
func (s *session) nonce() uint64 {
	if s.client != nil {
		return s.client.Nonce
	}
	return s.server.Nonce
}

// content returns the content of a frame with one part and a nonce.
func (s *session) content(nonce uint64, body string) string {
	if s.client != nil {
		return s.client.Sealed(zmtp.Number(nonce), 0, body)
	}
	return s.server.Sealed(zmtp.Number(nonce), 0, body)
}

func (s *session) withNonce(nonce uint64, body string) string {
	return zmtp.Frame(0, s.content(nonce, body))
}

// changed returns a text with one byte changed; -1 is the last.
func changed(text string, i int) string {
	b := []byte(text)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 1
	return string(b)
}

// TestCurveOffenses has peers with valid keys break the rules of CURVE, in the
// handshake and after it. Nothing of what they send is delivered, except for what
// tolerances has. A connection with a message that cannot be opened ends.
func TestCurveOffenses(t *testing.T) {
	chosen := func(o *netgear.Options) bool { return o.SecureMode != netgear.Grasslands }
	each(t, chosen, func(t *testing.T, l *live) {
		keys := l.keysOf(t)
		offenses := serverOffenses
		if l.o.ReceiveMode {
			offenses = clientOffenses
		}
		times, share := 1, 2
		switch {
		case long() && l.listens():
			times, share = rounds(50), 1
		case long():
			times, share = rounds(5), 1
		case !l.listens():
			share = 5
		}
		r := random(t, 0)
		s := l.besiege()
		s.untouched(keys)
		for range times {
			for _, name := range sorted(offenses) {
				if r.IntN(share) > 0 {
					continue
				}
				way, text := r.IntN(4), forbidden+name
				if tolerances[strings.TrimSuffix(name, atOnce)] != "" {
					text = tolerated + name
				}
				s.visit(func(c net.Conn) {
					c.SetDeadline(time.Now().Add(peerTimeout))
					greeted(offenses[name])(l, c, keys, text)
					leave(c, way)
				})
			}
			for _, name := range sorted(afterwards) {
				if r.IntN(share) == 0 {
					s.offendAfterwards(keys, name)
				}
			}
		}
		s.end()
	})
}

func sorted[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// offendAfterwards completes a handshake, and then sends a frame of afterwards.
func (s *siege) offendAfterwards(keys keyring, name string) {
	s.t.Helper()
	s.visit(func(c net.Conn) {
		c.SetDeadline(time.Now().Add(handshakeLimit))
		session, err := s.shakeHands(c, keys)
		if err != nil {
			return // a PAIR end may serve the last peer still
		}
		c.SetDeadline(time.Now().Add(peerTimeout))
		// The end has processed its handshake by the time of the fault: libzmq 4.3
		// loses the error otherwise (monitor.monitored).
		time.Sleep(5 * time.Millisecond)
		frames := s.content(forbidden)
		if err := writeAll(c, afterwards[name](session, frames[len(frames)-1])); err != nil {
			return
		}
		c.SetDeadline(time.Now().Add(waitLimit))
		c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			s.t.Errorf("after %s the connection stays; %s", name, s.counts())
		}
	})
}

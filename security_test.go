package netgear

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// keyFolder makes certificates and returns their location.
func keyFolder(t testing.TB) string {
	t.Helper()
	location := t.TempDir()
	if _, err := CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	return location
}

func TestCertificates(t *testing.T) {
	location := t.TempDir()
	dir, err := CreateCertificates(location)
	if err != nil || dir != filepath.Join(location, ".vidgear", "keys") {
		t.Fatal(dir, err)
	}
	for name, mode := range map[string]os.FileMode{
		"": 0o700, "public_keys": 0o700, "private_keys": 0o700,
		"public_keys/server.key": 0o644, "public_keys/client.key": 0o644,
		"private_keys/server.key_secret": 0o600, "private_keys/client.key_secret": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	key := func() string {
		t.Helper()
		public, secret, err := certs.ReadPair(filepath.Join(dir, "private_keys/server.key_secret"))
		if err != nil || public == secret.Reveal() {
			t.Fatal(err)
		}
		other, err := certs.ReadPublic(filepath.Join(dir, "public_keys/server.key"))
		if err != nil || other != public {
			t.Fatalf("the two files of a pair differ: %v", err)
		}
		return public
	}
	first := key()
	if _, err := CreateCertificates(filepath.Join(location, ".vidgear")); err != nil || key() != first {
		t.Errorf("what was there was changed: %v", err)
	}
	if _, err := ReplaceCertificates(location); err != nil || key() == first {
		t.Errorf("overwrite did not make new keys: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	// Many at once: one folder, whole.
	location = t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := CreateCertificates(location); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	dir = filepath.Join(location, ".vidgear", "keys")
	key()
}

func TestUnusableCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		receive    bool
	}{
		"receive end without its secret": {"private_keys/server.key_secret", "", true},
		"send end without its secret":    {"private_keys/client.key_secret", "", false},
		"send end without server's key":  {"public_keys/server.key", "", false},
		"no key in it":                   {"private_keys/server.key_secret", "curve\n", true},
		"short key":                      {"public_keys/server.key", "curve\n public-key = \"abc\"\n", false},
		"secret missing":                 {"private_keys/client.key_secret", "curve\n public-key = \"" + strings.Repeat("a", 40) + "\"\n", false},
		"quotes in the key":              {"public_keys/server.key", "curve\n public-key = \"" + strings.Repeat("a", 39) + "~\"\n", false},
		"endless":                        {"public_keys/server.key", strings.Repeat("# nothing\n", 20000), false},
		"one endless line":               {"public_keys/server.key", strings.Repeat("x", 1<<20), false},
	} {
		location := keyFolder(t)
		path := filepath.Join(location, ".vidgear", "keys", c.file)
		os.Remove(path)
		if c.text != "" {
			os.WriteFile(path, []byte(c.text), 0o600)
		}
		_, err := New(Options{ReceiveMode: c.receive, Address: "127.0.0.1", Port: "5999", SecureMode: StoneHouse, CustomCertLocation: location})
		if !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every pattern and mode, fresh connections again and again, large frames.
func TestSecureMatrix(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{StoneHouse, IronHouse} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
			wire := NetGearWire
			if pattern == PushPull {
				wire = AsyncWire
			}
			for _, heartbeat := range []time.Duration{0, -1} { // which decides on the receive high-water mark
				t.Run(fmt.Sprintf("%d/%v/heartbeat=%v", mode, pattern, heartbeat == 0), func(t *testing.T) {
					for i := range 10 {
						recv, send := openPair(t, Options{Wire: wire, Pattern: pattern, SecureMode: mode, CustomCertLocation: location, JPEGCompression: JPEGOff, HeartbeatInterval: heartbeat})
						ctx := testContext(t)
						if pattern == PubSub {
							awaitSubscription(t, recv, send)
						}
						a := testArray(i, "uint8", 600, 720, 3) // 1.3 MB
						sent := make(chan error, 1)
						go func() {
							_, err := send.SendArray(ctx, a, "big")
							sent <- err
						}()
						f := mustRecv(t, recv, ctx)
						if !bytes.Equal(f.Bytes(), a.Data) {
							t.Error("the frame arrived changed")
						}
						f.Close()
						if err := <-sent; err != nil {
							t.Fatal(err)
						}
						send.Close()
						recv.Close()
					}
				})
			}
		}
	}
}

// keyFile is a file of a location's certificate folder.
func keyFile(location, name string) string {
	return filepath.Join(location, ".vidgear", "keys", name)
}

// guestFolder is a folder of its own keys with another's server's public key.
func guestFolder(t testing.TB, of string) string {
	t.Helper()
	location := keyFolder(t)
	copyFile(t, keyFile(of, "public_keys/server.key"), keyFile(location, "public_keys/server.key"))
	return location
}

// Whoever is refused is told within 2 s on which side the reason is and in which
// file, and gets no byte of a frame through; and the receive end is told, too.
// The options are the defaults, in every pattern.
func TestSecureRefusals(t *testing.T) {
	ours, theirs := keyFolder(t), keyFolder(t)
	mixed := guestFolder(t, ours)
	secure := func(mode SecureMode, location string) Options {
		return Options{SecureMode: mode, CustomCertLocation: location}
	}
	denied, notAllowed := secure(StoneHouse, ours), secure(StoneHouse, ours)
	denied.DenyAddresses = []string{"127.0.0.0/8"}
	notAllowed.AllowAddresses = []string{"10.1.2.3", "fe80::/10"}
	ourSecret := keyFile(ours, "private_keys/server.key_secret")
	for _, c := range []struct {
		name       string
		recv, send Options
		sendSays   []string
		recvSays   []string
	}{
		{"wrong server key", secure(StoneHouse, ours), secure(StoneHouse, theirs),
			[]string{"the receive end refuses", keyFile(theirs, "public_keys/server.key")}, []string{"a send end was turned away", ourSecret}},
		{"unknown client key", secure(IronHouse, ours), secure(IronHouse, mixed),
			[]string{"the receive end does not admit", keyFile(mixed, "private_keys/client.key_secret")}, []string{"a send end was turned away", keyFile(ours, "public_keys")}},
		{"address denied", denied, secure(StoneHouse, ours),
			[]string{"the receive end does not admit", "address"}, []string{"a send end was turned away", "address"}},
		{"address not allowed", notAllowed, secure(StoneHouse, ours),
			[]string{"the receive end does not admit", "address"}, []string{"a send end was turned away", "address"}},
		{"plain sender", secure(StoneHouse, ours), Options{RequestTimeout: 500 * time.Millisecond},
			[]string{"same security"}, []string{"a send end was turned away", "not secure at all", ourSecret}},
		{"plain receiver", Options{}, secure(StoneHouse, ours),
			[]string{"not secure", keyFile(ours, "public_keys/server.key")}, []string{"same security"}},
		{"secure, other pattern", secure(StoneHouse, ours), secure(StoneHouse, ours),
			[]string{"another pattern"}, nil},
	} {
		for _, pattern := range everyPattern {
			t.Run(pattern.String()+"/"+c.name, func(t *testing.T) {
				recv, send := inPattern(c.recv, pattern), inPattern(c.send, pattern)
				if c.name == "secure, other pattern" {
					other := ReqRep
					if pattern == ReqRep {
						other = PubSub
					}
					recv = inPattern(c.recv, other)
				}
				refuse(t, recv, send, c.sendSays, c.recvSays)
			})
		}
	}
}

var everyPattern = []Pattern{Pair, ReqRep, PubSub, PushPull}

// inPattern is o in a pattern, on the wire that has it.
func inPattern(o Options, p Pattern) Options {
	if o.Pattern = p; p == PushPull {
		o.Wire = AsyncWire
	}
	return o
}

func refuse(t *testing.T, r, s Options, sendSays, recvSays []string) {
	t.Helper()
	told := make(chan error, 1000)
	r.ReceiveMode, r.Address, r.Port = true, "127.0.0.1", "0"
	r.OnEvent = func(s Event) {
		if s.Kind == EventRefused {
			told <- s.Err
		}
	}
	recv := mustNew(t, r)
	s.Address, s.Port = "127.0.0.1", portOf(recv)
	send := mustNew(t, s)
	limit := 2 * time.Second
	if s.SecureMode == Grasslands {
		limit = patience
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := trySend(ctx, send, testArray(0, "uint8", 300, 300), nil)
	says(t, "the send end", err, s.SecureMode, sendSays)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not within %v", limit)
	}
	if recvSays != nil {
		select {
		case err := <-told:
			says(t, "the receive end", err, r.SecureMode, recvSays)
		case <-time.After(patience):
			t.Error("the receive end is not told")
		}
	}
	if s := recv.Stats(); s.Frames != 0 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

// trySend sends until that fails: a publisher notices nothing at first.
func trySend(ctx context.Context, send *NetGear, a Array, message any) (err error) {
	for err == nil {
		if _, err = send.SendArray(ctx, a, message); err == nil && send.link.row.answers {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

func says(t *testing.T, who string, err error, mode SecureMode, words []string) {
	t.Helper()
	want := ErrAuth
	if mode == Grasslands {
		want = ErrMismatch
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v", who, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s says nothing of %q: %v", who, w, err)
		}
	}
}

// A time-out that is over before the third hang-up does not hide why.
func TestRefusalWithAShortTimeout(t *testing.T) {
	ours, theirs := keyFolder(t), keyFolder(t)
	for _, pattern := range []Pattern{Pair, ReqRep} {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, SecureMode: StoneHouse, CustomCertLocation: ours})
		send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: pattern, SecureMode: StoneHouse, CustomCertLocation: theirs,
			RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
		_, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
		if !errors.Is(err, ErrAuth) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", pattern, err)
		}
	}
}

// A folder's name may be anything.
func TestFolderThatLooksLikeAPattern(t *testing.T) {
	location := filepath.Join(t.TempDir(), "[a-b]*?")
	if _, err := CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	_, send := openPair(t, Options{Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: location})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
		t.Error(err)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// IronHouse admits exactly the keys in the folder, as it is at the moment.
func TestIronHouseNoticesKeys(t *testing.T) {
	ours, guest := keyFolder(t), keyFolder(t)
	copyFile(t, filepath.Join(ours, ".vidgear/keys/public_keys/server.key"), filepath.Join(guest, ".vidgear/keys/public_keys/server.key"))
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours, TerminatePolicy: KeepWaiting})
	admitted := filepath.Join(ours, ".vidgear/keys/public_keys/guest.key")
	try := func() error {
		send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: guest, RequestTimeout: 300 * time.Millisecond})
		defer send.Close()
		_, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
		return err
	}
	for range 2 {
		if err := try(); !errors.Is(err, ErrAuth) {
			t.Fatalf("a stranger: %v", err)
		}
		copyFile(t, filepath.Join(guest, ".vidgear/keys/public_keys/client.key"), admitted)
		if err := try(); err != nil {
			t.Fatalf("a guest: %v", err)
		}
		os.Remove(admitted)
	}
}

// A secure send end whose receive end is gone never speaks in the clear to
// whoever takes the port over; VidGear's does, after its first time-out. What it
// says is recorded, and there is a plain end behind that would take it.
func TestNoFallBackToPlain(t *testing.T) {
	location := keyFolder(t)
	secret := bytes.Repeat([]byte("top secret pixels"), 1000)
	pixels := Array{DType: "uint8", Shape: []int{len(secret)}, Data: secret}
	for _, pattern := range everyPattern {
		t.Run(pattern.String(), func(t *testing.T) {
			o := inPattern(Options{Pattern: pattern, RequestTimeout: 300 * time.Millisecond, JPEGCompression: JPEGOff, TerminatePolicy: KeepWaiting}, pattern)
			plain, plainSend := openPair(t, o)
			// Without keys the same is heard, which shows that the ear hears.
			ear := newTap(t, "127.0.0.1:0", "127.0.0.1:"+portOf(plain))
			plainSend.Close()
			open := o
			open.Address, open.Port = "127.0.0.1", ear.port
			plainSend = mustNew(t, open)
			ctx := testContext(t)
			await(t, "plain pixels", func() bool {
				plainSend.SendArray(ctx, pixels, "secret message")
				return bytes.Contains(ear.said(), secret) && bytes.Contains(ear.said(), []byte("secret message"))
			})
			plainSend.Close()

			o.SecureMode, o.CustomCertLocation = StoneHouse, location
			recv, send := openPair(t, o)
			awaitPeers(t, send, 1)
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
				t.Fatal(err)
			}
			port := portOf(recv)
			recv.Close()
			await(t, "the loss", func() bool { return send.Stats().Connected == 0 })
			ear = newTap(t, "127.0.0.1:"+port, "127.0.0.1:"+portOf(plain))
			var err error
			await(t, "the refusal", func() bool {
				_, err = send.SendArray(ctx, pixels, "secret message")
				if err == nil && send.link.row.answers {
					t.Error("a plain listener got a frame")
				}
				return errors.Is(err, ErrAuth)
			})
			for range 3 { // on new sockets, too
				if err := trySend(ctx, send, pixels, "secret message"); !errors.Is(err, ErrAuth) {
					t.Errorf("a plain listener: %v", err)
				}
			}
			await(t, "it to speak to the listener", func() bool {
				trySend(ctx, send, pixels, "secret message") // connects anew; the first may not have come to it
				return bytes.Contains(ear.said(), []byte("CURVE"))
			})
			said := ear.said()
			if bytes.Contains(said, []byte("top secret")) || bytes.Contains(said, []byte("secret message")) {
				t.Error("a plain listener got a frame")
			}
		})
	}
}

// No byte of a frame or a message crosses in the clear, also after the
// connection was cut and after a time-out; without security all do, which shows
// that the ear hears.
func TestNothingCrossesInTheClear(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{Grasslands, StoneHouse, IronHouse} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub} {
			t.Run(fmt.Sprintf("%d/%v", mode, pattern), func(t *testing.T) {
				o := Options{Address: "127.0.0.1", Pattern: pattern, BidirectionalMode: pattern != PubSub, SecureMode: mode, CustomCertLocation: location,
					JPEGCompression: JPEGOff, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1}
				listen := o
				listen.ReceiveMode, listen.Port = true, "0"
				recv := mustNew(t, listen)
				ear := newTap(t, "127.0.0.1:0", "127.0.0.1:"+portOf(recv))
				o.Port = ear.port
				overheard(t, recv, mustNew(t, o), ear)
			})
		}
	}
}

func overheard(t *testing.T, recv, send *NetGear, ear *tap) {
	ctx := testContext(t)
	texts := []string{"visible pixels", "visible message", "terminate_flag", "uint8"}
	if send.link.row.answers {
		texts = append(texts, "visible answer")
		if err := recv.SetReturnData("visible answer"); err != nil {
			t.Fatal(err)
		}
	}
	pixels := bytes.Repeat([]byte("visible pixels "), 2000)
	exchange := func() {
		t.Helper()
		frames := recv.Stats().Frames
		await(t, "a frame", func() bool {
			if _, err := send.SendArray(ctx, Array{DType: "uint8", Shape: []int{len(pixels)}, Data: pixels}, "visible message"); err != nil {
				t.Fatal(err)
			}
			return recv.Stats().Frames > frames
		})
	}
	go func() {
		for f, err := range recv.Frames(ctx) {
			if err == nil {
				f.Close()
			}
		}
	}()
	exchange()
	lost := send.Stats().Lost
	ear.cut()
	await(t, "the loss", func() bool { return send.Stats().Lost > lost })
	exchange()
	if send.link.opts.Pattern == ReqRep {
		ear.hold(0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			exchange()
		}()
		retries := send.Stats().Retries
		await(t, "a time-out", func() bool { return send.Stats().Retries > retries })
		ear.release()
		<-done
	}
	send.Close()
	recv.Close()
	all := append(ear.said(), ear.heard()...)
	for _, text := range texts {
		if clear := bytes.Contains(all, []byte(text)); clear != (send.link.opts.SecureMode == Grasslands) {
			t.Errorf("%q crosses in the clear: %v", text, clear)
		}
	}
}

// Many who stall in the handshake do not keep others out.
func TestStalledHandshakes(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: keyFolder(t), TerminatePolicy: KeepWaiting})
	n := 1000
	if testing.Short() {
		n = 100
	}
	said := recordHandshake(t, recv)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: recv.link.opts.CustomCertLocation})
	ctx := testContext(t)
	exchange := func() {
		t.Helper()
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 40, 40), nil); err != nil {
			t.Fatal(err)
		}
		mustRecv(t, recv, ctx).Close()
	}
	mustRecv(t, recv, ctx).Close() // the recorded one
	exchange()
	await(t, "the others to be gone", func() bool { return recv.Stats().Connected == 1 })
	before, memory, files := recv.Stats(), residentMB(), openFiles()
	stallers := make([]net.Conn, n)
	for i := range stallers {
		stallers[i] = dial(t, recv)
		defer stallers[i].Close()
		// Nothing, half a greeting, a greeting, and a HELLO that is answered.
		stallers[i].Write(said[:[]int{0, greetingSize / 2, greetingSize, helloEnd}[i%4]])
	}
	exchange()
	for i := 3; i < n; i += 4 { // all that come so far are there, and have their answer
		stallers[i].SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(stallers[i], make([]byte, welcomeEnd)); err != nil {
			t.Fatalf("staller %d: no WELCOME: %v", i, err)
		}
	}
	grown := residentMB() - memory
	if t.Logf("%d stalled handshakes take %d MB", n, grown); grown > maxStalledMB {
		t.Errorf("%d stalled handshakes take %d MB", n, grown)
	}
	for range 4 {
		exchange()
	}
	for i, c := range stallers { // until the receive end hangs up
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("staller %d is not thrown out", i)
		}
		c.Close()
	}
	exchange()
	await(t, "the descriptors", func() bool { return openFiles() <= files })
	if s := recv.Stats(); s.Connected != 1 || s.Lost != before.Lost || s.Refused-before.Refused < uint64(n)/4 {
		t.Errorf("%+v, before %+v", s, before)
	}
}

// maxStalledMB is what a thousand stalled handshakes may take.
const maxStalledMB = 40

// openFiles is how many descriptors the process has, 0 where the system does not
// say.
func openFiles() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}

// residentMB is the process's memory, 0 where the system does not say.
func residentMB() int {
	var size, resident int
	b, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(string(b), &size, &resident)
	return resident * os.Getpagesize() >> 20
}

// Secure in every exclusive mode: data rides both ways, ports are told apart,
// goodbyes arrive, and an end that restarts is let in again.
func TestSecureInEveryMode(t *testing.T) {
	location := keyFolder(t)
	for _, pattern := range []Pattern{ReqRep, PubSub} {
		o := Options{Address: "127.0.0.1", Pattern: pattern, SecureMode: IronHouse, CustomCertLocation: location, HighWaterMark: 100, RequestTimeout: time.Second}
		t.Run(pattern.String()+"/multi-server", func(t *testing.T) {
			r, s := o, o
			r.ReceiveMode, r.MultiserverMode, r.Ports = true, true, []string{"0", "0"}
			recv := mustNew(t, r)
			ctx := testContext(t)
			for _, ep := range recv.Endpoints() {
				s.MultiserverMode, s.Port = true, ep[strings.LastIndexByte(ep, ':')+1:]
				for range 2 { // the second is the same sender, started again
					send := mustNew(t, s)
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), s.Port); err != nil {
						t.Fatal(err)
					}
					if f := mustRecv(t, recv, ctx); f.Port != s.Port || f.Message.Value() != s.Port {
						t.Errorf("%s came from %s", f.Message, f.Port)
					} else {
						f.Close()
					}
					send.send.shut(0) // without a goodbye
				}
			}
		})
		t.Run(pattern.String()+"/multi-client", func(t *testing.T) {
			s := o
			s.MulticlientMode = true
			var clients []*NetGear
			for i := range 2 {
				r := o
				r.ReceiveMode, r.MulticlientMode, r.Port = true, true, "0"
				c := mustNew(t, r)
				if pattern == ReqRep {
					if err := c.SetReturnData(i); err != nil {
						t.Fatal(err)
					}
				}
				clients, s.Ports = append(clients, c), append(s.Ports, portOf(c))
			}
			send := mustNew(t, s)
			ctx := testContext(t)
			awaitPeers(t, send, 2)
			await(t, "every client to have a frame", func() bool {
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
					t.Fatal(err)
				}
				return clients[0].Stats().Frames > 0 && clients[1].Stats().Frames > 0
			})
			send.Close()
			for _, c := range clients {
				for f, err := range c.Frames(ctx) {
					if err != nil {
						t.Fatal(err)
					}
					f.Close()
				}
			}
		})
	}
}

// helloEnd is where a client's greeting and HELLO end (ZeroMQ RFCs 23 and 26).
const (
	greetingSize = 64
	helloEnd     = greetingSize + 2 + 200
	welcomeEnd   = greetingSize + 2 + 168
)

// initiateEnd is where its INITIATE ends: a command with a length of one byte or
// eight.
func initiateEnd(t *testing.T, said []byte) int {
	t.Helper()
	switch flags := said[helloEnd]; flags {
	case 4:
		return helloEnd + 2 + int(said[helloEnd+1])
	case 6:
		return helloEnd + 9 + int(binary.BigEndian.Uint64(said[helloEnd+1:]))
	default:
		t.Fatalf("no command after HELLO, but %x", flags)
		return 0
	}
}

// recordHandshake is what a client said in a handshake that worked, and after.
func recordHandshake(t *testing.T, recv *NetGear) []byte {
	t.Helper()
	ear := newTap(t, "127.0.0.1:0", "127.0.0.1:"+portOf(recv))
	o := recv.link.opts
	send := mustNew(t, Options{Address: "127.0.0.1", Port: ear.port, Pattern: o.Pattern, SecureMode: o.SecureMode, CustomCertLocation: o.CustomCertLocation, JPEGCompression: JPEGOff})
	defer send.Close()
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 40, 40), nil); err != nil {
		t.Fatal(err)
	}
	return ear.said()
}

// What a client said in a handshake that worked, said again by somebody else,
// gets as far as the server's WELCOME and no further.
func TestReplayedHandshake(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), TerminatePolicy: KeepWaiting})
	said := recordHandshake(t, recv)
	initiated := initiateEnd(t, said)
	if len(said) < initiated+1000 {
		t.Fatalf("%d bytes were said, the frame is not among them", len(said))
	}
	await(t, "the client to be gone", func() bool { return recv.Stats().Connected == 0 })
	before := recv.Stats()
	greeting, hello, initiate, frame := said[:greetingSize], said[greetingSize:helloEnd], said[helloEnd:initiated], said[initiated:]
	for _, c := range []struct {
		name  string
		steps [][]byte // the first two are answered, by a greeting and by WELCOME
		then  []byte   // which is refused
	}{
		{"greeting", [][]byte{greeting}, nil},
		{"greeting and HELLO", [][]byte{greeting, hello}, nil},
		{"the handshake", [][]byte{greeting, hello}, initiate},
		{"the handshake and the frame", [][]byte{greeting, hello}, slices.Concat(initiate, frame)},
		{"greeting and the frame", [][]byte{greeting}, frame},
		{"HELLO and the frame", [][]byte{greeting, hello}, frame},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused := recv.Stats().Refused
			conn := dial(t, recv)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			for i, say := range c.steps {
				if _, err := conn.Write(say); err != nil {
					t.Fatal(err)
				}
				answer := make([]byte, []int{greetingSize, welcomeEnd - greetingSize}[i])
				begins := []string{"\xff", "\x04\xa8\x07WELCOME"}[i]
				if n, err := io.ReadFull(conn, answer); err != nil || !bytes.HasPrefix(answer, []byte(begins)) {
					t.Fatalf("%d of %d bytes came back: %v, %q", n, len(answer), err, answer)
				}
			}
			if c.then == nil {
				return
			}
			if _, err := conn.Write(c.then); err != nil {
				t.Fatal(err)
			}
			if more, _ := io.ReadAll(conn); len(more) > 0 {
				t.Errorf("it was let in: %q", more) // else the receive end hangs up
			}
			await(t, "the refusal", func() bool { return recv.Stats().Refused > refused })
		})
	}
	if s := recv.Stats(); s.Frames != before.Frames || s.Malformed != before.Malformed || s.Bytes != before.Bytes {
		t.Errorf("a replay delivered something: %+v, before %+v", s, before)
	}
}

// The authentication handler has trouble with its socket: who is to be admitted
// is, and nobody else.
func TestZAPTrouble(t *testing.T) {
	var log bytes.Buffer
	var troubles atomic.Int32
	defer func(f func() error) { zapFault = f }(zapFault)
	zapFault = func() error {
		if troubles.Add(1)%3 != 0 {
			return syscall.ENOMEM
		}
		return nil
	}
	ours := keyFolder(t)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer recv.Close()
	for range 2 {
		stranger := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: guestFolder(t, ours)})
		if _, err := stranger.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrAuth) {
			t.Errorf("a stranger: %v", err)
		}
		stranger.Close()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours})
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Error(err)
		}
		send.send.shut(0) // without a goodbye
		send.Close()
	}
	recv.Close()
	if troubles.Load() < 6 || !strings.Contains(log.String(), "authentication handler has trouble") {
		t.Errorf("%d troubles; the log says %q", troubles.Load(), log.String())
	}
}

// What asks the authentication handler nonsense gets a no, not a panic.
func TestZAPRequests(t *testing.T) {
	z := &zapHandler{doors: map[string]*door{"secure": {access: &transport.AccessList{}}, "plain": {}}}
	key := bytes.Repeat([]byte{7}, 32)
	b := func(s string) []byte { return []byte(s) }
	ask := func(version, domain, mechanism string, credentials ...[]byte) [][]byte {
		return append([][]byte{b("who"), nil, b(version), b("1"), b(domain), b("1.2.3.4"), nil, b(mechanism)}, credentials...)
	}
	for _, c := range []struct {
		request [][]byte
		code    string
	}{
		{nil, "500"}, {[][]byte{b("who")}, "500"}, {[][]byte{b("who"), nil, b("1.0")}, "500"},
		{ask("1.0", "secure", "CURVE", key[:31]), "500"},
		{ask("2.0", "secure", "CURVE", key), "500"},
		{ask("1.0", "secure", "PLAIN", b("u"), b("p")), "500"},
		{ask("1.0", "secure", "CURVE", key, key), "500"},
		{ask("1.0", "secure", "NULL"), "500"},
		{ask("1.0", "plain", "CURVE", key), "500"},
		{ask("1.0", "plain", "NULL", key), "500"},
		{ask("1.0", "other", "CURVE", key), "400"},
		{ask("1.0", "other", "NULL"), "400"},
		{ask("1.0", "secure", "CURVE", key), "200"},
		{ask("1.0", "plain", "NULL"), "200"},
	} {
		reply, d := z.judge(c.request)
		if reply.code != c.code || (d != nil) != (c.code == "200") {
			t.Errorf("%q: %s %s", c.request, reply.code, reply.text)
		}
	}
}

// A range of IPv4 addresses written as IPv6 denies them.
func TestMappedRangeIsDenied(t *testing.T) {
	location := keyFolder(t)
	_, send := openPair(t, Options{Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location}, func(r, _ *Options) { r.DenyAddresses = []string{"::ffff:127.0.0.0/104"} })
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
	both := Options{ReceiveMode: true, SecureMode: StoneHouse, DenyAddresses: []string{"::ffff:0.0.0.0/90"}}
	if err := both.Validate(); !errors.Is(err, ErrOption) {
		t.Errorf("a range of IPv4 and IPv6 at once: %v", err)
	}
}

// POLLIN on a secure Pair socket is true before a message is there (VidGear's
// receive thread dies of that): a hundred fresh connections with large frames
// all deliver.
func TestSecurePairLives(t *testing.T) {
	location := keyFolder(t)
	n := 100
	if testing.Short() {
		n = 20
	}
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: location, TerminatePolicy: KeepWaiting})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	a := testArray(1, "uint8", 600, 720, 3)
	for i := range n {
		send, err := New(Options{Address: "127.0.0.1", Port: portOf(recv), SecureMode: StoneHouse, CustomCertLocation: location, JPEGCompression: JPEGOff})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := send.SendArray(ctx, a, i); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil || f.Message.Value() != int64(i) {
			t.Fatalf("connection %d: %v", i, err)
		}
		f.Close()
		send.Close()
	}
}

// Whoever was refused gets in once there is a reason to let them: a key added, a
// peer restarted with other options. libzmq alone would never try again.
func TestRefusalIsNotForLife(t *testing.T) {
	ours, guest := keyFolder(t), keyFolder(t)
	copyFile(t, filepath.Join(ours, ".vidgear/keys/public_keys/server.key"), filepath.Join(guest, ".vidgear/keys/public_keys/server.key"))
	for _, attach := range []Attachment{AttachDefault, AttachConnect} {
		t.Run(fmt.Sprintf("attach=%d", attach), func(t *testing.T) {
			admitted := filepath.Join(ours, ".vidgear/keys/public_keys/guest.key")
			recv, send := openPair(t, Options{Pattern: PubSub, SecureMode: IronHouse, HighWaterMark: 100}, func(r, s *Options) {
				r.CustomCertLocation, s.CustomCertLocation = ours, guest
				if attach == AttachConnect {
					r.Attach, s.Attach = AttachConnect, AttachBind
				}
			})
			await(t, "the refusal", func() bool { return recv.Stats().Refused > 0 && send.Stats().Refused > 0 })
			ctx := testContext(t)
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); attach == AttachDefault && !errors.Is(err, ErrAuth) {
				t.Errorf("a refused publisher says %v", err)
			}
			copyFile(t, filepath.Join(guest, ".vidgear/keys/public_keys/client.key"), admitted)
			defer os.Remove(admitted)
			await(t, "the frames to come through", func() bool {
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil && !errors.Is(err, ErrAuth) {
					t.Fatal(err)
				}
				return recv.Stats().Frames > 0
			})
		})
	}
}

func TestPublisherAtTheWrongPattern(t *testing.T) {
	rep := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep})
	send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(rep), Pattern: PubSub})
	ctx := testContext(t)
	await(t, "the mismatch", func() bool {
		_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
		return errors.Is(err, ErrMismatch)
	})
	port := portOf(rep)
	rep.Close()
	sub := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: PubSub})
	await(t, "the frames to come through", func() bool {
		send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
		return sub.Stats().Frames > 0
	})
}

// A secure Pair connection stops in the middle of its first frame. POLLIN is true
// by then, and no whole message is there (VidGear's receive thread dies of that):
// the receive end waits on, and delivers the frame when the rest has come.
func TestSecurePairStops(t *testing.T) {
	// The handshake takes 600 bytes; the frame has 1.3 MB.
	const within = 8000
	frame := testArray(1, "uint8", 600, 720, 3)
	o := Options{Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), JPEGCompression: JPEGOff, Wire: AsyncWire}
	listen := o
	listen.ReceiveMode = true
	stop := func(t *testing.T, port string, ctx context.Context) (ear *tap, sent chan error) {
		ear, sent = newTap(t, "127.0.0.1:0", "127.0.0.1:"+port), make(chan error, 1)
		ear.hold(within)
		o := o
		o.Port, o.RequestTimeout = ear.port, patience
		send := mustNew(t, o)
		go func() {
			_, err := send.SendArray(ctx, frame, nil)
			sent <- err
		}()
		await(t, "the frame to stop", ear.held)
		return ear, sent
	}
	t.Run("the socket", func(t *testing.T) {
		listen := listen.withDefaults()
		sec, err := newSecurity(&listen)
		if err != nil {
			t.Fatal(err)
		}
		sock, err := openSocket(&listen, sec, []string{"tcp://127.0.0.1:0"}, watchers{event: func(event) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer sock.shut(0)
		ep := sock.endpoints[0]
		ctx, cancel := context.WithCancel(context.Background())
		ear, sent := stop(t, ep[strings.LastIndexByte(ep, ':')+1:], ctx)
		await(t, "POLLIN", func() bool {
			ready, err := sock.Settle()
			return err == nil && ready&zmq4.POLLIN != 0
		})
		var m zmsg.Msg
		if err := sock.TryRecv(&m); err != syscall.EAGAIN {
			t.Fatalf("ready, with no whole message: %v", err)
		}
		ear.release()
		var whole message
		defer whole.close()
		if err := whole.read(sock, time.Now().Add(patience), func() error { return nil }); err != nil || whole.count != 2 || !bytes.HasSuffix(whole.parts[1].Bytes(), frame.Data) {
			t.Errorf("%d parts, %v", whole.count, err)
		}
		cancel()
		<-sent
	})
	t.Run("the receive end", func(t *testing.T) {
		listen := listen
		listen.SubscriberTimeout = 20 * time.Millisecond
		recv := mustNew(t, listen)
		ctx := testContext(t)
		ear, sent := stop(t, portOf(recv), ctx)
		awaitPeers(t, recv, 1)
		for range 10 { // its goroutine lives, and says so
			if f, err := recv.Recv(ctx); !errors.Is(err, ErrTimeout) {
				t.Fatal(f, err)
			}
		}
		ear.release()
		for {
			f, err := recv.Recv(ctx)
			if errors.Is(err, ErrTimeout) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.Bytes(), frame.Data) {
				t.Error("the frame arrived changed")
			}
			f.Close()
			break
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

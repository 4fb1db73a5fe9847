package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// keyFolder makes certificates and returns their location.
func keyFolder(t testing.TB) string {
	t.Helper()
	location := t.TempDir()
	if _, err := CreateCertificates(location, false); err != nil {
		t.Fatal(err)
	}
	return location
}

func TestCertificates(t *testing.T) {
	location := t.TempDir()
	dir, err := CreateCertificates(location, false)
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
		public, secret, err := readCertificate(filepath.Join(dir, "private_keys/server.key_secret"), true)
		if err != nil || public == secret {
			t.Fatal(err)
		}
		other, _, err := readCertificate(filepath.Join(dir, "public_keys/server.key"), false)
		if err != nil || other != public {
			t.Fatalf("the two files of a pair differ: %v", err)
		}
		return public
	}
	first := key()
	if _, err := CreateCertificates(filepath.Join(location, ".vidgear"), false); err != nil || key() != first {
		t.Errorf("what was there was changed: %v", err)
	}
	if _, err := CreateCertificates(location, true); err != nil || key() == first {
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
			if _, err := CreateCertificates(location, false); err != nil {
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

// Whoever is refused is told why within seconds, and gets no byte of a frame
// through.
func TestSecureRefusals(t *testing.T) {
	ours, theirs := keyFolder(t), keyFolder(t)
	// A folder with our server's public key and a client key that is not ours.
	mixed := keyFolder(t)
	copyFile(t, filepath.Join(ours, ".vidgear/keys/public_keys/server.key"), filepath.Join(mixed, ".vidgear/keys/public_keys/server.key"))
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for name, c := range map[string]struct {
			recv, send Options
			says       string
		}{
			"wrong server key":      {Options{SecureMode: StoneHouse, CustomCertLocation: ours}, Options{SecureMode: StoneHouse, CustomCertLocation: theirs}, "server.key"},
			"unknown client key":    {Options{SecureMode: IronHouse, CustomCertLocation: ours}, Options{SecureMode: IronHouse, CustomCertLocation: mixed}, "client.key_secret"},
			"address denied":        {Options{SecureMode: StoneHouse, CustomCertLocation: ours, DenyAddresses: []string{"127.0.0.0/8"}}, Options{SecureMode: StoneHouse, CustomCertLocation: ours}, "address"},
			"address not allowed":   {Options{SecureMode: StoneHouse, CustomCertLocation: ours, AllowAddresses: []string{"10.1.2.3", "fe80::/10"}}, Options{SecureMode: StoneHouse, CustomCertLocation: ours}, "address"},
			"plain sender":          {Options{SecureMode: StoneHouse, CustomCertLocation: ours}, Options{}, "security"},
			"plain receiver":        {Options{}, Options{SecureMode: StoneHouse, CustomCertLocation: ours}, "not secure"},
			"secure, other pattern": {Options{SecureMode: StoneHouse, CustomCertLocation: ours, Pattern: PubSub}, Options{SecureMode: StoneHouse, CustomCertLocation: ours}, "pattern"},
		} {
			t.Run(pattern.String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				c.recv.ReceiveMode, c.recv.Address, c.recv.Port = true, "127.0.0.1", "0"
				if c.recv.Pattern == Pair {
					c.recv.Pattern = pattern
				}
				recv := mustNew(t, c.recv)
				c.send.Address, c.send.Port, c.send.Pattern, c.send.RequestTimeout = "127.0.0.1", portOf(recv), pattern, 500*time.Millisecond
				send := mustNew(t, c.send)
				_, err := send.SendArray(testContext(t), testArray(0, "uint8", 300, 300), nil)
				want := ErrAuth
				if c.send.SecureMode == Grasslands {
					want = ErrMismatch
				}
				if !errors.Is(err, want) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("the send end says: %v", err)
				}
				if s := recv.Stats(); s.Frames != 0 || s.Malformed != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
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
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours, OnTerminate: KeepWaiting})
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
// whoever takes the port over; VidGear's does, after its first time-out.
func TestNoFallBackToPlain(t *testing.T) {
	location := keyFolder(t)
	secret := bytes.Repeat([]byte("top secret pixels"), 1000)
	for _, pattern := range []Pattern{Pair, ReqRep} {
		recv, send := openPair(t, Options{Pattern: pattern, SecureMode: StoneHouse, CustomCertLocation: location, RequestTimeout: 100 * time.Millisecond, JPEGCompression: JPEGOff})
		ctx := testContext(t)
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Fatal(err)
		}
		port := portOf(recv)
		recv.Close()
		var plain *NetGear
		await(t, "the port", func() bool {
			var err error
			plain, err = New(Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern})
			return err == nil
		})
		for range 5 {
			if _, err := send.SendArray(ctx, Array{DType: "uint8", Shape: []int{len(secret)}, Data: secret}, "secret message"); err == nil {
				t.Error("a frame was sent to a plain listener")
			}
		}
		if s := plain.Stats(); s.Frames != 0 {
			t.Errorf("%d frames arrived in the clear", s.Frames)
		}
		plain.Close()
	}
}

// eavesdropper is a proxy that keeps every byte that crosses it.
func eavesdropper(t *testing.T, to string) (port string, heard func() []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all bytes.Buffer
	var conns sync.WaitGroup
	pipe := func(dst, src net.Conn) {
		defer conns.Done()
		defer dst.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := src.Read(b)
			mu.Lock()
			all.Write(b[:n])
			mu.Unlock()
			if _, werr := dst.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	conns.Add(1)
	go func() {
		defer conns.Done()
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			conns.Add(2)
			go pipe(out, in)
			go pipe(in, out)
		}
	}()
	t.Cleanup(conns.Wait)
	t.Cleanup(func() { l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, func() []byte {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all.Bytes())
	}
}

// No byte of a frame or a message crosses in the clear; without security all do,
// which shows that the ear hears.
func TestNothingCrossesInTheClear(t *testing.T) {
	location := keyFolder(t)
	pixels := bytes.Repeat([]byte("visible pixels "), 2000)
	for _, mode := range []SecureMode{Grasslands, StoneHouse, IronHouse} {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, BidirectionalMode: true, SecureMode: mode, CustomCertLocation: location})
		if err := recv.Return("visible answer"); err != nil {
			t.Fatal(err)
		}
		port, heard := eavesdropper(t, "127.0.0.1:"+portOf(recv))
		send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: ReqRep, BidirectionalMode: true, SecureMode: mode, CustomCertLocation: location, JPEGCompression: JPEGOff})
		r, err := send.SendArray(testContext(t), Array{DType: "uint8", Shape: []int{len(pixels)}, Data: pixels}, "visible message")
		if err != nil || r.Data.Value() != "visible answer" {
			t.Fatal(r, err)
		}
		send.Close()
		recv.Close()
		for _, text := range []string{"visible pixels", "visible message", "visible answer", "terminate_flag", "uint8"} {
			if clear := bytes.Contains(heard(), []byte(text)); clear != (mode == Grasslands) {
				t.Errorf("mode %d: %q crosses in the clear: %v", mode, text, clear)
			}
		}
	}
}

// Many who stall in the handshake do not keep others out.
func TestStalledHandshakes(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: keyFolder(t)})
	n := 1000
	if testing.Short() {
		n = 100
	}
	before := residentMB()
	greeting := append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00CURVE"), make([]byte, 47)...)
	for i := range n {
		c := dial(t, recv)
		defer c.Close()
		c.Write(greeting[:len(greeting)*(i%3)/2]) // nothing, half, all of it
	}
	if grown := residentMB() - before; grown > 200 {
		t.Errorf("%d stalled handshakes take %d MB", n, grown)
	} else {
		t.Logf("%d stalled handshakes take %d MB", n, grown)
	}
	send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: recv.opts.CustomCertLocation})
	ctx := testContext(t)
	for i := range 5 {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 40, 40), nil); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
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
					send.closeSender(0) // without a goodbye
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
					if err := c.Return(i); err != nil {
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

// Bytes of a handshake that worked, said again by somebody else, do nothing.
func TestReplayedHandshake(t *testing.T) {
	location := keyFolder(t)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location})
	port, heard := eavesdropper(t, "127.0.0.1:"+portOf(recv))
	send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 40, 40), nil); err != nil {
		t.Fatal(err)
	}
	const before = 1
	await(t, "the frame to be counted", func() bool { return recv.Stats().Frames == before })
	c := dial(t, recv)
	defer c.Close()
	go c.Write(heard())
	c.SetReadDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, c) // until the receive end hangs up
	if s := recv.Stats(); s.Frames != before {
		t.Errorf("a replay delivered a frame: %+v", s)
	}
}

// What asks the authentication handler nonsense gets a no, not a panic.
func TestZAPRequests(t *testing.T) {
	z := &zapHandler{domains: map[string]*admission{"d": {}}}
	key := bytes.Repeat([]byte{7}, 32)
	b := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		request [][]byte
		code    string
	}{
		{nil, "500"}, {[][]byte{b("1.0")}, "500"},
		{[][]byte{b("1.0"), b("1"), b("d"), b("1.2.3.4"), nil, b("CURVE"), key[:31]}, "500"},
		{[][]byte{b("2.0"), b("1"), b("d"), b("1.2.3.4"), nil, b("CURVE"), key}, "500"},
		{[][]byte{b("1.0"), b("1"), b("d"), b("1.2.3.4"), nil, b("PLAIN"), b("u"), b("p")}, "500"},
		{[][]byte{b("1.0"), b("1"), b("x"), b("1.2.3.4"), nil, b("CURVE"), key}, "400"},
		{[][]byte{b("1.0"), b("1"), b("d"), b("1.2.3.4"), nil, b("CURVE"), key}, "200"},
		{[][]byte{b("1.0"), b("1"), b("d"), b(""), nil, b("CURVE"), key}, "200"},
	} {
		if got := z.reply(c.request); string(got[2]) != c.code {
			t.Errorf("%q: %s %s", c.request, got[2], got[3])
		}
	}
	allow, _ := prefixes([]string{"10.0.0.0/8", "::1", "192.168.1.7"})
	a := &admission{allow: allow}
	for address, want := range map[string]bool{"10.9.8.7": true, "11.0.0.1": false, "::1": true, "[::1]": true, "192.168.1.7": true, "::ffff:192.168.1.7": true, "": false, "rubbish": false} {
		if ok, _ := a.admits(address, key); ok != want {
			t.Errorf("%q is admitted: %v", address, ok)
		}
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
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: location, OnTerminate: KeepWaiting})
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

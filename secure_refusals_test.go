package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guestFolder is a folder of its own keys with another's server's public key.
func guestFolder(t testing.TB, of string) string {
	t.Helper()
	location := keyFolder(t)
	copyFile(t, keyFile(of, "public_keys/server.key"), keyFile(location, "public_keys/server.key"))
	return location
}

// A refused peer gets an error within 2 s that names the side of the reason and
// the file. No byte of its frames is delivered, and the receive end gets an
// error, too. The options are the defaults, in every pattern.
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
		{"plain sender", secure(StoneHouse, ours), Options{RequestTimeout: 500 * time.Millisecond, MaxRetries: -1},
			[]string{"same security"}, []string{"a send end was turned away", "not secure at all", ourSecret}},
		{"plain receiver", Options{}, secure(StoneHouse, ours),
			[]string{"not secure", keyFile(ours, "public_keys/server.key")}, []string{"same security"}},
		{"secure, other pattern", secure(StoneHouse, ours), secure(StoneHouse, ours),
			[]string{"another pattern"}, nil},
	} {
		for _, pattern := range everyPattern {
			t.Run(pattern.String()+"/"+c.name, func(t *testing.T) {
				t.Parallel()
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
	s.Address, s.Port = "127.0.0.1", recv.Port()
	send := mustNew(t, s)
	began := startStopwatch()
	err := trySend(t, testContext(t), send, testArray(0, "uint8", 300, 300), nil)
	says(t, "the send end", err, s.SecureMode, sendSays)
	if s.SecureMode != Grasslands {
		endsWithin(t, "the refusal", began, 2*time.Second) // without waiting for RequestTimeout
	}
	if recvSays != nil {
		select {
		case err := <-told:
			says(t, "the receive end", err, r.SecureMode, recvSays)
		case <-time.After(testTimeout):
			t.Error("the receive end is not told")
		}
	}
	if s := recv.Stats(); s.Frames != 0 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

// trySend sends until that fails: a publisher gets no error at first.
func trySend(t *testing.T, ctx context.Context, send *NetGear, a Array, message any) (err error) {
	t.Helper()
	await(t, "a frame to be refused", func() bool {
		_, err = send.SendArray(ctx, a, message)
		return err != nil || send.link.spec.answers
	})
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
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: pattern, SecureMode: StoneHouse, CustomCertLocation: theirs,
			RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
		_, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
		if !errors.Is(err, ErrAuth) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", pattern, err)
		}
	}
}

// A refused peer is admitted once the reason is gone: a key was added, or a
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
	send := mustNew(t, Options{Address: "127.0.0.1", Port: rep.Port(), Pattern: PubSub})
	ctx := testContext(t)
	await(t, "the mismatch", func() bool {
		_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
		return errors.Is(err, ErrMismatch)
	})
	port := rep.Port()
	rep.Close()
	sub := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: PubSub})
	await(t, "the frames to come through", func() bool {
		send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
		return sub.Stats().Frames > 0
	})
}

// IronHouse admits exactly the keys that are in the folder at the moment.
func TestIronHouseNoticesKeys(t *testing.T) {
	ours, guest := keyFolder(t), keyFolder(t)
	copyFile(t, filepath.Join(ours, ".vidgear/keys/public_keys/server.key"), filepath.Join(guest, ".vidgear/keys/public_keys/server.key"))
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours, TerminatePolicy: KeepWaiting})
	admitted := filepath.Join(ours, ".vidgear/keys/public_keys/guest.key")
	try := func() error {
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: guest})
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

// A secure send end whose receive end is gone never sends unencrypted to a
// program that takes over the port. VidGear's does, after its first time-out.
// Its bytes are recorded, and a plain end behind the proxy would accept them.
func TestNoFallBackToPlain(t *testing.T) {
	location := keyFolder(t)
	secret := bytes.Repeat([]byte("top secret pixels"), 1000)
	pixels := Array{DType: "uint8", Shape: []int{len(secret)}, Data: secret}
	for _, pattern := range everyPattern {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			o := inPattern(Options{Pattern: pattern, RequestTimeout: 300 * time.Millisecond, JPEGCompression: JPEGOff, TerminatePolicy: KeepWaiting}, pattern)
			plain, plainSend := openPair(t, o)
			// Without keys the same bytes are recorded, which shows that the
			// proxy records them.
			ear := newProxy(t, "127.0.0.1:0", plain)
			plainSend.Close()
			open := o
			open.Address, open.Port = "127.0.0.1", ear.Port
			plainSend = mustNew(t, open)
			ctx := testContext(t)
			await(t, "plain pixels", func() bool {
				plainSend.SendArray(ctx, pixels, "secret message")
				return bytes.Contains(ear.FromClients(), secret) && bytes.Contains(ear.FromClients(), []byte("secret message"))
			})
			plainSend.Close()

			o.SecureMode, o.CustomCertLocation = StoneHouse, location
			recv, send := openPair(t, o)
			awaitPeers(t, send, 1)
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
				t.Fatal(err)
			}
			port := recv.Port()
			recv.Close()
			await(t, "the loss", func() bool { return send.Stats().Connected == 0 })
			ear = newProxy(t, "127.0.0.1:"+port, plain)
			var err error
			await(t, "the refusal", func() bool {
				_, err = send.SendArray(ctx, pixels, "secret message")
				if err == nil && send.link.spec.answers {
					t.Error("a plain listener got a frame")
				}
				return errors.Is(err, ErrAuth)
			})
			for range 3 { // on new sockets, too
				if err := trySend(t, ctx, send, pixels, "secret message"); !errors.Is(err, ErrAuth) {
					t.Errorf("a plain listener: %v", err)
				}
			}
			await(t, "it to speak to the listener", func() bool {
				trySend(t, ctx, send, pixels, "secret message") // connects again; the first attempt may not have got this far
				return bytes.Contains(ear.FromClients(), []byte("CURVE"))
			})
			said := ear.FromClients()
			if bytes.Contains(said, []byte("top secret")) || bytes.Contains(said, []byte("secret message")) {
				t.Error("a plain listener got a frame")
			}
		})
	}
}

package netgear

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// No byte of a frame or a message is sent unencrypted, also after the
// connection was interrupted and after a time-out. Without security all bytes
// are, which shows that the proxy records them.
func TestNothingCrossesInTheClear(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{Grasslands, StoneHouse, IronHouse} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub} {
			t.Run(fmt.Sprintf("%d/%v", mode, pattern), func(t *testing.T) {
				t.Parallel()
				o := Options{Address: "127.0.0.1", Pattern: pattern, BidirectionalMode: pattern != PubSub, SecureMode: mode, CustomCertLocation: location,
					JPEGCompression: JPEGOff, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1}
				listen := o
				listen.ReceiveMode, listen.Port = true, "0"
				recv := mustNew(t, listen)
				ear := newProxy(t, "127.0.0.1:0", recv)
				o.Port = ear.Port
				overheard(t, recv, mustNew(t, o), ear)
			})
		}
	}
}

func overheard(t *testing.T, recv, send *NetGear, ear *peertest.Proxy) {
	ctx := testContext(t)
	texts := []string{"visible pixels", "visible message", "terminate_flag", "uint8"}
	if send.link.spec.answers {
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
	ear.Cut()
	await(t, "the loss", func() bool { return send.Stats().Lost > lost })
	exchange()
	if send.link.opts.Pattern == ReqRep {
		ear.Hold(0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			exchange()
		}()
		retries := send.Stats().Retries
		await(t, "a time-out", func() bool { return send.Stats().Retries > retries })
		ear.Release()
		<-done
	}
	send.Close()
	recv.Close()
	all := append(ear.FromClients(), ear.FromServer()...)
	for _, text := range texts {
		if seen := bytes.Contains(all, []byte(text)); seen != (send.link.opts.SecureMode == Grasslands) {
			t.Errorf("%q crosses in the clear: %v", text, seen)
		}
	}
}

// Many peers that stall in the handshake do not keep others out.
func TestStalledHandshakes(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: keyFolder(t), TerminatePolicy: KeepWaiting})
	n := 1000
	if testing.Short() {
		n = 100
	}
	said := recordHandshake(t, recv)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: recv.link.opts.CustomCertLocation})
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
	// A peer that has gone is no longer connected a moment before it is counted.
	await(t, "the recorded peer to be gone", func() bool { s := recv.Stats(); return s.Connected == 1 && s.Lost == 1 })
	before, memory, files := recv.Stats(), alloctest.Memory()>>20, openFiles()
	stallers := make([]net.Conn, n)
	for i := range stallers {
		stallers[i] = dial(t, recv)
		defer stallers[i].Close()
		// Nothing, half a greeting, a greeting, and a HELLO that is answered.
		stallers[i].Write(said[:[]int{0, greetingSize / 2, greetingSize, helloEnd}[i%4]])
	}
	exchange()
	for i := 3; i < n; i += 4 { // all peers so far are connected, and have their answer
		stallers[i].SetReadDeadline(time.Now().Add(testTimeout))
		if _, err := io.ReadFull(stallers[i], make([]byte, welcomeEnd)); err != nil {
			t.Fatalf("staller %d: no WELCOME: %v", i, err)
		}
	}
	grown := alloctest.Memory()>>20 - memory
	if t.Logf("%d stalled handshakes take %d MB", n, grown); grown > maxStalledMB {
		t.Errorf("%d stalled handshakes take %d MB", n, grown)
	}
	for range 4 {
		exchange()
	}
	for i, c := range stallers { // until the receive end hangs up
		c.SetReadDeadline(time.Now().Add(testTimeout))
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

// openFiles returns how many descriptors the process has, or 0 if the system
// does not report it.
func openFiles() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}

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

// recordHandshake returns what a client sent in a successful handshake, and
// after it.
func recordHandshake(t *testing.T, recv *NetGear) []byte {
	t.Helper()
	ear := newProxy(t, "127.0.0.1:0", recv)
	o := recv.link.opts
	send := mustNew(t, Options{Address: "127.0.0.1", Port: ear.Port, Pattern: o.Pattern, SecureMode: o.SecureMode, CustomCertLocation: o.CustomCertLocation, JPEGCompression: JPEGOff})
	defer send.Close()
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 40, 40), nil); err != nil {
		t.Fatal(err)
	}
	return ear.FromClients()
}

// What a client sent in a successful handshake, sent again by another peer,
// gets as far as the server's WELCOME and no further.
func TestReplayedHandshake(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), TerminatePolicy: KeepWaiting})
	said := recordHandshake(t, recv)
	initiated := initiateEnd(t, said)
	if len(said) < initiated+1000 {
		t.Fatalf("%d bytes were said, the frame is not among them", len(said))
	}
	await(t, "the client to be gone", func() bool { s := recv.Stats(); return s.Connected == 0 && s.Lost == 1 })
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
			conn.SetDeadline(time.Now().Add(testTimeout))
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

package netgear

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// awaitWaiting waits until a peer waits at the gate of a Pair receive end.
func awaitWaiting(t *testing.T, recv *NetGear) {
	t.Helper()
	await(t, "a peer to wait at the gate", func() bool { return recv.link.current().Pending() > 0 })
}

// delivers reports whether the next frame is this one.
func delivers(t *testing.T, recv *NetGear, want byte) {
	t.Helper()
	f := mustRecv(t, recv, testContext(t))
	defer f.Close()
	if frameBytes(f)[0] != want {
		t.Errorf("frame %d came, not %d", frameBytes(f)[0], want)
	}
}

// once connects a sender that, like VidGear, sends a frame once, admitted or
// not.
func once(t *testing.T, recv *NetGear, number byte) *bare {
	t.Helper()
	b := newBare(t, zmq4.PAIR, recv)
	b.send(rawHeader("[1, 1]"), []byte{number})
	return b
}

func (b *bare) answered() {
	b.t.Helper()
	if b.recv(testTimeout) == nil {
		b.t.Fatal("no answer")
	}
}

// Each sender is connected, and has sent its frame, before the previous one
// disconnects. None is served besides another, and no frame is lost.
func TestPairSendersOneAfterTheOther(t *testing.T) {
	goodbye := jsonWire{}.appendTerminate(nil, nil)
	for _, last := range []string{"goodbye", "gone without a word"} {
		t.Run(last, func(t *testing.T) {
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", TerminatePolicy: KeepWaiting})
			over := make(chan struct{})
			var busy sync.WaitGroup
			for range runtime.GOMAXPROCS(0) { // on a busy machine
				busy.Go(func() {
					for spins := 0; ; spins++ {
						select {
						case <-over:
							return
						default: // a core is kept busy
						}
					}
				})
			}
			defer busy.Wait()
			defer close(over)
			sender := once(t, recv, 0)
			for i := range byte(30) {
				delivers(t, recv, i)
				sender.answered()
				next := once(t, recv, i+1)
				awaitWaiting(t, recv)
				await(t, "one, and no more, to be connected", func() bool { return recv.link.peers() == 1 })
				if last == "goodbye" {
					sender.SetLinger(testTimeout)
					sender.send(goodbye)
				}
				sender.Socket.Close()
				sender = next
			}
			// On a very busy machine the report of a change may take longer
			// than mismatchGrace. Then a new socket is opened, and nothing is
			// lost.
			if s := recv.Stats(); s.Retries > 5 {
				t.Errorf("the socket was opened again: %+v", s)
			}
		})
	}
}

// A sender that connects at the moment when the previous one has disconnected
// is served.
func TestPairSendersOneOnTheHeelsOfTheOther(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", TerminatePolicy: KeepWaiting})
	for i := range byte(100) {
		sender := once(t, recv, i)
		delivers(t, recv, i)
		sender.answered()
		sender.Socket.Close()
	}
}

// What one sender has sent is read before the next is admitted.
func TestPairLastMessagesAreRead(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", QueueFrames: 1})
	first := newBare(t, zmq4.PAIR, recv)
	for i := range byte(1 + maxEarly) { // as many as there may be
		first.send(rawHeader("[1, 1]"), []byte{i})
	}
	first.answered()
	first.SetLinger(testTimeout)
	first.Socket.Close()
	second := once(t, recv, 1+maxEarly)
	for i := range byte(2 + maxEarly) {
		delivers(t, recv, i)
	}
	second.answered()
	if s := recv.Stats(); s.Retries != 0 {
		t.Errorf("somebody was thrown out: %+v", s)
	}
}

// Pending senders may disconnect; the next one that is connected is served.
func TestPairPendingPeersDisconnect(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	first := once(t, recv, 1)
	delivers(t, recv, 1)
	var impatient []*bare
	for range 5 {
		impatient = append(impatient, once(t, recv, 2))
		awaitWaiting(t, recv)
	}
	await(t, "all to wait", func() bool { return recv.link.current().Pending() == len(impatient) })
	for _, b := range impatient {
		b.Socket.Close()
	}
	last := once(t, recv, 3)
	await(t, "the last to wait", func() bool { return recv.link.current().Pending() > len(impatient) })
	first.Socket.Close()
	delivers(t, recv, 3)
	last.answered()
}

// A secure end checks keys and the slot at the same gate.
func TestPairSecureNewcomer(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{StoneHouse, IronHouse} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: mode, CustomCertLocation: location, TerminatePolicy: KeepWaiting})
			o := Options{Address: "127.0.0.1", Port: recv.Port(), SecureMode: mode, CustomCertLocation: location, RequestTimeout: testTimeout, MaxRetries: 1, JPEGCompression: JPEGOff}
			first := mustNew(t, o)
			sendSmall(t, first)
			mustRecv(t, recv, testContext(t)).Close()
			second := mustNew(t, o)
			sent := make(chan error, 1)
			go func() {
				_, err := second.SendArray(testContext(t), testArray(0, "uint8", 4, 4), "second")
				sent <- err
			}()
			awaitWaiting(t, recv)
			first.Close()
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			mustRecv(t, recv, testContext(t)).Close()
			if s := second.Stats(); s.Retries != 0 || s.Refused != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A pending peer is admitted when the served one is silent for RequestTimeout.
func TestNewcomerAtAPairSocket(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
	first := once(t, recv, 1)
	first.answered()
	delivers(t, recv, 1)
	// The first stays connected and sends nothing more, as if it were frozen.
	second := once(t, recv, 2)
	delivers(t, recv, 2)
	second.answered()
}

// A sender that must wait longer than a handshake may take connects again, and
// the application gets the reason of the refusal.
func TestPairLongWait(t *testing.T) {
	t.Parallel()
	var at recorder
	reasons := make(chan error, 100)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: time.Hour, OnEvent: func(s Event) {
		if at.add(s); s.Kind == EventRefused {
			reasons <- s.Err
		}
	}})
	first := once(t, recv, 1)
	first.answered()
	delivers(t, recv, 1)
	second := once(t, recv, 2)
	at.await(t, EventConnected, EventRefused)
	if err := <-reasons; !errors.Is(err, errPlaceTaken) {
		t.Error(err)
	}
	awaitWaiting(t, recv) // again
	first.Socket.Close()
	delivers(t, recv, 2)
	second.answered()
}

// Peers that take the place and do not end their handshake, or have another
// socket type, keep no sender out.
func TestPairUnsuitablePeers(t *testing.T) {
	t.Parallel()
	for name, come := range map[string]func(*testing.T, *NetGear){
		"says nothing": func(t *testing.T, recv *NetGear) { dial(t, recv) },
		"only greets": func(t *testing.T, recv *NetGear) {
			c := dial(t, recv)
			io.WriteString(c, greeting)
			if _, err := io.ReadFull(c, make([]byte, 66)); err != nil { // a greeting, and the READY of an admitted peer
				t.Error(err)
			}
		},
		"another sort": attemptHandshake,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: time.Hour})
			come(t, recv)
			sender := once(t, recv, 1)
			delivers(t, recv, 1)
			sender.answered()
		})
	}
}

// Peers of all kinds connect and disconnect at random while one sender streams.
// All of its frames arrive, and in the end no absent peer is counted as
// connected.
func TestPairManyPeers(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: 200 * time.Millisecond, MaxRetries: -1, TerminatePolicy: KeepWaiting})
	send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), RequestTimeout: 200 * time.Millisecond, MaxRetries: -1, Stamp: true, JPEGCompression: JPEGOff})
	ctx := testContext(t)
	go func() {
		for f, err := range recv.Frames(ctx) {
			if err == nil {
				f.Close()
			}
		}
	}()
	say := func(words string, wait time.Duration) { say(recv.Port(), words, wait, false, false) }
	visits := []func(wait time.Duration, n int){
		func(wait time.Duration, n int) { say(greeting[:n%64], wait) },
		func(wait time.Duration, n int) { say(greeting, wait) },
		func(wait time.Duration, n int) { say(greeting+ready("PULL"), wait) },
		func(wait time.Duration, n int) { once(t, recv, 0).Socket.Close() },
		func(wait time.Duration, n int) {
			b := once(t, recv, 0)
			b.recv(wait)
			b.Socket.Close()
		},
		func(wait time.Duration, n int) {
			b := once(t, recv, 0)
			b.send(jsonWire{}.appendTerminate(nil, nil))
			b.recv(wait)
			b.Socket.Close()
		},
	}
	var crowd sync.WaitGroup
	for i := range 4 {
		crowd.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for range 40 {
				visits[r.IntN(len(visits))](time.Duration(r.IntN(20))*time.Millisecond, r.Int())
			}
		})
	}
	for range 20 {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Fatal(err)
		}
	}
	crowd.Wait()
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
		t.Fatal(err)
	}
	send.Close()
	await(t, "all to have gone", func() bool { return recv.Stats().Connected == 0 })
}

// A peer that ends its handshake when another has been admitted meanwhile does
// not keep the place from the next.
func TestPairPeerWithALateHandshake(t *testing.T) {
	t.Parallel()
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: time.Hour, TerminatePolicy: KeepWaiting})
	stranger := dial(t, recv)
	io.WriteString(stranger, greeting)
	if _, err := io.ReadFull(stranger, make([]byte, 66)); err != nil {
		t.Fatal(err)
	}
	first := once(t, recv, 1)
	delivers(t, recv, 1)
	io.WriteString(stranger, ready("PAIR"))
	await(t, "two to be connected", func() bool { return recv.link.peers() == 2 })
	first.answered()
	first.Socket.Close()
	await(t, "a new socket", func() bool { return recv.Stats().Retries == 1 })
	once(t, recv, 2).answered()
	delivers(t, recv, 2)
}

package netem

import (
	"encoding/binary"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// newTestNetwork returns a network. Without root it skips the test, but not in
// CI.
func newTestNetwork(t *testing.T, up, down Settings) *Network {
	t.Helper()
	w, err := NewNetwork(1, up, down)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// listenIn opens a UDP socket in a namespace.
func listenIn(t *testing.T, h *Host, address string) (c *net.UDPConn) {
	t.Helper()
	var err error
	h.Do(func() { c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address), Port: 7000}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const (
	testPayload = 1000
	testPacket  = testPayload + 28 // IP and UDP headers
)

// TestNetwork sends real packets through a bottleneck with delay and loss, and
// counts what arrives.
func TestNetwork(t *testing.T) {
	const packets, delay, rate = 300, 50 * time.Millisecond, 8_000_000
	up := Settings{Rate: rate, Queue: packets * testPacket, Delay: delay, Loss: Random(0.2)}
	w := newTestNetwork(t, up, Settings{})
	sender, receiver := listenIn(t, w.Sender, SenderAddress), listenIn(t, w.Receiver, ReceiverAddress)
	var took []time.Duration
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		buffer := make([]byte, 2*testPayload)
		for {
			n, err := receiver.Read(buffer)
			if err != nil {
				return
			}
			if n == testPayload {
				took = append(took, time.Since(began)-time.Duration(binary.LittleEndian.Uint64(buffer)))
			}
		}
	}()
	to := net.UDPAddrFromAddrPort(receiver.LocalAddr().(*net.UDPAddr).AddrPort())
	payload := make([]byte, testPayload)
	for range packets {
		binary.LittleEndian.PutUint64(payload, uint64(time.Since(began)))
		if _, err := sender.WriteTo(payload, to); err != nil {
			t.Fatal(err)
		}
	}
	awaitUp(t, w, func(c Counts) bool { return c.PassedBytes >= packets*testPacket })
	span := time.Since(began) // until the last packet has passed
	awaitUp(t, w, func(c Counts) bool { return c.Delivered+c.Lost >= packets })
	receiver.SetReadDeadline(time.Now().Add(2 * delay))
	<-done

	c, _ := w.UpCounts()
	if c.Overflowed != 0 || c.Offered != packets || c.Offered != c.Delivered+c.Lost {
		t.Errorf("counts do not add up: %+v", c)
	}
	near(t, "the share lost", float64(c.Lost)/float64(c.Offered), 0.2, 0.25)
	// The socket's buffer has no place for all, if this process is held up.
	if int64(len(took)) > c.Delivered || int64(len(took)) < c.Delivered/4 {
		t.Errorf("%d packets arrived, %d are counted", len(took), c.Delivered)
	}
	if fastest := slices.Min(took); fastest < delay {
		t.Errorf("a packet took %v, less than the delay", fastest)
	}
	// A packet cannot pass sooner. How much later depends on the machine.
	if least := time.Duration(packets * testPacket * 8 * float64(time.Second) / rate); span < least*98/100 {
		t.Errorf("%d packets passed in %v, which needs %v", packets, span, least)
	}
}

// awaitUp waits until done returns true for the counts from sender to receiver.
func awaitUp(t *testing.T, w *Network, done func(Counts) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		c, _ := w.UpCounts()
		if done(c) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %+v", c)
		}
	}
}

// TestDirections cuts one direction off, and then the other, while both are in
// use.
func TestDirections(t *testing.T) {
	w := newTestNetwork(t, Settings{}, Settings{})
	sender, receiver := listenIn(t, w.Sender, SenderAddress), listenIn(t, w.Receiver, ReceiverAddress)
	cross := func(from, to *net.UDPConn, text string) {
		t.Helper()
		if _, err := from.WriteTo([]byte(text), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	arrives := func(at *net.UDPConn, text string) {
		t.Helper()
		buffer := make([]byte, 100)
		at.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := at.Read(buffer)
		if err != nil || string(buffer[:n]) != text {
			t.Fatalf("got %q, %v, want %q", buffer[:n], err, text)
		}
	}
	w.Up(Settings{Down: true})
	cross(sender, receiver, "lost")
	awaitUp(t, w, func(c Counts) bool { return c.Blocked == 1 }) // the device's reader may be late
	cross(receiver, sender, "back")
	arrives(sender, "back")
	w.Down(Settings{Down: true})
	w.Up(Settings{})
	cross(sender, receiver, "there")
	arrives(receiver, "there")
}

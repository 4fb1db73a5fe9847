package netem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Network is two hosts, each a network namespace, with a Link in each
// direction. Its methods are safe for concurrent use.
type Network struct {
	Sender, Receiver *Host
	began            time.Time
	up, down         *direction
	cancel           context.CancelFunc
	wg               sync.WaitGroup
}

// NewNetwork creates the network. up are the settings from sender to receiver,
// down those from receiver to sender.
func NewNetwork(seed uint64, up, down Settings) (*Network, error) {
	sender, err := newHost(SenderAddress, ReceiverAddress)
	if err != nil {
		return nil, err
	}
	receiver, err := newHost(ReceiverAddress, SenderAddress)
	if err != nil {
		return nil, errors.Join(err, sender.close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Network{Sender: sender, Receiver: receiver, began: time.Now(), cancel: cancel}
	w.up = &direction{link: NewLink(seed, up), in: sender.device, out: receiver.device, woken: make(chan struct{}, 1)}
	w.down = &direction{link: NewLink(seed+1, down), in: receiver.device, out: sender.device, woken: make(chan struct{}, 1)}
	for _, d := range []*direction{w.up, w.down} {
		w.wg.Go(func() { d.read(w.now) })
		w.wg.Go(func() { d.write(ctx, w.now) })
	}
	return w, nil
}

// now is the time of the links. It is monotonic.
func (w *Network) now() time.Duration { return time.Since(w.began) }

// Up changes the settings from sender to receiver.
func (w *Network) Up(s Settings) { w.up.set(w.now, s) }

// Down changes the settings from receiver to sender.
func (w *Network) Down(s Settings) { w.down.set(w.now, s) }

// UpCounts returns the counts from sender to receiver, and how many bytes wait
// for the bottleneck.
func (w *Network) UpCounts() (c Counts, queued int) { return w.up.counts(w.now) }

// DownCounts returns the same from receiver to sender.
func (w *Network) DownCounts() (c Counts, queued int) { return w.down.counts(w.now) }

// Close ends the network. Processes that still run in its namespaces keep
// them, without a connection.
func (w *Network) Close() error {
	w.cancel()
	err := errors.Join(w.Sender.close(), w.Receiver.close())
	w.wg.Wait()
	return err
}

// direction moves packets from one device through a link to the other device.
type direction struct {
	mu      sync.Mutex
	link    *Link // mu must be held
	in, out *os.File
	woken   chan struct{} // the link has changed
}

// change runs a function on the link, and wakes the writer.
func (d *direction) change(f func(*Link)) {
	d.mu.Lock()
	f(d.link)
	d.mu.Unlock()
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

func (d *direction) set(now func() time.Duration, s Settings) {
	d.change(func(l *Link) { l.Set(now(), s) })
}

func (d *direction) counts(now func() time.Duration) (Counts, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link.advance(now())
	return d.link.Counts(), d.link.Queued()
}

// read takes packets in until the device is closed.
func (d *direction) read(now func() time.Duration) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := d.in.Read(buffer)
		if err != nil {
			return
		}
		packet := append([]byte(nil), buffer[:n]...)
		d.change(func(l *Link) { l.Offer(now(), packet) })
	}
}

// write delivers packets when they are due, until the context ends.
func (d *direction) write(ctx context.Context, now func() time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d.mu.Lock()
		packet := d.link.Take(now())
		due, waits := d.link.Due()
		d.mu.Unlock()
		if packet != nil {
			d.out.Write(packet) // a device that is down loses the packet
			continue
		}
		wait := time.Hour
		if waits {
			wait = due - now()
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-d.woken:
		case <-ctx.Done():
			return
		}
	}
}

// errNeeds is added to errors of the system calls, which say little.
var errNeeds = errors.New("the emulated network needs root, network namespaces and /dev/net/tun")

func needs(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("netem: %s: %w (%w)", what, err, errNeeds)
}

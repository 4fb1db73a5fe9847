package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestLatest checks that a consumer that needs half a second for each frame
// receives the last one that has arrived, and that every missed frame is counted.
func TestLatest(t *testing.T) {
	const (
		fps   = 60
		sleep = 500 * time.Millisecond
	)
	lasts := 2 * time.Second
	if full() {
		lasts = 20 * time.Second
	}
	var rows []string
	for pattern, name := range patternNames {
		t.Run(name, func(t *testing.T) {
			recv, send := openLatest(t, netgear.Pattern(pattern))
			ctx, stop := context.WithTimeout(context.Background(), lasts)
			defer stop()
			sent := make(chan int, 1)
			go func() {
				sent <- stream(ctx, t, send, fps)
				send.Close()
			}()
			var ages []time.Duration
			for {
				before := recv.Stats()
				f, err := receiveWithin(recv, waitLimit)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%v (%+v)", err, recv.Stats())
				}
				if ctx.Err() == nil { // a later frame may have been the last one for long
					ages = append(ages, time.Since(f.Stamp.Time))
				}
				// The last one that had arrived is one before the number if it is just
				// being put in the queue.
				if arrived := before.Frames + before.Missed; f.Stamp.Seq+1 < arrived {
					t.Errorf("frame %d after %d had arrived", f.Stamp.Seq, arrived)
				}
				f.Close()
				select {
				case <-ctx.Done():
				case <-time.After(sleep + rand.N(time.Second/fps)): // in step with the sender all ages would be the same
				}
				if ctx.Err() != nil && pattern == int(netgear.PubSub) {
					break // a terminate message may be dropped at a high-water mark of 1
				}
			}
			count := <-sent
			recv.Close()
			s := recv.Stats()
			if s.Frames != s.Delivered+s.Dropped+s.Discarded {
				t.Errorf("%d frames received, %d delivered, %d dropped, %d discarded", s.Frames, s.Delivered, s.Dropped, s.Discarded)
			}
			if pattern != int(netgear.PubSub) && s.Frames != uint64(count) {
				t.Errorf("%d frames sent, %d received", count, s.Frames)
			}
			slices.Sort(ages)
			worst, transfer := ages[len(ages)-1], s.Latency.Max
			note := ""
			if worst > 2*time.Second/fps+transfer {
				note = "STALE"
			}
			// During the short form other tests run, so an age would depend on the
			// machine.
			if full() && note != "" {
				t.Errorf("a frame was %v old, its transfer took %v at most", worst, transfer)
			}
			rows = append(rows, fmt.Sprintf("| %s | %d | %.1f | %.1f | %.1f | %d | %d | %d | %d | %d | %s |",
				name, len(ages), ms(ages[len(ages)/2]), ms(worst), ms(transfer), count, s.Frames, s.Delivered, s.Dropped, s.Discarded, note))
		})
	}
	fmt.Printf("\nLatest, %d frames a second, a consumer that sleeps %v; times in milliseconds; two frame times are %.1f\n\n", fps, sleep, ms(2*time.Second/fps))
	fmt.Println("| pattern | frames looked at | age, median | age, worst | slowest transfer | sent | received | delivered | dropped | left at the end | |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	fmt.Printf("%s\n\n", strings.Join(rows, "\n"))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// openLatest opens both ends and waits until a frame has arrived.
func openLatest(t *testing.T, pattern netgear.Pattern) (recv, send *netgear.NetGear) {
	t.Helper()
	o := netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: peertest.FreePort(t), Pattern: pattern, JPEGCompression: netgear.JPEGOff, Latest: true, Stamp: true}
	recv, err := netgear.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { recv.Close() })
	o.ReceiveMode = false
	if send, err = netgear.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { send.Close() })
	peertest.Await(t, waitLimit, "the connection", func() bool { return send.Stats().Connected > 0 && recv.Stats().Connected > 0 })
	return recv, send
}

// stream sends frames at a camera's rate and returns their number.
func stream(ctx context.Context, t *testing.T, send *netgear.NetGear, fps int) int {
	frame := netgear.Array{DType: "uint8", Shape: []int{480, 640, 3}, Data: make([]byte, 480*640*3)}
	tick := time.NewTicker(time.Second / time.Duration(fps))
	defer tick.Stop()
	for count := 0; ; count++ {
		select {
		case <-ctx.Done():
			return count
		case <-tick.C:
		}
		if _, err := send.SendArray(context.Background(), frame, nil); err != nil {
			t.Error(err)
			return count
		}
	}
}

func receiveWithin(recv *netgear.NetGear, within time.Duration) (*netgear.Frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return recv.Recv(ctx)
}

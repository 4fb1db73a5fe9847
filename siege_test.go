package netgear

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// siege describes peers that open connections and never end a handshake.
type siege struct {
	number int
	words  string
	stay   time.Duration // how long each stays unless it is closed; 0 for no limit
	pause  time.Duration // and how long it then stays disconnected
}

// lay opens the connections to a port, again whenever one has ended, until stop
// is called. It returns how many have been opened.
func (s siege) lay(port string) (opened *atomic.Int64, stop func()) {
	opened = new(atomic.Int64)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range s.number {
		all.Go(func() {
			for ctx.Err() == nil {
				if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
					opened.Add(1)
					s.sit(ctx, c)
				}
				select {
				case <-ctx.Done():
				case <-time.After(max(s.pause, time.Millisecond)):
				}
			}
		})
	}
	return opened, func() {
		cancel()
		all.Wait()
	}
}

// sit sends the bytes and waits for the end of the connection.
func (s siege) sit(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if s.stay > 0 {
		c.SetDeadline(time.Now().Add(s.stay))
	}
	c.Write([]byte(s.words))
	for b, err := make([]byte, 1024), error(nil); err == nil; {
		_, err = c.Read(b)
	}
}

// Peers open connections, may send a greeting, and send nothing more. They keep
// no good sender out for longer than a few seconds, in any pattern and any
// number. All come from the sender's own address.
func TestSieges(t *testing.T) {
	sieges := map[string]siege{
		"6 greet":             {number: 6, words: greeting},
		"60 greet":            {number: 60, words: greeting},
		"60 say nothing":      {number: 60},
		"60 begin to greet":   {number: 60, words: greeting[:20]},
		"60 greet and go":     {number: 60, words: greeting, stay: 20 * time.Millisecond},
		"60 greet and return": {number: 60, words: greeting, stay: time.Second},
		"60 half of a READY":  {number: 60, words: greeting + ready("PAIR")[:20]},
		"60 an endless READY": {number: 60, words: greeting + "\x04\xff\x05READY" + zeros16 + zeros16},
		"300 greet":           {number: 300, words: greeting},
	}
	for name, s := range sieges {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
			if pattern != Pair && s.number != 300 {
				continue // nothing is exclusive there
			}
			t.Run(fmt.Sprintf("%s/%v", name, pattern), func(t *testing.T) {
				t.Parallel()
				o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, TerminatePolicy: KeepWaiting}
				if pattern == PushPull {
					o.Wire = AsyncWire
				}
				recv := mustNew(t, o)
				opened, stop := s.lay(recv.Port())
				defer stop()
				await(t, "all to come", func() bool { return opened.Load() >= int64(s.number) })
				began := startStopwatch()
				send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: pattern, Wire: o.Wire, JPEGCompression: JPEGOff, RequestTimeout: testTimeout, MaxRetries: 1})
				deliverAny(t, send, recv)
				endsWithin(t, fmt.Sprintf("a frame from a good sender, beside %d connections,", opened.Load()), began, 5*time.Second)
			})
		}
	}
}

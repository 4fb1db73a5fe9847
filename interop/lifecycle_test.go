//go:build !nogocv

package interop

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// number returns frame i of a numbered stream. Its first bytes are its number,
// for ends that show no messages.
func number(i int) netgear.Array { return synthetic("uint16", []int{30, 40, 3}, i) }

// numbered are the pictures of the frames of number and of a Python source
// "synthetic 0". They differ for 256 frames.
func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = picture(number(i))
	}
	return all
}

var numberedSource = []string{"--source", "synthetic", "0", "--size", "40x30", "--dtype", "uint16"}

// ---- the end of a stream ----

// TestPythonCloses checks that Recv returns queued frames first, then io.EOF.
func TestPythonCloses(t *testing.T) {
	t.Parallel()
	want := numbered(20)
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		receiver, o := openReceiver(t, o)
		p := startSender(t, o, append(numberedSource, "--n", "20")...)
		p.end("count") // it has ended before the first Recv
		for i := range want {
			equal(t, fmt.Sprintf("frame %d", i), receivePicture(t, receiver), want[i])
		}
		receiveEnd(t, receiver)
	})
	// VidGear's PUB end closes without linger right after its terminate
	// message, which so mostly is not sent. Here it has the time.
	t.Run("pubsub", func(t *testing.T) {
		t.Parallel()
		receiver, o := openReceiver(t, netgear.Options{Address: address(t, "tcp"), Pattern: netgear.PubSub, JPEGCompression: netgear.JPEGOff})
		p := startSender(t, o, append(numberedSource, "--fps", "50", "--n", "100000", "--linger", "30000")...)
		got := []string{receivePicture(t, receiver)}
		p.Tell("pause")
		p.until("paused")
		p.Tell("close")
		p.end("closed")
		for {
			f, err := tryReceive(receiver)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, framePicture(t, f))
			f.Close()
		}
		inOrder(t, got, numbered(256))
		receiveEnd(t, receiver)
	})
}

// TestGoCloses checks that VidGear's recv returns None because of the terminate
// message. (PubSub is in the matrix.)
func TestGoCloses(t *testing.T) {
	t.Parallel()
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		for _, n := range []int{0, 1, 5} {
			t.Run(fmt.Sprintf("after %d frames", n), func(t *testing.T) {
				t.Parallel()
				p, o := startReceiver(t, o)
				sender := open(t, o)
				for i := range n {
					send(t, sender, number(i), nil)
				}
				equalPictures(t, p.pictures(n), numbered(n))
				// Connecting happens in the background, and before there is no
				// peer for a terminate message.
				awaitConnection(t, sender)
				sender.Close()
				p.end("terminated")
			})
		}
	})
}

func awaitConnection(t *testing.T, n *netgear.NetGear) {
	t.Helper()
	await(t, "a connection", func() bool { return n.Stats().Connected > 0 })
}

// ---- the start of a stream ----

// TestLateStart checks that no frame is lost, whichever end starts first.
func TestLateStart(t *testing.T) {
	t.Parallel()
	want := numbered(20)
	twenty := append(numberedSource, "--n", "20")
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		t.Run("go receiver, then python sender", func(t *testing.T) {
			t.Parallel()
			receiver, o := openReceiver(t, o)
			p := startSender(t, o, twenty...)
			receiveAll(t, receiver, want)
			p.end("count")
		})
		t.Run("python sender, then go receiver", func(t *testing.T) {
			t.Parallel()
			o := o
			o.Port = peertest.FreePort(t)
			p := startSender(t, o, twenty...) // it is sending now
			receiver, _ := openReceiver(t, o)
			receiveAll(t, receiver, want)
			p.end("count")
		})
		t.Run("python receiver, then go sender", func(t *testing.T) {
			t.Parallel()
			p, o := startReceiver(t, o)
			sender := open(t, o)
			for i := range want {
				send(t, sender, number(i), nil)
			}
			equalPictures(t, p.pictures(len(want)), want)
		})
		t.Run("go sender, then python receiver", func(t *testing.T) {
			t.Parallel()
			o := o
			o.Port = peertest.FreePort(t)
			sender := open(t, o)
			sent := make(chan error, 1)
			go func() {
				for i := range want {
					if _, err := sender.SendArray(t.Context(), number(i), nil); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			p, _ := startReceiver(t, o)
			equalPictures(t, p.pictures(len(want)), want)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		})
	})
}

// TestLatePubSub checks that the stream begins when both ends run, whichever
// starts first.
func TestLatePubSub(t *testing.T) {
	t.Parallel()
	o := netgear.Options{Pattern: netgear.PubSub, Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff}
	endless := append(numberedSource, "--fps", "50", "--n", "100000")
	fromPython := func(t *testing.T, receiver *netgear.NetGear, p *peer) {
		var got []string
		for range 20 {
			got = append(got, receivePicture(t, receiver))
		}
		inOrder(t, got, numbered(256))
		p.Tell("close")
		p.end("closed")
	}
	t.Run("go receiver, then python sender", func(t *testing.T) {
		t.Parallel()
		receiver, o := openReceiver(t, o)
		fromPython(t, receiver, startSender(t, o, endless...))
	})
	t.Run("python sender, then go receiver", func(t *testing.T) {
		t.Parallel()
		o := o
		o.Port = peertest.FreePort(t)
		p := startSender(t, o, endless...)
		p.expect("frame") // it is sending, without a peer
		receiver, _ := openReceiver(t, o)
		fromPython(t, receiver, p)
	})
	fromGo := func(t *testing.T, sender *netgear.NetGear, p *peer) {
		for i := range 20 {
			publishUntilThere(t, sender, p, number(i), nil)
		}
		sender.Close()
		p.end("terminated")
	}
	t.Run("python receiver, then go sender", func(t *testing.T) {
		t.Parallel()
		p, o := startReceiver(t, o)
		fromGo(t, open(t, o), p)
	})
	t.Run("go sender, then python receiver", func(t *testing.T) {
		t.Parallel()
		o := o
		o.Port = peertest.FreePort(t)
		sender := open(t, o)
		send(t, sender, number(0), nil) // without a peer
		p, _ := startReceiver(t, o)
		fromGo(t, sender, p)
	})
}

func receiveAll(t *testing.T, n *netgear.NetGear, want []string) {
	t.Helper()
	for i := range want {
		equal(t, fmt.Sprintf("frame %d", i), receivePicture(t, n), want[i])
	}
	receiveEnd(t, n)
}

// ---- crashes and restarts ----

// stream sends numbered frames until it is stopped, without code for faults of
// the other end.
type stream struct {
	stop context.CancelFunc
	done sync.WaitGroup
	err  error
}

func startStream(t *testing.T, sender *netgear.NetGear) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{stop: cancel}
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := sender.SendArray(ctx, number(i), nil); err != nil && ctx.Err() == nil {
				s.err = err
				return
			}
			time.Sleep(5 * time.Millisecond) // about a camera's rate
		}
	}()
	t.Cleanup(s.wait)
	return s
}

func (s *stream) wait() {
	s.stop()
	s.done.Wait()
}

// consecutive checks frames from the middle of a stream: each is the one after
// the last, or the same if it was sent again without an answer.
func consecutive(t *testing.T, got []string) {
	t.Helper()
	next := map[string]string{}
	cycle := numbered(256)
	for i, p := range cycle {
		next[p] = cycle[(i+1)%len(cycle)]
	}
	for i, p := range got {
		if _, known := next[p]; !known {
			t.Fatalf("frame %d is damaged: %s", i, p)
		}
		if i > 0 && p != got[i-1] && p != next[got[i-1]] {
			t.Fatalf("a frame is missing before frame %d", i)
		}
	}
}

// TestPythonReceiverRestarts kills and restarts VidGear's receive end in
// mid-stream. It must receive frames again, without an error at the Go sender.
func TestPythonReceiverRestarts(t *testing.T) {
	t.Parallel()
	eachPattern(t, allPatterns, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		p, o := startReceiver(t, o)
		s := startStream(t, open(t, o))
		for range 3 {
			got := p.pictures(20)
			if o.Pattern != netgear.PubSub { // which may lose some
				consecutive(t, got)
			}
			p.Kill()
			p, _ = startReceiver(t, o)
		}
		p.pictures(20)
		s.wait()
		if s.err != nil {
			t.Fatal(s.err)
		}
	})
}

// TestPythonSenderRestarts kills and restarts VidGear's send end in mid-stream.
// Its frames must arrive again at the same Go receive end.
func TestPythonSenderRestarts(t *testing.T) {
	t.Parallel()
	eachPattern(t, allPatterns, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		receiver, o := openReceiver(t, o)
		flags := append(numberedSource, "--fps", "100", "--n", "100000", "--messages")
		for life := range 3 {
			// The message names the frame's sender.
			p := startSender(t, o, append(flags[:len(flags)-1:len(flags)-1], "--message", fmt.Sprint(life))...)
			var got []string
			for len(got) < 20 {
				f := receive(t, receiver)
				switch of := f.Message.Value(); of {
				case int64(life):
					got = append(got, framePicture(t, f))
				case int64(life - 1): // read before the crash
				default:
					t.Fatalf("a frame of sender %v", of)
				}
				f.Close()
			}
			if o.Pattern != netgear.PubSub {
				consecutive(t, got)
				equal(t, "its first frame", got[0], picture(number(0)))
			}
			p.Kill()
		}
	})
}

// TestGoReceiverRestarts closes the Go receive end in mid-stream and opens it
// again on the same port. It must receive frames again. VidGear's sender misses
// an answer then, waits for 4 s, drops this frame, and continues. It does so
// only twice.
func TestGoReceiverRestarts(t *testing.T) {
	t.Parallel()
	eachPattern(t, allPatterns, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		receiver, o := openReceiver(t, o)
		patient := o
		patient.MaxRetries = 10 // a busy machine may cost VidGear more than its three
		p := startSender(t, patient, append(numberedSource, "--fps", "100", "--n", "100000")...)
		for life := range 2 {
			got := make([]string, 20)
			for i := range got {
				got[i] = receivePicture(t, receiver)
			}
			if o.Pattern != netgear.PubSub {
				consecutive(t, got)
			}
			if life == 0 {
				receiver.Close()
				receiver, _ = openReceiver(t, o)
			}
		}
		p.Tell("close")
		p.until("end")
	})
}

// TestGoSenderRestarts kills and restarts a Go process that sends. (Closed, it
// would send the terminate message, and VidGear's recv would end.)
func TestGoSenderRestarts(t *testing.T) {
	t.Parallel()
	eachPattern(t, allPatterns, func(t *testing.T, o netgear.Options) {
		o.RequestTimeout = 0 // the default, as time-outs are a part of it
		p, o := startReceiver(t, o)
		for life := range 3 {
			own := numbered(256)[life*streamLength : (life+1)*streamLength]
			kill := startSenderProcess(t, o, life)
			var got []string
			for len(got) < 20 {
				// The first frames may be the killed process's.
				if seen := p.expect("frame").picture(); slices.Contains(own, seen) {
					got = append(got, seen)
				}
			}
			if o.Pattern == netgear.PubSub {
				inOrder(t, got, slices.Concat(own, own, own, own))
			} else {
				equalPictures(t, got, own[:20])
			}
			kill()
		}
	})
}

// streamLength is the number of different frames of a sender process.
const streamLength = 80

// senderEnv makes a process of this test binary a sender; see run.
const senderEnv = "NETGEAR_INTEROP_SENDER"

// startSenderProcess returns a function that kills the process.
func startSenderProcess(t *testing.T, o netgear.Options, life int) func() {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %d", senderEnv, o.Pattern, o.Port, life))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // the process ends with it, if this one is killed
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		cmd.Process.Kill()
		stdin.Close()
		cmd.Wait()
	})
	t.Cleanup(kill)
	return kill
}

// beSender is the main function of such a process.
func beSender(spec string) error {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	o := netgear.Options{Address: "127.0.0.1", JPEGCompression: netgear.JPEGOff}
	var life int
	if _, err := fmt.Sscan(spec, (*int)(&o.Pattern), &o.Port, &life); err != nil {
		return err
	}
	sender, err := netgear.New(o)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err := sender.SendArray(context.Background(), number(life*streamLength+i%streamLength), nil); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond) // a camera's pace, more or less
	}
}

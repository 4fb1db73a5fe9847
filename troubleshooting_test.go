package netgear

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTroubleshooting produces what docs/troubleshooting.md describes, and
// checks that the page quotes the error.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	brief := Options{RequestTimeout: 200 * time.Millisecond, MaxRetries: 3}
	for _, symptom := range []struct {
		quote    string // of the page and of the error
		sentinel error
		produce  func(t *testing.T) error
	}{
		{"no peer answered within", ErrPeerGone, func(t *testing.T) error {
			recv, send := openPair(t, brief)
			recv.Close()
			return sendOne(t, send)
		}},
		{"the connection is made, but its handshake has not ended", ErrPeerGone, func(t *testing.T) error {
			return sendInHandshake(t, Options{})
		}},
		{"it is connected but did not answer", ErrPeerGone, func(t *testing.T) error {
			_, send := openPair(t, Options{RequestTimeout: 200 * time.Millisecond, MaxRetries: 1, QueueFrames: 1, Pattern: ReqRep})
			awaitPeers(t, send, 1)
			for { // the receive end's application takes no frames
				if err := sendOne(t, send); err != nil {
					return err
				}
			}
		}},
		{"it refuses the connection", ErrMismatch, func(t *testing.T) error {
			// The refusal ends the call at the next time-out, and not the retries.
			_, send := openPair(t, Options{RequestTimeout: 200 * time.Millisecond, MaxRetries: -1}, func(_, send *Options) { send.Pattern = ReqRep })
			return sendOne(t, send)
		}},
		{"the sender uses NetGear_Async's wire and this end NetGear's", ErrRejected, func(t *testing.T) error {
			_, send := openPair(t, Options{RequestTimeout: testTimeout}, func(_, send *Options) { send.Wire = AsyncWire })
			return sendOne(t, send)
		}},
		{"MaxFrameBytes", ErrPeerGone, func(t *testing.T) error {
			_, send := openPair(t, Options{RequestTimeout: time.Second, JPEGCompression: JPEGOff}, func(recv, _ *Options) { recv.MaxFrameBytes = 1 << 16 })
			_, err := send.SendArray(testContext(t), testArray(0, "uint8", 400, 400), nil)
			return err
		}},
		{"MaxFrameBytes", ErrRejected, func(t *testing.T) error {
			_, send := openPair(t, Options{}, func(recv, _ *Options) { recv.MaxFrameBytes = 1 << 16 })
			_, err := send.SendArray(testContext(t), Array{DType: "uint8", Shape: []int{400, 400}, Data: make([]byte, 400*400)}, nil)
			return err
		}},
		{"in use", ErrAddress, func(t *testing.T) error {
			recv, _ := openPair(t, Options{})
			_, err := New(Options{ReceiveMode: true, Address: "127.0.0.1", Port: recv.Port()})
			return err
		}},
		{"it is not an address of this machine", ErrAddress, func(t *testing.T) error {
			_, err := New(Options{ReceiveMode: true, Address: "192.0.2.7", Port: "0"}) // RFC 5737: for documentation
			return err
		}},
	} {
		t.Run(symptom.quote, func(t *testing.T) {
			t.Parallel()
			err := symptom.produce(t)
			if !errors.Is(err, symptom.sentinel) || !strings.Contains(err.Error(), symptom.quote) {
				t.Errorf("%v: want %v, with %q", err, symptom.sentinel, symptom.quote)
			}
			if !strings.Contains(string(page), symptom.quote) {
				t.Errorf("the page does not quote %q", symptom.quote)
			}
		})
	}
}

func sendOne(t *testing.T, send *NetGear) error {
	_, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil)
	return err
}

// TestPortAfterTheEnd checks that the port of a receive end is free after
// io.EOF, before its Close.
func TestPortAfterTheEnd(t *testing.T) {
	t.Parallel()
	recv, send := openPair(t, Options{})
	if err := sendOne(t, send); err != nil {
		t.Fatal(err)
	}
	send.Close()
	for {
		frame, err := recv.Recv(testContext(t))
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		frame.Close()
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", recv.Port()))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

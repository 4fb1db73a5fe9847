package netgeartest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/netgeartest"
)

func exchange(t *testing.T, send, recv *netgear.NetGear) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range 3 {
		array := netgear.Array{DType: "uint8", Shape: []int{2, 2}, Data: []byte{1, 2, 3, 4}}
		if _, err := send.SendArray(ctx, array, i); err != nil {
			t.Fatal(err)
		}
		frame, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if frame.Message.Value() != int64(i) {
			t.Errorf("frame %v came as the %d.", frame.Message, i)
		}
		frame.Close()
	}
	if err := send.Flush(ctx); err != nil {
		t.Error(err)
	}
}

// Every frame arrives, from the first one on.
func TestPipe(t *testing.T) {
	for _, wire := range []netgear.Wire{netgear.NetGearWire, netgear.AsyncWire, netgear.ImageZMQWire} {
		for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep, netgear.PubSub, netgear.PushPull} {
			if (netgear.Options{Wire: wire, Pattern: pattern}).Validate() != nil {
				continue // the wire does not have the pattern
			}
			for _, mode := range []netgear.SecureMode{netgear.Grasslands, netgear.StoneHouse, netgear.IronHouse} {
				for _, attach := range []netgear.Attachment{netgear.AttachDefault, netgear.AttachBind} {
					t.Run(fmt.Sprintf("%v/%v/%v/%v", wire, strings.ReplaceAll(pattern.String(), "/", "-"), mode, attach), func(t *testing.T) {
						o := netgear.Options{Wire: wire, Pattern: pattern, SecureMode: mode}
						s := o
						s.Attach = attach
						send, recv := netgeartest.Pipe(t, s, o)
						if send.Stats().Connected != 1 || recv.Stats().Connected != 1 {
							t.Errorf("%d and %d connected", send.Stats().Connected, recv.Stats().Connected)
						}
						exchange(t, send, recv)
					})
				}
			}
		}
	}
}

func TestPipeWithOtherOptions(t *testing.T) {
	for name, c := range map[string][2]netgear.Options{
		"ipc":          {{Protocol: "ipc"}, {}},
		"IPv6":         {{Address: "::1"}, {}},
		"ahead":        {{SendAhead: 2}, {}},
		"latest":       {{Pattern: netgear.PubSub, SendAhead: 2}, {Pattern: netgear.PubSub, Latest: true}},
		"stamps":       {{Pattern: netgear.PubSub, Stamp: true}, {Pattern: netgear.PubSub, Stamp: true}},
		"multi-server": {{Pattern: netgear.ReqRep, MultiserverMode: true}, {Pattern: netgear.ReqRep, MultiserverMode: true, Ports: []string{"1", "2"}}},
		"multi-client": {{Pattern: netgear.PubSub, MulticlientMode: true}, {Pattern: netgear.PubSub, MulticlientMode: true}},
		"attached":     {{}, {Attach: netgear.AttachConnect}},
	} {
		t.Run(name, func(t *testing.T) {
			send, recv := netgeartest.Pipe(t, c[0], c[1])
			exchange(t, send, recv)
		})
	}
}

// The cleanup closes both ends.
func TestPipeIsClosed(t *testing.T) {
	var send, recv *netgear.NetGear
	t.Run("inside", func(t *testing.T) {
		send, recv = netgeartest.Pipe(t, netgear.Options{}, netgear.Options{})
	})
	ctx := context.Background()
	if _, err := send.SendArray(ctx, netgear.Array{}, nil); err == nil {
		t.Error("the send end is open")
	}
	if err := recv.WaitConnected(ctx, 0); err == nil {
		t.Error("the receive end is open")
	}
}

// recorder is a test that notes why it has failed.
type recorder struct {
	testing.TB
	text string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Ends that cannot be connected fail the test, with a text that names the reason.
func TestPipeFails(t *testing.T) {
	for want, c := range map[string][2]netgear.Options{
		"the send end has the pattern REQ/REP, the receive end PAIR":              {{Pattern: netgear.ReqRep}, {}},
		"the send end has the wire NetGear, the receive end NetGear_Async":        {{}, {Wire: netgear.AsyncWire}},
		"the send end has the secure mode Grasslands, the receive end StoneHouse": {{}, {SecureMode: netgear.StoneHouse}},
		"both have Attach": {{Attach: netgear.AttachBind}, {Attach: netgear.AttachBind}},
		"the receive end: netgear: invalid option: QueueFrames = -1": {{}, {QueueFrames: -1}},
		"the send end: netgear: invalid option: MaxFrameBytes":       {{MaxFrameBytes: 1}, {}},
	} {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			netgeartest.Pipe(r, c[0], c[1])
		}()
		<-done
		if !strings.Contains(r.text, want) {
			t.Errorf("%q, not %q", r.text, want)
		}
	}
}

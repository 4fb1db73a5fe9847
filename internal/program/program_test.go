package program

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

func TestSentLine(t *testing.T) {
	pixels := netgear.Array{DType: "uint8", Shape: []int{1, 3}, Data: []byte("abc")}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	var out bytes.Buffer
	WriteSent(&out, 7, pixels, netgear.Reply{})
	WriteSent(&out, 8, pixels, netgear.Reply{Port: "5567", Array: &pixels})
	want := `{"index": 7, "shape": [1, 3], "dtype": "uint8", "sha256": "` + abc + `"}
{"index": 8, "shape": [1, 3], "dtype": "uint8", "sha256": "` + abc + `", "reply": {"shape": [1, 3], "dtype": "uint8", "sha256": "` + abc + `"}, "reply_port": "5567"}
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// An array that OpenCV cannot hold has its line too.
func TestReceivedLine(t *testing.T) {
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port()})
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := send.SendArray(ctx, netgear.Array{DType: "complex64", Shape: []int{1, 1, 1, 1}, Data: []byte("abcdefgh")}, "hi"); err != nil {
		t.Fatal(err)
	}
	frame, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer frame.Close()
	var out bytes.Buffer
	if err := WriteReceived(&out, 0, frame); err != nil {
		t.Fatal(err)
	}
	want := `{"index": 0, "shape": [1, 1, 1, 1], "dtype": "complex64", "sha256": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab", "message": "hi"}` + "\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// With a stamp the line has its number and time, and its sender if it names one.
func TestReceivedLineWithStamp(t *testing.T) {
	frame, err := netgear.NewFrame(netgear.Array{DType: "uint8", Shape: []int{1, 3}, Data: []byte("abc")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer frame.Close()
	frame.Stamp = &netgear.Stamp{Seq: 17, Time: time.UnixMicro(1764440699123456)}
	var out bytes.Buffer
	if err := WriteReceived(&out, 3, frame); err != nil {
		t.Fatal(err)
	}
	if want := `, "seq": 17, "time": "2025-11-29T18:24:59.123456Z"}` + "\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %swant %s", out.String(), want)
	}
	frame.Stamp.Sender = 1<<53 - 1
	out.Reset()
	if err := WriteReceived(&out, 3, frame); err != nil {
		t.Fatal(err)
	}
	if want := `Z", "sender": 9007199254740991}` + "\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %swant %s", out.String(), want)
	}
}

func TestGrace(t *testing.T) {
	parent, stop := context.WithCancel(context.Background())
	ctx, cancel := Grace(parent, time.Millisecond)
	defer cancel()
	if ctx.Err() != nil {
		t.Error("it ended before its parent")
	}
	stop()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("it outlives its parent for ever")
	}
}

// The first error ends the other functions, and is returned.
func TestTogether(t *testing.T) {
	mine := errors.New("mine")
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	fails := func(context.Context) error { return mine }
	works := func(context.Context) error { return nil }
	for _, c := range []struct {
		first  func(context.Context) error
		others []func(context.Context) error
		want   error
	}{
		{works, nil, nil},
		{works, []func(context.Context) error{works, works}, nil},
		{waits, []func(context.Context) error{works, fails, waits}, mine},
		{fails, []func(context.Context) error{waits}, mine},
	} {
		if err := Together(context.Background(), c.first, c.others...); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Together(ctx, waits, waits); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

func TestFlagsCountMoreThanOptions(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	c := NewConnection(fs)
	err := Parse(fs, []string{"-port", "6000,6001", "-options", `{"port": 5000, "pattern": 1, "address": "10.0.0.1", "multiclient_mode": true}`})
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.SendOptions()
	if err != nil {
		t.Fatal(err)
	}
	if o.Port != "" || !reflect.DeepEqual(o.Ports, []string{"6000", "6001"}) {
		t.Errorf("port %q, ports %v", o.Port, o.Ports)
	}
	if o.Pattern != netgear.ReqRep || o.Address != "10.0.0.1" || !o.MulticlientMode {
		t.Errorf("%+v", o)
	}
}

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
		if err := Together(context.Background(), c.first, c.others...); err != c.want {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Together(ctx, waits, waits); err != context.Canceled {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		args   []string
		listen []string
		ok     bool
	}{
		{nil, []string{"0", "0"}, true},
		{[]string{"-only", "receive"}, []string{"1", "2"}, true},
		{[]string{"-only", "receive", "-port", "7"}, []string{"7"}, true},
		{[]string{"-only", "x"}, nil, false},
		{[]string{"-n", "0"}, nil, false},
		{[]string{"-pattern", "2"}, []string{"0", "0"}, true},
		{[]string{"-pattern", "0"}, nil, false},
		{[]string{"-only", "receive", "-port", "7,x"}, nil, false},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		e := NewEnds(fs, "1,2", 5, netgear.ReqRep, netgear.PubSub)
		if err := Parse(fs, c.args); err != nil {
			t.Fatal(err)
		}
		if err := e.Check(); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.args, err)
		} else if err == nil && !reflect.DeepEqual(e.ListenOn(2), c.listen) {
			t.Errorf("%v: listens on %v", c.args, e.ListenOn(2))
		}
	}
}

// Errors about flags name flags, not Go fields.
func TestErrorsSpeakOfFlags(t *testing.T) {
	for _, c := range []struct {
		receive bool
		args    []string
		want    string
	}{
		{false, []string{"-pattern", "3"}, "-pattern 3: VidGear's NetGear has no PUSH/PULL; NetGear_Async has; use -async"},
		{false, []string{"-options", `{"pattern": 3}`}, "-pattern 3: VidGear's NetGear has no PUSH/PULL; NetGear_Async has; use -async"},
		{true, []string{"-pattern", "7"}, "-pattern 7: must be 0 (PAIR), 1 (REQ/REP) or 2 (PUB/SUB), and with NetGear_Async's wire also 3 (PUSH/PULL)"},
		{false, []string{"-protocol", "udp"}, `-protocol udp: must be "tcp" or "ipc"`},
		{false, []string{"-protocol", "ipc"}, `-address: with the ipc protocol both ends must name the same path, such as "/run/camera"`},
		{false, []string{"-address", "tcp://x"}, "-address tcp://x: must be a host name or an IP address, without protocol or path"},
		{false, []string{"-port", "0"}, "-port 0: must be a number from 1 to 65535"},
		{true, []string{"-port", "x"}, "-port x: must be a number from 0 to 65535"},
		{true, []string{"-port", "1,2"}, `-port 1,2: several ports are for several senders or several receivers; use -options '{"multiserver_mode": true}'`},
		{false, []string{"-port", "1,2"}, `-port 1,2: several ports are for several senders or several receivers; use -options '{"multiclient_mode": true}'`},
		{false, []string{"-pattern", "2", "-options", `{"bidirectional_mode": true}`},
			`-options: "bidirectional_mode": pattern PUB/SUB has no answers that data could ride on; use -pattern 0 or -pattern 1`},
		{false, []string{"-options", `{"multiserver_mode": true}`},
			`-options: "multiserver_mode": pattern PAIR connects exactly two ends; use -pattern 1 or -pattern 2`},
		{false, []string{"-options", `{"multiclient_mode": true}`},
			`-options: "multiclient_mode": pattern PAIR connects exactly two ends; use -pattern 1 or -pattern 2`},
		{false, []string{"-options", `{"multiclient_mode": true, "multiserver_mode": true}`},
			`-options: "multiclient_mode": an end has either several senders or several receivers; use -options '{"multiclient_mode": false}' or -options '{"multiserver_mode": false}'`},
		{false, []string{"-async", "-options", `{"multiserver_mode": true}`},
			`-options: "multiserver_mode": NetGear_Async has no such mode; PUSH/PULL and PUB/SUB take several senders without it`},
		{false, []string{"-async", "-options", `{"multiclient_mode": true}`},
			`-options: "multiclient_mode": NetGear_Async has no such mode; PUSH/PULL and PUB/SUB take several receivers without it`},
		{false, []string{"-async", "-options", `{"jpeg_compression": "BGR"}`},
			`-options: "jpeg_compression": frames are never compressed on the wire of NetGear_Async`},
		{true, []string{"-options", `{"ssh_tunnel_mode": "a@b"}`},
			`-options: "ssh_tunnel_mode": a tunnel leads from a send end that connects; set it there`},
		{false, []string{"-protocol", "ipc", "-address", "/x", "-options", `{"ssh_tunnel_mode": "a@b"}`},
			`-options: "ssh_tunnel_mode": a tunnel leads to a tcp port; use -protocol tcp`},
		{false, []string{"-pattern", "1", "-options", `{"ssh_tunnel_mode": "a@b", "multiclient_mode": true}`},
			`-options: "ssh_tunnel_mode": a tunnel leads to one port, and multi-server and multi-client mode have several`},
		{false, []string{"-options", `{"max_retries": "many"}`}, `-options: "max_retries": must be a whole number from 0 to 2147483647`},
		{false, []string{"-options", `{"falg": 1}`}, `-options: "falg": VidGear has no such option; did you mean flag?`},
		{false, []string{"-options", `{"flag": 1}`}, "-options: \"flag\": it would make every socket call return at once instead of waiting, " +
			"and the first call that finds nothing ends the receive loop with EAGAIN, \"resource temporarily unavailable\" (VidGear issue #390; " +
			"with copy and track off it is exactly the combination of that issue). The end of a call's context bounds its wait, " +
			"and a sender of PUB/SUB waits for no receiver; use -options '{\"flag\": 0}'"},
		{false, []string{"-options", `{"ssh_tunnel_pwd": 1234567}`}, `-options: "ssh_tunnel_pwd": must be a text`},
		{false, []string{"-options", `{"ssh_tunnel_pw": "x"}`}, `-options: "ssh_tunnel_pw": VidGear has no such option; did you mean ssh_tunnel_pwd?`},
		{false, []string{"-options", `{"port": {}}`}, `-options: "port": must be a port or a list of ports`},
		{false, []string{"-options", `{"timeout": 3}`}, `-options: "timeout": NetGear_Async has this argument; NetGear has request_timeout and subscriber_timeout. ` +
			`The wire must be set before the dictionary is read; use -async`},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		conn := NewConnection(fs)
		if err := Parse(fs, c.args); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.options(c.receive); err == nil || err.Error() != c.want {
			t.Errorf("%v:\n%v, want\n%s", c.args, err, c.want)
		}
	}
}

// A word in the wrong place may be a password.
func TestPasswordsAreNotShown(t *testing.T) {
	const password = "S3cr3t.of-tests"
	for _, args := range [][]string{
		{password}, {"-options", "{ssh_tunnel_pwd:", password + "}"}, {"-options", `{"ssh_tunnel_pwd": ["` + password + `"]}`},
		{"-options", `{"ssh_tunnel_pasword": "` + password + `"}`}, {"-options", `{"ssh_tunnel_pwd": "` + password}, {"-options", password},
		{"-optoins={" + password + "}"}, {"-address", "joe:" + password + "@cam"}, {"-options", `{"ssh_tunnel_mode": "joe:` + password + `@cam"}`},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		conn := NewConnection(fs)
		err := Parse(fs, args)
		if err == nil {
			_, err = conn.SendOptions()
		}
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), password) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

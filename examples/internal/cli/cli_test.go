package cli

import (
	"flag"
	"fmt"
	"reflect"
	"strings"
	"testing"

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
		{false, []string{"-options", `{"max_retries": "many"}`}, `-options: "max_retries": must be a whole number from 1 to 2147483647, or 0 for no limit`},
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

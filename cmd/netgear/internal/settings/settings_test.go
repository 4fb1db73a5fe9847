package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/vidgear-go/netgear"
)

func write(t *testing.T, text string) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// resolve returns the options of flags, environment and file.
func resolve(t *testing.T, f *File, args ...string) (netgear.Options, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddConnection(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	layers, err := Layers(fs, f, "send")
	if err != nil {
		t.Fatal(err)
	}
	return Resolve(netgear.Options{}, layers...)
}

// A flag counts more than the environment, and that more than the file, also
// where one has the option dictionary and the other the setting itself.
func TestPrecedence(t *testing.T) {
	file := write(t, `
address = "of-file"
port = 1000
max-retries = 0
pattern = 2
[options]
request_timeout = 9
jpeg_compression_quality = 40
jpeg_compression = "GRAY"
[send]
port = ["2000", "2001"]
ssh-password = "hidden"
[send.options]
multiclient_mode = true
jpeg_compression_quality = 50
`)
	t.Setenv("NETGEAR_OPTIONS", `{"address": "of-env", "jpeg_compression_quality": 60, "pattern": 1}`)
	t.Setenv("NETGEAR_STAMP", "on")
	o, err := resolve(t, file, "--options", `{"jpeg_compression_quality": 70}`, "--request-timeout", "3s",
		"--max-age", "300ms", "--min-quality", "40", "--min-scale", "0.25", "--min-fps", "2.5", "--send-latest", "on")
	if err != nil {
		t.Fatal(err)
	}
	want := netgear.Options{
		Address: "of-env", Ports: []string{"2000", "2001"}, MaxRetries: -1, Pattern: netgear.ReqRep, RequestTimeout: 3 * time.Second,
		JPEGCompressionQuality: 70, JPEGCompression: netgear.JPEGGray, MulticlientMode: true, Stamp: true, SSHTunnelPwd: netgear.NewSecret("hidden"),
		Adapt: netgear.Adapt{MaxAge: 300 * time.Millisecond, MinQuality: 40, MinScale: 0.25, MinFPS: 2.5}, SendLatest: true,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
	if o, err = resolve(t, nil, "--address", "of-flag"); err != nil || o.Address != "of-flag" {
		t.Errorf("%+v, %v", o, err)
	}
}

// A number is used as it is or an error, also where int has 32 bits.
func TestLargeNumbers(t *testing.T) {
	const large = 1<<32 + 1
	for flag, got := range map[string]func(o *netgear.Options) int{
		"--queue":       func(o *netgear.Options) int { return o.QueueFrames },
		"--max-retries": func(o *netgear.Options) int { return o.MaxRetries },
	} {
		if o, err := resolve(t, nil, flag, strconv.Itoa(1<<31-1)); err != nil || got(&o) != 1<<31-1 {
			t.Errorf("%s: %d, %v", flag, got(&o), err)
		}
		if o, err := resolve(t, nil, flag, fmt.Sprint(int64(large))); err == nil && int64(got(&o)) != large {
			t.Errorf("%s %d is taken for %d", flag, int64(large), got(&o))
		}
	}
	for text, want := range map[string]int64{fmt.Sprint(int64(large)): large, "8MiB": 8 << 20, "8mb": 8e6, "1.5 GiB": 3 << 29} {
		if o, err := resolve(t, nil, "--max-frame", text); err != nil || o.MaxFrameBytes != want {
			t.Errorf("%s: %d, %v", text, o.MaxFrameBytes, err)
		}
	}
}

// An error names the origin of the setting.
func TestOrigins(t *testing.T) {
	for _, c := range []struct{ file, env, flag, want string }{
		{file: "[send]\nstamp = 7\n", want: "[send] stamp: must be on or off"},
		{file: "[options]\nflag = 1\n", want: `options: "flag": it would`},
		{file: "port = [[1]]\n", want: ""},
		{env: "7h", want: "NETGEAR_REQUEST_TIMEOUT: must be a time"},
		{file: "[options.go]\njpeg_strips = 9\n", want: `options: "go.jpeg_strips": must be from 1 to`},
		{file: "[options.go]\nJPEG-Strips = 9\n", want: `options: "go.JPEG-Strips": must be from 1 to`},
		{file: "[options.go]\nsend_ahead = 2\nsend_latest = true\n", want: `use --options '{"go": {"send_ahead": 0}}' or --send-latest off`},
		{file: "[options]\njpeg_compression_quality = 101\n", want: `options: "jpeg_compression_quality": must be`},
		{flag: "soon", want: "--request-timeout: must be a time"},
		{flag: "1ms", want: "--request-timeout 1ms: must be at least 10ms"},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			if c.env != "" {
				t.Setenv("NETGEAR_REQUEST_TIMEOUT", c.env+"x")
			}
			var args []string
			if c.flag != "" {
				args = []string{"--request-timeout", c.flag}
			}
			_, err := resolve(t, write(t, c.file), args...)
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	common := []Layer{{Origin: Variable, Values: map[string]string{"pattern": "1", "address": "common"}}}
	for _, c := range []struct {
		text string
		want netgear.Options
	}{
		{"tcp://10.0.0.4:5566?pattern=2&attach=connect", netgear.Options{Protocol: "tcp", Address: "10.0.0.4", Port: "5566", Pattern: netgear.PubSub, Attach: netgear.AttachConnect}},
		{"tcp://*:5566?stamp=on", netgear.Options{Protocol: "tcp", Address: "*", Port: "5566", Pattern: netgear.ReqRep, Attach: 0, Stamp: true, ReceiveMode: true}},
		{"tcp://:7", netgear.Options{Protocol: "tcp", Address: "common", Port: "7", Pattern: netgear.ReqRep}},
		{"tcp://[::1]:7", netgear.Options{Protocol: "tcp", Address: "::1", Port: "7", Pattern: netgear.ReqRep}},
		{"tcp://[::1]", netgear.Options{Protocol: "tcp", Address: "::1", Pattern: netgear.ReqRep}},
		{"tcp://[fe80::7%eth0]:7?stamp=on", netgear.Options{Protocol: "tcp", Address: "fe80::7%eth0", Port: "7", Pattern: netgear.ReqRep, Stamp: true}},
		{"tcp://[fe80::7%eth0]", netgear.Options{Protocol: "tcp", Address: "fe80::7%eth0", Pattern: netgear.ReqRep}},
		{"tcp://[fe80::7%eth0]?port=7", netgear.Options{Protocol: "tcp", Address: "fe80::7%eth0", Port: "7", Pattern: netgear.ReqRep}},
		{"ipc:///run/camera", netgear.Options{Protocol: "ipc", Address: "/run/camera", Pattern: netgear.ReqRep}},
		{"tcp://cam?options=%7B%22multiclient_mode%22:true%7D&port=1,2", netgear.Options{Protocol: "tcp", Address: "cam", Ports: []string{"1", "2"}, Pattern: netgear.ReqRep, MulticlientMode: true}},
	} {
		e, err := ParseEndpoint("--output", c.text, "name")
		if err != nil {
			t.Fatal(err)
		}
		if o, err := e.Resolve(netgear.Options{ReceiveMode: c.want.ReceiveMode}, common); err != nil || !reflect.DeepEqual(o, c.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v\n%v", c.text, o, c.want, err)
		}
	}
	for text, want := range map[string]string{
		"udp://x:1": "must be such as", "x:1": "must be such as", "tcp://x:1?patern=1": "did you mean pattern?", "tcp://x:1?%": "invalid URL escape",
		"tcp://::1": "in brackets", "tcp://fe80::7%eth0?port=7": "in brackets", "tcp://[::1:7": "in brackets",
	} {
		if _, err := ParseEndpoint("--output", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The tables of a command replace those at the top.
func TestEndpointsOfAFile(t *testing.T) {
	file := write(t, "[[input]]\nport = 1\n[[input]]\nport = 2\nname = \"two\"\n[[view.input]]\nport = 3\n")
	for command, want := range map[string][]string{"relay": {"1", "2"}, "view": {"3"}} {
		inputs, err := file.Endpoints(command, "input", "name")
		var ports []string
		for _, e := range inputs {
			ports = append(ports, e.Values["port"])
		}
		if err != nil || !reflect.DeepEqual(ports, want) {
			t.Errorf("%s: %v, %v", command, ports, err)
		}
	}
	for text, want := range map[string]string{"[input]\nport = 1\n": "[[input]]", "input = [1]\n": "must be a table", "[[input]]\nprot = 1\n": "did you mean port?"} {
		if _, err := write(t, text).Endpoints("relay", "input"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// imagezmq's default pattern is REQ/REP, unless a setting has another.
func TestImageZMQ(t *testing.T) {
	for want, args := range map[netgear.Pattern][]string{netgear.ReqRep: nil, netgear.PubSub: {"--pattern", "2"}} {
		if o, err := resolve(t, nil, append(args, "--wire", "imagezmq")...); err != nil || o.Wire != netgear.ImageZMQWire || o.Pattern != want {
			t.Errorf("%v: %v, %v", args, o.Pattern, err)
		}
	}
	if _, err := resolve(t, nil, "--wire", "imagezmq", "--pattern", "0"); err == nil || !strings.Contains(err.Error(), "use --pattern 1") {
		t.Errorf("PAIR: %v", err)
	}
}

// Only so much of a file is read: not every file has an end.
func TestLargeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zeros")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(2 << 20); err != nil {
		t.Fatal(err)
	}
	_, config := Read(path)
	var o netgear.Options
	for what, err := range map[string]error{"config": config, "options": setDictionary(&o, "@"+path)} {
		if err == nil || !strings.Contains(err.Error(), "it has more than 1048576 bytes") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

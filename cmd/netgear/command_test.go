package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/cmd/netgear/internal/health"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// SIGINT and SIGTERM end every command with success, also both at once, as GNU
// timeout sends its signal twice. Peers get the terminate message, and files are
// complete.
func TestSignals(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, c := range map[string]struct {
		args  []string
		ready string // on stderr
		peer  []string
	}{
		"send":    {args: []string{"send", "--attach", "bind", "--fps", "20"}, peer: []string{"receive", "--attach", "connect"}},
		"receive": {args: []string{"receive"}, ready: "endpoint"},
		"relay":   {args: []string{"relay", "--input", "tcp://127.0.0.1:0", "--output", "tcp://127.0.0.1:1"}, ready: "endpoint.*127"},
		"top":     {args: []string{"top"}, ready: "endpoint"},
		"view":    {args: []string{"view", "--listen", "127.0.0.1:0"}, ready: "viewer http"},
		"record":  {args: []string{"record", "--dir", folder}, ready: "endpoint"},
	} {
		for _, signals := range [][]syscall.Signal{{syscall.SIGINT}, {syscall.SIGTERM}, {syscall.SIGSTOP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCONT}} {
			t.Run(fmt.Sprint(name, " ", signals), func(t *testing.T) {
				t.Parallel()
				port := "0"
				if c.peer != nil {
					port = peertest.FreePort(t)
				}
				p := start(t, append(slices.Clone(c.args), "--address", "127.0.0.1", "--port", port)...)
				var peer *process
				if c.peer != nil {
					peer = start(t, append(slices.Clone(c.peer), "--address", "127.0.0.1", "--port", port, "--json")...)
					peer.await(&peer.stdout, `"index": 2`)
				} else {
					p.await(&p.stderr, c.ready)
				}
				for _, s := range signals {
					p.signal(s)
				}
				p.succeed()
				if peer != nil {
					peer.succeed() // at the terminate message
				}
			})
		}
	}
}

// A reader of stdout that ends is a failure, not the end of the process: the
// peer gets the terminate message.
func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := command("send", "--address", "127.0.0.1", "--port", recv.port(), "--json")
	cmd.Stdout = w
	send := startCommand(t, cmd)
	w.Close()
	if status := send.status(); status != 1 || !strings.Contains(send.stderr.String(), "broken pipe") {
		t.Errorf("status %d\n%s", status, &send.stderr)
	}
	recv.succeed() // at the terminate message
}

// Mistakes are reported in one line, with status 2. Failures have status 1.
func TestMistakes(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	file := func(text string) string {
		f := filepath.Join(t.TempDir(), "x.toml")
		os.WriteFile(f, []byte(text), 0o600)
		return f
	}
	unused := peertest.FreePort(t)
	fifo := filepath.Join(t.TempDir(), "fifo.avi")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"receve"}, 2, `unknown command "receve"; did you mean receive?`},
		{[]string{"recv"}, 2, `unknown command "recv"; did you mean receive?`},
		{[]string{"nosuch"}, 2, `unknown command "nosuch"`},
		{[]string{"help", "receve"}, 2, "did you mean receive?"},
		{[]string{"help", "nosuch"}, 2, "unknown command"},
		{[]string{"completion", "nosuch"}, 2, "unknown command"},
		{[]string{"send", "-pattern", "1"}, 2, "flags have two dashes"},
		{[]string{"send", "--patern", "1"}, 2, "unknown flag: --patern; did you mean --pattern?"},
		{[]string{"send", "--stampp", "on"}, 2, "unknown flag: --stampp; did you mean --stamp?"},
		{[]string{"view", "--metrics", "9105"}, 2, "--metrics 9105: must be HOST:PORT: write :9105, or"},
		{[]string{"relay", "--metrics", "9105", "--input", "tcp://127.0.0.1:0", "--output", "tcp://127.0.0.1:0?attach=bind"}, 2, "netgear relay: --metrics 9105: must be HOST:PORT: write :9105, or"},
		{[]string{"send", "--frames", "1", "--pattern", "1", "--address", "127.0.0.1", "--port", unused, "--request-timeout", "20ms", "--max-retries", "1"}, 1,
			"fps, 0.0 MB/s, 1 failed\nnetgear send: send to tcp://127.0.0.1:" + unused + ": peer is gone: no peer answered within 20ms, once;"},
		{[]string{"view", "--metrics", "127.0.0.1:91050"}, 2, "--metrics 127.0.0.1:91050: there is no such port"},
		{[]string{"view", "--listen", "8081"}, 2, "--listen 8081: must be HOST:PORT: write :8081, or"},
		{[]string{"record", "--out", "/nowhere/a.mkv"}, 1, "netgear record: open /nowhere/a.mkv"},
		{[]string{"send", "--fps", "x"}, 2, "netgear send: --fps x: must be a number\n"},
		{[]string{"send", "-n", "1e3"}, 2, "netgear send: --frames 1e3: must be a whole number\n"},
		{[]string{"send", "--frames", "99999999999999999999"}, 2, "--frames 99999999999999999999: must be a whole number"},
		{[]string{"send", "--json=maybe"}, 2, "--json maybe: must be true or false"},
		{[]string{"bridge", "--camera", "a\"b"}, 2, "netgear bridge: --camera a\"b: must be names with commas between\n"},
		{[]string{"receive", "--timeout", "1"}, 2, "--timeout 1: must be a time such as 500ms or 4s\n"},
		{[]string{"receive", "--timeout", ""}, 2, `--timeout "": must be a time`},
		{[]string{"send", "--config", file("[send]\nfps = \"abc\"\n")}, 2, "x.toml: [send] fps: must be a number\n"},
		{[]string{"send", "--message", "{bad"}, 2, "netgear send: --message: unusable message: the text is not JSON: byte 1: expected"},
		{[]string{"send", "--options", "{bad"}, 2, "netgear send: --options: invalid option: the option dictionary must be a JSON object: byte 1: expected"},
		{[]string{"receive", "--max-frame", "8QB"}, 2, "--max-frame: must be a size such as 500MB or 2GiB"},
		{[]string{"send", "--fps", "NaN"}, 2, "--fps a number"},
		{[]string{"send", "--send-ahead", "-1"}, 2, "--send-ahead must be from 0"},
		{[]string{"send", "--pattern", "7"}, 2, `--pattern: Pattern "7" is none of 0 (PAIR)`},
		{[]string{"send", "--pattern", "3"}, 2, "use --wire NetGear_Async"},
		{[]string{"send", "--port", "x"}, 2, "--port x: must be a number"},
		{[]string{"receive", "--port", "1,2"}, 2, `use --options '{"multiserver_mode": true}'`},
		{[]string{"send", "--options", `{"jpeg": 1}`}, 2, `--options: "jpeg": VidGear has no such option`},
		{[]string{"send", "--options", `{"go": {"jpeg_strips": 9}}`}, 2, `--options: "go.jpeg_strips": must be from 1 to 8`},
		{[]string{"send", "--options", `{"port": "x"}`}, 2, `--options: "port": must be a number`},
		{[]string{"send", "--options", "@/nosuch"}, 2, "/nosuch"},
		{[]string{"send", "--address", "cam:5555"}, 2, "--address cam:5555: must be a host alone; the port (5555) is an option of its own; use --address cam"},
		{[]string{"send", "--secure-mode", "1", "--cert-location", "/nosuch"}, 2, "--cert-location /nosuch: must be a folder that exists"},
		{[]string{"send", "--source", fifo}, 1, "it is a pipe"},
		{[]string{"send", "--config", file("[send]\nport = \"x\"\n")}, 2, "x.toml: [send] port: x: must be a number"},
		{[]string{"send", "--stamp", "maybe"}, 2, "--stamp: must be on or off"},
		{[]string{"send", "--size", "big", "--frames", "1"}, 2, "--size: must be a width"},
		{[]string{"receive", "--return", "1"}, 2, "only answers carry data"},
		{[]string{"receive", "--out", "-", "--json"}, 2, "both write to stdout"},
		{[]string{"receive", "--config", "/nosuch.toml"}, 2, "/nosuch.toml"},
		{[]string{"receive", "--config", file("pattern = \n")}, 2, "x.toml:1:11"},
		{[]string{"receive", "--config", file("patern = 1\n")}, 2, `unknown key "patern"; did you mean pattern?`},
		{[]string{"receive", "--config", file("fps = 1\n")}, 2, "it belongs into the table [send]"},
		{[]string{"send", "--config", file("[send]\nfps = \"fast\"\n")}, 2, "[send] fps:"},
		{[]string{"relay", "--config", file("[[relay.output]]\nqeue = 1\n")}, 2, `unknown key "qeue"; did you mean queue?`},
		{[]string{"relay"}, 2, "there is no output"},
		{[]string{"bridge", "--nats", "nats://me:secret@x"}, 2, "use --nats-user and NETGEAR_NATS_PASSWORD"},
		{[]string{"bridge", "--camera", "front"}, 2, "--camera needs --from-nats"},
		{[]string{"bridge", "--from-nats", "--input", "tcp://*:1"}, 2, "--input has no effect with --from-nats"},
		{[]string{"bridge", "--create"}, 2, "--create needs --stream"},
		{[]string{"bridge", "--keep-age", "1h"}, 2, "--keep-age needs --create"},
		{[]string{"bridge", "--from-nats", "--stream", "F", "--latest", "--work", "w"}, 2, "exclude each other"},
		{[]string{"bridge", "--from-nats", "--stream", "F"}, 2, "needs --replay, --latest or --work"},
		{[]string{"bridge", "--input", "tcp://*:0?name=a.b", "--input", "tcp://*:0?name=a-b"}, 2, "are both camera a-b"},
		{[]string{"bridge", "--input", "tcp://*:0?name=" + strings.Repeat("x", 129)}, 2, "is no camera's name"},
		{[]string{"bridge", "--backpressure", "wait"}, 2, "must be block, drop-newest or keep-latest"},
		{[]string{"bridge", "--from-nats", "--stream", "F", "--replay", "yesterday"}, 2, "--replay yesterday: must be a time"},
		{[]string{"bridge", "--nats", "nats://127.0.0.1:1"}, 1, "connect to NATS at nats://127.0.0.1:1: nats: no servers available"},
		{[]string{"relay", "--input", "10.0.0.1:5555", "--output", "tcp://x:1"}, 2, `--input: must be such as "tcp://`},
		{[]string{"relay", "--output", "tcp://x:1?from=front"}, 2, `there is no input "front"`},
		{[]string{"relay", "--output", "tcp://x:1?tgs=on"}, 2, "did you mean tag?"},
		{[]string{"relay", "--allow", "10.0.0.0/8", "--output", "tcp://x:1"}, 2, "--allow 10.0.0.0/8: needs a secure mode: without one no address is checked; use --secure-mode 1 or --secure-mode 2"},
		{[]string{"relay", "--allow", "nonsense", "--output", "tcp://x:1"}, 2, "--allow nonsense: \"nonsense\" is neither an address nor a range such as 10.0.0.0/8"},
		{[]string{"relay", "--output", "tcp://x:1?allow=10.0.0.0/8&secure-mode=1"}, 2, "--output: allow: [10.0.0.0/8]: needs a receive end"},
		{[]string{"view", "--ssh", "joe@host"}, 2, "--ssh joe@host"},
		{[]string{"relay", "--output", "tcp://x:1?queue=0"}, 2, "must be from 1 to 10000"},
		{[]string{"relay", "--output", "tcp://x:1?queue-size=much"}, 2, "--output: queue-size much: must be a size such as"},
		{[]string{"record"}, 2, "set --out FILE or --dir FOLDER"},
		{[]string{"record", "--dir", "x", "--budget", "much"}, 2, "must be a size such as"},
		{[]string{"record", "--dir", "x", "--max-size", "1e-5"}, 2, "must be a size such as"},
		{[]string{"record", "--out", "x", "--dir", "x"}, 2, "netgear record: set either --out or --dir\n"},
		{[]string{"record", "--out", "x", "--max-size", "1GB"}, 2, "netgear record: --max-size, --max-duration and --budget require --dir instead of --out\n"},
		{[]string{"record", "--dir", "x", "--name", "Dir x"}, 2, `netgear record: --name is "Dir x"; use at most 64`},
		{[]string{"record", "--dir", "x", "--budget", "1KB"}, 2, "netgear record: --budget is 1000 bytes"},
		{[]string{"record", "--dir", "x", "--max-duration", "-1h"}, 2, "--max-duration must not be negative"},
		{[]string{"view", "--max-viewers", "-1"}, 2, "netgear view: --max-viewers is -1"},
		{[]string{"view", "--origin", "["}, 2, `netgear view: the pattern "[" in --origin`},
		{[]string{"bridge", "--stream", "F", "--create", "--keep-age", "-1h"}, 2, "--keep-age must not be negative"},
		{[]string{"play"}, 2, "expected a file"},
		{[]string{"play", "x.mkv", "--json"}, 2, "--json needs --info or --numbers"},
		{[]string{"play", "x.mkv", "--speed", "-1"}, 2, "must not be negative"},
		{[]string{"view", "--listen", "8080"}, 2, "must be HOST:PORT"},
		{[]string{"view", "--user", "joe"}, 2, "set NETGEAR_PASSWORD"},
		{[]string{"view", "--tls-cert", "x"}, 2, "go together"},
		{[]string{"doctor", "localhost:1", "--timeout", "0"}, 2, "--timeout must be more than 0"},
		{[]string{"doctor", "localhost"}, 2, "must be HOST:PORT"},
		{[]string{"keys", "--list", "--cert-location", t.TempDir()}, 1, "there are no keys yet"},
		{[]string{"receive", "--address", "127.0.0.1", "--port", port}, 1, "in use"},
		{[]string{"view", "--listen", "127.0.0.1:" + port, "--address", "127.0.0.1", "--port", "0"}, 1, "in use"},
		{[]string{"send", "--source", "/nosuch.mp4"}, 1, "--source: cannot read it: open /nosuch.mp4"},
		{[]string{"play", "/nosuch.mkv"}, 1, "/nosuch.mkv"},
	} {
		status, stdout, stderr := run(t, c.args...)
		if status != c.status || !strings.Contains(stderr, c.want) || stdout != "" || len(lines(stderr)) > 3 {
			t.Errorf("%v: status %d, want %d, and %q\n%s%s", c.args, status, c.status, c.want, stdout, stderr)
		}
	}
}

// The help shows the defaults of this very command.
func TestHelpShowsDefaults(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][3]string{
		"send": {"3", "stop", "off"}, "receive": {"3", "stop", "off"}, "play": {"3", "stop", "off"},
		"view": {"0", "keep", "on"}, "record": {"0", "keep", "on"}, "top": {"0", "keep", "on"},
		"relay": {"0", "keep", "off"}, "bridge": {"0", "keep", "off"},
	} {
		_, help, _ := run(t, command, "--help")
		for i, flag := range []string{"max-retries", "terminate", "stamp"} {
			text := regexp.MustCompile(`(?sm)^ +--` + flag + ` .*?\(default (\w+)\)`).FindStringSubmatch(help)
			if text == nil || text[1] != want[i] {
				t.Errorf("%s --%s: %q, want the default %s", command, flag, text, want[i])
			}
		}
	}
}

// 0.0.0.0 is IPv4 alone; without a host it is both families where there are both.
func TestListenTCP(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:0": "0.0.0.0:", "127.0.0.1:0": "127.0.0.1:", "[::]:0": "[::]:"} {
		l, err := listenTCP(address)
		if err != nil {
			if strings.HasPrefix(want, "[") {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		if got := l.Addr().String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: it listens at %s", address, got)
		}
		l.Close()
	}
}

// A mistake in the environment is reported under the variable's name.
func TestMistakesInTheEnvironment(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"NETGEAR_PORT=abc":                         "NETGEAR_PORT: abc: must be a number from 1 to 65535",
		"NETGEAR_PROT=5":                           "NETGEAR_PROT: no setting has this variable; did you mean NETGEAR_PORT?",
		"NETGEAR_LOGLEVEL=debug":                   "did you mean NETGEAR_LOG_LEVEL?",
		"NETGEAR_PASWORD=x":                        "did you mean NETGEAR_PASSWORD?",
		`NETGEAR_OPTIONS={"pattern": 3}`:           `NETGEAR_OPTIONS: "pattern": VidGear's NetGear has no PUSH/PULL`,
		"NETGEAR_SERVICE_HOST=10.0.0.1":            "", // of a container system
		"NETGEAR_PORT_5555_TCP=tcp://10.0.0.1:555": "",
	} {
		cmd := command("send", "--source", "/nosuch.mp4")
		cmd.Env = append(cmd.Env, variable)
		p := startCommand(t, cmd)
		status, text := p.status(), p.stderr.String()
		if want == "" {
			want = "/nosuch.mp4"
		} else if status != 2 {
			t.Errorf("%s: status %d", variable, status)
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", variable, text, want)
		}
	}
}

// A word in the wrong place may be a password, and secrets are never printed.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const password = "S3cr3t.of-tests"
	file := filepath.Join(t.TempDir(), "x.toml")
	os.WriteFile(file, []byte("ssh-pasword = \""+password+"\"\n"), 0o600)
	for _, args := range [][]string{
		{"send", password}, {"send", "--options", "{ssh_tunnel_pwd:", password + "}"}, {"send", "-options={" + password + "}"},
		{"send", "--options", `{"ssh_tunnel_pasword": "` + password + `"}`}, {"send", "--address", "joe:" + password + "@cam"},
		{"send", "--config", file}, {"relay", "--output", "tcp://x:1?ssh-password=" + password},
		{"send", "--source", "http://joe:" + password + "@127.0.0.1:1/x.mjpg?key=" + password},
	} {
		cmd := command(args...)
		cmd.Env = append(cmd.Env, "NETGEAR_SSH_PASSWORD="+password, "NETGEAR_PASSWORD="+password)
		p := startCommand(t, cmd)
		if status := p.status(); status == 0 || strings.Contains(p.stdout.String()+p.stderr.String(), password) {
			t.Errorf("%v: status %d\n%s%s", args, status, &p.stdout, &p.stderr)
		}
	}
}

// The help of each command names the three origins of settings, and the shells
// complete commands and values.
func TestHelpAndCompletion(t *testing.T) {
	t.Parallel()
	a := &app{}
	for _, c := range a.root().Commands() {
		if name := c.Name(); name == "help" || name == "completion" {
			continue
		}
		status, stdout, _ := run(t, c.Name(), "--help")
		for _, want := range []string{"Examples:", "Connection:", "--options JSON", "A flag counts more than the environment, and", "NETGEAR_CONFIG", "Exit status:"} {
			if status != 0 || !strings.Contains(stdout, want) {
				t.Errorf("%s --help: status %d, no %q", c.Name(), status, want)
			}
		}
		if strings.Contains(stdout, "ssh-password ") {
			t.Errorf("%s has a flag for a secret", c.Name())
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if status, stdout, _ := run(t, "completion", shell); status != 0 || len(stdout) < 1000 {
			t.Errorf("completion %s: status %d, %d bytes", shell, status, len(stdout))
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "re"}, "record\t"},
		{[]string{"__complete", "send", "--pattern", ""}, "1\tREQ/REP"},
		{[]string{"__complete", "relay", "--wi"}, "--wire\t"},
	} {
		if _, stdout, _ := run(t, c.args...); !strings.Contains(stdout, c.want) {
			t.Errorf("%v: %q, want %q", c.args, stdout, c.want)
		}
	}
}

// Every setting of a connection is a flag, unless it is a secret, and a key of
// the settings file.
func TestSettingsHaveFlags(t *testing.T) {
	t.Parallel()
	a := &app{}
	for _, c := range a.root().Commands() {
		if c.GroupID != "ends" {
			continue
		}
		for _, s := range settings.Connections {
			if got := c.Flags().Lookup(s.Name) != nil; got == s.Secret {
				t.Errorf("%s --%s: %v", c.Name(), s.Name, got)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	location := t.TempDir()
	status, stdout, stderr := run(t, "keys", "--cert-location", location)
	if status != 0 || !strings.Contains(stdout, "new keys in "+location) || strings.Count(stdout, "0600") != 2 {
		t.Fatalf("status %d: %s%s", status, stdout, stderr)
	}
	os.Chmod(filepath.Join(location, ".vidgear/keys/private_keys/client.key_secret"), 0o644)
	_, list, _ := run(t, "keys", "--cert-location", location, "--list")
	if !strings.Contains(list, "client.key_secret can be read by others") {
		t.Errorf("%s", list)
	}
	_, again, _ := run(t, "keys", "--cert-location", location)
	_, replaced, _ := run(t, "keys", "--cert-location", location, "--replace")
	key := regexp.MustCompile(`public_keys/server.key\s.*\s(\S{40})\n`)
	if before, after := key.FindStringSubmatch(stdout)[1], key.FindStringSubmatch(replaced)[1]; before == after || !strings.Contains(again, before) {
		t.Errorf("%s\n%s\n%s", stdout, again, replaced)
	}
	secret, _ := os.ReadFile(filepath.Join(location, ".vidgear/keys/private_keys/server.key_secret"))
	own := regexp.MustCompile(`secret-key = "(.{40})"`).FindStringSubmatch(string(secret))
	if own == nil || strings.Contains(stdout+list+again+replaced, own[1]) {
		t.Error("a secret key is printed")
	}
}

// top prints one JSON line a second, with the state of the sender.
func TestTop(t *testing.T) {
	t.Parallel()
	top := start(t, "top", "--input", "tcp://127.0.0.1:0?name=gate")
	top.await(&top.stdout, `"name":"gate","state":"waiting"`)
	start(t, "send", "--address", "127.0.0.1", "--port", top.port(), "--fps", "30", "--frames", "60", "--stamp", "on").succeed()
	top.await(&top.stdout, `"name":"gate","state":"live","fps":[0-9.]+,"mb_per_s":[0-9.]+,"frames":\d+,"dropped":0,"missed":0,"latency_ms":[0-9.]+`)
	top.await(&top.stdout, `"state":"ended","fps":[0-9.]+,"mb_per_s":[0-9.]+,"frames":60`)
	top.signal(syscall.SIGINT)
	top.succeed()
	for _, line := range lines(top.stdout.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q", line)
		}
	}
}

// view serves pictures to those who may see them, and opens no other port.
func TestView(t *testing.T) {
	t.Parallel()
	cmd := command("view", "--listen", "127.0.0.1:0", "--input", "tcp://127.0.0.1:0?name=gate", "--user", "joe")
	cmd.Env = append(cmd.Env, "NETGEAR_PASSWORD=correct")
	view := startCommand(t, cmd)
	port := view.port()
	url := view.await(&view.stderr, `viewer (http://127\.0\.0\.1:\d+)`)
	send := start(t, "send", "--address", "127.0.0.1", "--port", port, "--fps", "30")
	get := func(path, password string) (status int, kind string) {
		r, _ := http.NewRequest("GET", url+path, nil)
		r.SetBasicAuth("joe", password)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode, res.Header.Get("Content-Type")
	}
	if status, _ := get("/api/streams", "wrong"); status != 401 {
		t.Errorf("a wrong password: status %d", status)
	}
	deadline := time.Now().Add(timeLimit)
	for status, kind := 0, ""; kind != "image/jpeg"; {
		if status, kind = get("/frame.jpg?stream=gate", "correct"); time.Now().After(deadline) {
			t.Fatalf("status %d, %s", status, kind)
		}
	}
	if open := health.Listening(view.cmd.Process.Pid); len(open) != 2 && len(open) != 0 {
		t.Errorf("it listens on %v, want the page and the input", open)
	}
	view.signal(syscall.SIGTERM)
	view.succeed()
	send.signal(syscall.SIGTERM)
	send.succeed()
}

// doctor checks this system, and its exit status shows a failure.
func TestDoctor(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	diagnose := func(args ...string) (int, map[string]health.Check) {
		t.Helper()
		cmd := command(append([]string{"doctor", "--json", "--address", "127.0.0.1", "--port", port, "--cert-location", keys}, args...)...)
		cmd.Env = append(cmd.Env, "PKG_CONFIG_LIBDIR=/nosuch", "PKG_CONFIG_PATH=")
		p := startCommand(t, cmd)
		status := p.status()
		var r report
		if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil || r.OK != (status == 0) {
			t.Fatalf("status %d: %v\n%s%s", status, err, &p.stdout, &p.stderr)
		}
		found := map[string]health.Check{}
		for _, c := range r.Checks {
			if old, ok := found[c.Name]; !ok || old.Status == health.OK {
				found[c.Name] = c
			}
		}
		return status, found
	}
	status, found := diagnose()
	for name, want := range map[string]health.Status{
		"libzmq": "ok", "libjpeg-turbo": "ok", "libzmq, headers": "note", "OpenCV, headers": "note", "port " + port: "note", "keys": "ok", "open files": "ok",
	} {
		if found[name].Status != want {
			t.Errorf("%s: %+v, want %s", name, found[name], want)
		}
	}
	if fix := found["libzmq, headers"].Fix; status != 0 || fix == "" {
		t.Errorf("status %d, fix %q", status, fix)
	}
	if status, found := diagnose("--secure-mode", "1"); status != 1 || !strings.HasPrefix(found["keys"].Fix, "netgear keys") {
		t.Errorf("keys are missing: status %d, %+v", status, found["keys"])
	}
	run(t, "keys", "--cert-location", keys)
	secret := filepath.Join(keys, ".vidgear/keys/private_keys/server.key_secret")
	os.Chmod(secret, 0o644)
	if status, found := diagnose(); status != 1 || found["keys"].Fix != "chmod 600 "+secret {
		t.Errorf("an exposed key: status %d, %+v", status, found["keys"])
	}
	p := start(t, "doctor", "--port", port)
	if p.status(); !strings.Contains(p.stdout.String(), "ok    libzmq ") {
		t.Errorf("%s", &p.stdout)
	}
}

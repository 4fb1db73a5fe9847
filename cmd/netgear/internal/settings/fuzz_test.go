package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
)

// noSecret is a password in seeds.
const noSecret = "hunter2hunter2"

// mustBeWrong checks an error: it is about a setting, and has no password.
func mustBeWrong(t *testing.T, text string, err error) {
	t.Helper()
	if _, ok := errors.AsType[*WrongError](err); !ok {
		t.Errorf("%q: %v is no WrongError", text, err)
	}
}

// FuzzEndpoint reads endpoints from flags, as far as the options of an end.
func FuzzEndpoint(f *testing.F) {
	for _, text := range []string{
		"tcp://10.0.0.4:5555?pattern=2&attach=connect", "tcp://*:5566", "ipc:///run/camera", "tcp://[::1]:5555", "tcp://[fe80::1%25eth0]", "tcp://", "tcp://:",
		"udp://x", "tcp://a:1?ssh-password=" + noSecret, "tcp://a:1?patern=2", "tcp://a:1?pattern=%zz", "tcp://a?port=1,2&receive=x",
		`tcp://a:1?options={"pattern": 1, "go": {"adapt": {"MaxAge": "1s"}}}`, "tcp://a:1?max-age=500ms&min-scale=NaN", "tcp://a:1?options=@/nosuch", "tcp://a:1?name=gate&wire=async",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "@") || strings.Contains(text, "%40") {
			return // files of this machine
		}
		e, err := ParseEndpoint("--in", text, "name")
		if err != nil {
			mustBeWrong(t, text, err)
			return
		}
		if e.Values["ssh-password"] != "" || e.Values["protocol"] != "tcp" && !strings.Contains(text, "protocol") && e.Values["protocol"] != "ipc" {
			t.Errorf("%q: %v", text, e.Values)
		}
		name := e.Take("name", "none")
		if _, ok := e.Values["name"]; ok || name == "none" && strings.Contains(text, "?name=") && !strings.Contains(text, ";") {
			t.Errorf("%q: %v, name %q", text, e.Values, name)
		}
		for _, receives := range []bool{false, true} {
			o, err := e.Resolve(netgear.Options{ReceiveMode: receives}, nil)
			if err != nil {
				mustBeWrong(t, text, err)
			} else if o.ReceiveMode != receives || o.Validate() != nil {
				t.Errorf("%q: %+v", text, o)
			}
		}
	})
}

// FuzzSettingsFile reads settings files, as far as the options of an end. Errors
// do not quote passwords.
func FuzzSettingsFile(f *testing.F) {
	for _, text := range []string{
		"address = \"x\"\nport = 1000\n[options]\nrequest_timeout = 9\n[send]\nport = [\"2000\", \"2001\"]\nssh-password = \"" + noSecret + "\"\n",
		"[[send.output]]\naddress = \"a\"\nname = 1.5\n[[send.output]]\npattern = 2\n", "send = 1", "[send]\noutput = [1]", "port = [[1], {a = 1}]",
		"patern = 1", "port = 1979-05-27T07:32:00Z", "port = inf", "options = \"@x\"", "a.b.c = 1", "[send.options]\ngo = {adapt = {MaxAge = \"1s\"}}\n",
		"ssh-passwort = \"" + noSecret + "\"", "[options]\nssh_tunnel_pwd = [\"" + noSecret + "\"]", "\xff", "= 1", "",
	} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "x.toml")
	var common []string
	for _, c := range Connections {
		common = append(common, c.Name)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "@") || strings.Contains(string(text), `\`) {
			return // files of this machine
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		check := func(err error) {
			if err == nil {
				return
			}
			mustBeWrong(t, string(text), err)
			if strings.Contains(err.Error(), noSecret) && strings.Count(string(text), noSecret) == 1 && strings.Contains(string(text), "= \""+noSecret+"\"") &&
				strings.Contains(string(text), "ssh-password") {
				t.Errorf("%q: %v", text, err)
			}
		}
		file, err := Read(path)
		if err != nil {
			check(err)
			return
		}
		check(file.Check(common, map[string][]string{"send": {"output", "every"}, "receive": nil}))
		_, _, err = file.Value("send", "port")
		check(err)
		outputs, err := file.Endpoints("send", "output", "name")
		check(err)
		layers, err := file.Layers("send")
		check(err)
		if err != nil {
			return
		}
		_, err = Resolve(netgear.Options{}, layers...)
		check(err)
		for _, e := range outputs {
			e.Take("name", "")
			_, err := e.Resolve(netgear.Options{}, layers)
			check(err)
		}
	})
}

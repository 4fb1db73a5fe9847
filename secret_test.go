package netgear

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/vidgear-go/netgear/internal/certs"
)

// The secrets of the tests, as a text and as a number.
const (
	secretText   = "S3cr3t.of-tests"
	secretNumber = "8675309417"
)

// leaks returns the part of text that must not be in it.
func leaks(text string, secrets ...string) string {
	for _, s := range append(secrets, secretText, secretNumber) {
		for _, form := range []string{s, fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), strings.Trim(fmt.Sprint([]byte(s)), "[]")} {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

// mustNotShow fails if any text of v contains a secret.
func mustNotShow(t *testing.T, what string, v any, secrets ...string) {
	t.Helper()
	texts := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%+d", "%#x", "%60v", "%t"} {
		texts[verb] = fmt.Sprintf(verb, v)
	}
	var text, inJSON bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).With("with", v).WithGroup("group").Info("message", "value", v, slog.Group("group", "value", v))
	slog.New(slog.NewJSONHandler(&inJSON, nil)).With("with", v).WithGroup("group").Info("message", "value", v, slog.Group("group", "value", v))
	texts["slog's text"], texts["slog's JSON"] = text.String(), inJSON.String()
	raw, err := json.Marshal(v)
	texts["JSON"], texts["JSON's error"] = string(raw), fmt.Sprint(err)
	for how, text := range texts {
		if found := leaks(text, secrets...); found != "" {
			t.Errorf("%s, %s: %q is in it: %.2000s", what, how, found, text)
		}
	}
	var wrong *OptionError
	if err, ok := v.(error); ok && errors.As(err, &wrong) && error(wrong) != err {
		mustNotShow(t, what+", the OptionError", wrong, secrets...)
	}
	if err, ok := v.(error); ok && errors.As(err, &wrong) {
		mustNotShow(t, what+", its parts", []any{wrong.Value, wrong.Reason, wrong.Key, wrong.Field, wrong.Fixes, *wrong})
	}
}

// secretDictionaries are option dictionaries that hold a secret and are refused,
// by UnmarshalJSON or by Validate.
var secretDictionaries = []string{
	`{"ssh_tunnel_password": "S3cr3t.of-tests"}`, `{"password": 8675309417}`, `{"ssh_tunnel_pw": "S3cr3t.of-tests"}`,
	`{"options": {"ssh_tunnel_pwd": "S3cr3t.of-tests"}}`, `{"pwds": ["S3cr3t.of-tests", 8675309417]}`,
	`{"ssh_tunnel_pwd": 8675309417}`, `{"ssh_tunnel_pwd": -8675309417.5}`, `{"ssh_tunnel_pwd": 86753094170000000000000000}`,
	`{"ssh_tunnel_pwd": ["S3cr3t.of-tests"]}`, `{"ssh_tunnel_pwd": {"S3cr3t.of-tests": 1}}`, `{" ssh_tunnel_pwd ": 8675309417}`,
	`{"port": {"ssh_tunnel_pwd": "S3cr3t.of-tests"}}`, `{"port": [["S3cr3t.of-tests"]]}`, `{"copy": {"x": 8675309417}}`,
	`{"logging": ["S3cr3t.of-tests"]}`, `{"address": {"user": "joe", "pwd": "S3cr3t.of-tests"}}`,
	`{"address": "tcp://joe:S3cr3t.of-tests@cam"}`, `{"address": "joe:S3cr3t.of-tests@cam"}`, `{"address": "joe:S3cr3t.of-tests@cam:5555"}`,
	`{"address": "rtsp://cam/x?password=S3cr3t.of-tests"}`, `{"address": ":S3cr3t.of-tests@cam"}`,
	`{"ssh_tunnel_mode": "joe:S3cr3t.of-tests@cam"}`, `{"ssh_tunnel_mode": "ssh://joe:S3cr3t.of-tests@cam:22"}`,
	`{"ssh_tunnel_mode": "joe:8675309417@cam", "receive_mode": true}`, `{"ssh_tunnel_mode": "joe:a@S3cr3t.of-tests:b@cam", "protocol": "ipc", "address": "/x"}`,
	`{"ssh_tunnel_keyfile": "-----BEGIN OPENSSH PRIVATE KEY-----\nS3cr3t.of-tests\n-----END OPENSSH PRIVATE KEY-----"}`,
	`{"ssh_tunnel_pwd": "S3cr3t.of-tests"`, `{"ssh_tunnel_pwd": "S3cr3t.of-tests`, `{"ssh_tunnel_pwd": "S3cr3t.of-tests\q"}`,
	`{"ssh_tunnel_pwd": S3cr3t.of-tests}`, `{"ssh_tunnel_pwd": 'S3cr3t.of-tests'}`, `{"ssh_tunnel_pwd": "S3cr3t.of-tests" "x"}`,
	`{ssh_tunnel_pwd: "S3cr3t.of-tests"}`, `{"ssh_tunnel_pwd": 8675309417x}`, `{"ssh_tunnel_pwd": "S3cr3t.of-tests",}`,
	"{\"ssh_tunnel_pwd\": \"S3cr3t.of-tests\x01\"}", "{\"ssh_tunnel_pwd\": \"S3cr3t.of-tests\xff\"}",
	`"S3cr3t.of-tests"`, `8675309417`, `["ssh_tunnel_pwd", "S3cr3t.of-tests"]`, `S3cr3t.of-tests`,
	`{"ssh_tunnel_pwd": "S3cr3t.of-tests", "flag": 1}`, `{"ssh_tunnel_pwd": "S3cr3t.of-tests", "pattern": 9}`,
	`{"ssh_tunnel_pwd": "S3cr3t.of-tests", "port": "x"}`, `{"ssh_tunnel_pwd": ` + strings.Repeat(secretNumber, 500) + `}`,
}

// No text of this package shows a password, a passphrase or a private key.
func TestSecretsAreNotShown(t *testing.T) {
	for _, text := range secretDictionaries {
		for how, read := range map[string]func(*Options) error{
			"UnmarshalJSON":  func(o *Options) error { return o.UnmarshalJSON([]byte(text)) },
			"json.Unmarshal": func(o *Options) error { return json.Unmarshal([]byte(text), o) },
			"nested":         func(o *Options) error { return json.Unmarshal([]byte(`{"o": `+text+`}`), &struct{ O *Options }{o}) },
		} {
			var o Options
			err := read(&o)
			if err == nil {
				if err = o.Validate(); err == nil {
					t.Errorf("%s, %s: nothing is wrong with it", how, text)
				}
				mustNotShow(t, text, o)
				_, errNew := New(o)
				mustNotShow(t, "New after "+text, errNew)
			}
			mustNotShow(t, how+", "+text, err)
		}
	}
	if t.Failed() {
		return
	}

	t.Run("Options and Secret", func(t *testing.T) {
		type Config struct {
			Name    string
			Options Options
		}
		type Embeds struct{ Options }
		type hidden struct{ options Options }
		type hiddenPointer struct{ options *Options }
		type hiddenSecret struct{ text Secret }
		o := Options{SSHTunnelMode: "joe@cam", SSHTunnelPwd: NewSecret(secretText), Port: "1", Pattern: ReqRep, Logger: slog.Default()}
		n := newSettings(o)
		for _, v := range []any{
			o, &o, Config{"x", o}, &Config{"x", o}, Embeds{o}, &Embeds{o}, hidden{o}, &hidden{o}, hiddenPointer{&o}, []Options{o}, []*Options{&o},
			map[string]Options{"a": o}, map[string]any{"a": hidden{o}}, struct{ any }{o}, n.opts, &n, o.SSHTunnelPwd, &o.SSHTunnelPwd,
			hiddenSecret{o.SSHTunnelPwd}, []hiddenSecret{{o.SSHTunnelPwd}}, o.LogValue(), o.String(), o.GoString(),
		} {
			mustNotShow(t, fmt.Sprintf("%T", v), v)
			// For %p package fmt calls no method, as for what is not exported.
			if found := leaks(fmt.Sprintf("%"+"p", v)); found != "" {
				t.Errorf("%T: %%p shows %q", v, found)
			}
		}
		for got, want := range map[string]string{
			o.String():                     "{Port:1 Pattern:REQ/REP SSHTunnelMode:joe@cam SSHTunnelPwd:[redacted] Logger:a logger}",
			o.GoString():                   `netgear.Options{Port:"1", Pattern:netgear.ReqRep, SSHTunnelMode:"joe@cam", SSHTunnelPwd:[redacted], Logger:a logger}`,
			Options{}.text(":", " ", "%v"): "{}",
		} {
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if o.SSHTunnelPwd.Reveal() != secretText || o.SSHTunnelPwd.IsZero() || !reflect.DeepEqual(o.SSHTunnelPwd, NewSecret(secretText)) {
			t.Error("the password is lost")
		}
		var read struct{ Pwd Secret }
		if err := json.Unmarshal([]byte(`{"pwd": "`+secretText+`"}`), &read); err != nil || read.Pwd.Reveal() != secretText {
			t.Errorf("%v, %v", read, err)
		}
	})

	t.Run("certificates", func(t *testing.T) {
		location := keyFolder(t)
		dir, _ := CertificateDir(location)
		file := certs.SecretFile(dir, certs.Client)
		k, err := loadKeys(&Options{CustomCertLocation: location, SecureMode: StoneHouse})
		if err != nil {
			t.Fatal(err)
		}
		mustNotShow(t, "keys", k, k.secret.Reveal())
		mustNotShow(t, "keys", *k, k.secret.Reveal())
		mustNotShow(t, "security", &security{keys: *k}, k.secret.Reveal())
		for _, broken := range []string{
			"secret-key = \"" + secretText + "\"", "public-key = \"" + k.public + "\"\nsecret-key = \"" + secretText + "\"",
			secretText, "secret-key: " + secretText, "public-key = " + secretText,
		} {
			if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := New(Options{CustomCertLocation: location, SecureMode: StoneHouse})
			if !errors.Is(err, ErrAuth) {
				t.Errorf("%s: %v", broken, err)
			}
			mustNotShow(t, broken, err)
		}
	})

	t.Run("tunnel", func(t *testing.T) {
		_, private, _ := ed25519.GenerateKey(rand.Reader)
		plain, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("another"))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string // of both keys
		write := func(name string, b []byte) string {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		plainText, lockedText := pem.EncodeToMemory(plain), pem.EncodeToMemory(locked)
		for line := range strings.SplitSeq(string(plainText)+string(lockedText), "\n") {
			if !strings.HasPrefix(line, "-----") && len(line) > 10 {
				lines = append(lines, line)
			}
		}
		t.Setenv("HOME", t.TempDir())
		t.Setenv("SSH_AUTH_SOCK", "")
		l, err := net.Listen("tcp", "127.0.0.1:0") // hangs up at once
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		body := strings.Join(strings.Split(string(plainText), "\n")[1:], "\n")
		for name, o := range map[string]Options{
			"wrong passphrase":         {SSHTunnelKeyfile: write("k", lockedText)},
			"broken key":               {SSHTunnelKeyfile: write("k", bytes.Replace(plainText, []byte("A"), []byte("!"), 3))},
			"half a key":               {SSHTunnelKeyfile: write("k", plainText[:120])},
			"password as the key file": {SSHTunnelKeyfile: write("k", []byte(secretText))},
			"key as known_hosts":       {SSHTunnelKnownHosts: []string{write("k", plainText)}},
			"its body as known_hosts":  {SSHTunnelKnownHosts: []string{write("k", []byte(body))}},
			"password as known_hosts":  {SSHTunnelKnownHosts: []string{write("k", []byte("cam "+secretText+" "+secretText))}},
			"hashed known_hosts":       {SSHTunnelKnownHosts: []string{write("k", []byte("|1|"+secretText+"|x ssh-ed25519 "+secretText))}},
			"key as the file's name":   {SSHTunnelKeyfile: string(plainText)},
			"nobody there":             {},
			"any host key":             {SSHTunnelIgnoreHostKey: true},
			"password in the target":   {SSHTunnelMode: "joe:" + secretText + "@" + l.Addr().String()},
			"target without a host":    {SSHTunnelMode: "joe:" + secretText + "@"},
		} {
			t.Run(name, func(t *testing.T) {
				var log bytes.Buffer
				if o.SSHTunnelMode == "" {
					o.SSHTunnelMode = "joe@" + l.Addr().String()
				}
				o.SSHTunnelPwd = NewSecret(secretText)
				o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				end, err := New(o)
				if err == nil {
					end.Close()
					t.Fatal("it is open")
				}
				mustNotShow(t, name, err, lines...)
				mustNotShow(t, name, o, lines...)
				if found := leaks(log.String(), lines...); found != "" {
					t.Errorf("%q is in the log: %s", found, &log)
				}
			})
		}
	})

	t.Run("messages", func(t *testing.T) {
		_, err := MessageFromJSON([]byte(`{"password": "` + secretText))
		mustNotShow(t, "MessageFromJSON", err)
		packed := func(v any) Message {
			m, err := asyncWire{}.encodeMessage(v)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		number := json.RawMessage(secretNumber)
		var n int64
		if err := json.Unmarshal(number, &n); err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]Message{
			"number":            {raw: number},
			"list":              {raw: []byte(`[` + secretNumber + `]`)},
			"object":            {raw: []byte(`{"pwd": ` + secretNumber + `, "nan": NaN}`)},
			"object of texts":   {raw: []byte(`{"pwd": "` + secretText + `"}`)},
			"msgpack's number":  packed(n),
			"msgpack's text":    packed(secretText),
			"msgpack's object":  packed(map[string]any{"pwd": n}),
			"msgpack's texts":   packed(map[string]any{"pwd": secretText}),
			"msgpack's float":   packed(float64(n)),
			"msgpack's complex": packed(complex(float64(n), 1)),
		} {
			for _, to := range []any{
				new(bool), new(string), new([]bool), new(map[string]bool), new(struct{ Pwd bool }), new(int8), new(uint8), new(float32), new(struct{ Pwd int8 }),
				new(struct{ Pwd []string }), new(map[int8]bool), new(struct {
					Pwd bool `json:"pwd,string"`
				}), new(struct {
					Pwd int8 `json:"pwd,string"`
				}),
			} {
				if err := m.Decode(to); err != nil {
					mustNotShow(t, fmt.Sprintf("%s to %T", name, to), err)
				}
			}
		}
	})
}

func FuzzSecretsAreNotShown(f *testing.F) {
	for _, text := range secretDictionaries {
		f.Add(text)
	}
	f.Add(`{" ` + secretNumber + `_pwd": ` + secretNumber + `}`)
	f.Fuzz(func(t *testing.T, text string) {
		// The texts in place of a password are under a key that may hold one.
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &members) != nil {
			return
		}
		for key := range members {
			if leaks(key) != "" || !strings.Contains(key, "pw") && !strings.Contains(key, "pass") {
				return
			}
		}
		var o Options
		if err := o.UnmarshalJSON([]byte(text)); err != nil && leaks(fmt.Sprintf("%v %+v %#v", err, err, err)) != "" {
			t.Errorf("%q: %v", text, err)
		}
		if leaks(fmt.Sprintf("%v %+v %#v", o, o, o)) != "" {
			t.Errorf("%q: %v", text, o)
		}
	})
}

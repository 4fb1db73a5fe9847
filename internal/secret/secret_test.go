package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const marker = "hunter2-marker"

// No verb prints the text, not even where fmt cannot call a method.
func TestTextIsNotShown(t *testing.T) {
	type inner struct{ text Text }
	type Outer struct{ Text }
	text := New(marker)
	if text.Reveal() != marker || New("").Reveal() != "" || New("").String() != "" {
		t.Error("the text is lost")
	}
	values := []any{text, &text, inner{text}, &inner{text}, Outer{text}, &Outer{text}, []Text{text}, []inner{{text}},
		map[string]Text{"a": text}, map[string]inner{"a": {text}}, struct{ a, b any }{text, &text}, fmt.Errorf("%v", text)}
	for _, v := range values {
		for _, verb := range "vsqxXdbcoUtTpeEgG" {
			for _, flags := range []string{"", "+", "#", "40", "-40.30", " ", "0"} {
				if shown := fmt.Sprintf("%"+flags+string(verb), v); strings.Contains(shown, marker) || strings.Contains(shown, fmt.Sprintf("%x", marker)) {
					t.Errorf("%%%s%c of %T: %s", flags, verb, v, shown)
				}
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "value", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "value", v)
		if strings.Contains(log.String(), marker) {
			t.Errorf("%T in a log: %s", v, &log)
		}
	}
	if raw, err := json.Marshal(text); err != nil || string(raw) != `"`+Redacted+`"` {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestHide(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"joe@cam":                      "joe@cam",
		"joe@cam:22":                   "joe@cam:22",
		"joe@[::1]:22":                 "joe@[::1]:22",
		"joe:pw@cam:22":                "joe:[redacted]@cam:22",
		"joe:p@w:/?@cam":               "joe:[redacted]@cam",
		":pw@cam":                      ":[redacted]@cam",
		"rtsp://joe:pw@cam/x":          "rtsp://joe:[redacted]@cam/x",
		"rtsp://cam:554/x":             "rtsp://cam:554/x",
		"rtsp://joe@cam:554/x?token=y": "rtsp://joe@cam:554/x?[redacted]",
		"http://cam/x?pw=y&a=b@c:d":    "http://cam/x?[redacted]",
		"joe:pw://x@cam":               "joe:[redacted]@cam",
		"127.0.0.1:5555":               "127.0.0.1:5555",
		"-----BEGIN RSA PRIVATE KEY--": "[redacted]",
	} {
		if got := Hide(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzHide(f *testing.F) {
	f.Add("joe", "pw", "cam")
	f.Add("rtsp://joe", "p@:/w?", "cam:554/x?y")
	f.Fuzz(func(t *testing.T, user, password, host string) {
		if strings.ContainsAny(host, "@") {
			return
		}
		unique := marker + password
		if hidden := Hide(user + ":" + unique + "@" + host); strings.Contains(hidden, marker) && !strings.Contains(user+host, marker) {
			t.Errorf("%q", hidden)
		}
	})
}

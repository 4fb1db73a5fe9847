package live

import (
	"bytes"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	var out bytes.Buffer
	n := draw(&out, []string{"one", "a line that is too long", "evil\x1b[2Jname"}, 2, 10, 24)
	if want := "\x1b[2A\rone\x1b[K\n\ra line tha\x1b[K\n\revil?[2Jna\x1b[K\n\x1b[J"; n != 3 || out.String() != want {
		t.Errorf("%d lines: %q\nwant %q", n, out.String(), want)
	}
	out.Reset()
	if n := draw(&out, strings.Split("1 2 3 4 5", " "), 0, 20, 4); n != 3 || !strings.Contains(out.String(), "… and 3 more lines") {
		t.Errorf("%d lines: %q", n, out.String())
	}
}

package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents are the files whose Go code is compiled.
var documents = []string{"README.md", "docs/guide.md", "docs/web.md", "docs/record.md", "docs/metrics.md", "docs/migration.md"}

// function matches a function, which cannot stand within another one.
var function = regexp.MustCompile(`(?ms)^func (\w+)\(.*?^}\n`)

func blocks(t *testing.T, document string) []Block {
	t.Helper()
	all, err := Blocks(filepath.Join("..", "..", filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The test that the guide shows, with the function that it tests, is one that
// passes.
func TestShownTest(t *testing.T) {
	source, err := os.ReadFile("../../netgeartest/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, b := range blocks(t, "docs/guide.md") {
		if b.Heading != "Testing your own code" {
			continue
		}
		for _, f := range function.FindAllString(b.Text, -1) {
			if shown++; !strings.Contains(string(source), f) {
				t.Errorf("docs/guide.md, line %d: netgeartest/example_test.go does not have\n%s", b.Line, f)
			}
		}
	}
	if shown != 2 {
		t.Errorf("%d functions are shown", shown)
	}
}

// A program that ends on signals also ends in order when its terminal is closed.
func TestShownSignals(t *testing.T) {
	shown := 0
	for _, document := range documents {
		for _, b := range blocks(t, document) {
			if !strings.Contains(b.Text, "signal.NotifyContext(") {
				continue
			}
			if shown++; !strings.Contains(b.Text, "syscall.SIGHUP") {
				t.Errorf("%s, line %d: without SIGHUP", document, b.Line)
			}
		}
	}
	if shown == 0 {
		t.Error("no program with signals is shown")
	}
}

//go:build !nogocv

package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declared are the names that a fragment may use without declaring them.
const declared = `package fragments

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"image"
	"io"
	"iter"
	"log"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/metrics"
	"github.com/vidgear-go/netgear/netgeartest"
	"github.com/vidgear-go/netgear/record"
	"github.com/vidgear-go/netgear/web"
)

%s
func fragment%d(
	ctx context.Context, send, recv, out, collector, end *netgear.NetGear, mat gocv.Mat, video *gocv.VideoCapture,
	frame *netgear.Frame, array netgear.Array, img image.Image, jpeg, text []byte, message any, v any, command any,
	found any, frames iter.Seq2[netgear.Array, any], registry *prometheus.Registry,
	use, show, drive func(...any),
) {
//line %s:%d
%s
}
`

var (
	// What a document leaves out: a line of its own, or the content of braces.
	omission = regexp.MustCompile(` *…`)
	// Complaints about a fragment that are none about a program: it has imports
	// and results that it does not use, and shows several calls after each other.
	harmless = regexp.MustCompile(`declared and not used|imported and not used|no new variables on left side|^#|^$`)
)

// TestDocuments compiles the Go code of the documents: whole programs as they
// are, fragments within a function.
func TestDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles with gocv")
	}
	dir := t.TempDir()
	fragments := []string{"build", "-tags", "matprofile", "-gcflags=-e", "-o", os.DevNull}
	programs := 0
	for _, document := range documents {
		file := filepath.Join("..", "..", filepath.FromSlash(document))
		blocks, err := Blocks(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if b.Language != "go" {
				continue
			}
			source := filepath.Join(dir, fmt.Sprintf("f%d.go", len(fragments)+programs))
			if b.IsProgram() {
				programs++
				write(t, source, fmt.Sprintf("//line %s:%d\n%s", document, b.Line, b.Text))
				compile(t, "vet", "-tags", "matprofile", source)
				continue
			}
			declarations := strings.Join(function.FindAllString(b.Text, -1), "\n")
			body := omission.ReplaceAllString(function.ReplaceAllString(b.Text, ""), "")
			// A fragment may end within a loop.
			body += strings.Repeat("}\n", max(0, strings.Count(body, "{")-strings.Count(body, "}")))
			write(t, source, fmt.Sprintf(declared, rename(declarations, len(fragments)), len(fragments), document, b.Line, body))
			fragments = append(fragments, source)
		}
	}
	if programs < 4 || len(fragments) < 20 {
		t.Fatalf("only %d programs and %d fragments", programs, len(fragments))
	}
	compile(t, fragments...)
}

// rename gives each function of a document a name of its own.
func rename(functions string, number int) string {
	for _, f := range function.FindAllStringSubmatch(functions, -1) {
		functions = regexp.MustCompile(`\b`+f[1]+`\(`).ReplaceAllString(functions, fmt.Sprintf("%s_%d(", f[1], number))
	}
	return functions
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compile runs a command of go in the repository's root.
func compile(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	wrong := 0
	for _, line := range strings.Split(string(out), "\n") {
		if !harmless.MatchString(line) {
			t.Error(line)
			wrong++
		}
	}
	if wrong == 0 && args[0] != "build" {
		t.Error(err)
	}
}

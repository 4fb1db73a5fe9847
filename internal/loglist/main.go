// Command loglist writes docs/logs.md: every message that the repository's
// packages log, with its level and its attributes, read from the source.
//
//	go run ./internal/loglist          writes the file
//	go run ./internal/loglist -check   compares, and exits with 1 if it differs
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const file = "docs/logs.md"

// folders have the packages that log, by the heading of their table.
var folders = []struct{ title, root string }{
	{"The library", "."},
	{"The SSH tunnel, sockets and other internal packages", "internal"},
	{"Package web", "web"},
	{"Package record", "record"},
	{"Package source", "source"},
	{"Package natsbridge", "natsbridge"},
	{"The program netgear", "cmd/netgear"},
}

const head = `# Log messages

Every line that these packages log through ` + "`log/slog`" + `, with its level and its attributes. No line is logged per frame, and repeated lines are limited, each message by itself: those of an event to about one a second, and those of what is tried again without end to one a minute, after a few at the beginning.
Where a line was suppressed, the next one has the attribute ` + "`suppressed`" + ` with the number. The library logs nothing without ` + "`Options.Logger`" + `.

A line of the library leaves out what it does not know. ` + "`peer`" + ` is the address of the other end, as in ` + "`Event.Peer`" + ` and ` + "`Frame.Peer`" + `; it is not known with ipc and with an SSH tunnel. ` + "`endpoint`" + ` is the address of this end; of a connection over IPv4 to an end that listens on every interface it is written as IPv6 (` + "`tcp://[::ffff:127.0.0.1]:5555`" + `). ` + "`port`" + ` is the sender's in multi-server mode, or the client's in multi-client mode. ` + "`first`" + ` and ` + "`last`" + ` are the numbers of the stamps (` + "`Options.Stamp`" + `), and ` + "`sender`" + ` is the one that a stamp names. ` + "`code`" + `, of a failed handshake, is what libzmq reports: the text of an errno, the status of the access list's reply (400: the key or the address was rejected), or one of the numbers ` + "`ZMQ_PROTOCOL_ERROR_…`" + ` that ` + "`zmq.h`" + ` explains (0x11000001: other keys; 0x11000002: a secure mode at one end only; most others: a peer that speaks another protocol).

"bidirectional mode is on at one end only" is logged on NetGear_Async's wire alone, whose header says which mode the sender is in. NetGear's and imagezmq's do not: [what Python then says](troubleshooting.md#python-ends-with-a-jsondecodeerror-at-its-first-frame).

This page is made from the source: ` + "`make logs`" + ` writes it, and a test compares it.
`

func main() {
	check := flag.Bool("check", false, "compare with the file instead of writing it")
	flag.Parse()
	text, err := list(".")
	if err == nil && !*check {
		err = os.WriteFile(file, text, 0o644) //nolint:gosec // a file of the repository
	} else if have, _ := os.ReadFile(file); err == nil && !bytes.Equal(have, text) {
		err = fmt.Errorf("%s differs from what the source logs; run make logs", file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loglist:", err)
		os.Exit(1)
	}
}

// line is one message.
type line struct{ level, message, attributes string }

// list returns the document for the repository at root.
func list(root string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(head)
	for _, folder := range folders {
		lines, err := read(filepath.Join(root, folder.root), folder.root == ".")
		if err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n## %s\n\n| level | message | attributes |\n|---|---|---|\n", folder.title)
		for _, l := range lines {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", l.level, l.message, l.attributes)
		}
	}
	return out.Bytes(), nil
}

// read returns the messages of the packages below dir, or of dir alone.
func read(dir string, alone bool) ([]line, error) {
	found := map[line]bool{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != dir && (alone || e.Name() == "loglist" || e.Name() == "loglimit" || e.Name() == "testdata") {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		return collect(parsed, path, found)
	})
	lines := make([]line, 0, len(found))
	for l := range found {
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int {
		if c := strings.Compare(a.message, b.message); c != 0 {
			return c
		}
		return strings.Compare(a.level+a.attributes, b.level+b.attributes)
	})
	return lines, err
}

// wrappers are functions that log a message of their caller's: the index of that
// argument, the level, and the attributes that they add.
var wrappers = map[string]struct {
	message    int
	level      string
	attributes string
}{
	"noteMalformed": {2, "warn", "`endpoint` `peer` `port` `err`"},
	"log":           {0, "warn", ""}, // of the resolver; the limiter's has a level
}

// collect adds the messages of a file. A message that is no literal must be one
// of a wrapper's.
func collect(parsed *ast.File, path string, found map[line]bool) error {
	var failed error
	for _, decl := range parsed.Decls {
		within := ""
		if f, ok := decl.(*ast.FuncDecl); ok {
			within = f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			l, logs := message(call)
			_, wrapper := wrappers[within]
			switch {
			case logs && l.message != "":
				found[l] = true
			case logs && !wrapper && within != "newResolver":
				failed = fmt.Errorf("%s: %s logs a message that is no literal; add it to wrappers", path, within)
			}
			return true
		})
	}
	return failed
}

// message returns the message of a call, if it logs one. It is empty if it is
// not a literal.
func message(call *ast.CallExpr) (l line, logs bool) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return line{}, false
	}
	if w, ok := wrappers[fun.Sel.Name]; ok && len(call.Args) > w.message {
		if text, ok := literal(call.Args[w.message]); ok {
			return line{w.level, text, strings.TrimSpace(w.attributes + " " + attributes(call.Args[w.message+1:]))}, true
		}
	}
	on, level, args := name(fun.X), "", call.Args
	switch fun.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		if !strings.HasSuffix(strings.ToLower(on), "log") && !strings.HasSuffix(strings.ToLower(on), "logger") {
			return line{}, false
		}
		level = fun.Sel.Name
	case "Log", "log": // Log(ctx, level, message, …), and a limiter's log(logger, level, message, …)
		if len(args) >= 3 {
			level, args = levelOf(args[1]), args[2:]
		} else {
			return line{}, false
		}
	default:
		return line{}, false
	}
	if len(args) == 0 {
		return line{}, false
	}
	text, ok := literal(args[0])
	if !ok {
		return line{}, true
	}
	return line{strings.ToLower(level), strings.ReplaceAll(text, "|", "\\|"), attributes(args[1:])}, true
}

// attributes returns the keys of a call's attributes, which may be in a call of
// loglimit.Known.
func attributes(args []ast.Expr) string {
	if len(args) == 1 {
		if call, ok := args[0].(*ast.CallExpr); ok && name(call.Fun) == "Known" {
			args = call.Args
		}
	}
	var keys []string
	for i := 0; i < len(args); i += 2 {
		if key, ok := literal(args[i]); ok {
			keys = append(keys, "`"+key+"`")
		}
	}
	return strings.Join(keys, " ")
}

// name returns the last name of an expression.
func name(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

// levelOf returns the level of an expression such as slog.LevelWarn.
func levelOf(x ast.Expr) string {
	if level, ok := strings.CutPrefix(name(x), "Level"); ok {
		return level
	}
	return "varies"
}

func literal(x ast.Expr) (string, bool) {
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

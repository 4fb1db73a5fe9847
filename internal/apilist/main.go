// Command apilist writes the exported API of the library's packages to files,
// so that a diff shows a change of it.
//
//	go run ./internal/apilist          writes api/gocv.txt and api/nogocv.txt
//	go run ./internal/apilist -check   compares, and exits with 1 if they differ
//
// Comments are left out. The files are for linux/amd64 on every system.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const module = "github.com/vidgear-go/netgear"

// builds maps each file to its build tags.
var builds = map[string][]string{"gocv": nil, "nogocv": {"nogocv"}}

func main() {
	check := flag.Bool("check", false, "compare with the files instead of writing them")
	flag.Parse()
	failed := false
	for name, tags := range builds {
		file := filepath.Join("api", name+".txt")
		text, err := list(".", tags)
		if err != nil {
			fmt.Fprintln(os.Stderr, "apilist:", err)
			os.Exit(1)
		}
		if !*check {
			err = os.WriteFile(file, text, 0o644) //nolint:gosec // a file of the repository
		} else if have, _ := os.ReadFile(file); !bytes.Equal(have, text) {
			err = fmt.Errorf("the exported API differs from %s:\n%s", file, difference(string(have), string(text)))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "apilist:", err)
			failed = true
		}
	}
	if failed {
		if *check {
			fmt.Fprintln(os.Stderr, "If that is meant, run make api, and name the change in CHANGELOG.md.")
		}
		os.Exit(1)
	}
}

// list returns the API of all packages below a folder that others can import.
func list(root string, tags []string) ([]byte, error) {
	var out bytes.Buffer
	err := filepath.WalkDir(root, func(dir string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if dir != root {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				return filepath.SkipDir // another module
			}
			if name := e.Name(); name == "internal" || name == "testdata" || strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
		}
		return writePackage(&out, dir, path.Join(module, filepath.ToSlash(dir)), tags)
	})
	return out.Bytes(), err
}

// writePackage writes what one folder's package exports, if it has one.
func writePackage(out *bytes.Buffer, dir, importPath string, tags []string) error {
	context := build.Default
	context.GOOS, context.GOARCH, context.CgoEnabled, context.BuildTags = "linux", "amd64", true, tags
	p, err := context.ImportDir(dir, 0)
	if _, none := err.(*build.NoGoError); none { //nolint:errorlint // ImportDir wraps nothing
		return nil
	}
	if err != nil || p.Name == "main" {
		return err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(fset, files, importPath)
	if err != nil {
		return err
	}
	var decls []string
	values := func(all []*doc.Value) {
		for _, v := range all {
			decls = append(decls, text(fset, v.Decl))
		}
	}
	funcs := func(all []*doc.Func) {
		for _, f := range all {
			decls = append(decls, text(fset, f.Decl))
		}
	}
	for _, v := range d.Vars {
		hideTexts(v.Decl)
	}
	values(d.Consts)
	values(d.Vars)
	funcs(d.Funcs)
	for _, t := range d.Types {
		decls = append(decls, text(fset, t.Decl))
		for _, v := range t.Vars {
			hideTexts(v.Decl)
		}
		values(t.Consts)
		values(t.Vars)
		funcs(t.Funcs)
		funcs(t.Methods)
	}
	if len(decls) > 0 {
		fmt.Fprintf(out, "package %s // import %q\n\n%s\n", p.Name, importPath, strings.Join(decls, "\n"))
	}
	return nil
}

// hideTexts replaces the texts in the values of variables: the wording of an
// error is not part of the API.
func hideTexts(decl ast.Decl) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			l.Value = `"..."`
		}
		return true
	})
}

// text returns a declaration as source, without blank lines.
func text(fset *token.FileSet, decl ast.Decl) string {
	var b bytes.Buffer
	if err := (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 4}).Fprint(&b, fset, decl); err != nil {
		return err.Error()
	}
	lines := strings.Split(b.String(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	// Alignment follows the longest name of a group; one space keeps a change
	// to its own line.
	for i, l := range lines {
		indent := l[:len(l)-len(strings.TrimLeft(l, " "))]
		lines[i] = indent + strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

// difference returns the lines that only one of two texts has.
func difference(have, want string) string {
	var out strings.Builder
	only := func(sign, a, b string) {
		lines := strings.Split(b, "\n")
		for l := range strings.SplitSeq(a, "\n") {
			if i := slices.Index(lines, l); i >= 0 {
				lines = slices.Delete(lines, i, i+1)
			} else {
				fmt.Fprintf(&out, "%s %s\n", sign, l)
			}
		}
	}
	only("-", have, want)
	only("+", want, have)
	if out.Len() == 0 {
		return "only the order of its lines"
	}
	return out.String()
}

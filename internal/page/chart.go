package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The plots are drawn by a program in a module of its own, bench/plot, so that
// the plotting library is not among this module's requirements. It draws these
// charts without interpreting them.

// Chart is one plot.
type Chart struct {
	Group             string `json:"-"` // of the report
	File, Title, X, Y string
	Bars              bool     // else lines
	Log               bool     // the Y axis
	Categories        []string `json:",omitempty"` // names for X 0, 1, 2, …
	Series            []Series
	Marks             string `json:",omitempty"` // the heading of Rows
	Rows              []Row  `json:",omitempty"` // marks below the lines
}

// Series is one line of a Chart, or its bars of one color.
type Series struct {
	Name string
	X, Y []float64
}

// Row is a row of marks below the lines of a Chart: each from one X to another.
type Row struct {
	Name     string
	From, To []float64
}

// Draw writes charts to a folder, as SVG.
func Draw(ctx context.Context, charts []Chart, folder string) error {
	if len(charts) == 0 {
		return nil
	}
	data, err := json.Marshal(charts)
	if err != nil {
		return err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("netgear-charts-%d.json", os.Getpid()))
	defer os.Remove(file)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	if _, err := os.Stat("bench/plot"); err != nil {
		return fmt.Errorf("the program that draws is bench/plot: run this in the root of the repository (%w)", err)
	}
	cmd := exec.CommandContext(ctx, "go", "-C", "bench/plot", "run", "-buildvcs=false", ".", file, folder)
	cmd.Env = append(os.Environ(), "GOWORK=off") // go.work leaves this module out
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(out))
	}
	return nil
}

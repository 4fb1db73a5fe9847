package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// results are those of one run.
type results struct {
	Machine  string
	Outcomes []outcome
}

func (r *results) describe() {}

func (r *results) read(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, r)
}

func (r *results) write(name string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

func (r *results) publish(_ context.Context, _ *flags) error {
	r.print(os.Stdout)
	return nil
}

func (r *results) print(w io.Writer) {
	for _, o := range r.Outcomes {
		fmt.Fprintf(w, "| %s | %s | %s | %.1f | %d | %d | %.0f %% | %v | %.0f %% | %d | %d | %.0f | %d | %s |\n", o.Scene, patternNames[o.Pattern], o.Contender, o.FPS,
			o.P50.Milliseconds(), o.P99.Milliseconds(), 100*o.Fresh, o.Recover, 100*o.Used, o.Sent, o.Lost, o.KB, o.Queue.Milliseconds(), o.Gone)
	}
}

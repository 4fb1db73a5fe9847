//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The processes that measure starts are this test.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "part-") {
		if err := run(context.Background(), os.Args[1:], nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every frame of two cases is received, and none is dropped.
func TestMeasure(t *testing.T) {
	cases := []testCase{
		{MaxPayload: 1, Through: core, Consumers: 2},
		{Raw: true, MaxPayload: 1, Through: "file", Consumers: 2, Work: true},
	}
	if testing.Short() {
		cases = cases[:1]
	}
	for _, c := range cases {
		var r results
		if err := c.measure(t.Context(), 1, &r); err != nil {
			t.Fatalf("%s: %v", c.name(), err)
		}
		if !strings.HasSuffix(r.String(), "| 0") || !(r.fps[0] > 0) || len(r.latency) < 3 {
			t.Errorf("%s: %v", c.name(), r)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-mb", "0"}, {"-only", "tape"}, {"now"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestCases(t *testing.T) {
	if got := len(allCases("")); got != 30 {
		t.Errorf("%d cases", got)
	}
	if got := len(allCases(core)); got != 6 {
		t.Errorf("%d cases of core NATS", got)
	}
	if n := len(photo()); n < 350000 || n > 370000 {
		t.Errorf("the JPEG has %d bytes", n)
	}
	if got := quantile([]float64{3, 1, 2}, 0.5); got != 2 {
		t.Errorf("median %v", got)
	}
}

package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A line of results.jsonl has what the run is repeated with, and one style of keys.
func TestResults(t *testing.T) {
	f, err := parse(strings.Fields("-seed 7 -for 1m -faults kill -pause 2s -secure ironhouse"))
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{kind: kind{Pattern: 1, Wire: netgearWire, Secure: 2, Sender: goPeer, Receiver: goPeer}, flags: f}
	text, err := json.Marshal(s.newOutcome())
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatal(err)
	}
	for key := range line {
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(key) {
			t.Errorf("the key %q", key)
		}
	}
	for key, want := range map[string]any{"pattern": "REQ/REP", "secure": "IronHouse", "wire": "netgear", "seed": 7.0} {
		if line[key] != want {
			t.Errorf("%s is %v, not %v", key, line[key], want)
		}
	}
	for _, key := range []string{"revision", "machine"} {
		if line[key] == "" || line[key] == nil {
			t.Errorf("there is no %s", key)
		}
	}
	flags, _ := line["flags"].(map[string]any)
	for key, want := range map[string]any{"seed": 7.0, "fps": 60.0, "pause": "2s", "lasts": "6s", "for": "1m0s", "size": 512.0, "hwm": 0.0} {
		if flags[key] != want {
			t.Errorf("-%s is %v, not %v", key, flags[key], want)
		}
	}
	if frames, ok := flags["frames"]; ok {
		t.Errorf("-frames %v has no effect beside -for", frames)
	}
}

// A line of faults.log has the seconds of the run. A fault is one line.
func TestFaultLog(t *testing.T) {
	var log strings.Builder
	s := &soak{kind: kind{Pattern: 1, Wire: netgearWire, Sender: goPeer, Receiver: goPeer}, log: &log, begun: time.Now().Add(-time.Minute)}
	s.logFault("%s", s.describe(fault{Kind: killFault, Receive: true, Back: true, Lasts: time.Second}))
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} +\d{2,}\.\d{3} s  kill, receive end, 1s, behind a relay\n$`).MatchString(log.String()) {
		t.Errorf("%q", log.String())
	}
	for want, f := range map[string]fault{
		"kill, receive end, 1s": {Kind: killFault, Receive: true, Lasts: time.Second},
		"kill, send end, 1s":    {Kind: killFault, Back: true, Lasts: time.Second}, // it does not listen
		"freeze, send end, 1s":  {Kind: freezeFault, Back: true, Lasts: time.Second},
	} {
		if got := s.describe(f); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

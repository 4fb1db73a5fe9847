package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/page"
	"github.com/vidgear-go/netgear/internal/peertest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(endEnv); text != "" {
		be := beEnd
		if strings.HasPrefix(os.Args[1], "faults/") {
			be = beLikePython
		}
		if err := be(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if peertest.IsMain() {
		main()
		os.Exit(0)
	}
	leaktest.VerifyTestMain(m)
}

// hangsEnv names a file that does not exist yet: the end of beLikePython that
// creates it hangs in its close.
const hangsEnv = "NETGEAR_SOAK_HANGS"

// beLikePython is a send end of this library that stands for one in Python: it
// prints the same lines.
func beLikePython(text string) error {
	commands, lines := os.Stdin, os.Stdout
	toEnd, fromEnd := io.Writer(nil), io.Reader(nil)
	var err1, err2 error
	os.Stdin, toEnd, err1 = os.Pipe()
	fromEnd, os.Stdout, err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	go func() {
		for all := bufio.NewScanner(commands); all.Scan(); {
			if all.Text() == closeCommand {
				if f, err := os.OpenFile(os.Getenv(hangsEnv), os.O_CREATE|os.O_EXCL, 0o644); err == nil {
					f.Close()
					continue
				}
			}
			fmt.Fprintln(toEnd, all.Text())
		}
		os.Exit(1) // as beEnd without stdin
	}()
	go func() {
		for all := json.NewDecoder(fromEnd); ; {
			var e event
			if all.Decode(&e) != nil {
				return
			}
			switch e.Event {
			case readyEvent, sentEvent:
				fmt.Fprintln(lines, e.Event)
			case lostEvent, retriedEvent:
				fmt.Fprintln(lines, lostEvent, e.Index, "no answer")
			case wrongEvent:
				fmt.Fprintln(lines, "wrong:", e.Text)
			}
		}
	}()
	return beEnd(text)
}

// short is how long the streams of the short form run.
func short() time.Duration {
	if testing.Short() {
		return 4 * time.Second
	}
	return 20 * time.Second
}

// soakAtOnce runs every stream that any of the arguments selects, all at once.
func soakAtOnce(t *testing.T, selections ...string) {
	t.Helper()
	type stream struct {
		*soak
		o   outcome
		err error
	}
	var all []*stream
	for _, text := range selections {
		// Other tests run beside these ones.
		args := append(strings.Fields(text), "-for", short().String(), "-every", "0.2", "-plots=false", "-stall", "1m", "-o", t.TempDir())
		f, err := parse(args)
		if err != nil {
			t.Fatal(err)
		}
		kinds, err := f.kinds()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range kinds {
			all = append(all, &stream{soak: &soak{kind: k, flags: f, folder: t.TempDir()}})
		}
	}
	var running sync.WaitGroup
	for _, s := range all {
		running.Go(func() { s.o, s.err = s.runFor(t.Context()) })
	}
	running.Wait()
	for _, s := range all {
		t.Run(fileName(s.kind), func(t *testing.T) {
			if s.err != nil {
				t.Fatal(s.err)
			}
			t.Logf("seed %d\n%s", s.o.Seed, table([]outcome{s.o}))
			for _, problem := range slices.Concat(s.o.Problems, s.o.Unreported) {
				t.Error(problem)
			}
			checkMarks(t, s.series.Charts("", ""), s.o.Kinds)
		})
	}
}

// checkMarks checks that each plot has a row of marks for each kind of fault that
// there was, with all of them.
func checkMarks(t *testing.T, charts []page.Chart, kinds map[string]int) {
	t.Helper()
	var want []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		want = append(want, fmt.Sprintf("%s (%d)", kind, kinds[kind]))
	}
	for _, c := range charts {
		var got []string
		for _, row := range c.Rows {
			got = append(got, row.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has the marks %q, not %q", c.File, got, want)
		}
	}
}

// The title of the plots has all that a run is repeated with.
func TestTitle(t *testing.T) {
	for want, k := range map[string]kind{
		"REQ/REP netgear, in the clear, seed 7":                         {Pattern: 1, Wire: netgearWire, Sender: goPeer, Receiver: goPeer},
		"PAIR async StoneHouse, seed 7":                                 {Wire: asyncWire, Secure: 1, Sender: goPeer, Receiver: goPeer},
		"PUB/SUB netgear IronHouse JPEG multiserver vidgear→go, seed 7": {Pattern: pubSub, Wire: netgearWire, Secure: 2, JPEG: true, Mode: multiserverMode, Sender: vidgearPeer, Receiver: goPeer},
	} {
		s := &soak{kind: k, flags: &flags{seed: 7}}
		if got := s.title(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// The story of VidGear issue #390: a stream in each pattern under many signals,
// garbage collections and receive time-outs. No error is returned, no frame is
// lost without a report, and the receive goroutine continues.
func TestStorm(t *testing.T) {
	soakAtOnce(t, "-pattern pair,reqrep,pubsub -storm")
}

// Streams to which every kind of fault happens, in an order that is another one
// each time. The log has its seed.
func TestFaults(t *testing.T) {
	soakAtOnce(t,
		"-pattern reqrep,pushpull -wire async -faults all",
		"-pattern pair -secure ironhouse -jpeg on -faults all",
		"-pattern reqrep -mode multiserver,multiclient -faults all -fps 300",
		"-pattern pair -mode bidirectional -faults all -fps 300",
	)
}

// A seed repeats the order of the faults.
func TestPlan(t *testing.T) {
	list := func(seed uint64, stream string) (all []fault) {
		for p := newPlan(seed, kind{Wire: stream}, faultNames()); len(all) < 1000; {
			all = append(all, p.next())
		}
		return all
	}
	one := list(1, "a")
	if !slices.Equal(one, list(1, "a")) {
		t.Error("the same seed has another order")
	}
	if slices.Equal(one, list(2, "a")) || slices.Equal(one, list(1, "b")) {
		t.Error("two seeds, or two streams, have the same order")
	}
	for _, kind := range faultNames() {
		if !slices.ContainsFunc(one, func(f fault) bool { return f.Kind == kind }) {
			t.Errorf("no %s in a thousand faults", kind)
		}
	}
	killed := map[bool]bool{}
	for _, f := range one {
		if f.Kind == killFault {
			killed[f.Receive] = true
		}
	}
	if len(killed) != 1 {
		t.Error("both ends are killed, so that no process lives through the run")
	}
}

// Where there are several ends, or several connections, each has faults.
func TestPlanOfSeveral(t *testing.T) {
	k := kind{Pattern: 1, Mode: multiclientMode}
	hit := map[string]bool{}
	for p, i := newPlan(1, k, faultNames()), 0; i < 1000; i++ {
		f := p.next()
		hit[fmt.Sprint(f.Kind, " ", k.name(k.end(f)))] = true
		hit[fmt.Sprint(f.Kind, " ", f.Place)] = true
	}
	for _, want := range []string{"freeze send end", "freeze receive end a", "freeze receive end b", "cut 0", "cut 1"} {
		if !hit[want] {
			t.Errorf("no %s in a thousand faults", want)
		}
	}
}

// Where a Python end hung is read from the stacks of its threads.
func TestWhere(t *testing.T) {
	for want, stacks := range map[string]string{
		"__recv_handler: send_string": `
Thread 0x1 (most recent call first):
  File "/w/faults/end.py", line 60 in listen
  File "/lib/threading.py", line 982 in run

Thread 0x2 (most recent call first):
  File "/lib/zmq/sugar/socket.py", line 713 in send
  File "/lib/zmq/sugar/socket.py", line 944 in send_string
  File "/lib/vidgear/gears/netgear.py", line 1158 in __recv_handler

Current thread 0x3 (most recent call first):
  File "/lib/vidgear/gears/netgear.py", line 1243 in recv
  File "/w/faults/peer.py", line 43 in receive_all
`,
		"": `
Current thread 0x3 (most recent call first):
  File "/lib/asyncio/base_events.py", line 640 in run_until_complete
  File "/w/faults/async_peer.py", line 43 in send_all
`,
	} {
		p := &process{stderr: filepath.Join(t.TempDir(), "stderr")}
		if err := os.WriteFile(p.stderr, []byte("before\nFatal Python error: Aborted\n"+stacks), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := p.where(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	count := func(args ...string) int {
		f, err := parse(args)
		if err != nil {
			t.Fatal(err)
		}
		kinds, err := f.kinds()
		if err != nil {
			return 0
		}
		return len(kinds)
	}
	for _, c := range []struct {
		args string
		want int
	}{
		{"", 1},
		{"-pattern lockstep -wire all", 5},
		{"-pattern all -wire all", 9},
		{"-pattern pushpull", 0},
		{"-pattern pair -wire imagezmq", 0},
		{"-wire async -jpeg on", 0},
		{"-pattern all -wire all -secure all -jpeg all", 42},
		{"-peer vidgear -secure ironhouse -pattern pubsub", 1},
		{"-mode all -pattern all", 9},
		{"-mode all -pattern all -wire async", 6},
		{"-mode multiclient -pattern pair", 0},
		{"-mode bidirectional -wire imagezmq", 0},
		{"-mode all -pattern pubsub -peer vidgear", 6},
		{"-peer vidgear -wire imagezmq", 0},
		{"-peer vidgear -wire async -pattern all -secure all", 8},
		{"-peer imagezmq -wire imagezmq -pattern all -jpeg all", 8},
	} {
		if got := count(strings.Fields(c.args)...); got != c.want {
			t.Errorf("%q: %d streams, not %d", c.args, got, c.want)
		}
	}
	for _, args := range []string{"-pattern none", "-wire tcp", "-secure on", "-peer c", "-jpeg 1", "-mode both"} {
		f, err := parse(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.kinds(); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
	for _, args := range []string{"-faults rain", "-size 100", "-size 0"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}

// A Python send end that hangs in its close is started again, and that is counted.
func TestHangsInClose(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETGEAR_INTEROP_PYTHON", self)
	t.Setenv(hangsEnv, filepath.Join(t.TempDir(), "hangs"))
	f, err := parse(strings.Fields("-faults gc -pause 100ms -lasts 10ms -for 1s -every 0.1 -stall 5s -plots=false"))
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{kind: kind{Wire: netgearWire, Sender: vidgearPeer, Receiver: goPeer}, flags: f, folder: t.TempDir()}
	o, err := s.runFor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range slices.Concat(o.Problems, o.Unreported) {
		t.Error(problem)
	}
	hung := slices.ContainsFunc(slices.Collect(maps.Keys(o.Revived)), func(why string) bool { return strings.HasPrefix(why, "hung in its close after ") })
	if !hung {
		t.Errorf("Python was started again: %v", o.Revived)
	}
	row := fmt.Sprintf("Python started again (%d)", o.revivals())
	for _, c := range s.series.Charts("", "") {
		if !slices.ContainsFunc(c.Rows, func(r page.Row) bool { return r.Name == row }) {
			t.Errorf("%s has no marks %q: %v", c.File, row, c.Rows)
		}
	}
}

// The table has how each run ended. One that was interrupted has not passed.
func TestTable(t *testing.T) {
	for want, o := range map[string]outcome{
		"| passed |":                             {},
		": growth not judged: why\n":             {Unjudged: "growth not judged: why"},
		": no plots: why\n":                      {NoPlots: "why"},
		"| interrupted, no problem until then |": {Stopped: true},
		"| FAILED: 1 problems |":                 {Problems: []string{"a problem"}},
		"| FAILED: 2 problems, interrupted |":    {Stopped: true, Problems: []string{"a problem"}, balance: balance{Unreported: []string{"a frame"}}},
	} {
		if text := table([]outcome{o}); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// The tables have the width of a terminal, and no column of zeros.
func TestTableWidth(t *testing.T) {
	name := kind{Pattern: pubSub, Wire: asyncWire, Secure: 2, Sender: goPeer, Receiver: vidgearPeer}.String()
	all := []outcome{
		{Name: name, Seconds: 36000, Faults: 4321, Longest: 123.45, balance: balance{Sent: 123456789, Received: 123456789, Lost: 54321, Uncounted: 54321, Twice: 54321, Late: 54321, InTransit: 54321}},
		{Name: "PAIR netgear", Stopped: true},
	}
	text := table(all)
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("wider than 100 columns: %s", line)
		}
	}
	if heads := regexp.MustCompile(`(?m)^\| run .*$`).FindAllString(text, -1); len(heads) != 2 || strings.Count(strings.Join(heads, ""), "|") != 6+10 {
		t.Errorf("%q\n%s", heads, text)
	}
	text = table(all[1:])
	if heads := regexp.MustCompile(`(?m)^\| run .*$`).FindAllString(text, -1); len(heads) != 2 || strings.Count(strings.Join(heads, ""), "|") != 5+4 {
		t.Errorf("%q\n%s", heads, text)
	}
}

// What is missing for an end in Python is named before anything runs.
func TestCheckPython(t *testing.T) {
	kinds := []kind{{Wire: netgearWire, Sender: goPeer, Receiver: vidgearPeer}}
	t.Setenv("NETGEAR_INTEROP_PYTHON", "/nowhere/python")
	t.Chdir("..")
	err := checkPython(kinds)
	for _, want := range []string{"make setup", "NETGEAR_INTEROP_PYTHON", "/nowhere/python"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q: %v", want, err)
		}
	}
	if err := checkPython([]kind{{Sender: goPeer, Receiver: goPeer}}); err != nil {
		t.Errorf("both ends are in Go: %v", err)
	}
	t.Chdir(t.TempDir())
	if err := checkPython(kinds); err == nil || !strings.Contains(err.Error(), "root of the repository") {
		t.Errorf("in another folder: %v", err)
	}
}

// The end of the terminal ends a run as an interrupt does.
func TestHangUp(t *testing.T) {
	t.Parallel()
	peertest.HangUp(t, peertest.AsMain("-for", "1h", "-plots=false", "-o", t.TempDir()), func(output string) bool { return strings.Contains(output, "seed ") })
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/record"
)

// The numbers that are missing are found: also where frames are late, come
// twice, and where the sender starts again.
func TestNumbers(t *testing.T) {
	start := time.Now()
	stamps := func(n *numbers, second int, seqs ...uint64) {
		for _, seq := range seqs {
			at := start.Add(time.Duration(second)*time.Second + time.Duration(seq)*time.Millisecond)
			n.add(&netgear.Stamp{Seq: seq, Time: at})
		}
	}
	var n numbers
	check := func(want string) {
		t.Helper()
		if got := n.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	stamps(&n, 0, 7)
	check("1 frame, number 7; no number is missing between first and last")
	stamps(&n, 0, 8, 9)
	check("3 frames, numbers 7 to 9; no number is missing between first and last")
	stamps(&n, 0, 11)
	check("4 frames, numbers 7 to 11; 1 number is missing: 10")
	stamps(&n, 0, 12, 20, 21)
	check("7 frames, numbers 7 to 21; 8 numbers are missing: 10, 13-19")
	stamps(&n, 0, 15, 10, 21)
	check("10 frames, numbers 7 to 21; 6 numbers are missing: 13-14, 16-19")
	// Several files: a gap is in one, or before it.
	n = numbers{}
	n.begin(1, "a.mkv")
	stamps(&n, 0, 7, 9, 11)
	n.begin(2, "b.mkv")
	stamps(&n, 0, 15, 16, 18)
	check("6 frames, numbers 7 to 18; 6 numbers are missing: 8, 10 in a.mkv, 12-14 before b.mkv, 17 in b.mkv")
	stamps(&n, 0, 13)
	check("7 frames, numbers 7 to 18; 5 numbers are missing: 8, 10 in a.mkv, 12, 14 before b.mkv, 17 in b.mkv")
	n.begin(3, "c.mkv") // has no frame
	n.begin(4, "d.mkv")
	stamps(&n, 60, 3, 4, 6)
	check("10 frames; the sender started again: 1 time; 6 numbers are missing: 8, 10 in a.mkv, 12, 14 before b.mkv, 17 in b.mkv, 5 in d.mkv")
	// Senders that stamps name are followed each by itself, from file to file. A
	// smaller number is a late one, whatever its time.
	of := func(sender uint64, second int, seqs ...uint64) {
		for _, seq := range seqs {
			n.add(&netgear.Stamp{Seq: seq, Time: start.Add(time.Duration(second) * time.Second), Sender: sender})
		}
	}
	n = numbers{}
	of(8, 0, 1, 2)
	of(9, 0, 500, 502)
	of(8, 1, 3, 6)
	of(9, 1, 503)
	check("7 frames of 2 senders; 3 numbers are missing: 501 of 9, 4-5 of 8")
	of(8, 2, 5, 9)
	check("9 frames of 2 senders; 4 numbers are missing: 501 of 9, 4, 7-8 of 8")
	of(9, 2, 501)
	check("10 frames of 2 senders; 3 numbers are missing: 4, 7-8 of 8")
	of(0, 2, 3, 5)
	check("12 frames of 3 senders; 4 numbers are missing: 4, 7-8 of 8, 4 of the one without a name")
	n = numbers{}
	n.begin(1, "a.mkv")
	of(8, 0, 1, 3)
	of(9, 0, 7)
	n.begin(2, "b.mkv")
	of(8, 0, 5)
	of(9, 0, 10)
	check("5 frames of 2 senders; 4 numbers are missing: 2 of 8 in a.mkv, 4 of 8, 8-9 of 9 before b.mkv")
	n = numbers{}
	of(9, 3, 504, 506)
	check("2 frames, numbers 504 to 506; 1 number is missing: 505")
	for sender := uint64(10); sender < 1000; sender++ {
		of(sender, 4, 7, 8)
	}
	if n.origins.Len() > maxOrigins || n.senders != 991 || n.missing != 1 {
		t.Errorf("%d are known; %v", n.origins.Len(), &n)
	}
	n = numbers{}
	n.add(nil)
	check("1 frame without numbers")
	n = numbers{}
	for seq := uint64(1); seq < 5000; seq += 2 {
		stamps(&n, 0, seq)
	}
	if got := n.String(); !strings.HasPrefix(got, "2500 frames, numbers 1 to 4999; 2499 numbers are missing: 2, 4,") || !strings.HasSuffix(got, ", 40 and in 2479 more gaps") {
		t.Error(got)
	}
	stamps(&n, 1, ^uint64(0)) // a hostile one
	stamps(&n, 2, 1)
	stamps(&n, 3, ^uint64(0))
	if got := n.String(); !strings.Contains(got, " 18446744073709551615 numbers are missing") {
		t.Error(got)
	}
}

// The gaps that are kept are bounded: also where late frames split one, and
// late frames are found in the last gaps. Of those before, the number of missing
// frames is then printed as a bound.
func TestNumbersBounded(t *testing.T) {
	at := time.Now()
	var n numbers
	add := func(seq uint64) { n.add(&netgear.Stamp{Seq: seq, Time: at}) }
	add(1)
	add(1 << 63)
	for seq := uint64(4); seq < 10*maxGaps; seq += 2 { // late ones
		add(seq)
		if len(n.gaps) > maxGaps {
			t.Fatalf("%d gaps at number %d", len(n.gaps), seq)
		}
	}
	if got := n.String(); n.frames != 5000 || !strings.HasPrefix(got, "5000 frames, numbers 1 to 9223372036854775808; 9223372036854770808 numbers are missing: 2-3, 5, 7,") ||
		!strings.HasSuffix(got, ", 41 and in 4979 more gaps") {
		t.Error(got)
	}

	n = numbers{}
	for seq := uint64(1); seq < 5000; seq += 2 {
		add(seq)
	}
	add(4998) // of the last gap
	if got := n.String(); !strings.HasPrefix(got, "2501 frames, numbers 1 to 4999; 2498 numbers are missing: ") {
		t.Error(got)
	}
	add(1000) // of one that is not kept
	if got := n.String(); !strings.HasPrefix(got, "2502 frames, numbers 1 to 4999; at most 2498 numbers are missing: ") {
		t.Error(got)
	}
}

// play --numbers shows the numbers that are missing in a recording, and receive
// --json the numbers as they come.
func TestNumbersOfRecording(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mkv")
	rec := start(t, "record", "--out", file, "--address", "127.0.0.1", "--port", "0", "--pattern", "1", "--terminate", "stop")
	sendNumbers(t, rec.port(), 1, 2, 7, 9)
	rec.succeed()
	if status, stdout, _ := run(t, "play", file, "--info"); status != 0 || strings.Contains(stdout, "frames") || strings.Contains(stdout, "\ncut: ") {
		t.Errorf("--info: status %d\n%s", status, stdout) // it reads the beginning alone
	}
	status, stdout, stderr := run(t, "play", file, "--numbers")
	if status != 0 || !strings.Contains(stdout, `:0"  4 frames, numbers 1 to 9; 5 numbers are missing: 3-6, 8`+"\n") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	status, stdout, stderr = run(t, "play", file, filepath.Join("..", "..", "source", "testdata", "three.avi"), "--numbers")
	if want := regexp.MustCompile(`(?s)^\S+a\.mkv\n.*three\.avi\n[^:]*\nall files\n".*:0"  4 frames, numbers 1 to 9; 5 numbers are missing: 3-6, 8 in a\.mkv\n".*"  3 frames without numbers\n$`); status != 0 || !want.MatchString(stdout) {
		t.Errorf("status %d, no %q\n%s%s", status, want, stdout, stderr)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, int64(len(whole)-1)); err != nil { // the last byte of the index
		t.Fatal(err)
	}
	if status, stdout, _ := run(t, "play", file, "--info"); status != 0 || strings.Count(stdout, "\ncut: the end is missing") != 1 {
		t.Errorf("--info: status %d\n%s", status, stdout)
	}
	// A recording that is cut is one for play, too: its damage goes to stderr, once
	// for each file, and what could be read is printed.
	cut := regexp.MustCompile(`(?m)^netgear play: (record: )?the recording is truncated.* \(\S+a\.mkv\)\n(record: the recording is truncated.* \(\S+a\.mkv\)\n)?$`)
	for _, files := range [][]string{{file}, {file, file}} {
		status, stdout, stderr = run(t, append([]string{"play", "--numbers"}, files...)...)
		if want := fmt.Sprintf(`:0"  %d frames, numbers 1 to 9;`, 4*len(files)); status != 1 || !strings.Contains(stdout, want) || strings.Contains(stdout, "truncated") ||
			!cut.MatchString(stderr) || strings.Count(stderr, "truncated") != len(files) {
			t.Errorf("status %d, no %q\n%s%s", status, want, stdout, stderr)
		}
	}
	status, stdout, stderr = run(t, "play", file, filepath.Join("..", "..", "source", "testdata", "three.avi"), "--numbers", "--json")
	want := []string{
		`^{"file":"\S+a\.mkv","from":"\d{4}-\d\d-\d\dT[\d:.]+Z","seconds":\d[\d.e-]*,"cut":true,"tracks":\[{"name":"127\.0\.0\.1:0","codec":"V_MJPEG","width":\d+,"height":\d+}\]}$`,
		`^{"file":"\S+three\.avi","tracks":\[{"name":"track 1","codec":"MJPG",.*\]}$`,
		`^{"name":"127\.0\.0\.1:0","frames":4,"senders":1,"starts":0,"first":1,"last":9,"missing":5,"gaps":\[{"first":3,"last":6,"sender":\d+,"where":"in a\.mkv"},{"first":8,"last":8,"sender":\d+,"where":"in a\.mkv"}\],"more_gaps":0}$`,
		`^{"name":"track 1","frames":3,"senders":0,"starts":0,"missing":0,"gaps":\[\],"more_gaps":0}$`,
	}
	if got := lines(stdout); status != 1 || len(got) != len(want) || !cut.MatchString(stderr) {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	} else {
		for i, line := range got {
			if !regexp.MustCompile(want[i]).MatchString(line) {
				t.Errorf("%s\nis not %s", line, want[i])
			}
		}
	}
	recv := start(t, "receive", "--json", "--stamp", "on", "--address", "127.0.0.1", "--port", "0", "--pattern", "1", "--terminate", "keep")
	sendNumbers(t, recv.port(), 3, 7)
	recv.await(&recv.stdout, `"index": 1`)
	recv.signal(syscall.SIGTERM)
	recv.succeed()
	if got := fields(t, recv.stdout.String(), "seq"); len(got) != 2 || got[0] != "3" || got[1] != "7" {
		t.Errorf("numbers %q\n%s", got, &recv.stdout)
	}
	if got := fields(t, recv.stdout.String(), "sender"); len(got) != 2 || got[0] != got[1] || len(got[0]) < 5 {
		t.Errorf("senders %q\n%s", got, &recv.stdout)
	}
	if !regexp.MustCompile(`"time": "\d{4}-\d\d-\d\dT[\d:.]+Z"`).MatchString(recv.stdout.String()) {
		t.Errorf("no times\n%s", &recv.stdout)
	}
}

// endingContext has ended after so many calls of Err.
type endingContext struct {
	context.Context
	left int
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// A signal ends the reading of a long file: what has been read is printed.
func TestNumbersInterrupted(t *testing.T) {
	player, err := record.Open(filepath.Join("..", "..", "source", "testdata", "three.avi"))
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	var out strings.Builder
	play := playCommand{numbers: true}
	err = play.describe(&endingContext{t.Context(), 2}, &out, []string{"three.avi"}, []*record.Player{player})
	if !errors.Is(err, context.Canceled) || !regexp.MustCompile(`(?s)interrupted; not read after [1-9]\d*ms\n".*"  2 frames without numbers\n$`).MatchString(out.String()) {
		t.Errorf("%v\n%s", err, &out)
	}
}

package record

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// recordings returns the files in a folder that have the name of a recording.
func recordings(t *testing.T, dir, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, name+"-*.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	return files // sorted
}

// A file ends at its size or its time. The frames of all files together are
// those that were recorded.
func TestRotate(t *testing.T) {
	for name, o := range map[string]Options{
		"size": {MaxFileBytes: minFileBytes},
		"time": {MaxFileDuration: 2 * time.Second},
	} {
		o.Dir, o.QueueFrames, o.QueueBytes = filepath.Join(t.TempDir(), "new", "folder"), 1000, 1<<30
		r := create(t, o)
		var all []given
		for i := range 150 {
			all = append(all, given{name: "cam", array: netgear.Array{DType: "uint8", Shape: []int{50, 100}, Data: elements(i, 5000)}, at: at(i), message: i})
			if err := all[i].write(t, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		files := recordings(t, o.Dir, defaultName)
		if len(files) != 3 && name == "time" || len(files) < 3 || uint64(len(files)) != r.Stats().Files {
			t.Errorf("%s: %d files, %+v", name, len(files), r.Stats())
		}
		n := 0
		for _, file := range files {
			p := open(t, file)
			frames, err := readAll(t, p)
			if err != nil || len(frames) == 0 || frames[0].At != 0 || !p.Start().Equal(at(n)) {
				t.Fatalf("%s: %s: %d frames, %v", name, file, len(frames), err)
			}
			for _, f := range frames {
				if !bytes.Equal(f.Array.Data, all[n].array.Data) || f.Message.Value() != int64(n) {
					t.Fatalf("%s: %s: not frame %d", name, file, n)
				}
				n++
			}
			if i, err := os.Stat(file); err != nil || o.MaxFileBytes > 0 && i.Size() > o.MaxFileBytes {
				t.Errorf("%s: %s has %d bytes, %v", name, file, i.Size(), err)
			}
		}
		if n != len(all) {
			t.Errorf("%s: %d frames", name, n)
		}
	}
}

// The budget holds at every moment, also for the files of an earlier Recorder.
// Only the oldest of its own files go.
func TestDiskBudget(t *testing.T) {
	dir := t.TempDir()
	foreign := map[string]string{
		"netgear-20200101T000000.000Z-0001.mkv": "a name like a recording's",
		"netgear-20200101T000000.000Z-0002.avi": "\x1A\x45\xDF\xA3" + writingApp,
		"film.mkv":                              "\x1A\x45\xDF\xA3" + writingApp,
		"netgear-20200101T000000.000Z-1.mkv":    "\x1A\x45\xDF\xA3" + writingApp,
		"other-20200101T000000.000Z-0001.mkv":   "\x1A\x45\xDF\xA3" + writingApp,
	}
	for name, text := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside.mkv")
	if err := os.WriteFile(outside, []byte("\x1A\x45\xDF\xA3"+writingApp), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "netgear-20200101T000000.000Z-0003.mkv")); err != nil {
		t.Fatal(err)
	}
	const budget = 4 * minFileBytes
	write := func(from int) (files []string) {
		r := create(t, Options{Dir: dir, DiskBudget: budget, QueueFrames: 1000, QueueBytes: 1 << 30})
		for i := range 200 {
			g := given{name: "cam", array: netgear.Array{DType: "uint8", Shape: []int{100, 100}, Data: elements(i, 10_000)}, at: at(from + i)}
			if err := g.write(t, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if s := r.Stats(); s.Frames != 200 || s.Deleted < 3 || s.Failed > 0 {
			t.Errorf("%+v", s)
		}
		for _, file := range recordings(t, dir, "netgear") {
			if !strings.Contains(file, "2020") {
				files = append(files, file)
			}
		}
		return files
	}
	first := write(0)
	second := write(1000)
	if !slices.IsSorted(second) || slices.Contains(second, first[0]) {
		t.Errorf("the oldest file %s is left, of %s", first[0], second)
	}
	var total int64
	for _, file := range second {
		i, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += i.Size()
	}
	if total > budget || total < budget/2 {
		t.Errorf("%d bytes, the budget is %d", total, budget)
	}
	for name, text := range foreign {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "netgear-20200101T000000.000Z-0003.mkv")); err != nil {
		t.Error(err)
	}
}

// A file that another Recorder writes is not deleted.
func TestBudgetOfTwo(t *testing.T) {
	dir := t.TempDir()
	busy := create(t, Options{Dir: dir})
	g := given{array: netgear.Array{DType: "uint8", Shape: []int{100, 100}, Data: elements(1, 10_000)}, at: at(0)}
	if err := g.write(t, busy); err != nil {
		t.Fatal(err)
	}
	peertest.Await(t, waitLimit, "a frame", func() bool { return busy.Stats().Frames > 0 })
	file := busy.Stats().File
	var log bytes.Buffer
	r := create(t, Options{Dir: dir, DiskBudget: 4 * minFileBytes, QueueFrames: 1000, QueueBytes: 1 << 30, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 200 {
		g.at = at(100 + i)
		if err := g.write(t, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil || r.Stats().Deleted == 0 {
		t.Errorf("%v, %+v", err, r.Stats())
	}
	if n := strings.Count(log.String(), "cannot be deleted"); n != 1 {
		t.Errorf("%d warnings about one file", n)
	}
}

package record

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"

	"github.com/vidgear-go/netgear"
)

// packed returns a message as it arrives on NetGear_Async's wire. It has no
// JSON form.
func packed(t testing.TB) netgear.Message {
	t.Helper()
	m, err := netgear.MessageFromMsgpack([]byte{0x81, 0xA1, 'x', 0xC7, 0x01, 0x05, 0x09}) // {"x": ExtType(5, b"\t")}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Everything that a frame can contain is played as it was recorded.
func TestRoundTrip(t *testing.T) {
	nan, err := netgear.MessageFromJSON([]byte(`{"v": [NaN, 123456789012345678901234567890], "html": "<b>&amp;</b>", "é": null}`))
	if err != nil {
		t.Fatal(err)
	}
	stamp := &netgear.Stamp{Seq: 1<<63 + 5, Time: at(3).Add(-20*time.Millisecond + 1234*time.Nanosecond), Sender: 1<<53 - 1}
	array := func(dtype string, size int, shape ...int) netgear.Array {
		n := size
		for _, d := range shape {
			n *= d
		}
		return netgear.Array{DType: dtype, Shape: shape, Data: elements(len(shape), n)}
	}
	all := []given{
		{name: "a", jpeg: picture(1, 64, 48), at: at(0)},
		{name: "a", jpeg: picture(2, 64, 48), message: "text", at: at(1)},
		{name: "a", jpeg: picture(3, 64, 48), message: nan, at: at(2), port: "5566"},
		{name: "a", jpeg: picture(4, 64, 48), stamp: stamp, at: at(3), port: "a"},
		{name: "a", jpeg: picture(5, 64, 48), message: packed(t), at: at(4)},
		{name: "b", array: array("uint8", 1, 6, 8), at: at(5)},
		{name: "b", array: array("uint8", 1, 6, 8, 1), at: at(6)},
		{name: "c", array: array("uint8", 1, 6, 8, 3), message: 5, at: at(7)},
		{name: "c", array: array("uint8", 1, 6, 8, 4), at: at(8)},
		{name: "d", array: array("uint16", 2, 6, 8), at: at(9)},
		{name: "d", array: array("float32", 4, 7), message: []any{1}, at: at(10)},
		{name: "d", array: array("complex64", 8, 2, 1, 3, 1, 2), at: at(11)},
		{port: "5577", jpeg: picture(6, 16, 16), at: at(12)},
		{name: "\x00\xff", jpeg: picture(7, 16, 16), at: at(13)},
	}
	names := []string{"a", "a", "a", "a", "a", "b", "b", "c", "c", "d", "d", "d", "5577", "camera"}
	path := recorded(t, all...)
	p := open(t, path)
	frames, err := readAll(t, p)
	if err != nil || len(frames) != len(all) {
		t.Fatalf("%d frames of %d, %v", len(frames), len(all), err)
	}
	for i, f := range frames {
		g := all[i]
		if f.Track != names[i] || f.Port != g.port {
			t.Errorf("%d: track %q, port %q", i, f.Track, f.Port)
		}
		if !bytes.Equal(f.JPEG, g.jpeg) || !reflect.DeepEqual(f.Array, g.array) {
			t.Errorf("%d: %d bytes of JPEG, %v %v", i, len(f.JPEG), f.Array.DType, f.Array.Shape)
		}
		given := g.frame(t)
		if fmt.Sprint(f.Message.Value()) != fmt.Sprint(given.Message.Value()) || !bytes.Equal(f.Message.Msgpack(), given.Message.Msgpack()) {
			t.Errorf("%d: the message is %v, not %v", i, f.Message, given.Message)
		}
		given.Close()
		want := g.at
		if g.stamp != nil {
			want = g.stamp.Time
			if f.Stamp == nil || f.Stamp.Seq != g.stamp.Seq || f.Stamp.Sender != g.stamp.Sender || !f.Stamp.Time.Equal(g.stamp.Time) || !f.Received.Equal(g.at) {
				t.Errorf("%d: the stamp is %v, received %v", i, f.Stamp, f.Received)
			}
		}
		if d := f.Time.Sub(want).Abs(); d > time.Millisecond {
			t.Errorf("%d: the time is %v, not %v", i, f.Time, want)
		}
		if i == 2 && f.Colorspace != "BGR" {
			t.Errorf("the colorspace is %q", f.Colorspace)
		}
	}
	if p.Start() != all[0].at || p.Duration() < 13*time.Second/30 || p.Duration() > time.Second {
		t.Errorf("start %v, duration %v", p.Start(), p.Duration())
	}
	checkFormat(t, path)
}

// checkFormat reads a file with ebml-go, as strictly as it can.
func checkFormat(t *testing.T, path string) {
	t.Helper()
	var file struct {
		Header  map[string]any `ebml:"EBML"`
		Segment struct {
			SeekHead map[string]any
			Info     struct {
				Duration   float64
				WritingApp string
			}
			Tracks struct {
				TrackEntry []struct {
					TrackNumber, TrackUID uint64
					CodecID               string
				}
			}
			Cluster []struct {
				Timecode    uint64
				SimpleBlock []ebml.Block
			}
			Cues struct {
				CuePoint []struct{ CueTime uint64 }
			}
		} `ebml:"Segment"`
	}
	if err := ebml.Unmarshal(bytes.NewReader(load(t, path)), &file); err != nil {
		t.Fatal(err)
	}
	s := &file.Segment
	uids := map[uint64]bool{}
	for i, e := range s.Tracks.TrackEntry {
		uids[e.TrackUID] = true
		if e.TrackNumber != uint64(i+1) {
			t.Errorf("track %d has the number %d", i, e.TrackNumber)
		}
	}
	if s.Info.WritingApp != writingApp || s.Info.Duration <= 0 || len(uids) != len(s.Tracks.TrackEntry) || len(s.Cluster) == 0 || len(s.Cues.CuePoint) == 0 {
		t.Errorf("%d clusters, %d cues, %d UIDs of %d tracks, %+v", len(s.Cluster), len(s.Cues.CuePoint), len(uids), len(s.Tracks.TrackEntry), s.Info)
	}
}

// A sender whose pictures change gets some tracks; then they go among the
// arrays. No frame is lost, and the first track shows the first form.
func TestChangingForms(t *testing.T) {
	var all []given
	for i := range 16 {
		g := given{name: "cam", jpeg: picture(i, 16+8*(i%6), 16), at: at(i)}
		if i%6 == 5 {
			g.jpeg, g.array = nil, netgear.Array{DType: "uint8", Shape: []int{4 + i, 4}, Data: elements(i, 4*(4+i))}
		}
		all = append(all, g)
	}
	p := open(t, recorded(t, all...))
	frames, err := readAll(t, p)
	if err != nil || len(frames) != len(all) {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i, f := range frames {
		if f.Track != "cam" || !bytes.Equal(f.JPEG, all[i].jpeg) || !reflect.DeepEqual(f.Array, all[i].array) {
			t.Errorf("%d: %d bytes, %v", i, len(f.JPEG), f.Array)
		}
	}
	if tracks := p.Tracks(); len(tracks) != maxVideoTracks+1 || tracks[0].Width != 16 || tracks[maxVideoTracks].Codec != codecIDArray {
		t.Errorf("%+v", tracks)
	}
}

// Senders with one name are distinguished by their addresses. One that returns
// from another port continues its track.
func TestSendersWithOneName(t *testing.T) {
	var all []given
	for i := range 10 {
		all = append(all, given{name: "cam", peer: []string{"", "10.0.0.1:1", "10.0.0.2:1"}[min(i, 1+i%2)], jpeg: picture(i, 16, 16), at: at(i)})
	}
	all = append(all, given{name: "cam", peer: "10.0.0.1:2", jpeg: picture(11, 16, 16), at: at(10 + 90)})
	frames, err := readAll(t, open(t, recorded(t, all...)))
	if err != nil || len(frames) != len(all) {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i, f := range frames {
		want := "cam"
		if i > 1 && i < 10 && i%2 == 1 {
			want = "cam (2)"
		}
		if f.Track != want {
			t.Errorf("%d: track %q, not %q", i, f.Track, want)
		}
	}
}

// A sender's clock may be wrong: only the distances between its stamps count.
func TestStamps(t *testing.T) {
	capture := func(clock time.Duration, arrival bool) []time.Duration {
		path := filepath.Join(t.TempDir(), "test.mkv")
		r := create(t, Options{Path: path, ArrivalTime: arrival})
		for i := range 4 {
			late := time.Duration(10+5*(i%2)) * time.Millisecond
			g := given{jpeg: picture(i, 16, 16), at: at(3 * i), stamp: &netgear.Stamp{Seq: uint64(i), Time: at(3 * i).Add(clock).Add(clock / 2).Add(-late)}}
			if err := g.write(t, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		frames, err := readAll(t, open(t, path))
		if err != nil {
			t.Fatal(err)
		}
		var times []time.Duration
		for _, f := range frames {
			times = append(times, f.Time.Sub(epoch))
		}
		return times
	}
	ms := time.Millisecond
	for name, test := range map[string]struct {
		clock   time.Duration
		arrival bool
		want    []time.Duration
	}{
		"capture":            {0, false, []time.Duration{-10 * ms, 85 * ms, 190 * ms, 285 * ms}},
		"arrival":            {0, true, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms}},
		"a clock hours fast": {5 * time.Hour, false, []time.Duration{0, 95 * ms, 200 * ms, 295 * ms}},
		"a clock years slow": {-9000 * time.Hour, false, []time.Duration{0, 95 * ms, 200 * ms, 295 * ms}},
		"centuries fast":     {math.MaxInt64, false, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms}},
		"centuries slow":     {math.MinInt64, false, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms}},
	} {
		if got := capture(test.clock, test.arrival); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, not %v", name, got, test.want)
		}
	}
}

// Frames that arrive at one moment, and before the first one, keep their order
// and their pictures.
func TestEqualTimes(t *testing.T) {
	all := jpegs(50)
	for i := range all {
		all[i].at = epoch.Add(-time.Duration(i) * time.Microsecond)
		all[i].message = i
	}
	frames, err := readAll(t, open(t, recorded(t, all...)))
	if err != nil || len(frames) != len(all) {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i, f := range frames {
		if f.At != time.Duration(i)*time.Millisecond || !bytes.Equal(f.JPEG, all[i].jpeg) || f.Message.Value() != int64(i) {
			t.Errorf("%d: at %v, message %v", i, f.At, f.Message)
		}
	}
}

// A clock that is set back, by a sender or on this machine, leaves no gap and no
// pile of frames at one time.
func TestClockSetBack(t *testing.T) {
	all := jpegs(30)
	for i := range all[15:] {
		all[15+i].at = all[15+i].at.Add(-time.Hour)
	}
	frames, err := readAll(t, open(t, recorded(t, all...)))
	if err != nil || len(frames) != len(all) {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i, f := range frames {
		if want := at(i).Sub(epoch); (f.At - want).Abs() > 2*time.Millisecond {
			t.Errorf("frame %d is at %v, not %v", i, f.At, want)
		}
	}
}

func TestTooManySenders(t *testing.T) {
	long(t)
	path := filepath.Join(t.TempDir(), "test.mkv")
	r := create(t, Options{Path: path, QueueFrames: 1000})
	for i := range 500 {
		g := given{name: fmt.Sprintf("%0*d", maxName-4, i), jpeg: picture(1, 16, 16), at: at(i)}
		if err := g.write(t, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	frames, err := readAll(t, open(t, path))
	if err != nil || s.Frames < 128 || s.Frames+s.Failed != 500 || uint64(len(frames)) != s.Frames {
		t.Errorf("%d frames read, %+v, %v", len(frames), s, err)
	}
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]Options{
		"nothing":                  {},
		"both":                     {Path: "a", Dir: "b"},
		"a path that is rotated":   {Path: filepath.Join(dir, "a"), MaxFileDuration: time.Hour},
		"a name with a slash":      {Dir: dir, Name: "../a"},
		"a negative limit":         {Dir: dir, QueueBytes: -1},
		"a small budget":           {Dir: dir, DiskBudget: 1000},
		"small files":              {Dir: dir, MaxFileBytes: 1000},
		"files larger than budget": {Dir: dir, MaxFileBytes: 9 << 20, DiskBudget: 10 << 20},
	} {
		if r, err := Create(o); !errors.Is(err, ErrOption) || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(dir, "exists")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(Options{Path: path}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file that exists: %v", err)
	}
	if _, err := Create(Options{Dir: filepath.Join(path, "x")}); err == nil {
		t.Error("a folder inside a file is created")
	}
	if string(load(t, path)) != "mine" {
		t.Error("the file was overwritten")
	}
}

// A recorder without frames leaves no file. Calls after Close, and bad frames,
// are errors.
func TestMisuse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.mkv")
	r := create(t, Options{Path: path})
	if err := r.Write("a", nil); !errors.Is(err, netgear.ErrFrame) {
		t.Errorf("nil: %v", err)
	}
	if err := r.Write("a", &netgear.Frame{}); !errors.Is(err, netgear.ErrFrame) {
		t.Errorf("the zero Frame: %v", err)
	}
	g := given{jpeg: picture(1, 16, 16)}
	closed := g.frame(t)
	closed.Close()
	if err := r.Write("a", closed); !errors.Is(err, netgear.ErrFrame) {
		t.Errorf("a closed Frame: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := g.write(t, r); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file without frames: %v", err)
	}
}

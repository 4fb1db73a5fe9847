package record

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/netgeartest"
)

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	return ctx
}

// A recording is played to a receive end, on both wires, with its messages and
// its arrays, and each JPEG bit for bit.
func TestPlay(t *testing.T) {
	array := netgear.Array{DType: "float32", Shape: []int{4, 3}, Data: elements(1, 48)}
	all := []given{
		{name: "a", jpeg: picture(1, 64, 48), message: map[string]any{"n": 1}, at: at(0)},
		{name: "b", array: array, message: "b", at: at(1)},
		{name: "c", array: netgear.Array{DType: "uint8", Shape: []int{6, 8, 3}, Data: elements(2, 144)}, at: at(2)},
		{name: "a", jpeg: picture(2, 64, 48), at: at(3)},
	}
	path := recorded(t, all...)
	for _, wire := range []netgear.Wire{netgear.NetGearWire, netgear.AsyncWire, netgear.ImageZMQWire} {
		o := netgear.Options{Wire: wire, Pattern: netgear.ReqRep}
		send, recv := netgeartest.Pipe(t, o, o)
		done := make(chan error, 1)
		go func() { done <- open(t, path).Play(within(t), SendTo(send), Pace{Speed: math.Inf(1)}) }()
		for i := range all {
			f, err := recv.Recv(within(t))
			if err != nil {
				t.Fatal(err)
			}
			g := all[i].frame(t)
			wantJPEG := all[i].jpeg
			if wire == netgear.AsyncWire {
				wantJPEG = nil
			}
			message := g.Message.String()
			if wire == netgear.ImageZMQWire && g.Message.IsNone() {
				message = `"NoName"`
			}
			if wire == netgear.ImageZMQWire && wantJPEG != nil {
				if !bytes.Equal(f.JPEG(), wantJPEG) || f.Message.String() != message { // a gray JPEG is decoded to [rows, columns]
					t.Errorf("%v: frame %d: message %v", wire, i, f.Message)
				}
			} else if !bytes.Equal(f.JPEG(), wantJPEG) || f.DType() != g.DType() || f.Message.String() != message || !bytes.Equal(pixels(t, f), pixels(t, g)) {
				t.Errorf("%v: frame %d: %s %v, message %v", wire, i, f.DType(), f.Shape(), f.Message)
			}
			f.Close()
			g.Close()
		}
		if err := <-done; err != nil {
			t.Errorf("%v: %v", wire, err)
		}
	}
}

// times plays a recording, and returns when each frame was sent: since the call
// of Play.
func times(t *testing.T, p *Player, pace Pace, rounds int) (sent, recorded []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	seen, start := 0, time.Now()
	err := p.Play(ctx, func(_ context.Context, f *Frame) error {
		sent, recorded = append(sent, time.Since(start)), append(recorded, f.At)
		if seen++; seen == rounds {
			cancel()
		}
		return nil
	}, pace)
	if err != nil && !(pace.Loop && errors.Is(err, context.Canceled)) {
		t.Fatal(err)
	}
	return sent, recorded
}

// No frame is early, and each round of a loop follows the one before. How late a
// frame is depends on the machine.
func TestPace(t *testing.T) {
	long(t)
	t.Parallel()
	path := recorded(t, jpegs(7)...)
	for name, test := range map[string]struct {
		pace  Pace
		count int
		first time.Duration // of the recording
		total time.Duration // until the last frame, at least
	}{
		"original":      {Pace{}, 7, 0, 200 * time.Millisecond},
		"twice":         {Pace{Speed: 2}, 7, 0, 100 * time.Millisecond},
		"half":          {Pace{Speed: 0.5}, 7, 0, 400 * time.Millisecond},
		"no pace":       {Pace{Speed: math.Inf(1)}, 7, 0, 0},
		"from a time":   {Pace{From: 90 * time.Millisecond}, 4, 100 * time.Millisecond, 100 * time.Millisecond},
		"in a loop":     {Pace{Loop: true, Speed: 4}, 20, 0, 19 * time.Second / 30 / 4},
		"from, loop":    {Pace{Loop: true, Speed: 4, From: 150 * time.Millisecond}, 6, 167 * time.Millisecond, 5 * time.Second / 30 / 4},
		"after the end": {Pace{From: time.Hour}, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent, recorded := times(t, open(t, path), test.pace, test.count)
			if len(sent) != test.count {
				t.Fatalf("%d frames, not %d", len(sent), test.count)
			}
			if test.count == 0 {
				return
			}
			// A round is as long as its times in the file, which are rounded.
			const rounding = 5 * time.Millisecond
			if last := sent[len(sent)-1]; recorded[0] != test.first || last < test.total-rounding {
				t.Errorf("it begins at %v and takes %v", recorded[0], last)
			}
			for i := range sent {
				speed := test.pace.Speed
				if speed == 0 {
					speed = 1
				}
				due := time.Duration(float64(recorded[i]-recorded[0]) / speed)
				if !test.pace.Loop && sent[i] < due {
					t.Errorf("frame %d is sent at %v, due at %v", i, sent[i], due)
				}
			}
		})
	}
}

// Seek leads to the first frame of its time or later, with the index and in a
// file that a killed process has left.
func TestSeek(t *testing.T) {
	const count = 1200
	all := make([]given, count)
	for i := range all {
		all[i] = given{array: netgear.Array{DType: "uint8", Shape: []int{2, 2}, Data: elements(i, 4)}, message: i, at: epoch.Add(time.Duration(i) * 100 * time.Millisecond)}
	}
	whole := load(t, recorded(t, all...))
	for name, b := range map[string][]byte{"whole": whole, "killed": whole[:len(whole)*3/4]} {
		p, err := PlayerOptions{}.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{700, 0, 1, 699, 333} {
			p.Seek(time.Duration(n)*100*time.Millisecond - time.Millisecond)
			f, err := p.Next()
			if err != nil || f.Message.Value() != int64(n) || !bytes.Equal(f.Array.Data, elements(n, 4)) {
				t.Errorf("%s: at frame %d: %+v, %v", name, n, f, err)
			}
		}
		p.Seek(time.Hour)
		if f, err := p.Next(); err == nil {
			t.Errorf("%s: after the end is %v", name, f)
		}
	}
}

// A round without frames ends a loop, and so does an error of the sender. Bad
// arguments are errors.
func TestPlayEnds(t *testing.T) {
	path := recorded(t, jpegs(3)...)
	fail := errors.New("no")
	send := func(context.Context, *Frame) error { return fail }
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		send func(context.Context, *Frame) error
		pace Pace
		want error
	}{
		"the sender's error": {within(t), send, Pace{Loop: true}, fail},
		"no frame to loop":   {within(t), send, Pace{Loop: true, From: time.Hour}, ErrFormat},
		"canceled":           {canceled, send, Pace{}, context.Canceled},
		"no context":         {nil, send, Pace{}, netgear.ErrContext},
		"no function":        {within(t), nil, Pace{}, ErrOption},
		"backward":           {within(t), send, Pace{Speed: -1}, ErrOption},
		"NaN":                {within(t), send, Pace{Speed: math.NaN()}, ErrOption},
		"refused frames":     {within(t), func(context.Context, *Frame) error { return netgear.ErrFrame }, Pace{Loop: true, Speed: 100}, netgear.ErrFrame},
	} {
		if err := open(t, path).Play(test.ctx, test.send, test.pace); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Frames that the wire does not carry, and missing parts, do not end a loop.
func TestPlayDamaged(t *testing.T) {
	whole := load(t, recorded(t, jpegs(10)...))
	p, err := PlayerOptions{}.Read(bytes.NewReader(whole), int64(len(whole)-1000))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var mu sync.Mutex
	sent := 0
	send := func(_ context.Context, f *Frame) error {
		mu.Lock()
		defer mu.Unlock()
		if f.At == 0 {
			return netgear.ErrFrame
		}
		if sent++; sent == 30 {
			cancel()
		}
		return nil
	}
	if err := p.Play(ctx, send, Pace{Speed: math.Inf(1)}); !errors.Is(err, ErrTruncated) || !errors.Is(err, netgear.ErrFrame) || sent == 0 {
		t.Errorf("once: %d sent, %v", sent, err)
	}
	if err := p.Play(ctx, send, Pace{Speed: math.Inf(1), Loop: true}); !errors.Is(err, context.Canceled) || sent != 30 {
		t.Errorf("in a loop: %d sent, %v", sent, err)
	}
}

// Several recordings follow each other. Those before From are skipped, and an
// error names the file.
func TestPlayAll(t *testing.T) {
	damaged := recorded(t, jpegs(10)...)
	whole := load(t, damaged)
	if err := os.WriteFile(damaged, whole[:len(whole)-1000], 0o600); err != nil {
		t.Fatal(err)
	}
	short := recorded(t, jpegs(3)...)
	players := []*Player{open(t, short), open(t, damaged), open(t, short)}
	length := players[0].Duration()
	for name, test := range map[string]struct {
		pace Pace
		want []time.Duration // the first frames
	}{
		"all":  {Pace{}, []time.Duration{0, 33 * time.Millisecond, 67 * time.Millisecond, 0}},
		"from": {Pace{From: length + 30*time.Millisecond}, []time.Duration{33 * time.Millisecond, 67 * time.Millisecond, 100 * time.Millisecond}},
	} {
		var got []time.Duration
		test.pace.Speed = math.Inf(1)
		err := PlayAll(within(t), players, func(_ context.Context, f *Frame) error { got = append(got, f.At); return nil }, test.pace)
		if !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), damaged) {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) < len(test.want) || !slices.Equal(got[:len(test.want)], test.want) || got[len(got)-1] != 67*time.Millisecond {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, bad := range [][]*Player{nil, {nil}} {
		if err := PlayAll(within(t), bad, func(context.Context, *Frame) error { return nil }, Pace{}); !errors.Is(err, ErrOption) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// AVI files do not contain their length, so their pictures are counted.
func TestPlayAllAVI(t *testing.T) {
	file := filepath.Join("..", "source", "testdata", "three.avi")
	players := []*Player{open(t, file), open(t, file), open(t, file)}
	var all []time.Duration
	fast := Pace{Speed: math.Inf(1)}
	play := func(pace Pace) (got []time.Duration) {
		t.Helper()
		if err := PlayAll(within(t), players, func(_ context.Context, f *Frame) error { got = append(got, f.At); return nil }, pace); err != nil {
			t.Errorf("%+v: %v", pace, err)
		}
		return got
	}
	if all = play(fast); len(all) != 9 || all[1] == 0 {
		t.Fatalf("%d frames at %v", len(all), all)
	}
	period := all[1]
	for skipped := range 9 {
		fast.From = time.Duration(skipped) * period
		if got := play(fast); !slices.Equal(got, all[skipped:]) {
			t.Errorf("from %v: %v, want %v", fast.From, got, all[skipped:])
		}
	}
}

// sparse is a file of a terabyte: a recording, and zeros. It ends a context
// while the zeros are read.
type sparse struct {
	head   []byte
	reads  int
	cancel func()
}

func (s *sparse) ReadAt(b []byte, at int64) (int, error) {
	clear(b)
	if at < int64(len(s.head)) {
		copy(b, s.head[at:])
	} else if s.reads++; s.reads == 10 {
		s.cancel()
	}
	return len(b), nil
}

// A scan for the next frame ends with the context.
func TestPlayEndsInAScan(t *testing.T) {
	head := load(t, recorded(t, jpegs(3)...))
	ctx, cancel := context.WithCancel(within(t))
	file := &sparse{head: head[:len(head)-400], cancel: cancel}
	p, err := PlayerOptions{}.Read(file, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Play(ctx, func(context.Context, *Frame) error { return nil }, Pace{Speed: math.Inf(1)}); !errors.Is(err, context.Canceled) || file.reads != 10 {
		t.Errorf("%v, after %d reads", err, file.reads)
	}
	// The next call is not affected.
	stop := errors.New("stop")
	if err := p.Play(within(t), func(context.Context, *Frame) error { return stop }, Pace{}); !errors.Is(err, stop) {
		t.Errorf("again: %v", err)
	}
}

// What a receive end receives can be recorded and played to the next.
func TestRecordReceived(t *testing.T) {
	send, recv := netgeartest.Pipe(t, netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	path := t.TempDir() + "/a.mkv"
	r := create(t, Options{Path: path})
	start := time.Now()
	for i := range 5 {
		message := netgear.StampedMessage{At: start.Add(time.Duration(i) * time.Second / 30), Message: map[string]any{"n": i}}
		if _, err := send.SendJPEG(within(t), picture(i, 64, 48), message); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write("", f); err != nil {
			t.Error(err)
		}
		f.Close()
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	frames, err := readAll(t, open(t, path))
	if err != nil || len(frames) != 5 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i, f := range frames {
		if !bytes.Equal(f.JPEG, picture(i, 64, 48)) || f.Stamp == nil || f.Stamp.Seq != uint64(i+1) || f.Time.Sub(f.Stamp.Time).Abs() > time.Millisecond || f.Track != "camera" {
			t.Errorf("frame %d: %s at %v, stamp %v, message %v", i, f.Track, f.Time, f.Stamp, f.Message)
		}
	}
}

// The stamps of what is played are those of playing, for JPEGs and arrays alike.
func TestPlayStamps(t *testing.T) {
	old := &netgear.Stamp{Seq: 77, Time: at(0)}
	path := recorded(t,
		given{jpeg: picture(1, 64, 48), stamp: old, message: "jpeg", at: at(0)},
		given{array: netgear.Array{DType: "float32", Shape: []int{2}, Data: elements(1, 8)}, stamp: old, at: at(1)},
	)
	send, recv := netgeartest.Pipe(t, netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- open(t, path).Play(within(t), SendTo(send), Pace{}) }()
	for i, message := range []string{`"jpeg"`, "null"} {
		f, err := recv.Recv(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if f.Stamp == nil || f.Stamp.Seq != uint64(i+1) || f.Stamp.Time.Before(start.Truncate(time.Millisecond)) || f.Message.String() != message {
			t.Errorf("frame %d has the stamp %v and the message %v", i, f.Stamp, f.Message)
		}
		f.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// read returns the frames of a file in memory, and why they end. It fails the
// test if a frame is none of those that were recorded.
func read(t testing.TB, b []byte, o PlayerOptions) ([]*Frame, error) {
	t.Helper()
	p, err := o.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return readAll(t, p)
}

// A recording may be cut anywhere. Every frame before the cut is read, and a cut
// inside a frame is reported.
func TestTruncated(t *testing.T) {
	long(t)
	all := jpegs(40)
	for i := range all {
		all[i].message = i
		all[i].at = epoch.Add(time.Duration(i) * 100 * time.Millisecond)
	}
	whole := load(t, recorded(t, all...))
	last, cutInside := 0, 0
	for n := range whole {
		if n > 700 && n < tracksBytes || n%61 > 0 {
			continue
		}
		frames, err := read(t, whole[:n], PlayerOptions{})
		for i, f := range frames {
			if !bytes.Equal(f.JPEG, all[i].jpeg) || f.Message.Value() != int64(i) {
				t.Fatalf("cut at %d: frame %d differs", n, i)
			}
		}
		if len(frames) < last || !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrFormat) {
			t.Fatalf("cut at %d: %d frames, %v", n, len(frames), err)
		}
		if errors.Is(err, ErrTruncated) {
			cutInside++
		}
		last = len(frames)
	}
	if last != len(all) || cutInside < 20 {
		t.Errorf("%d frames at the end, %d cuts", last, cutInside)
	}
}

// The duration of a recording that was cut is that of what is left, in clusters of
// any size.
func TestDurationOfACutFile(t *testing.T) {
	all := jpegs(40)
	for i := range all {
		all[i].at = epoch.Add(time.Duration(i) * 100 * time.Millisecond)
		if i >= 20 && i < 30 {
			all[i].jpeg = append(all[i].jpeg, make([]byte, readAhead/4)...)
		}
	}
	whole := load(t, recorded(t, all...))
	first := bytes.Index(whole, clusterID)
	for _, part := range []int{1, 2, 3, 5, 8} {
		cut := whole[:first+(len(whole)-first)*part/9]
		p, err := PlayerOptions{}.Read(bytes.NewReader(cut), int64(len(cut)))
		if err != nil {
			t.Fatal(err)
		}
		frames, err := readAll(t, p)
		if len(frames) == 0 || !errors.Is(err, ErrTruncated) {
			t.Fatalf("%d/9: %d frames, %v", part, len(frames), err)
		}
		// The text of a frame may be there without its picture.
		if last := frames[len(frames)-1].At; p.Duration() < last || p.Duration() > last+100*time.Millisecond {
			t.Errorf("%d/9: the duration is %v, and the last frame is at %v", part, p.Duration(), last)
		}
	}
}

// A recording whose process was killed, or has not ended it yet, is cut, and so is
// a part of a file. Another program may leave the size out.
func TestCut(t *testing.T) {
	whole := load(t, recorded(t, jpegs(10)...))
	size := bytes.Index(whole, []byte{0x18, 0x53, 0x80, 0x67}) + 4
	unended := slices.Concat(whole[:size], []byte{0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, whole[size+8:])
	foreign := func(file []byte) []byte {
		return bytes.Replace(file, []byte(writingApp), []byte("netgear record 9"), 1)
	}
	path := filepath.Join(t.TempDir(), "a.mkv")
	r := create(t, Options{Path: path})
	if err := jpegs(1)[0].write(t, r); err != nil {
		t.Fatal(err)
	}
	peertest.Await(t, waitLimit, "the frame", func() bool { return r.Stats().Frames == 1 })
	for name, c := range map[string]struct {
		file []byte
		cut  bool
	}{
		"whole":              {whole, false},
		"not ended":          {unended, true},
		"still recording":    {load(t, path), true},
		"not whole":          {whole[:len(whole)-1], true},
		"foreign, not ended": {foreign(unended), false},
		"foreign, not whole": {foreign(whole[:len(whole)-1]), true},
	} {
		p, err := PlayerOptions{}.Read(bytes.NewReader(c.file), int64(len(c.file)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Cut() != c.cut {
			t.Errorf("%s: %v", name, p.Cut())
		}
	}
}

// A recording whose bytes are damaged is read up to the damage, and after it
// from the next cluster on.
func TestCorrupt(t *testing.T) {
	all := jpegs(40)
	for i := range all {
		all[i].at = epoch.Add(time.Duration(i) * 100 * time.Millisecond)
	}
	whole := load(t, recorded(t, all...))
	first := bytes.Index(whole, clusterID)
	second := first + 4 + bytes.Index(whole[first+4:], clusterID)
	for name, damage := range map[string]struct {
		pos    int
		bytes  []byte
		frames int // at least
	}{
		"zeros in a cluster":         {first + 12 + 10, make([]byte, 200), 30},
		"a cluster's name":           {second, []byte("xxxx"), 30},
		"a cluster's size":           {second + 4, binary.BigEndian.AppendUint64(nil, 1<<56|1<<50), 40},
		"a cluster's time":           {second + 12, []byte{0xE7, 0x81}, 29},
		"a block's size":             {second + 12 + 10 + 1, binary.BigEndian.AppendUint64(nil, 1<<56|1<<40), 29},
		"a block's size, too small":  {second + 12 + 10 + 1, binary.BigEndian.AppendUint64(nil, 1<<56|100), 29},
		"a block with lacing":        {second + 12 + 10 + 1 + 8 + 3, []byte{0x86}, 39},
		"a picture that is no JPEG":  {second + 12 + 10 + 1 + 8 + 4, []byte{1, 2, 3}, 39},
		"the index":                  {len(whole) - 20, make([]byte, 20), 40},
		"a block of another track":   {second + 12 + 10 + 1 + 8, []byte{0x85}, 39},
		"zeros over several of them": {first + 100, make([]byte, second-first+100), 20},
	} {
		b := bytes.Clone(whole)
		copy(b[damage.pos:], damage.bytes)
		frames, err := read(t, b, PlayerOptions{})
		silent := name == "the index" || name == "a block of another track" || name == "a cluster's size"
		if len(frames) < damage.frames || len(frames) == len(all) && !silent || silent != (err == nil) {
			t.Errorf("%s: %d frames, %v", name, len(frames), err)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Files that are no recordings are refused with a name for it.
func TestForeign(t *testing.T) {
	head := load(t, recorded(t, jpegs(1)...))
	replace := func(from, to string) []byte { return bytes.ReplaceAll(head, []byte(from), []byte(to)) }
	header := func(size uint64) []byte {
		return binary.BigEndian.AppendUint64([]byte{0x1A, 0x45, 0xDF, 0xA3}, 1<<56|size)
	}
	for name, test := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                  {nil, ErrFormat},
		"a text":                 {[]byte("no recording"), ErrFormat},
		"a JPEG":                 {picture(1, 16, 16), ErrFormat},
		"an AVI's begin":         {[]byte("RIFF\x00\x00\x00\x00AVI "), ErrFormat},
		"another EBML file":      {replace("matroska", "sfcasset"), ErrFormat},
		"another codec":          {replace(writingApp, "netgear record 9"), nil},
		"H.264":                  {bytes.ReplaceAll(replace(writingApp, "netgear record 9"), []byte("V_MJPEG"), []byte("V_AVC/X")), ErrFormat},
		"half a header":          {head[:20], ErrTruncated},
		"a header of petabytes":  {header(1 << 50), ErrTruncated},
		"a header of 1 MB":       {append(header(1<<20), make([]byte, 1<<20)...), ErrTooLarge},
		"a header, then nothing": {head[:40], ErrFormat},
	} {
		if _, err := read(t, test.b, PlayerOptions{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("a folder: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Log(err)
	} else if _, err := Open(pipe); !errors.Is(err, ErrFormat) {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// The size that a file claims costs no memory.
func TestSizesAreChecked(t *testing.T) {
	all := []given{
		{jpeg: picture(1, 64, 48), at: at(0)},
		{name: "big", array: netgear.Array{DType: "uint16", Shape: []int{1000, 1000}, Data: make([]byte, 2_000_000)}, at: at(1)},
		{jpeg: picture(2, 64, 48), at: at(2)},
	}
	whole := load(t, recorded(t, all...))
	frames, err := read(t, whole, PlayerOptions{MaxFrameBytes: 1 << 20})
	if len(frames) != 2 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	// A block of a petabyte, after which the file ends.
	first := bytes.Index(whole, clusterID)
	huge := append(bytes.Clone(whole[:first]), clusterID...)
	huge = binary.BigEndian.AppendUint64(huge, unknownSize)
	huge = appendUint(huge, idTimestamp, 0)
	huge = appendSize(append(huge, 0xA3), 1<<50)
	huge = append(huge, 0x81, 0, 0, 0x80, 0xFF, 0xD8)
	allocated := allocations(func() { frames, err = read(t, huge, PlayerOptions{}) })
	if len(frames) != 0 || !errors.Is(err, ErrTruncated) || allocated > 1<<20 {
		t.Errorf("%d frames, %v, %d bytes of memory", len(frames), err, allocated)
	}
}

// The lists of tracks of a file are not kept, however many and long they are.
func TestManyTrackLists(t *testing.T) {
	whole := load(t, recorded(t, jpegs(1)...))
	file := bytes.Clone(whole[:bytes.Index(whole, clusterID)])
	const lists, size = 20, maxTracksBytes - maxHeader
	for i := range lists {
		entry := appendUint(nil, idTrackNumber, uint64(100+i))
		entry = append(appendSize(appendID(entry, idCodecPrivate), 64), make([]byte, 64)...)
		list := append(appendSize(appendID(nil, idTrackEntry), int64(len(entry))), entry...)
		list = appendPadding(list, size-len(list))
		file = append(appendSize(appendID(file, idTracks), size), list...)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, err := PlayerOptions{}.Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > lists*size/2 {
		t.Errorf("a Player of %d bytes holds %d bytes", len(file), grown)
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(file)
}

// allocations returns the bytes that fn allocates.
func allocations(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// countedFile counts what is read of a file.
type countedFile struct {
	*bytes.Reader
	calls, bytes int
}

func (c *countedFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(b, at)
	c.calls, c.bytes = c.calls+1, c.bytes+n
	return n, err
}

// FuzzRead reads damaged recordings, and AVI files. It must end, return only
// what is in the file, and allocate and read little more than the file's size.
func FuzzRead(f *testing.F) {
	for _, seed := range fuzzSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = expand(b)
		const limit = 1 << 20
		var total, count int
		file := &countedFile{Reader: bytes.NewReader(b)}
		allocated := allocations(func() {
			p, err := PlayerOptions{MaxFrameBytes: limit}.Read(file, int64(len(b)))
			if err != nil {
				return
			}
			p.Seek(0)
			for fr, err := range p.Frames() {
				if err != nil {
					break
				}
				total += len(fr.JPEG) + len(fr.Array.Data)
				count++
			}
		})
		if total > len(b) || count > len(b)/4 {
			t.Fatalf("%d frames with %d bytes, from a file of %d", count, total, len(b))
		}
		// A track's struct is larger than its shortest element, a frame's text
		// is decoded, and each damaged place is searched with a buffer.
		if most := uint64(4<<20 + 200*len(b) + maxPlaces*readAhead); allocated > most {
			t.Fatalf("%d bytes allocated for a file of %d", allocated, len(b))
		}
		if file.calls > 100+2*len(b) || file.bytes > 8*len(b)+maxPlaces*readAhead {
			t.Fatalf("%d calls read %d bytes of a file of %d", file.calls, file.bytes, len(b))
		}
	})
}

// padding is the longest run of zeros in a recording: that after its tracks.
var padding = make([]byte, 30<<10)

// fuzzSeeds returns small recordings, without their padding.
func fuzzSeeds(t testing.TB) (seeds [][]byte) {
	var changing []given
	for i := range 7 {
		changing = append(changing, given{name: "cam", jpeg: picture(i, 8*i+8, 8), message: map[string]any{"n": i}, stamp: &netgear.Stamp{Seq: 1, Time: at(i)}, at: at(10 * i)})
	}
	for _, all := range [][]given{
		{{jpeg: picture(1, 8, 8), at: at(0)}},
		{
			{name: "a", array: netgear.Array{DType: "uint8", Shape: []int{2, 2, 3}, Data: elements(1, 12)}, at: at(0), message: "text"},
			{name: "b", array: netgear.Array{DType: "uint8", Shape: []int{2, 2}, Data: elements(1, 4)}, at: at(1)},
			{name: "c", array: netgear.Array{DType: "float32", Shape: []int{2, 2}, Data: elements(1, 16)}, at: at(1)},
		},
		changing,
	} {
		whole := load(t, recorded(t, all...))
		seeds = append(seeds, bytes.Replace(whole, padding, nil, 1))
		seeds = append(seeds, bytes.Replace(whole[:len(whole)-len(whole)/20], padding, nil, 1))
	}
	// Blocks that are too short for their track's number, of one to eight bytes.
	head := seeds[0][:bytes.Index(seeds[0], clusterID)]
	for n := range 8 {
		for size := range 6 {
			block := append([]byte{0x80 >> n}, make([]byte, 11)...)
			block[n] |= 1
			file := appendUint(binary.BigEndian.AppendUint64(append(bytes.Clone(head), clusterID...), unknownSize), idTimestamp, 0)
			file = append(appendSize(append(file, 0xA3), int64(n+size)), block[:n+size]...)
			seeds = append(seeds, file)
		}
	}
	return append(seeds, load(t, filepath.Join("..", "source", "testdata", "three.avi")))
}

// expand inserts the padding that fuzzSeeds has removed, if its element is
// there. So inputs stay small.
func expand(b []byte) []byte {
	for n := range 2048 {
		size := tracksBytes - n - 9
		head := appendSize([]byte{idVoid}, int64(size))
		if i := bytes.Index(b, head); i >= 0 {
			i += len(head)
			return append(append(bytes.Clone(b[:i]), padding...), b[i:]...)
		}
	}
	return b
}

// The seeds are the recordings again: every other one is whole, and after them
// come the short blocks and a whole file.
func TestFuzzSeeds(t *testing.T) {
	const recordings = 6
	seeds := fuzzSeeds(t)
	for i, seed := range seeds {
		frames, err := read(t, expand(seed), PlayerOptions{})
		whole := i < recordings && i%2 == 0 || i == len(seeds)-1
		if len(frames) == 0 && whole || (err == nil) != whole {
			t.Errorf("seed %d: %d frames, %v", i, len(frames), fmt.Sprint(err))
		}
	}
}

package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// show returns a recording of half a second with each sort of track.
func show() []given {
	var all []given
	for i := range 15 {
		array := func(name, dtype string, size int, shape ...int) given {
			for _, n := range shape {
				size *= n
			}
			return given{name: name, array: netgear.Array{DType: dtype, Shape: shape, Data: elements(i, size)}, at: at(i)}
		}
		all = append(all,
			given{name: "<i>jpeg</i>", jpeg: picture(i, 64, 48), message: map[string]any{"n": i, "html": "<b>{\\an8}"}, at: at(i)},
			array("bgr", "uint8", 1, 6, 10, 3), array("gray", "uint8", 1, 6, 10), array("depth", "uint16", 2, 6, 10))
	}
	return all
}

// FFmpeg finds the tracks with their frames, times and pixels, and reads the
// texts. The track of arrays is none to it.
func TestFFmpeg(t *testing.T) {
	long(t)
	ffprobe, ffmpeg := program(t, "ffprobe"), program(t, "ffmpeg")
	all := show()
	path := recorded(t, all...)
	streams := probe(t, ffprobe, path)
	want := []string{"mjpeg 64x48 <i>jpeg</i> 15", "subrip 0x0 <i>jpeg</i> 15", "rawvideo 10x6 bgr 15", "rawvideo 10x6 gray 15", "subrip 0x0 depth 15"}
	if got := streams.names(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, not %q", got, want)
	}
	for _, p := range streams.Packets {
		n := streams.seen[p.Stream]
		streams.seen[p.Stream]++
		ms := at(n).Sub(epoch).Seconds()
		if got, err := strconv.ParseFloat(p.Time, 64); err != nil || got < ms-0.0006 || got > ms+0.0006 {
			t.Errorf("stream %d: frame %d is at %s, not %.4f", p.Stream, n, p.Time, ms)
		}
	}
	files := convert(t, ffmpeg, path, nil,
		"-map 0:2 -f rawvideo -pix_fmt bgr24", "-map 0:3 -f rawvideo -pix_fmt gray", "-map 0:0 -c copy -f mjpeg", "-map 0:1 -f srt")
	content := map[string][]byte{}
	for _, g := range all {
		content[g.name] = append(append(content[g.name], g.array.Data...), g.jpeg...)
	}
	for n, name := range []string{"bgr", "gray", "<i>jpeg</i>"} {
		if got := load(t, files[n]); !bytes.Equal(got, content[name]) {
			t.Errorf("%s: %d other bytes, of %d", name, len(got), len(content[name]))
		}
	}
	texts := string(load(t, files[3]))
	if line := `{"message":{"html": "\u003cb\u003e\u007b\\an8}", "n": 14}}`; !strings.Contains(texts, line) || !strings.Contains(texts, "00:00:00,467 --> 00:00:00,500") {
		t.Errorf("the text of the last frame is missing:\n%s", texts)
	}
	// The index leads to the last frames.
	last := load(t, convert(t, ffmpeg, path, []string{"-ss", "0.433"}, "-map 0:0 -c copy -f mjpeg")[0])
	if !bytes.HasSuffix(content["<i>jpeg</i>"], last) || len(last) == 0 {
		t.Errorf("%d bytes from 0.433 s on", len(last))
	}
}

// convert runs FFmpeg with some outputs, and returns their files.
func convert(t *testing.T, ffmpeg, path string, input []string, outputs ...string) (files []string) {
	t.Helper()
	args := append(append([]string{"-v", "error"}, input...), "-i", path)
	dir := t.TempDir()
	for n, output := range outputs {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%d.mkv", n)))
		args = append(append(args, strings.Fields(output)...), files[n])
	}
	if out, err := exec.Command(ffmpeg, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return files
}

// probed is what ffprobe reports.
type probed struct {
	Streams []struct {
		Codec         string `json:"codec_name"`
		Width, Height int
		Frames        string            `json:"nb_read_frames"`
		Tags          map[string]string `json:"tags"`
	}
	Packets []struct {
		Stream int    `json:"stream_index"`
		Time   string `json:"pts_time"`
	}
	Format struct{ Duration string }

	seen map[int]int
}

func (p *probed) names() (all []string) {
	for _, s := range p.Streams {
		all = append(all, fmt.Sprintf("%s %dx%d %s %s", s.Codec, s.Width, s.Height, s.Tags["title"], s.Frames))
	}
	return all
}

func probe(t *testing.T, ffprobe, path string) *probed {
	t.Helper()
	out, err := exec.Command(ffprobe, "-v", "error", "-of", "json", "-count_frames", "-show_streams", "-show_format", "-show_entries", "packet=stream_index,pts_time", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	p := probed{seen: map[int]int{}}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

// Files of FFmpeg are played: its own Motion JPEG, without an index, with
// checksums, in an AVI file, and raw pictures.
func TestFilesOfFFmpeg(t *testing.T) {
	long(t)
	ffmpeg := program(t, "ffmpeg")
	outputs := []string{"-c copy", "-c copy -live 1", "-c copy -write_crc32 1 -cluster_size_limit 5000000", "-c copy -f avi", "-c:v rawvideo -pix_fmt gray"}
	for n, path := range convert(t, ffmpeg, recorded(t, jpegs(10)...), nil, outputs...) {
		p := open(t, path)
		frames, err := readAll(t, p)
		if err != nil || len(frames) != 10 || p.Tracks()[0].Width != 64 {
			t.Errorf("%s: %d frames, %v", outputs[n], len(frames), err)
			continue
		}
		for i, f := range frames {
			want := picture(i, 64, 48)
			if n == 4 {
				want = nil
			}
			if !bytes.Equal(f.JPEG, want) || (n == 4) != (len(f.Array.Data) == 64*48) || (f.At-at(i).Sub(epoch)).Abs() > time.Millisecond {
				t.Errorf("%s: frame %d at %v has %d bytes of JPEG, %v", outputs[n], i, f.At, len(f.JPEG), f.Array.Shape)
			}
		}
	}
}

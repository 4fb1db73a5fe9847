package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// testLimit limits every wait, so that a hang becomes a failure.
const testLimit = 60 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	t.Cleanup(cancel)
	return ctx
}

// needFFmpeg skips a test without FFmpeg. In CI it must be there.
func needFFmpeg(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("FFmpeg is missing: scripts/test.sh installs it")
		}
		t.Skip("no FFmpeg")
	}
}

// ffmpeg runs FFmpeg with the test source, and returns its error.
func ffmpeg(t testing.TB, args ...string) {
	t.Helper()
	needFFmpeg(t)
	out, err := exec.CommandContext(testContext(t), "ffmpeg", append([]string{"-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}

// testJPEG returns a JPEG of one gray.
func testJPEG(t testing.TB, gray uint8) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 32, 24))
	for i := range m.Pix {
		m.Pix[i] = gray
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// all reads a source to its end.
func all(t testing.TB, s Settings) (frames []Frame, rate float64) {
	t.Helper()
	ctx := testContext(t)
	src, err := Open(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for {
		f, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return frames, src.Rate()
		}
		if err != nil {
			t.Fatal(err)
		}
		f.JPEG = bytes.Clone(f.JPEG)
		f.Array.Data = bytes.Clone(f.Array.Data)
		frames = append(frames, f)
	}
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAVI reads MJPEG files that FFmpeg has written: every picture as it is in
// the file, at the file's rate, also where a stream of sound lies between.
func TestAVI(t *testing.T) {
	for name, args := range map[string][]string{
		"video":      {"-c:v", "mjpeg", "-q:v", "5", "-frames:v", "20"},
		"with sound": {"-f", "lavfi", "-i", "sine", "-c:v", "mjpeg", "-c:a", "pcm_s16le", "-map", "1:a", "-map", "0:v", "-t", "0.8"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "v.avi")
			ffmpeg(t, append(args, file)...)
			frames, rate := all(t, Settings{Name: file})
			if len(frames) != 20 || rate != 25 {
				t.Fatalf("%d frames at %v per second", len(frames), rate)
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range frames {
				if !isJPEG(f.JPEG) || !bytes.Contains(raw, f.JPEG) {
					t.Errorf("frame %d is no JPEG of the file", i)
				}
				made, err := netgear.NewJPEGFrame(f.JPEG, nil)
				if err != nil || fmt.Sprint(made.Shape()) != "[120 160 3]" {
					t.Errorf("frame %d: %v", i, err)
				}
				made.Close()
			}
			// A recording that was cut off.
			cut := write(t, "cut.avi", raw[:len(raw)/2])
			if part, _ := all(t, Settings{Name: cut}); len(part) < 5 || len(part) > 15 {
				t.Errorf("%d frames in half of the file", len(part))
			}
		})
	}
}

// TestPixels decodes JPEGs where no JPEG may be sent.
func TestPixels(t *testing.T) {
	file := write(t, "a.jpg", testJPEG(t, 99))
	frames, _ := all(t, Settings{Name: file, Pixels: true})
	if len(frames) != 1 || frames[0].JPEG != nil || fmt.Sprint(frames[0].Array.Shape) != "[24 32 3]" || frames[0].Array.Data[0] != 99 {
		t.Errorf("%+v", frames)
	}
	frames, _ = all(t, Settings{Name: file, Size: image.Pt(32, 24)})
	if len(frames) != 1 || frames[0].JPEG == nil {
		t.Error("a JPEG that has the size was decoded")
	}
}

// TestSeries reads a series of pictures, in order and up to a gap.
func TestSeries(t *testing.T) {
	dir := t.TempDir()
	for _, i := range []int{2, 3, 10, 4, 12} {
		m := image.NewRGBA(image.Rect(0, 0, 3, 2))
		for p := range 6 {
			m.Set(p%3, p/3, color.RGBA{uint8(i), 20, 30, 255})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(dir, fmt.Sprintf("frame_%03d.png", i)), b.Bytes(), 0o600)
		os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%d.jpg", i+5)), testJPEG(t, uint8(i)), 0o600)
	}
	os.WriteFile(filepath.Join(dir, "frame_x.png"), nil, 0o600)
	os.WriteFile(filepath.Join(dir, "frame_0005.png"), nil, 0o600)
	frames, _ := all(t, Settings{Name: filepath.Join(dir, "frame_%03d.png")})
	if len(frames) != 3 {
		t.Fatalf("%d frames", len(frames))
	}
	for i, f := range frames {
		if fmt.Sprint(f.Array.Shape) != "[2 3 3]" || !bytes.Equal(f.Array.Data[:3], []byte{30, 20, byte(i + 2)}) {
			t.Errorf("frame %d: %v %v", i, f.Array.Shape, f.Array.Data)
		}
	}
	frames, _ = all(t, Settings{Name: filepath.Join(dir, "p%d.jpg")})
	if len(frames) != 3 || frames[0].JPEG == nil {
		t.Errorf("%d JPEGs", len(frames))
	}
}

// hugePNG returns the header of a picture of ten gigapixels.
func hugePNG() []byte {
	head := append([]byte("IHDR"), 0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
	return append(b, "\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"...)
}

// TestHugePicture refuses a picture by its header, before memory is taken.
func TestHugePicture(t *testing.T) {
	if haveOpenCV {
		t.Skip("OpenCV has a limit of its own")
	}
	_, err := Open(testContext(t), Settings{Name: write(t, "huge.png", hugePNG())})
	if err == nil || !strings.Contains(err.Error(), "more than 134217728 pixels") {
		t.Error(err)
	}
}

// TestErrors checks that an error names what is wrong, and no password.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"no/such/file.mp4", "no such file"},
		{"no/such/frame_%03d.png", "no such file"},
		{filepath.Join(t.TempDir(), "frame_%03d.png"), "there is no frame_000.png"},
		{write(t, "a.png", []byte("not a picture")), "a.png"},
		{write(t, "empty.jpg", nil), "no picture"},
		{write(t, "huge.png", hugePNG()), "huge.png"},
		{"http://joe:S3cr3t@127.0.0.1:1/x?token=S3cr3t", "no server answers"},
		{"http://joe:S3cr3t@\x7f/", "no URL"},
		{"/dev/video87", "no such camera"},
	} {
		src, err := Open(testContext(t), Settings{Name: c.name})
		if err == nil {
			src.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSendStampsTheTimeOfCapture checks that a frame's time arrives with it.
func TestSendStampsTheTimeOfCapture(t *testing.T) {
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Stamp: true})
	if err != nil {
		t.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port(), Stamp: true})
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	at := time.Now().Add(-40 * time.Millisecond).Truncate(time.Microsecond)
	ctx := testContext(t)
	if _, err := (Frame{JPEG: testJPEG(t, 5), At: at}).Send(ctx, send, "m"); err != nil {
		t.Fatal(err)
	}
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !f.Stamp.Time.Equal(at) || f.Message.Value() != "m" || !bytes.Equal(f.JPEG(), testJPEG(t, 5)) {
		t.Errorf("stamp %v, message %v", f.Stamp, f.Message)
	}
}

func TestTestPictureMoves(t *testing.T) {
	for _, size := range []image.Point{{X: 1, Y: 1}, {X: 33, Y: 7}, {X: 160, Y: 120}} {
		a, b := newTestPicture(size), newTestPicture(size)
		var before []byte
		for i := range 8 {
			x, _ := a.next(context.Background())
			y, _ := b.next(context.Background())
			if !bytes.Equal(x.Array.Data, y.Array.Data) {
				t.Errorf("size %v: frame %d differs between two runs", size, i)
			}
			if size.X > 100 && bytes.Equal(x.Array.Data, before) {
				t.Errorf("size %v: frame %d does not move", size, i)
			}
			before = bytes.Clone(x.Array.Data)
		}
	}
}

// quiet is a logger for tests in which connections are lost.
var quiet = slog.New(slog.DiscardHandler)

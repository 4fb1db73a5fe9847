package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/page"
	"github.com/vidgear-go/netgear/record"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// finish ends the cameras, waits until no frame is on its way, ends the
// programs, and checks everything.
func (p *plant) finish(ctx context.Context) error {
	err := until(ctx, p.back, "all cameras to be shown", func() (bool, error) { return p.watch.allShown(), nil })
	for _, c := range p.cameras {
		if c.process != nil && !c.hasEnded() {
			err = errors.Join(err, c.stop())
		}
	}
	err = errors.Join(err, p.settle(ctx), p.watch.check(), p.checkServer())
	p.watch.stop()
	for _, q := range p.programs {
		err = errors.Join(err, q.stop())
	}
	err = errors.Join(err, p.checkCounts(), p.checkRecordings(ctx), p.checkTrends(ctx))
	fmt.Println(p.line())
	for _, c := range p.cameras {
		fmt.Printf("camera %s: %v\n", c.name, c.counts)
	}
	return err
}

// settle waits until the counts of all ends have not changed for a second.
func (p *plant) settle(ctx context.Context) error {
	before, since := "", time.Now()
	return until(ctx, time.Minute, "the last frames", func() (bool, error) {
		var now strings.Builder
		for _, q := range p.programs {
			var err error
			if q.last, err = scrape(ctx, q.metrics); err != nil {
				return false, err
			}
			now.WriteString(fmt.Sprint(q.frames(), " "))
		}
		if now.String() != before {
			before, since = now.String(), time.Now()
		}
		return time.Since(since) > time.Second, nil
	})
}

// frames returns the sum of the frames of all ends.
func (q *program) frames() (sum uint64) {
	for key, n := range q.last {
		if strings.HasPrefix(key, "netgear_frames_total{") {
			sum += uint64(n)
		}
	}
	return sum
}

// numbers returns the numbers in the last line of a program's log with a prefix.
func (q *program) numbers(prefix string) (all []uint64, err error) {
	line, err := q.line(prefix)
	if err != nil {
		return nil, err
	}
	for _, word := range strings.FieldsFunc(strings.TrimPrefix(line, prefix), func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (p *plant) camera(name string) *camera {
	return p.cameras[slices.IndexFunc(p.cameras, func(c *camera) bool { return c.name == name })]
}

func (p *plant) program(name string) *program {
	return p.programs[slices.IndexFunc(p.programs, func(q *program) bool { return q.name == name })]
}

// checkCounts compares what programs have received and passed on.
func (p *plant) checkCounts() error {
	var errs []error
	relay, view := p.program("relay"), p.program("view")
	received := func(q *program, end string) uint64 { return q.last.of("netgear_delivered_total", end) }
	one, two := received(relay, "input relay-pair"), received(relay, "input relay-reqrep")
	for _, out := range []struct {
		name  string
		got   uint64 // by the relay, for this output
		after uint64 // at the next program
	}{
		{"view-1", one, view.last.of("netgear_frames_total", "relay-pair")},
		{"view-2", two, view.last.of("netgear_frames_total", "relay-reqrep")},
		{"record", one + two, p.program("record").last.of("netgear_frames_total", "relayed")},
	} {
		n, err := relay.numbers("output " + out.name + ": ")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Printf("relay to %s: %d received, %d sent, %d dropped, %d lost; %d arrived\n", out.name, out.got, n[0], n[1], n[2], out.after)
		if n[0]+n[1]+n[2] != out.got {
			errs = append(errs, fmt.Errorf("the relay received %d frames for %s, and counts %d sent, %d dropped, %d lost", out.got, out.name, n[0], n[1], n[2]))
		}
		if again := relay.last.of("netgear_retries_total", "output "+out.name); out.after < n[0] || out.after > n[0]+n[2]+again {
			errs = append(errs, fmt.Errorf("of the %d frames sent to %s %d arrived; sent again: %d", n[0], out.name, out.after, again))
		}
	}
	bridge := p.program("bridge")
	n, err := bridge.numbers("bridge-pair: ")
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	got := received(bridge, "input bridge-pair")
	m, err := p.program("from-nats").line("")
	var sent, dropped uint64
	if err == nil {
		_, err = fmt.Sscanf(m, "%d frames sent, %d dropped", &sent, &dropped)
	}
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	arrived := view.last.of("netgear_frames_total", "bridge-pair")
	fmt.Printf("bridge: %d received, %d published, %d dropped; from NATS %d sent, %d dropped; %d arrived\n", got, n[0], n[1], sent, dropped, arrived)
	if n[0]+n[1] != got {
		errs = append(errs, fmt.Errorf("the bridge received %d frames, and counts %d published, %d dropped", got, n[0], n[1]))
	}
	// A server that is killed takes what it has not passed on with it.
	if passed := sent + dropped; passed > n[0] || passed < n[0] && p.camera(behindNATS).faults(noNATS) == 0 {
		errs = append(errs, fmt.Errorf("of %d published frames the second bridge sent %d and dropped %d", n[0], sent, dropped))
	}
	if again := p.program("from-nats").last.of("netgear_retries_total", "output"); arrived < sent || arrived > sent+again {
		errs = append(errs, fmt.Errorf("of %d frames that were sent behind NATS %d arrived", sent, arrived))
	}
	return errors.Join(errs...)
}

// order follows the numbers of a camera's frames, which begin with 1 whenever
// the camera is started again.
type order struct {
	frames, gaps, doubled, lives uint64
	last                         netgear.Stamp
}

func (o *order) add(s netgear.Stamp) {
	o.frames++
	switch {
	case o.lives > 0 && !s.Time.After(o.last.Time):
		o.doubled++
		return
	case o.lives == 0 || s.Seq <= o.last.Seq:
		o.lives++
		o.gaps += s.Seq - 1
	default:
		o.gaps += s.Seq - o.last.Seq - 1
	}
	o.last = s
}

// checkRecordings reads every recording to its end, and compares what it has
// with what the recorder has reported.
func (p *plant) checkRecordings(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(p.folder, "recordings", "*.mkv"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	of, total, packets := map[string]*order{}, uint64(0), uint64(0)
	var errs []error
	for _, file := range files {
		n, err := readRecording(file, of)
		probed, failed := probe(ctx, file)
		if err = errors.Join(err, failed); err == nil && n != probed {
			err = fmt.Errorf("it has %d frames, and %d for ffprobe", n, probed)
		}
		if total, packets = total+n, packets+probed; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	recorder := p.program("record")
	n, err := recorder.numbers("recorded ") // frames, files, MB, its decimals, dropped, failed
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	received := uint64(0)
	for _, end := range []string{"record-pair", "record-pubsub", "relayed"} {
		received += recorder.last.of("netgear_delivered_total", end)
	}
	fmt.Printf("record: %d received, %d recorded in %d files, %d dropped, %d failed; %d read back, %d by ffprobe\n", received, n[0], n[1], n[4], n[5], total, packets)
	if n[0] != total || received != n[0]+n[4]+n[5] || int(n[1]) != len(files) {
		errs = append(errs, fmt.Errorf("the recorder received %d frames, and reports %d in %d files, %d dropped, %d failed; %d files have %d", received, n[0], n[1], n[4], n[5], len(files), total))
	}
	for _, c := range p.cameras {
		o := of[c.name]
		if o == nil {
			continue
		}
		fmt.Printf("record, %s: %d frames of %d lives, %d missing, %d doubled\n", c.name, o.frames, o.lives, o.gaps, o.doubled)
		// Nothing answers a publisher. Elsewhere a frame may arrive twice if it
		// was sent again, by a camera that was frozen or waited for too long, or
		// by the relay.
		missing, again := p.relayDropped(), uint64(c.faults(frozen))+c.resent()+p.program("relay").last.of("netgear_retries_total", "output record")
		if c.name == "record-pubsub" {
			missing, again = o.gaps, 0
		}
		if o.gaps > missing || o.doubled > again {
			errs = append(errs, fmt.Errorf("of camera %s %d frames are missing and %d doubled; at most %d may be missing, and %d were sent again", c.name, o.gaps, o.doubled, missing, again))
		}
	}
	return errors.Join(errs...)
}

// relayDropped returns how many frames the relay has not passed on to the recorder.
func (p *plant) relayDropped() uint64 {
	n, err := p.program("relay").numbers("output record: ")
	if err != nil {
		return 0
	}
	return n[1] + n[2]
}

// readRecording reads a file, and notes the numbers of each camera's frames.
func readRecording(file string, of map[string]*order) (frames uint64, err error) {
	player, err := record.Open(file)
	if err != nil {
		return 0, err
	}
	defer player.Close()
	for {
		f, err := player.Next()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		frames++
		camera, err := cameraOf(f)
		if err != nil {
			return frames, fmt.Errorf("frame %d: %w", frames, err)
		}
		if of[camera] == nil {
			of[camera] = &order{}
		}
		of[camera].add(*f.Stamp)
	}
}

// cameraOf returns the camera that sent a frame, which must have a stamp.
func cameraOf(f *record.Frame) (string, error) {
	var m struct{ Camera string }
	if err := f.Message.Decode(&m); err != nil {
		return "", err
	}
	if f.Stamp == nil || f.Stamp.Seq == 0 || m.Camera == "" {
		return "", fmt.Errorf("it has no stamp or no camera: %v", f.Message)
	}
	return m.Camera, nil
}

// probe returns how many packets FFmpeg finds in the video tracks of a file.
func probe(ctx context.Context, file string) (packets uint64, err error) {
	cmd := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		return 0, fmt.Errorf("ffprobe: %v: %s", err, complaints.String())
	}
	for line := range strings.FieldsSeq(string(out)) {
		n, err := strconv.ParseUint(strings.Trim(line, ","), 10, 64)
		if err != nil {
			return 0, err
		}
		packets += n
	}
	return packets, nil
}

// checkTrends returns an error if a process grows, and draws the samples where
// the repository is.
func (p *plant) checkTrends(ctx context.Context) error {
	var errs []error
	trends := p.series.Trends()
	if text := sample.Unjudged(trends); text != "" {
		fmt.Println(text)
	}
	for _, t := range trends {
		fmt.Println(t)
		if t.Grows {
			errs = append(errs, errors.New(t.String()))
		}
	}
	if err := page.Draw(ctx, p.series.Charts("programs", fmt.Sprintf("Programs, seed %d", p.seed)), p.folder); err != nil {
		fmt.Println("no charts, which are drawn in the repository's folder:", err)
	}
	return errors.Join(errs...)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// camera is a netgear send that is killed, ended, frozen, and started again.
type camera struct {
	*process
	plant  *plant
	name   string
	args   []string
	shown  bool // the viewer has its stream
	random *rand.Rand

	mu     sync.Mutex
	counts map[string]int // of faults, by their kind
}

// behindNATS is the camera whose frames go through NATS.
const behindNATS = "bridge-pair"

// Faults of a camera. In the last one its path through NATS is interrupted.
const (
	killed = "kill"
	ended  = "end"
	frozen = "freeze"
	noNATS = "nats"
)

// faultKinds has them as often as they are to happen.
var faultKinds = []string{killed, killed, ended, ended, frozen, noNATS}

func newCamera(p *plant, i int, name, port, pattern string, shown bool) *camera {
	return &camera{
		plant: p, name: name, shown: shown, counts: map[string]int{}, random: rand.New(rand.NewPCG(p.seed, uint64(i))),
		args: []string{
			"send", "--source", filepath.Join(p.folder, "pictures", "frame_%03d.jpg"), "--loop", "--fps", fmt.Sprint(p.fps),
			"--stamp", "on", "--message", fmt.Sprintf(`{"camera": %q}`, name),
			"--address", "127.0.0.1", "--port", port, "--pattern", pattern, "--max-retries", "0", "--log-level", "info",
		},
	}
}

// picturesInLoop is how many pictures a camera has.
const picturesInLoop = 30

// makePictures writes small JPEGs, so that hours of them fit the disk.
func makePictures(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for n := range picturesInLoop {
		img := image.NewGray(image.Rect(0, 0, 160, 120))
		for y := range 120 {
			for x := range 160 {
				img.SetGray(x, y, color.Gray{Y: uint8(x + y + 8*n)})
			}
		}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, img, nil); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("frame_%03d.jpg", n)), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// between returns a random time.
func (c *camera) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)))
}

// fault chooses what happens next.
func (c *camera) fault() string {
	var kinds []string
	for _, kind := range faultKinds {
		if c.plant.happens(kind) && (kind != noNATS || c.name == behindNATS) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	return kinds[c.random.IntN(len(kinds))]
}

// live starts the camera and lets faults happen until the context ends. Then it
// is left running.
func (c *camera) live(ctx context.Context) error {
	if err := c.start(); err != nil {
		return err
	}
	for {
		if err := c.runFor(ctx, c.between(c.plant.every/9, c.plant.every)); err != nil || ctx.Err() != nil {
			return err
		}
		kind := c.fault()
		if kind == "" {
			continue
		}
		c.count(kind)
		c.plant.watch.forget(c.name)
		ends := c.plant.series.Mark(kind)
		err := c.suffer(kind)
		if ends(); err != nil {
			return err
		}
	}
}

// suffer does what a fault is, and returns when the camera works again.
func (c *camera) suffer(kind string) error {
	pause := c.between(0, 10*time.Second)
	switch kind {
	case frozen:
		c.signal(syscall.SIGSTOP)
		time.Sleep(pause) // how long it is frozen
		c.signal(syscall.SIGCONT)
		c.returned()
		return nil
	case noNATS:
		c.plant.server.Load().kill()
		time.Sleep(pause) // how long there is no server
		if err := c.plant.startServer(context.Background()); err != nil {
			return err
		}
		c.returned()
		return nil
	case killed:
		c.kill()
	case ended:
		if err := c.stop(); err != nil {
			return err
		}
	}
	time.Sleep(pause / 2) // how long there is no camera
	return c.start()
}

func (c *camera) start() (err error) {
	c.process, err = startProcess(c.plant.folder, "camera-"+c.name, c.plant.netgear, nil, c.args...)
	c.returned()
	return err
}

// returned notes that the camera is to be shown from now on.
func (c *camera) returned() {
	if c.shown {
		c.plant.watch.expect(c.name, time.Now())
	}
}

// runFor waits, and returns an error if the camera ends by itself.
func (c *camera) runFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	case <-c.process.ended:
		return fmt.Errorf("camera %s has ended: %v: %s", c.name, c.cmd.ProcessState, c.lastLines())
	}
	return nil
}

func (c *camera) count(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
}

// faults returns how many there were, of all kinds or of some.
func (c *camera) faults(kinds ...string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind, k := range c.counts {
		if len(kinds) == 0 {
			n += k
		}
		for _, wanted := range kinds {
			if kind == wanted {
				n += k
			}
		}
	}
	return n
}

// resentLine matches a line about a frame that is sent again, and the number of those
// that a line stands for.
var resentLine = regexp.MustCompile(`sending again on a new connection|suppressed=(\d+)`)

// resent returns how often the camera has logged that it sends a frame again, with
// the lines that were suppressed, some of which may be of waits.
func (c *camera) resent() (n uint64) {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return 0
	}
	for _, found := range resentLine.FindAllSubmatch(text, -1) {
		n++
		if held, err := strconv.ParseUint(string(found[1]), 10, 64); err == nil {
			n += held - 1
		}
	}
	return n
}

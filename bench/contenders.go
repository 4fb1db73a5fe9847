package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// contender is one implementation. All have the same interface: a command line
// with a role (send, recv, codec), events as JSON lines on stdout, "go" on
// stdin. A new one needs only that.
type contender struct {
	Name     string
	command  []string
	extra    []string // after the command line
	env      []string // of the process, besides the bench's
	patterns []int
	jpeg     bool // can send JPEG by itself
	codec    bool // has the role codec
	async    bool // supports the wire of NetGear_Async too
	guest    bool // only in scenes that name it (scene.With)
}

// The names, in the order of the tables.
const (
	ours      = "netgear"
	ahead     = "netgear, sending ahead"
	awake     = "netgear, monitor awake"
	transfers = "netgear, ownership transferred"
	keepsMany = "the same, high-water mark 1000" // libzmq's default, which imagezmq has
	bareSame  = "libzmq, same settings"
	vidgear   = "VidGear"
	imagezmq  = "imagezmq"
	bareZMQ   = "libzmq"
)

// bareSource is compiled by the bench, as it is not a Go package.
const bareSource = "bench/bare/bare.c"

func (b *bench) makeContenders(self, python string) error {
	bare := filepath.Join(b.tmp, "bare")
	if err := compile(b.ctx, bareSource, bare); err != nil {
		return err
	}
	all, many := []int{0, 1, 2}, []int{1, 2}
	// Contenders that are compared most are next to each other, also in time.
	b.contenders = []*contender{
		{Name: ours, command: []string{self, "end"}, patterns: all, jpeg: true, codec: true, async: true},
		{Name: ahead, command: []string{self, "end"}, extra: []string{"--ahead", "2"}, patterns: []int{0, 1}, jpeg: true, guest: true},
		// Go's monitor thread then never sleeps, so nothing has to wake it. It
		// prints a line every 23 days.
		{Name: awake, command: []string{self, "end"}, env: []string{"GODEBUG=schedtrace=2000000000"}, patterns: all, jpeg: true, guest: true},
		{Name: transfers, command: []string{self, "end"}, extra: []string{"-transfer"}, patterns: []int{2}, guest: true},
		{Name: keepsMany, command: []string{self, "end"}, extra: []string{"-transfer", "--high-water-mark", "1000"}, patterns: []int{2}, guest: true},
		{Name: bareSame, command: []string{bare}, extra: []string{"--same-settings"}, patterns: all},
		{Name: vidgear, command: []string{python, "bench/vidgear_bench.py"}, patterns: all, jpeg: true, codec: true, async: true},
		{Name: imagezmq, command: []string{python, "bench/imagezmq_bench.py"}, patterns: many, jpeg: true},
		{Name: bareZMQ, command: []string{bare}, patterns: all},
	}
	return nil
}

// contender returns the contender of that name.
func (b *bench) contender(name string) *contender {
	return b.contenders[slices.IndexFunc(b.contenders, func(c *contender) bool { return c.Name == name })]
}

func compile(ctx context.Context, source, out string) error {
	flags, err := exec.CommandContext(ctx, "pkg-config", "--cflags", "--libs", "libzmq").Output()
	if err != nil {
		return fmt.Errorf("pkg-config libzmq: %w", err)
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	cmd := exec.CommandContext(ctx, cc, append([]string{"-O2", "-o", out, source}, strings.Fields(string(flags))...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", source, err, text)
	}
	return nil
}

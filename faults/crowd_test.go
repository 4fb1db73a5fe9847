package faults

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

const (
	crowdSize = 16
	victims   = 4 // half of them killed, half frozen
	crowdFPS  = 20
)

// TestCrowd has sixteen senders to one receive end. Two are killed and two
// frozen, without an effect on the others.
func TestCrowd(t *testing.T) {
	windows := 3
	if full() {
		windows = 15
	}
	rows := []string{"| pattern | 12 senders before, frames/s | after 2 were killed and 2 frozen | ratio | worst single sender | |", "|---|---|---|---|---|---|"}
	for _, pattern := range []netgear.Pattern{netgear.ReqRep, netgear.PubSub} {
		t.Run(patternNames[pattern], func(t *testing.T) {
			c := startCrowd(t, pattern)
			before := c.watch(windows)
			for i, p := range c.senders[:victims] {
				if i%2 == 0 {
					p.Kill()
				} else {
					p.Signal(syscall.SIGSTOP)
				}
			}
			after := c.watch(windows)
			worst := math.Inf(1)
			for i := victims; i < crowdSize; i++ {
				worst = min(worst, after.each[i]/before.each[i])
			}
			ratio := after.others / before.others
			note := ""
			if ratio < 0.95 {
				note = "SLOWER"
			}
			rows = append(rows, fmt.Sprintf("| %s | %.1f | %.1f | %.3f | %.3f | %s |", patternNames[pattern], before.others, after.others, ratio, worst, note))
			// The short form is no measurement, as other tests run at the same
			// time.
			if ratio < 0.5 || full() && ratio < 0.95 {
				t.Errorf("the others fell from %.1f to %.1f frames a second", before.others, after.others)
			}
			c.comeBack()
		})
	}
	fmt.Printf("\n%d senders at %d frames a second each\n\n%s\n\n", crowdSize, crowdFPS, strings.Join(rows, "\n"))
}

type crowd struct {
	t       *testing.T
	recv    *netgear.NetGear
	specs   []spec // of the senders
	senders []*process
}

// startCrowd starts all ends and waits until frames arrive from every sender.
func startCrowd(t *testing.T, pattern netgear.Pattern) *crowd {
	c := &crowd{t: t}
	o := netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Pattern: pattern, MultiserverMode: true, MaxRetries: -1, TerminatePolicy: netgear.KeepWaiting}
	for range crowdSize {
		o.Ports = append(o.Ports, peertest.FreePort(t))
	}
	var err error
	if c.recv, err = netgear.New(o); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for f, err := range c.recv.Frames(context.Background()) {
			if err == nil {
				f.Close()
			}
		}
	}()
	t.Cleanup(func() {
		c.recv.Close()
		<-drained
	})
	for i, port := range o.Ports {
		c.specs = append(c.specs, spec{mode: multiserver, Pattern: int(pattern), Address: "127.0.0.1", Ports: []string{port}, Timeout: requestTimeout(), FPS: crowdFPS})
		p, _ := start(t, c.specs[i], false, "")
		c.senders = append(c.senders, p)
	}
	for i := range c.senders {
		c.await(i, 0)
	}
	return c
}

func (c *crowd) frames(i int) uint64 { return c.recv.Stats().Ports[c.specs[i].Ports[0]].Frames }

// await waits until more than so many frames of sender i have arrived.
func (c *crowd) await(i int, than uint64) {
	c.t.Helper()
	defer func() {
		if c.t.Failed() {
			c.t.Logf("%+v\n%v", c.recv.Stats(), &c.senders[i].Stderr)
		}
	}()
	peertest.Await(c.t, waitLimit, fmt.Sprintf("frames from sender %d", i), func() bool { return c.frames(i) > than })
}

// rates are in frames per second.
type rates struct {
	each   [crowdSize]float64 // of each sender, over all windows
	others float64            // of all that are not victims, in the median window, as other work on the machine varies
}

// watch counts frames for so many seconds.
func (c *crowd) watch(windows int) rates {
	var r rates
	var sums []float64
	for range windows {
		before, begin := c.counts(), time.Now()
		time.Sleep(time.Second) // what is measured
		after, took := c.counts(), time.Since(begin).Seconds()
		sum := 0.0
		for i := range r.each {
			rate := (after[i] - before[i]) / took
			r.each[i] += rate / float64(windows)
			if i >= victims {
				sum += rate
			}
		}
		sums = append(sums, sum)
	}
	slices.Sort(sums)
	r.others = sums[len(sums)/2]
	return r
}

func (c *crowd) counts() (counts [crowdSize]float64) {
	ports := c.recv.Stats().Ports
	for i := range counts {
		counts[i] = float64(ports[c.specs[i].Ports[0]].Frames)
	}
	return counts
}

// comeBack checks that the killed and frozen senders are admitted again.
func (c *crowd) comeBack() {
	for i, p := range c.senders[:victims] {
		had := c.frames(i)
		if i%2 == 0 {
			start(c.t, c.specs[i], false, "")
		} else {
			p.Signal(syscall.SIGCONT)
		}
		c.await(i, had)
	}
}

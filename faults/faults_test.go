package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestFaults checks that after each fault the stream resumes by itself, that
// other streams continue, and that the remaining processes hold no more than
// before.
func TestFaults(t *testing.T) {
	all := chosen()
	if slices.ContainsFunc(all, func(c *cell) bool { return c.vidgear != "" }) {
		needPython(t)
	}
	t.Run("cells", func(t *testing.T) {
		for _, c := range all {
			if c.whyNot() != "" {
				continue
			}
			t.Run(c.name(), func(t *testing.T) {
				t.Parallel()
				c.ran = true
				c.run(t)
				if full() {
					fmt.Fprintln(os.Stderr, c.name(), c.result(), strings.Join(c.remarks(), "; "))
				}
			})
		}
	})
	table(all)
}

// end is one end of a rig, which has one process after the other.
type end struct {
	*process
	spec   spec
	wall   string
	python bool
	struck bool // it has the fault
	before holdings
}

// link is a stream from one end to another.
type link struct {
	from, to *end
	port     int64 // by which the receive end identifies it
}

// struck reports whether one of its ends has the fault.
func (s *link) struck() bool { return s.from.struck || s.to.struck }

// rig is a set of running streams for one fault.
type rig struct {
	t     *testing.T
	cell  *cell
	net   *network // nil: all ends on the loopback interface
	ends  []*end   // receive ends first
	links []link
}

func (c *cell) run(t *testing.T) {
	r := &rig{t: t, cell: c}
	if c.fault == cut || c.fault == power {
		var err error
		if r.net, err = newNetwork(t); err != nil {
			if full() || errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			c.ran = false
			t.Skip(err)
		}
	}
	r.build()
	for _, e := range r.ends {
		r.start(e)
	}
	r.flow("at first")
	r.hold(func(e *end) { e.before = e.holdings() })
	for round := range c.rounds {
		if !r.round(round) {
			return
		}
	}
	r.flow("after the last fault")
	r.hold(r.checkHoldings)
}

// build creates the ends and links of a cell.
func (r *rig) build() {
	c := r.cell
	s := spec{mode: c.mode, Pattern: c.pattern, Address: "127.0.0.1", Timeout: requestTimeout(), FPS: 50, VidGear: c.inPython(receiver)}
	switch {
	case r.net == nil:
	case c.mode.ImageZMQ && c.pattern == 2: // there the send end listens
		s.Address = senderAddress
	default:
		s.Address = receiverAddress
	}
	if c.mode.Secure > 0 {
		s.Keys = r.t.TempDir()
		if _, err := netgear.CreateCertificates(s.Keys); err != nil {
			r.t.Fatal(err)
		}
	}
	ports := []string{peertest.FreePort(r.t)}
	for c.mode.many() && len(ports) < several {
		ports = append(ports, peertest.FreePort(r.t))
	}
	senders := r.add(sender, s, ports, c.mode.Multiserver)
	receivers := r.add(receiver, s, ports, c.mode.Multiclient)
	r.ends = slices.Concat(receivers, senders)
	for _, from := range senders {
		for _, to := range receivers {
			s := link{from: from, to: to}
			if c.mode.Multiserver {
				s.port, _ = strconv.ParseInt(from.spec.Ports[0], 10, 64)
			}
			r.links = append(r.links, s)
		}
	}
}

// add adds the ends of one side: one for each port, or one for all of them.
func (r *rig) add(sort string, s spec, ports []string, each bool) []*end {
	c := r.cell
	s.Receive = sort == receiver
	var ends []*end
	for i, port := range ports {
		e := &end{spec: s}
		e.spec.Ports = ports
		if each {
			e.spec.Ports = []string{port}
		}
		e.python = c.inPython(sort) && i == 0
		e.struck = strings.HasPrefix(c.victim, both) || c.victim == sort && i == 0
		if r.net != nil {
			e.wall = map[bool]string{false: r.net.sender, true: r.net.receiver}[s.Receive]
		}
		ends = append(ends, e)
		if !each {
			break
		}
	}
	return ends
}

// start starts an end, the first time or again, and returns the time at which
// it was ready.
func (r *rig) start(e *end) (ready time.Time) {
	r.t.Helper()
	e.spec.Life++
	e.process, ready = start(r.t, e.spec, e.python, e.wall)
	return ready
}

// eachReceiver calls a function for each receive end with the ports of its
// matching streams, until one call fails.
func (r *rig) eachReceiver(fits func(*link) bool, do func(e *end, ports []int64) error) error {
	for _, e := range r.ends {
		var ports []int64
		for _, s := range r.links {
			if s.to == e && fits(&s) {
				ports = append(ports, s.port)
			}
		}
		if len(ports) == 0 {
			continue
		}
		if err := do(e, ports); err != nil {
			return err
		}
	}
	return nil
}

// flow waits until frames flow in every stream.
func (r *rig) flow(when string) {
	r.t.Helper()
	now := time.Now()
	err := r.eachReceiver(func(*link) bool { return true }, func(e *end, ports []int64) error {
		_, err := e.newFrames(now, ports, 10)
		return err
	})
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", when, err, r.stderr())
	}
}

// resumed returns when all streams with the fault had a frame that was captured
// after its end.
func (r *rig) resumed(over time.Time) (at time.Time, err error) {
	err = r.eachReceiver((*link).struck, func(e *end, ports []int64) error {
		first, err := e.newFrames(over, ports, 1)
		if first.After(at) {
			at = first
		}
		return err
	})
	return at, err
}

// others returns the longest time without a frame of a stream without the fault
// since the last call.
func (r *rig) others() (longest time.Duration) {
	r.eachReceiver(func(s *link) bool { return !s.struck() }, func(e *end, ports []int64) error {
		longest = max(longest, e.pauses.longest(ports))
		return nil
	})
	return longest
}

// hold calls a function for each Go process that runs through every round,
// while the senders pause.
func (r *rig) hold(do func(*end)) {
	tell := func(command string) {
		for _, e := range r.ends {
			if !e.spec.Receive {
				e.Tell(command)
			}
		}
	}
	tell("pause")
	time.Sleep(200 * time.Millisecond) // for the frame in transit; a report that is too early is repeated
	for _, e := range r.ends {
		if !e.python && (!e.struck || r.cell.fault == freeze || r.cell.fault == cut) {
			do(e)
		}
	}
	tell("resume")
}

func (r *rig) checkHoldings(e *end) {
	h := e.settled(e.before, waitLimit) // an imagezmq end that listens keeps a dead connection for a minute
	if h.more(e.before) {
		r.t.Errorf("the %s holds more than before:\nbefore %v\nafter  %v\n%s", e.Name, e.before, h, r.stderr())
		r.cell.notes = append(r.cell.notes, "LEAK")
	}
}

func (r *rig) stderr() string {
	var text strings.Builder
	for _, e := range r.ends {
		fmt.Fprintf(&text, "--- the %s's stderr, ports %v:\n%v\n", e.Name, e.spec.Ports, &e.Stderr)
	}
	return text.String()
}

// round applies one fault while frames flow. It reports whether the streams
// resumed.
func (r *rig) round(round int) bool {
	c := r.cell
	r.flow("before the fault")
	r.others()
	begin := time.Now()
	over := r.strike(round)
	at, err := r.resumed(over)
	if took := at.Sub(over); err == nil && took > c.limit() {
		r.judge(took, "round %d, from %s to %s, took %v\n%s", round, begin.Format("04:05.000"), over.Format("04:05.000"), took, r.stderr())
	}
	if err != nil && c.vidgear != "" {
		r.t.Logf("round %d: %v\n%s", round, err, r.stderr())
		// VidGear's process may end during this. Then a new one must be served.
		if errors.Is(err, errEnded) {
			c.ended++
		} else {
			c.hung++
		}
		for _, e := range r.stuck() {
			e.Kill()
			over = r.start(e)
		}
		at, err = r.resumed(over)
	}
	if err != nil {
		r.t.Errorf("round %d, after %s: %v\n%s", round, c.fault, err, r.stderr())
		return false
	}
	c.took = append(c.took, at.Sub(over))
	held := r.others()
	if c.held = max(c.held, held); held > c.limit() {
		r.judge(held, "round %d held the others up for %v\n%s", round, held, r.stderr())
	}
	return true
}

// stuck returns the Python ends that must be started again after a stream did not
// resume: those without the fault, or if there are none all of them.
func (r *rig) stuck() []*end {
	python := slices.DeleteFunc(slices.Clone(r.ends), func(e *end) bool { return !e.python })
	if without := slices.DeleteFunc(slices.Clone(python), func(e *end) bool { return e.struck }); len(without) > 0 {
		return without
	}
	return python
}

// judge reports what took longer than the limit. That is an error if all ends
// are this library's, except in the short form, during which other tests run.
func (r *rig) judge(took time.Duration, format string, args ...any) {
	r.t.Helper()
	if r.cell.vidgear == "" && full() {
		r.t.Errorf(format, args...)
	} else {
		r.t.Logf(format, args...)
	}
}

// struck calls a function for each end with the fault, in the order of their
// restart.
func (r *rig) struck(do func(*end)) {
	order := slices.Clone(r.ends)
	if r.cell.victim == sendFirst {
		slices.Reverse(order)
	}
	for _, e := range order {
		if e.struck {
			do(e)
		}
	}
}

// strike applies the fault and returns the time of its end.
func (r *rig) strike(round int) (over time.Time) {
	cutLines := func() {
		r.struck(func(e *end) { r.must(r.net.cut(e.spec.Ports)) })
	}
	again := func() {
		r.struck(func(e *end) { over = r.start(e) })
	}
	switch r.cell.fault {
	case kill, outage:
		r.struck(func(e *end) { e.Kill() })
		again()
	case restart:
		r.struck(func(e *end) { e.close() })
		again()
	case freeze:
		r.struck(func(e *end) { e.Signal(syscall.SIGSTOP) })
		time.Sleep(lasts(round)) // the fault itself, here and below
		over = time.Now()
		r.struck(func(e *end) { e.Signal(syscall.SIGCONT) })
	case cut:
		cutLines()
		time.Sleep(lasts(round))
		r.must(r.net.mend())
		over = time.Now()
	case hang:
		r.struck(func(e *end) { e.Signal(syscall.SIGSTOP) })
		time.Sleep(500 * time.Millisecond) // how long it hangs
		r.struck(func(e *end) { e.Kill() })
		again()
	case power:
		cutLines()
		r.struck(func(e *end) { e.Kill() })
		time.Sleep(lasts(round))
		r.must(r.net.mend())
		again()
	default:
		panic("unknown fault " + r.cell.fault)
	}
	return over
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

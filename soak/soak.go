package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/tcpproxy"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// kind is what is run: one stream in one pattern, on one wire.
type kind struct {
	Pattern  int    `json:"pattern"`
	Wire     string `json:"wire"`
	Secure   int    `json:"secure,omitempty"`
	JPEG     bool   `json:"jpeg,omitempty"`
	Sender   string `json:"sender"` // go, vidgear, imagezmq
	Receiver string `json:"receiver"`
}

var (
	patternNames = []string{"PAIR", "REQ/REP", "PUB/SUB", "PUSH/PULL"}
	secureNames  = []string{"", "StoneHouse", "IronHouse"}
)

func (k kind) String() string {
	text := patternNames[k.Pattern] + " " + k.Wire
	if k.Secure > 0 {
		text += " " + secureNames[k.Secure]
	}
	if k.JPEG {
		text += " JPEG"
	}
	if k.Sender != goPeer || k.Receiver != goPeer {
		text += " " + k.Sender + "→" + k.Receiver
	}
	return text
}

// soak is one run of a stream.
type soak struct {
	kind
	flags  *flags
	folder string
	series *sample.Series

	base     settings
	restarts map[bool]int    // of the receive end, of the send end
	port     string          // of the end that listens
	proxy    *tcpproxy.Proxy // with faults; the end that connects does so through it
	host     string          // the address of the name
	log      io.Writer       // of the faults

	mu       sync.Mutex
	ends     map[bool]*process // the receive end, the send end
	account  account
	problems []string
	sent     chan struct{} // closed when the send end has sent all
	allSent  sync.Once
	stats    map[string]netgear.Stats
	calm     time.Duration  // without a fault, since the last frame
	looked   time.Time      // when it was measured
	frames   int64          // that were received then
	under    bool           // a fault is under way
	hung     bool           // a Python end is to be started again
	revived  int            // how often one was
	what     string         // the last fault
	count    int            // of the faults
	kinds    map[string]int // of the faults, by kind
	reasons  map[string]int // why send calls returned errors
}

// outcome is the result of a run, a line in results.jsonl.
type outcome struct {
	kind
	Name     string         `json:"name"`
	Seed     uint64         `json:"seed"`
	Begun    string         `json:"begun"`
	Seconds  float64        `json:"seconds"`
	Faults   int            `json:"faults"`
	Stopped  bool           `json:"interrupted,omitempty"` // by a signal, before its end
	Revived  int            `json:"revived,omitempty"`     // Python ends that hung or gave up, and were started again
	Kinds    map[string]int `json:"kinds"`
	Longest  float64        `json:"longest_pause"` // seconds without a frame and without a fault
	Load     string         `json:"load"`          // the machine's load averages at the end
	Problems []string
	Trends   []string `json:"trends"`
	balance
	Reasons map[string]int           `json:"reasons"` // of the errors of send calls
	Stats   map[string]netgear.Stats `json:"stats"`
}

// The names of the processes. One that was started again has a number behind it.
const (
	sendEnd    = "send end"
	receiveEnd = "receive end"
)

// waitLimit bounds what has no limit of its own: the start of a process, its end.
const waitLimit = 60 * time.Second

func (s *soak) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < maxListed {
		s.problems = append(s.problems, fmt.Sprintf(format, args...))
	}
}

// handle handles an event of an end.
func (s *soak) handle(p *process, e event) {
	if e.Event == sampleEvent {
		s.series.Add(p.name, e.Values)
		return
	}
	if e.Event == goneEvent && p.ending() {
		return // VidGear's receive end, after the terminate message
	}
	if e.Event == goneEvent && s.base.Faults {
		p.end()
		s.mu.Lock()
		s.hung = true
		s.mu.Unlock()
		return
	}
	if e.Event == wrongEvent || e.Event == goneEvent {
		s.problem("%s: %s", p.name, e.Text)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Event {
	case runEvent:
		r := s.account.receivers[p.settings.Life-1]
		r.runs = append(r.runs, *e.Run)
	case lostEvent:
		s.account.senders[p.settings.Life].lost[e.Index] = true
		reason, _, _ := strings.Cut(e.Text, ":")
		s.reasons[reason]++
	case retriedEvent:
		s.account.senders[p.settings.Life].retried[e.Index] = true
	case sentEvent:
		s.allSent.Do(func() { close(s.sent) })
	case doneEvent:
		s.stats[p.name] = *e.Stats
		if p.settings.Receive {
			r := s.account.receivers[p.settings.Life-1]
			s.checkEnd(e.Stats)
			r.reported, r.counts = int64(e.Stats.Missed+e.Stats.Dropped), p.settings.Pattern == pubSub && s.Sender == goPeer
		}
	case readyEvent:
		close(p.ready)
	}
}

// checkEnd checks what a receive end counted until it was closed, after the send
// end. s.mu must be held.
func (s *soak) checkEnd(stats *netgear.Stats) {
	if stats.Malformed > 0 {
		s.problems = append(s.problems, fmt.Sprintf("%d messages could not be read: %+v", stats.Malformed, stats.MalformedBy))
	}
	ends := s.base.lockstep() && s.Wire != imagezmqWire // imagezmq has no terminate message
	if ends && !s.base.Faults && stats.TerminatesReceived != 1 {
		s.problems = append(s.problems, fmt.Sprintf("%d terminate messages were received", stats.TerminatesReceived))
	}
}

// start starts an end, the first time or again.
func (s *soak) start(receive bool) error {
	end := s.base
	end.Receive = receive
	s.restarts[receive]++
	end.Life = int64(s.restarts[receive])
	if s.proxy != nil && receive == s.receiverConnects() {
		end.Address, end.Host = name, s.host
		if receive && s.Receiver != goPeer || !receive && s.Sender != goPeer {
			end.Address = "127.0.0.1"
		}
		_, port, _ := net.SplitHostPort(s.proxy.Addr)
		end.Ports = []string{port}
	}
	name, peer := sendEnd, s.Sender
	if receive {
		name, peer = receiveEnd, s.Receiver
	}
	if end.Life > 1 {
		name = fmt.Sprint(name, " ", end.Life)
	}
	s.mu.Lock()
	if receive {
		s.account.receivers = append(s.account.receivers, &receiverRecord{})
	} else {
		end.Frames -= s.account.sent()
		s.account.senders[end.Life] = &senderRecord{lost: map[int64]bool{}, retried: map[int64]bool{}, blind: peer != goPeer}
	}
	s.mu.Unlock()
	p, err := startProcess(name, end, pythonEnd(peer, s.Wire), s.folder, s.handle)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ends[receive] = p
	s.mu.Unlock()
	if p.python {
		go s.series.Watch(context.Background(), s.every(), name, func() (sample.Values, error) { return sample.Of(p.pid()) })
	}
	select {
	case <-p.ready:
		return nil
	case <-p.exited:
		return errors.New(p.failure())
	case <-time.After(waitLimit):
		return fmt.Errorf("%s is not ready after %v", name, waitLimit)
	}
}

// end returns the process that is the receive end, or the send end, now.
func (s *soak) end(receive bool) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[receive]
}

// sent returns how many frames the send ends have sent.
func (a *account) sent() (n int64) {
	for _, s := range a.senders {
		n += s.begun
	}
	return n
}

// note takes the state of a process that has ended into the account.
func (s *soak) note(p *process, killed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.settings.Receive {
		r := s.account.senders[p.settings.Life]
		r.begun, r.killed = p.progress.Begun.Load(), killed
		return
	}
	r := s.account.receivers[p.settings.Life-1]
	r.killed = killed
	open := p.progress.run()
	if k := len(r.runs); open.Count > 0 && (k == 0 || r.runs[k-1] != open) {
		r.runs = append(r.runs, open)
	}
}

// every returns the time between samples. A long run has no more of them than
// can be drawn.
func (s *soak) every() time.Duration { return time.Duration(s.base.Every * float64(time.Second)) }

// run runs the stream until all frames are sent, or the context ends, and
// returns what is to be reported of it. An error is one of this program.
func (s *soak) run(ctx context.Context) (o outcome, err error) {
	o = outcome{kind: s.kind, Name: s.String(), Seed: s.flags.seed, Begun: time.Now().UTC().Format(time.RFC3339)}
	begun := time.Now()
	if err := s.open(); err != nil {
		return o, err
	}
	samples, err := os.Create(filepath.Join(s.folder, "samples.jsonl"))
	if err != nil {
		return o, err
	}
	defer samples.Close()
	s.series = sample.NewSeries(samples)
	defer func() {
		for _, p := range s.ends {
			p.kill()
		}
	}()
	for _, receive := range []bool{true, false} {
		if err := s.start(receive); err != nil {
			return o, err
		}
	}
	striking, calm := context.WithCancel(ctx)
	var faults sync.WaitGroup
	if s.base.Faults {
		faults.Go(func() { s.strike(striking, newPlan(s.flags.seed, s.String(), s.flags.chosen)) })
	}
	s.watch(ctx, &o)
	calm()
	faults.Wait()
	s.finish()
	if s.proxy != nil {
		s.proxy.Close()
	}
	o.Seconds = time.Since(begun).Seconds()
	s.judge(&o)
	return o, nil
}

// open chooses the ports, and creates the folder and the keys.
func (s *soak) open() error {
	s.sent, s.stats, s.restarts = make(chan struct{}), map[string]netgear.Stats{}, map[bool]int{}
	s.kinds, s.reasons, s.ends = map[string]int{}, map[string]int{}, map[bool]*process{}
	port, err := tcpproxy.FreePort()
	if err != nil {
		return err
	}
	s.base = settings{
		Pattern: s.Pattern, Wire: s.Wire, ImageZMQ: s.Wire == imagezmqWire, Secure: s.Secure, JPEG: s.JPEG,
		Address: "127.0.0.1", Ports: []string{port}, Timeout: 4, Size: s.flags.size, FPS: s.flags.fps, First: 1,
		Frames: s.flags.frames, Every: s.flags.every, HWM: s.flags.hwm, Storm: s.flags.storm, Faults: len(s.flags.chosen) > 0,
	}
	s.port = port
	s.account = account{pattern: s.Pattern, queue: 98, senders: map[int64]*senderRecord{}}
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return err
	}
	if s.base.Faults {
		s.account.severed = true
		front, err := tcpproxy.FreePort()
		if err != nil {
			return err
		}
		s.host = addresses[0]
		if err := s.listen(net.JoinHostPort(s.host, front)); err != nil {
			return err
		}
		if s.log, err = os.Create(filepath.Join(s.folder, "faults.log")); err != nil {
			return err
		}
	}
	if s.Secure > 0 {
		s.base.Keys = filepath.Join(s.folder, "certificates")
		if _, err := netgear.ReplaceCertificates(s.base.Keys); err != nil {
			return err
		}
	}
	return nil
}

// watch waits until the send end has sent all, and watches for pauses.
func (s *soak) watch(ctx context.Context, o *outcome) {
	s.looked = time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	shown := newDisplay(s)
	defer shown.end()
	for {
		select {
		case <-s.sent:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, receive := range []bool{true, false} {
			if p := s.end(receive); p.ended() && !p.ending() {
				s.problem("%s", p.failure())
				return
			}
		}
		if pause := s.pause(); pause > s.flags.stall && s.revive() {
			continue
		} else if pause > s.flags.stall {
			s.problem("no frame for %v, after frame %d", pause.Round(time.Millisecond), s.frames)
			s.dump()
			return
		} else if pause.Seconds() > o.Longest {
			o.Longest = pause.Seconds()
		}
		shown.update()
	}
}

// revive has a Python end started again that hangs or has given up, as some do
// after a fault: see docs/reliability.md. It reports whether there is one.
func (s *soak) revive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.base.Faults || !s.ends[true].python && !s.ends[false].python {
		return false
	}
	s.hung, s.calm = true, 0
	return true
}

// pause returns for how long there has been no frame, while there was no fault. A
// stream that never resumes is found also if one fault follows another.
func (s *soak) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch frames := s.received(); {
	case frames != s.frames:
		s.frames, s.calm = frames, 0
	case !s.under:
		s.calm += now.Sub(s.looked)
	}
	s.looked = now
	return s.calm
}

// received returns how many frames all receive ends got. s.mu must be held.
func (s *soak) received() (n int64) {
	now := s.ends[true] // while the next one is being started, it is on the list already
	for _, r := range s.account.receivers[:now.settings.Life-1] {
		for _, run := range r.runs {
			n += run.Count
		}
	}
	return n + now.progress.Frames.Load()
}

// finish closes the ends, the send end first, after the receive end has all that
// was sent.
func (s *soak) finish() {
	s.stop()
	s.awaitRest()
	s.end(true).end() // a VidGear end ends with the other one
	for _, receive := range []bool{false, true} {
		p := s.end(receive)
		if p.killed.Load() {
			continue
		}
		p.end()
		p.tell(closeCommand)
		select {
		case <-p.exited:
		case <-time.After(waitLimit):
			s.problem("%s has not ended %v after its close", p.name, waitLimit)
			p.kill()
		}
		if !p.cmd.ProcessState.Success() {
			s.problem("%s", p.failure()) // such as a data race
		}
		s.note(p, false)
	}
}

// stop makes the send end send no more, and waits until its last call has
// returned.
func (s *soak) stop() {
	sender := s.end(false)
	if sender.ending() {
		return
	}
	sender.tell(stopCommand)
	limit, hangs := waitLimit, sender.python && s.base.Faults
	if hangs {
		limit = s.flags.stall
	}
	select {
	case <-s.sent:
	case <-sender.exited:
	case <-time.After(limit):
		if !hangs {
			s.problem("a send call does not return")
			return
		}
		sender.kill() // as some do after a fault; see revive
		s.note(sender, true)
		s.mu.Lock()
		s.revived++
		s.mu.Unlock()
	}
}

// awaitRest waits until the receive end has the last frame, or got none for a
// while: with PUB/SUB the last ones may be lost.
func (s *soak) awaitRest() {
	sender, receiver := s.end(false), s.end(true)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.Now().Add(waitLimit)
	for last, since := int64(-1), time.Now(); time.Since(since) < 2*time.Second; <-tick.C {
		if time.Now().After(limit) {
			s.problem("frames still come %v after the send end was stopped", waitLimit)
			return
		}
		p := receiver.progress
		if !sender.python && p.Life.Load() == sender.settings.Life && p.Last.Load() >= sender.progress.Begun.Load() {
			return
		}
		if now := p.Frames.Load(); now != last {
			last, since = now, time.Now()
		}
	}
}

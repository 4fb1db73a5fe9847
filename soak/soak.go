package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/tcpproxy"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// kind is what is run: one stream in one pattern, on one wire. In JSON outcome has
// the names of the pattern and the secure mode.
type kind struct {
	Pattern  int    `json:"-"`
	Wire     string `json:"wire"`
	Secure   int    `json:"-"`
	JPEG     bool   `json:"jpeg,omitempty"`
	Mode     string `json:"mode,omitempty"`
	Sender   string `json:"sender"` // go, vidgear, imagezmq: the first of several
	Receiver string `json:"receiver"`
}

// VidGear's modes. The names are those of -mode; plain is "" in a kind.
const (
	plainMode         = "plain"
	bidirectionalMode = "bidirectional"
	multiserverMode   = "multiserver"
	multiclientMode   = "multiclient"
)

// several is how many ends there are on the side on which a mode has several.
const several = 2

// count returns how many receive ends or send ends there are.
func (k kind) count(receive bool) int {
	if receive && k.Mode == multiclientMode || !receive && k.Mode == multiserverMode {
		return several
	}
	return 1
}

// lines returns how many connections there are: one, or one for each of several
// ends.
func (k kind) lines() int { return max(k.count(true), k.count(false)) }

// id is one of the ends.
type id struct {
	receive bool
	place   int // which of several
}

// ids returns the ends, the receive ends first.
func (k kind) ids() (all []id) {
	for _, receive := range []bool{true, false} {
		for place := range k.count(receive) {
			all = append(all, id{receive, place})
		}
	}
	return all
}

// peer returns what an end is. Of several only the first may be in Python.
func (k kind) peer(i id) string {
	switch {
	case i.place > 0:
		return goPeer
	case i.receive:
		return k.Receiver
	}
	return k.Sender
}

// onLine reports whether an end has a connection.
func (k kind) onLine(i id, line int) bool { return k.count(i.receive) == 1 || i.place == line }

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
	if k.Mode != "" {
		text += " " + k.Mode
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
	begun  time.Time // of the series

	base     settings
	restarts map[id]int
	ports    []string          // of the ends that listen, one for each line
	proxies  []*tcpproxy.Proxy // with faults, one for each line, through which the end that connects does so; nil while there is none
	fronts   []string          // the ports of the proxies
	host     string            // the address of the name
	hosts    *hostsFile        // that address for an end in Python that connects; nil: it needs none, or cannot have one
	log      io.Writer         // of the faults

	mu       sync.Mutex
	ends     map[id]*process
	account  account
	problems []string
	sent     chan struct{} // closed when the send ends have sent all
	allSent  sync.Once
	sending  map[int]bool // the send ends that have not
	stats    map[string]netgear.Stats
	calm     []time.Duration // for each line: without a fault, since the last frame
	frames   []int64         // for each line: that were received then
	cause    []string        // for each line: the fault at which frames ceased to come; "": they come
	looked   time.Time       // when it was measured
	under    bool            // a fault is under way
	hung     string          // why the Python end is to be started again
	revived  map[string]int  // how often it was, by reason
	vain     []int           // for each line: how often it was since the last frame
	struck   bool            // a fault has begun since it was
	what     fault           // the last fault
	faults   int
	kinds    map[string]int // of the faults, by kind
	reasons  map[string]int // why send calls returned errors
}

// outcome is the result of a run, a line in results.jsonl.
type outcome struct {
	kind
	Pattern  string         `json:"pattern"`
	Secure   string         `json:"secure,omitempty"`
	Name     string         `json:"name"`
	Seed     uint64         `json:"seed"`
	Revision string         `json:"revision"` // of the sources
	Machine  string         `json:"machine"`
	Flags    map[string]any `json:"flags"`
	Begun    string         `json:"begun"`
	Seconds  float64        `json:"seconds"`
	Faults   int            `json:"faults"`
	Stopped  bool           `json:"interrupted,omitempty"` // by a signal, before its end
	Revived  map[string]int `json:"revived,omitempty"`     // Python ends that hung or gave up, and were started again
	LeftOut  []string       `json:"left_out,omitempty"`    // faults that could not be had
	Kinds    map[string]int `json:"kinds"`
	Longest  float64        `json:"longest_pause"` // seconds without a frame and without a fault
	Load     string         `json:"load"`          // the machine's load averages at the end
	Problems []string       `json:"problems,omitempty"`
	Unjudged string         `json:"unjudged,omitempty"` // growth, and why
	NoPlots  string         `json:"no_plots,omitempty"` // why there are none
	Trends   []string       `json:"trends"`
	balance
	Reasons map[string]int           `json:"reasons"` // of the errors of send calls
	Stats   map[string]netgear.Stats `json:"stats"`
}

// The names of the processes. Of several ends each has a letter behind it, and one
// that was started again a number.
const (
	sendEnd    = "send end"
	receiveEnd = "receive end"
)

// waitLimit bounds what has no limit of its own: the start of a process, its end.
const waitLimit = 60 * time.Second

// name returns the name of the first process of an end.
func (k kind) name(i id) string {
	name := sendEnd
	if i.receive {
		name = receiveEnd
	}
	if k.count(i.receive) > 1 {
		name += fmt.Sprintf(" %c", 'a'+i.place)
	}
	return name
}

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
		s.hung = fmt.Sprintf("gave up after %s (%s)", s.what.Kind, strings.TrimPrefix(e.Text, goneEvent+" "))
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
		p.receiver.runs = append(p.receiver.runs, *e.Run)
	case gapEvent:
		p.receiver.gaps = append(p.receiver.gaps, *e.Gap)
	case fullEvent:
		p.sender.full[e.Index] = true
	case lostEvent:
		p.sender.lost[e.Index] = true
		reason, _, _ := strings.Cut(e.Text, ":")
		s.reasons[reason]++
	case retriedEvent:
		p.sender.retried[e.Index] = true
	case sentEvent:
		p.sender.stop(time.Now())
		if delete(s.sending, p.place); len(s.sending) == 0 {
			s.allSent.Do(func() { close(s.sent) })
		}
	case doneEvent:
		s.stats[p.name] = *e.Stats
		if r := p.receiver; r != nil {
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
	if ends && !s.base.Faults && stats.TerminatesReceived != uint64(s.count(false)) {
		s.problems = append(s.problems, fmt.Sprintf("%d terminate messages were received", stats.TerminatesReceived))
	}
}

// start starts an end, the first time or again.
func (s *soak) start(i id) error {
	s.restarts[i]++
	defer s.disturb(s.linesOf(i))()
	p := &process{id: i, name: s.name(i), settings: s.base}
	end := &p.settings
	end.Receive = i.receive
	end.Life = lifeOf(i.place, s.restarts[i])
	end.Python = s.peer(id{receive: !i.receive}) != goPeer
	end.Peers = s.count(!i.receive)
	ports := s.ports
	if connects := i.receive == s.receiverConnects(); connects && len(s.proxies) > 0 {
		end.Address, end.Host, ports = name, s.host, s.fronts
		if s.peer(i) != goPeer && s.hosts == nil {
			end.Address = addresses[0]
		}
	}
	if s.count(i.receive) > 1 {
		ports = ports[i.place : i.place+1]
	}
	end.Ports = ports
	if s.restarts[i] > 1 {
		p.name = fmt.Sprint(p.name, " ", s.restarts[i])
	}
	command := pythonEnd(s.peer(i), s.Wire)
	if command != nil && s.hosts != nil && end.Address == name {
		command = s.hosts.command(command)
	}
	s.mu.Lock()
	if i.receive {
		p.receiver = &receiverRecord{place: i.place}
		s.account.receivers = append(s.account.receivers, p.receiver)
	} else {
		end.Frames = max(1, end.Frames-s.account.sent(i.place)) // of one that is started again, one must come
		p.sender = &senderRecord{lost: map[int64]bool{}, retried: map[int64]bool{}, full: map[int64]bool{}, from: time.Now().UnixMicro()}
		s.account.senders[end.Life] = p.sender
	}
	s.mu.Unlock()
	if err := p.start(command, s.folder, s.handle); err != nil {
		return err
	}
	s.mu.Lock()
	s.ends[i] = p
	s.mu.Unlock()
	if p.python {
		go s.series.Watch(context.Background(), s.every(), p.name, func() (sample.Values, error) { return sample.Of(p.pid()) })
	}
	select {
	case <-p.ready:
		return nil
	case <-p.exited:
		return errors.New(p.failure())
	case <-time.After(waitLimit):
		return fmt.Errorf("%s is not ready after %v", p.name, waitLimit)
	}
}

// end returns the process that is an end now.
func (s *soak) end(i id) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[i]
}

// processes returns the processes that are the receive ends, or the send ends,
// now.
func (s *soak) processes(receive bool) (all []*process) {
	for place := range s.count(receive) {
		all = append(all, s.end(id{receive, place}))
	}
	return all
}

// sent returns how many frames the processes of a send end have sent.
func (a *account) sent(place int) (n int64) {
	for life, s := range a.senders {
		if placeOf(life) == place {
			n += s.begun
		}
	}
	return n
}

// note takes the state of a process that has ended into the account.
func (s *soak) note(p *process, killed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.noted {
		return
	}
	p.noted = true
	if r := p.sender; r != nil {
		r.begun, r.killed = p.progress.Begun.Load(), killed
		r.stop(time.Now())
		return
	}
	r := p.receiver
	r.killed = killed
	for i := range p.progress.Open {
		if open := p.progress.Open[i].run(); open.Count > 0 && !slices.Contains(r.runs, open) {
			r.runs = append(r.runs, open)
		}
	}
}

// every returns the time between samples. A long run has no more of them than
// can be drawn.
func (s *soak) every() time.Duration { return time.Duration(s.base.Every * float64(time.Second)) }

// run runs the stream until all frames are sent, or the context ends, and
// returns what is to be reported of it. An error is one of this program.
func (s *soak) run(ctx context.Context) (o outcome, err error) {
	o = s.newOutcome()
	begun := time.Now()
	if err := s.open(); err != nil {
		return o, err
	}
	samples, err := os.Create(filepath.Join(s.folder, "samples.jsonl"))
	if err != nil {
		return o, err
	}
	defer samples.Close()
	s.begun, s.series = time.Now(), sample.NewSeries(samples)
	defer func() {
		for _, p := range s.ends {
			p.kill()
		}
	}()
	for _, i := range s.ids() {
		if err := s.start(i); err != nil {
			return o, err
		}
	}
	striking, calm := context.WithCancel(ctx)
	var faults sync.WaitGroup
	if s.base.Faults {
		faults.Go(func() { s.strike(striking, newPlan(s.flags.seed, s.kind, s.flags.chosen)) })
	}
	s.watch(ctx, &o)
	calm()
	faults.Wait()
	s.finish()
	for line := range s.proxies {
		s.closeProxy(line)
	}
	o.Seconds = time.Since(begun).Seconds()
	s.judge(&o)
	return o, nil
}

// open chooses the ports, and creates the folder and the keys.
func (s *soak) open() error {
	s.sent, s.stats, s.restarts = make(chan struct{}), map[string]netgear.Stats{}, map[id]int{}
	s.kinds, s.reasons, s.revived, s.ends = map[string]int{}, map[string]int{}, map[string]int{}, map[id]*process{}
	s.calm, s.frames, s.cause, s.sending = make([]time.Duration, s.lines()), make([]int64, s.lines()), make([]string, s.lines()), map[int]bool{}
	s.vain = make([]int, s.lines())
	for place := range s.count(false) {
		s.sending[place] = true
	}
	var err error
	if s.ports, err = freePorts(s.lines()); err != nil {
		return err
	}
	s.base = settings{
		Pattern: s.Pattern, Wire: s.Wire, ImageZMQ: s.Wire == imagezmqWire, Secure: s.Secure, JPEG: s.JPEG,
		Address: "127.0.0.1", Timeout: 4, Size: s.flags.size, FPS: s.flags.fps, First: 1,
		Frames: s.flags.frames, Every: s.flags.every, HWM: s.flags.hwm, Storm: s.flags.storm, Mats: s.flags.mats, Faults: len(s.flags.chosen) > 0,
		Bidirectional: s.Mode == bidirectionalMode, Multiserver: s.Mode == multiserverMode, Multiclient: s.Mode == multiclientMode,
	}
	s.account = account{pattern: s.Pattern, queue: 98, senders: map[int64]*senderRecord{}}
	// As fast as it goes, queues overflow at any time.
	if s.Pattern == pubSub && s.flags.fps > 0 && !slices.Contains(s.flags.chosen, clockFault) {
		s.account.times = &times{}
	}
	if s.Sender == vidgearPeer {
		s.account.brief = time.Second
	}
	if s.Sender == goPeer { // one in Python does not wait for a subscriber
		s.account.early = earlyFrames
	}
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return err
	}
	if s.base.Faults {
		s.account.severed = true
		if s.fronts, err = freePorts(s.lines()); err != nil {
			return err
		}
		s.host, s.proxies = addresses[0], make([]*tcpproxy.Proxy, s.lines())
		for line := range s.proxies {
			if err := s.listen(line); err != nil {
				return err
			}
		}
		if err := s.openHosts(); err != nil {
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

func freePorts(n int) (all []string, err error) {
	for len(all) < n {
		port, err := tcpproxy.FreePort()
		if err != nil {
			return nil, err
		}
		all = append(all, port)
	}
	return all, nil
}

// watch waits until the send ends have sent all, and watches for pauses.
func (s *soak) watch(ctx context.Context, o *outcome) {
	s.mu.Lock()
	s.looked = time.Now()
	s.mu.Unlock()
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
		for _, i := range s.ids() {
			if p := s.end(i); p.ended() && !p.ending() {
				s.problem("%s", p.failure())
				return
			}
		}
		s.tellCame()
		if line, pause := s.pause(); pause > s.flags.stall && s.revive(line) {
			continue
		} else if pause > s.flags.stall {
			s.problem("no frame on connection %d for %v, after %d frames%s", line+1, pause.Round(time.Millisecond), s.frames[line], s.inVain(line))
			s.dump()
			return
		} else if pause.Seconds() > o.Longest {
			o.Longest = pause.Seconds()
		}
		shown.update()
	}
}

// revive has the Python end started again if it hangs, as some do after a fault:
// see docs/reliability.md. It reports whether there is one on the line.
func (s *soak) revive(line int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.python(); !s.base.Faults || !ok || !s.onLine(i, line) || s.hopeless(line) {
		return false
	}
	s.hung, s.calm[line] = "hung after "+s.cause[line], 0
	return true
}

// vainLimit is how often the Python end is started again without a frame in between,
// if each time it was disturbed by a fault.
const vainLimit = 3

// hopeless reports whether it is not the Python end that hangs: no frame came since
// it was started again, without another fault, or often enough. s.mu must be held.
func (s *soak) hopeless(line int) bool {
	return s.vain[line] >= vainLimit || s.vain[line] > 0 && !s.struck
}

// inVain returns how often the Python end was started again since the last frame of
// a line.
func (s *soak) inVain(line int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vain[line] == 0 {
		return ""
	}
	return fmt.Sprintf(", since the Python end was started again (%d)", s.vain[line])
}

// python returns the end in Python, if there is one.
func (k kind) python() (i id, ok bool) {
	for _, i := range k.ids() {
		if k.peer(i) != goPeer {
			return i, true
		}
	}
	return id{}, false
}

// pause returns for how long there has been no frame on a line, while there was
// no fault: the line with the longest. A stream that never resumes is found also
// if one fault follows another.
func (s *soak) pause() (longest int, pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for line := range s.calm {
		switch frames := s.received(line); {
		case frames != s.frames[line]:
			s.frames[line], s.calm[line], s.cause[line], s.vain[line] = frames, 0, "", 0
		case !s.under:
			s.calm[line] += now.Sub(s.looked)
			fallthrough
		default:
			s.cause[line] = cmp.Or(s.cause[line], s.what.Kind)
		}
		if s.calm[line] > s.calm[longest] {
			longest = line
		}
	}
	s.looked = now
	return longest, s.calm[longest]
}

// received returns how many frames came over a line. s.mu must be held.
func (s *soak) received(line int) (n int64) {
	count := func(place int, r run) {
		if s.onLine(id{true, place}, line) && s.onLine(id{false, placeOf(r.Life)}, line) {
			n += r.Count
		}
	}
	for _, r := range s.account.receivers {
		for _, run := range r.runs {
			count(r.place, run)
		}
	}
	for i, p := range s.ends {
		if i.receive && !p.noted {
			for k := range p.progress.Open {
				count(i.place, p.progress.Open[k].run())
			}
		}
	}
	return n
}

// finish closes the ends, the send ends first, after the receive ends have all
// that was sent.
func (s *soak) finish() {
	for _, sender := range s.processes(false) {
		s.stop(sender)
	}
	s.awaitRest()
	for _, receiver := range s.processes(true) {
		receiver.end() // a VidGear end ends with the other one
	}
	for _, p := range slices.Concat(s.processes(false), s.processes(true)) {
		s.close(p)
	}
}

// close closes an end. A Python send end that hangs in that is started again: one of
// VidGear sends its terminate message without a time-out, and after a time-out in a
// secure mode it has no connection any more.
func (s *soak) close(p *process) {
	switch {
	case p.killed.Load():
		return
	case p.python && !p.receive && s.base.Faults:
		if !p.close(s.flags.stall) {
			s.closeAgain(p)
			return
		}
	case !p.close(waitLimit):
		s.problem("%s has not ended %v after its close", p.name, waitLimit)
		p.kill()
	}
	if !p.cmd.ProcessState.Success() {
		s.problem("%s", p.failure()) // such as a data race
	}
	s.note(p, false)
}

// closeAgain starts a Python send end again that hung in its close. A frame of it
// must come, and its close must return.
func (s *soak) closeAgain(p *process) {
	s.mu.Lock()
	s.sending[p.place] = true
	hung := "hung in its close after " + s.lastFault(p)
	s.mu.Unlock()
	again := s.sendAgain(p, hung)
	if again == nil {
		return
	}
	if !s.awaitStop(again, waitLimit) {
		s.problem("a send call of %s does not return", again.name)
	}
	s.awaitRest()
	if !again.close(waitLimit) {
		s.problem("%s has not ended %v after its close, which was started again as %s %s", again.name, waitLimit, p.name, hung)
		again.kill()
	}
	s.note(again, false)
}

// lastFault returns the fault after which an end may have hung. s.mu must be held.
func (s *soak) lastFault(p *process) string {
	return cmp.Or(s.cause[p.place], s.what.Kind, "no fault")
}

// stop makes a send end send no more, and waits until its last call has returned.
func (s *soak) stop(sender *process) {
	if sender.ending() {
		return
	}
	sender.tell(stopCommand)
	python, ok := s.python()
	s.mu.Lock()
	limit, hung := waitLimit, "hung after "+s.lastFault(sender)
	s.mu.Unlock()
	if ok && s.base.Faults {
		limit = s.flags.stall
	}
	switch {
	case s.awaitStop(sender, limit):
		return
	case limit == waitLimit:
	case sender.python: // some hang after a fault; see revive
		sender = s.sendAgain(sender, hung)
		if sender == nil || s.awaitStop(sender, waitLimit) {
			return
		}
	case python.receive:
		if err := s.restartPython(hung); err != nil {
			s.problem("%v", err)
		}
		fallthrough
	default:
		if s.awaitStop(sender, waitLimit) {
			return
		}
	}
	s.problem("a send call of %s does not return", sender.name)
}

// sendAgain starts a Python send end again that hung as the run ended, and waits
// until a frame of it has come, so that it was not the receive end that hung. It
// returns its process, which has the command to stop, or nil if there is none.
func (s *soak) sendAgain(sender *process, hung string) *process {
	if err := s.restartPython(hung); err != nil {
		s.problem("%v", err)
		s.dump()
		return nil
	}
	again := s.end(sender.id)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(waitLimit); !s.came(again, false); <-tick.C {
		if again.ended() || time.Now().After(limit) {
			s.problem("no frame of %s came, which was started again as it %s", again.name, hung)
			s.dump()
			again.kill()
			s.note(again, true)
			return nil
		}
	}
	again.tell(stopCommand)
	return again
}

// tellCame reports to publishers when each receive end has a frame of them.
func (s *soak) tellCame() {
	if s.Pattern != pubSub {
		return
	}
	for _, sender := range s.processes(false) {
		if !sender.python && !sender.came && s.came(sender, true) {
			sender.came = true
			sender.tell(cameCommand)
		}
	}
}

// came reports whether a receive end, or each, has a frame of a send end.
func (s *soak) came(sender *process, each bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := map[int]bool{}
	for _, r := range s.account.receivers {
		if _, last := r.span(sender.settings.Life); last > 0 {
			came[r.place] = true
		}
	}
	for i, p := range s.ends {
		if i.receive {
			open := p.progress.Open[sender.place].run()
			came[i.place] = came[i.place] || open.Count > 0 && open.Life == sender.settings.Life
		}
	}
	n := 0
	for _, ok := range came {
		if ok {
			n++
		}
	}
	return n > 0 && (!each || n == s.count(true))
}

// awaitStop waits until a send end has reported that it is done, or has ended, and
// reports whether it has.
func (s *soak) awaitStop(sender *process, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.isSending(sender) {
		select {
		case <-sender.exited:
			return true
		case <-timer.C:
			return false
		case <-tick.C:
		}
	}
	return true
}

// isSending reports whether a send end has not reported that it is done.
func (s *soak) isSending(p *process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sending[p.place]
}

// awaitRest waits until the receive ends have the last frame of each send end, or
// got none for a while. With PUB/SUB the last ones may be lost: a publisher of this
// library sends one more until one has come, so that what is missing before it is
// counted.
func (s *soak) awaitRest() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit, more := time.Now().Add(waitLimit), time.Now().Add(morePause)
	asked := map[*process]int64{} // the last frame that the command more asked each send end for
	sentAll := func() bool {
		for p, index := range asked {
			if p.progress.Begun.Load() < index {
				return false
			}
		}
		return true
	}
	for last, since := int64(-1), time.Now(); s.publishesMore() || time.Since(since) < 2*time.Second; <-tick.C {
		if sentAll() && s.allCame() {
			return
		}
		if now := time.Now(); now.After(limit) {
			if s.publishesMore() {
				s.problem("no frame comes %v after the send end was stopped, although it still sends some", waitLimit)
				s.dump()
			} else {
				s.problem("frames still come %v after the send end was stopped", waitLimit)
			}
			return
		} else if now.After(more) && sentAll() && s.publishesMore() {
			more = now.Add(morePause)
			for _, sender := range s.processes(false) {
				asked[sender] = sender.progress.Begun.Load() + 1
				sender.tell(moreCommand)
			}
		}
		now := int64(0)
		for _, p := range s.processes(true) {
			now += p.progress.Frames.Load()
		}
		if now != last {
			last, since = now, time.Now()
		}
	}
}

// morePause is how long the last frame of a publisher may take before it sends one
// more.
const morePause = 100 * time.Millisecond

// publishesMore reports whether the last frame must come: the ends are publishers of
// this library, which have the command more, and receive ends that do
// not hang.
func (s *soak) publishesMore() bool {
	if _, python := s.python(); s.Pattern != pubSub || python {
		return false
	}
	for _, p := range slices.Concat(s.processes(false), s.processes(true)) {
		if p.ended() || p.killed.Load() {
			return false
		}
	}
	return true
}

// allCame reports whether the last frame of each send end has come, in PUB/SUB at
// each receive end.
func (s *soak) allCame() bool {
	for _, sender := range s.processes(false) {
		came := 0
		for _, receiver := range s.processes(true) {
			r := receiver.progress.Open[sender.place].run()
			if r.Life == sender.settings.Life && r.Last >= sender.progress.Begun.Load() {
				came++
			}
		}
		if came == 0 || s.Pattern == pubSub && came < s.count(true) {
			return false
		}
	}
	return true
}

package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear/internal/tcpproxy"
)

// The faults. Each lasts for a time, and befalls one end or the connection.
const (
	signalFault = "signals" // 1000 signals a second, to the threads of an end
	gcFault     = "gc"      // garbage collections, one after the other
	freezeFault = "freeze"  // SIGSTOP, then SIGCONT
	killFault   = "kill"    // SIGKILL, and started again after a while
	cutFault    = "cut"     // the connection ends, and new ones are refused for a while
	resetFault  = "reset"   // the connection ends with a reset
	holdFault   = "hold"    // nothing passes from the end that connects
	nameFault   = "name"    // the listening end has moved: its name has another address
	fullFault   = "full"    // the application does not receive, so queues fill
	slowFault   = "slow"    // the application takes long for each frame
	clockFault  = "clock"   // the machine's clock is set an hour ahead or back, and restored
)

// allFaults are those of -faults all. The clock belongs to the whole machine, so
// it must be asked for by name.
var allFaults = []string{signalFault, gcFault, freezeFault, killFault, cutFault, resetFault, holdFault, nameFault, fullFault, slowFault}

func faultNames() []string { return append(slices.Clone(allFaults), clockFault) }

// fault is one fault of a plan.
type fault struct {
	Kind    string        `json:"kind"`
	Receive bool          `json:"receive"` // of the two ends, the one that it befalls
	Place   int           `json:"place"`   // which of several ends; for the connection, which of several
	Pause   time.Duration `json:"pause"`   // without a fault before it
	Lasts   time.Duration `json:"lasts"`
	Back    bool          `json:"back"` // clock: back, not ahead; kill: connections are accepted and closed
}

// describe returns a fault with what it befalls.
func (k kind) describe(f fault) string {
	befalls := k.name(k.end(f))
	switch f.Kind {
	case cutFault, resetFault, holdFault:
		befalls = "connection"
		if k.lines() > 1 {
			befalls += fmt.Sprintf(" %c", 'a'+f.Place)
		}
	case nameFault, clockFault:
		return fmt.Sprintf("%s, %v", f.Kind, f.Lasts)
	}
	text := fmt.Sprintf("%s, %s, %v", f.Kind, befalls, f.Lasts)
	if k.behindRelay(f) {
		text += ", behind a relay"
	}
	return text
}

// listens reports whether a fault befalls an end that listens.
func (k kind) listens(f fault) bool { return f.Receive != k.receiverConnects() }

// behindRelay reports whether connections are accepted and closed at once while a
// killed end is away, as by a relay whose target is down.
func (k kind) behindRelay(f fault) bool {
	return f.Kind == killFault && f.Back && k.listens(f) && k.Sender == goPeer && k.Receiver == goPeer
}

// plan is the faults of a run in their order, which depends on the seed and the
// name of the stream alone.
type plan struct {
	random *rand.Rand
	kinds  []string
	lines  int  // how many connections there are
	mortal bool // which end is killed, or which of several; the other side lives through all faults
}

func newPlan(seed uint64, stream kind, kinds []string) *plan {
	h := fnv.New64a()
	h.Write([]byte(stream.String()))
	p := &plan{random: rand.New(rand.NewPCG(seed, h.Sum64())), kinds: kinds, lines: stream.lines()}
	p.mortal = p.random.IntN(2) == 0
	return p
}

// next returns the next fault. Short ones are frequent, and some are longer than
// RequestTimeout.
func (p *plan) next() fault {
	f := fault{
		Kind: p.kinds[p.random.IntN(len(p.kinds))], Receive: p.random.IntN(2) == 0, Back: p.random.IntN(2) == 0,
		Pause: p.below([]time.Duration{time.Second, 3 * time.Second, 10 * time.Second}[p.random.IntN(3)]),
	}
	longest := []time.Duration{200 * time.Millisecond, time.Second, 6 * time.Second}[p.random.IntN(3)]
	f.Lasts = p.below(longest)
	switch f.Kind {
	case killFault:
		f.Receive = p.mortal
	case fullFault, slowFault:
		f.Receive = true
	}
	if p.lines > 1 { // else a seed would have another order
		f.Place = p.random.IntN(p.lines)
	}
	return f
}

// below returns a random time below d.
func (p *plan) below(d time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(d))).Round(time.Millisecond)
}

// end returns the end that a fault befalls.
func (k kind) end(f fault) id {
	if k.count(f.Receive) == 1 {
		return id{receive: f.Receive}
	}
	return id{f.Receive, f.Place}
}

// possible reports whether the fault exists for the ends.
func (s *soak) possible(f fault) bool {
	switch f.Kind {
	case signalFault, gcFault, fullFault, slowFault:
		return s.peer(s.kind.end(f)) == goPeer
	case nameFault:
		i, ok := s.python()
		return !ok || i.receive != s.receiverConnects() || s.hosts != nil
	}
	return true
}

// strike brings the faults of the plan over the stream, until the context ends.
func (s *soak) strike(ctx context.Context, p *plan) {
	for {
		f := p.next()
		if !s.possible(f) {
			continue
		}
		f.Pause, f.Lasts = min(f.Pause, s.flags.pause), min(f.Lasts, s.flags.lasts)
		if !s.rest(ctx, f.Pause) {
			return
		}
		s.mu.Lock()
		s.under, s.what, s.struck = true, f, true
		if severs(f.Kind) {
			s.account.severings++
		}
		s.faults++
		s.kinds[f.Kind]++
		s.mu.Unlock()
		s.logFault("%s", s.describe(f))
		over := func() {}
		if severs(f.Kind) || f.Kind == slowFault && s.flags.fps > slowRate/2 {
			over = s.disturb(s.linesTouched(f))
		}
		ends := s.series.Mark(f.Kind)
		err := s.befall(ctx, f)
		ends()
		if over(); err != nil {
			s.problem("fault %s: %v", s.describe(f), err)
			return
		}
		s.mu.Lock()
		s.under, s.looked = false, time.Now()
		s.mu.Unlock()
	}
}

// slowRate is how many frames a second a slow application takes.
const slowRate = 200

// linesOf returns the connections of an end.
func (k kind) linesOf(i id) (all []int) {
	for line := range k.lines() {
		if k.onLine(i, line) {
			all = append(all, line)
		}
	}
	return all
}

// linesTouched returns the connections on which a fault may lose frames.
func (k kind) linesTouched(f fault) []int {
	switch f.Kind {
	case cutFault, resetFault, holdFault:
		return []int{f.Place}
	case nameFault:
		return k.linesOf(id{receive: k.count(true) == 1, place: 0}) // all
	}
	return k.linesOf(k.end(f))
}

// disturb notes that frames may be lost on connections, until the function that it
// returns is called.
func (s *soak) disturb(lines []int) (over func()) { return s.disturbSince(time.Now(), lines) }

func (s *soak) disturbSince(from time.Time, lines []int) (over func()) {
	if s.account.times == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := s.account.times.begin(lines, from)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		ends(time.Now())
	}
}

// lastCame returns when the last frame was captured that the Python end sent or
// received. Without one it is now.
func (s *soak) lastCame() time.Time {
	python, _ := s.python()
	s.mu.Lock()
	defer s.mu.Unlock()
	last := int64(0)
	for i, p := range s.ends {
		if !i.receive || python.receive && i != python {
			continue
		}
		for k := range p.progress.Open {
			open := p.progress.Open[k].run()
			if python.receive || placeOf(open.Life) == python.place {
				last = max(last, open.LastAt)
			}
		}
	}
	if last == 0 {
		return time.Now()
	}
	return time.UnixMicro(last)
}

// logFault writes a line into faults.log, with the time and the seconds of the run,
// which the samples and the plots have.
func (s *soak) logFault(format string, args ...any) {
	now := time.Now()
	fmt.Fprintf(s.log, "%s %9.3f s  "+format+"\n", append([]any{now.Format("15:04:05.000"), now.Sub(s.begun).Seconds()}, args...)...)
}

// rest waits for a time without a fault, in which a Python end that hangs is
// started again. It reports whether the time passed before the context ended.
func (s *soak) rest(ctx context.Context, d time.Duration) bool {
	for until := time.Now().Add(d); ; {
		s.mu.Lock()
		hung := s.hung
		s.mu.Unlock()
		if hung != "" {
			if err := s.restartPython(hung); err != nil {
				s.problem("%v", err)
				return false
			}
		}
		left := time.Until(until)
		if left <= 0 {
			return true
		}
		if !wait(ctx, min(left, 100*time.Millisecond)) {
			return false
		}
	}
}

// mayRestart returns an error if it is of no use to start the Python end again.
func (s *soak) mayRestart() error {
	i, _ := s.python()
	s.mu.Lock()
	defer s.mu.Unlock()
	for line, times := range s.vain {
		if s.onLine(i, line) && s.hopeless(line) {
			return fmt.Errorf("no frame on connection %d since the Python end was started again (%d)", line+1, times)
		}
	}
	return nil
}

// severs reports whether a connection may be lost by a fault.
func severs(fault string) bool {
	return !slices.Contains([]string{signalFault, gcFault, slowFault, clockFault}, fault)
}

// restartPython starts the Python end again, unless that was in vain.
func (s *soak) restartPython(reason string) error {
	if err := s.mayRestart(); err != nil {
		return fmt.Errorf("%w, and now it %s", err, reason)
	}
	defer s.series.Mark("Python started again")()
	s.endPython(reason)
	i, _ := s.python()
	err := s.start(i)
	s.mu.Lock()
	defer s.mu.Unlock()
	// While none ran there was none that could hang.
	clear(s.calm)
	s.looked, s.struck = time.Now(), false
	for line := range s.vain {
		if s.onLine(i, line) {
			s.vain[line]++
		}
	}
	return err
}

// endPython ends the Python end, and counts why.
func (s *soak) endPython(reason string) {
	i, _ := s.python()
	p := s.end(i)
	if !p.ended() {
		p.abort()
		if where := p.where(); where != "" {
			reason += ", in " + where
		}
	}
	defer s.disturbSince(s.lastCame(), s.linesOf(i))() // it has hung since then
	p.kill()
	s.logFault("%s %s", p.name, reason)
	s.note(p, true)
	s.mu.Lock()
	s.hung = ""
	clear(s.calm)
	s.revived[reason]++
	s.account.severings++
	s.mu.Unlock()
}

// wait waits for a time, and reports whether it passed before the context ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// befall applies one fault, and returns at its end.
func (s *soak) befall(ctx context.Context, f fault) error {
	p := s.end(s.kind.end(f))
	switch f.Kind {
	case signalFault, gcFault:
		p.tell(f.Kind + " on")
		wait(ctx, f.Lasts)
		p.tell(f.Kind + " off")
	case fullFault:
		p.tell(slowCommand + " " + f.Lasts.String()) // for one frame
		wait(ctx, f.Lasts/2)
		p.tell(slowCommand + " 0s")
		wait(ctx, f.Lasts/2)
	case slowFault:
		p.tell(fmt.Sprintf("%s %v", slowCommand, time.Second/slowRate))
		wait(ctx, f.Lasts)
		p.tell(slowCommand + " 0s")
	case freezeFault:
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		wait(ctx, f.Lasts)
		return p.signal(syscall.SIGCONT)
	case killFault:
		return s.kill(ctx, p, f)
	case cutFault:
		return s.cut(ctx, f)
	case nameFault:
		return s.move(ctx, f)
	case resetFault:
		s.proxies[f.Place].Reset()
	case holdFault:
		s.proxies[f.Place].Hold(0)
		wait(ctx, f.Lasts)
		s.proxies[f.Place].Release()
	case clockFault:
		return setClock(ctx, f)
	}
	return nil
}

// kill kills an end, and starts it again. Where the end listens, connections are
// refused meanwhile, or accepted and closed at once (behindRelay).
func (s *soak) kill(ctx context.Context, p *process, f fault) error {
	var closed []int
	if s.listens(f) && !s.behindRelay(f) {
		for line := range s.proxies {
			if s.onLine(p.id, line) {
				s.closeProxy(line)
				closed = append(closed, line)
			}
		}
	}
	p.kill()
	s.note(p, true)
	wait(ctx, f.Lasts)
	if err := s.start(p.id); err != nil {
		return err
	}
	for _, line := range closed {
		if err := s.listen(line); err != nil {
			return err
		}
	}
	return nil
}

// cut ends a connection, so that new ones are refused for a while.
func (s *soak) cut(ctx context.Context, f fault) error {
	s.closeProxy(f.Place)
	wait(ctx, f.Lasts)
	return s.listen(f.Place)
}

// move moves the ends that listen: connections end, and new ones are refused for a
// while, after which they are accepted at another address, which the name then has.
func (s *soak) move(ctx context.Context, f fault) error {
	for line := range s.proxies {
		s.closeProxy(line)
	}
	wait(ctx, f.Lasts)
	s.host = addresses[1-slices.Index(addresses, s.host)]
	if s.hosts != nil {
		if err := s.hosts.move(s.host); err != nil {
			return err
		}
	}
	for _, p := range s.processes(s.receiverConnects()) {
		if !p.python {
			p.tell(nameCommand + " " + s.host)
		}
	}
	for line := range s.proxies {
		if err := s.listen(line); err != nil {
			return err
		}
	}
	return nil
}

// addresses are those that the name has in turn.
var addresses = []string{"127.0.0.1", "127.0.0.2"}

// name is the name of the end that listens.
const name = "soak.example"

// listen puts the proxy of a line in front of the end that listens.
func (s *soak) listen(line int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(s.host, s.fronts[line]))
	if err != nil {
		return err
	}
	s.proxies[line] = tcpproxy.New(l, net.JoinHostPort("127.0.0.1", s.ports[line]), false)
	return nil
}

// closeProxy ends the connections of a line.
func (s *soak) closeProxy(line int) {
	if s.proxies[line] != nil {
		s.proxies[line].Close()
		s.proxies[line] = nil
	}
}

// receiverConnects reports whether the receive end connects, as with imagezmq's
// PUB/SUB.
func (k kind) receiverConnects() bool { return k.Wire == imagezmqWire && k.Pattern == pubSub }

// chosenFaults returns the faults of -faults.
func chosenFaults(text string) ([]string, error) {
	switch text {
	case "none":
		return nil, nil
	case "all":
		return allFaults, nil
	}
	chosen := strings.Split(text, ",")
	for _, c := range chosen {
		if !slices.Contains(faultNames(), c) {
			return nil, fmt.Errorf("-faults %s: use %s, all or none", c, strings.Join(faultNames(), ", "))
		}
	}
	return chosen, nil
}

package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The faults by name.
const (
	kill    = "kill"      // SIGKILL, and started again
	restart = "restart"   // closed, and started again
	freeze  = "freeze"    // SIGSTOP, and SIGCONT after a while
	cut     = "cut"       // the network between the two drops everything for a while
	power   = "power cut" // killed behind a cut network, so that no FIN gets through, and started again
	hang    = "hang"      // frozen, so that the other end waits for it, then killed and started again
	outage  = "outage"    // both ends killed and started again; the victim determines the order
)

// The victims of a fault: one end, or all.
const (
	sender       = "send"
	receiver     = "receive"
	both         = "both"
	sendFirst    = "both, send end back first"
	receiveFirst = "both, receive end back first"
)

// ends are the victims of faults of one end.
var ends = []string{sender, receiver}

// mode is one of NetGear's modes. Its fields are part of an end's spec.
type mode struct {
	Name          string `json:"-"`
	Secure        int    `json:"secure"`
	Bidirectional bool   `json:"bidirectional"`
	Multiserver   bool   `json:"multiserver"`
	Multiclient   bool   `json:"multiclient"`
	ImageZMQ      bool   `json:"imagezmq"` // imagezmq's wire; the Python end is imagezmq's
}

var (
	plain         = mode{Name: "plain"}
	stoneHouse    = mode{Name: "StoneHouse", Secure: 1}
	ironHouse     = mode{Name: "IronHouse", Secure: 2}
	bidirectional = mode{Name: "bidirectional", Bidirectional: true}
	multiserver   = mode{Name: "multi-server", Multiserver: true}
	multiclient   = mode{Name: "multi-client", Multiclient: true}
	biServer      = mode{Name: "bidirectional multi-server", Bidirectional: true, Multiserver: true}
	biClient      = mode{Name: "bidirectional multi-client", Bidirectional: true, Multiclient: true}
	overImageZMQ  = mode{Name: "imagezmq", ImageZMQ: true}
)

var modes = []mode{plain, stoneHouse, ironHouse, bidirectional, multiserver, multiclient, biServer, biClient, overImageZMQ}

// several is the number of ends on the side on which a mode has several.
const several = 3

func (m *mode) many() bool { return m.Multiserver || m.Multiclient }

// patterns returns the patterns in which the mode exists.
func (m *mode) patterns() []int {
	var all []int
	for pattern := range patternNames {
		if !((m.many() || m.ImageZMQ) && pattern == 0 || m.Bidirectional && pattern == 2) {
			all = append(all, pattern)
		}
	}
	return all
}

// lines returns the victims of a cut: with several ends, the line to one of
// them, or to their common peer.
func (m *mode) lines() []string {
	if m.many() {
		return ends
	}
	return []string{both}
}

var patternNames = []string{"PAIR", "REQ/REP", "PUB/SUB"}

// cell is one cell of the tables.
type cell struct {
	mode    mode
	pattern int
	fault   string
	victim  string
	vidgear string // which end is Python's: sender, receiver, both, or "" for none; the first of several
	rounds  int

	took  []time.Duration // one for each round that resumed
	ran   bool
	held  time.Duration // the longest wait for a frame of the ends without a fault
	hung  int           // rounds in which the Python end kept running, but its stream did not resume
	ended int           // rounds in which it gave up
	notes []string
}

func (c *cell) name() string {
	return strings.Join([]string{c.mode.Name, c.peers(), c.fault, c.victim, patternNames[c.pattern]}, "_")
}

func (c *cell) peers() string {
	send, receive := "Go", "Go"
	if c.inPython(sender) {
		send = c.python()
	}
	if c.inPython(receiver) {
		receive = c.python()
	}
	return send + "→" + receive
}

// python returns the name of what the Python end runs.
func (c *cell) python() string {
	if c.mode.ImageZMQ {
		return "imagezmq"
	}
	return "VidGear"
}

// inPython reports whether an end, the first of several, is Python's.
func (c *cell) inPython(end string) bool { return c.vidgear == end || c.vidgear == both }

// whyNot returns why VidGear itself cannot pass. Such a cell is not run.
func (c *cell) whyNot() string {
	survives := c.vidgear != "" && c.victim != c.vidgear
	secure := c.mode.Secure > 0
	switch {
	case c.mode.ImageZMQ:
		return "" // what hangs there is part of the table
	case secure && c.vidgear == receiver && c.pattern == 2:
		return "VidGear's receive end never gets a frame in secure PUB/SUB"
	case secure && survives && c.vidgear == sender && c.pattern < 2:
		return "after a time-out VidGear goes on without its keys, in the clear"
	case secure && c.vidgear == receiver && (c.fault == cut || c.fault == power):
		return "VidGear's secure receive end admits its own address alone"
	case survives && c.vidgear == receiver && c.fault == restart && !c.mode.Multiserver:
		return "a VidGear receive end stops at the sender's goodbye"
	case survives && c.vidgear == receiver && c.fault == power && c.pattern == 0:
		return "VidGear's PAIR receive end does not notice that the sender is dead, and refuses any other"
	}
	return ""
}

// group is a set of cells that differ in pattern, fault and victim.
type group struct {
	mode    mode
	vidgear string
	faults  []string
	victims []string
	share   int // each has one share-th of the rounds
}

// fullTable is the table of `make faults`. VidGear's cells in modes other than
// plain have fewer rounds, and so have some slow ones.
var fullTable = slices.Concat(
	[]group{
		{plain, "", []string{kill, restart, freeze, hang, power}, ends, 1},
		{plain, "", []string{cut}, plain.lines(), 1},
		{plain, "", []string{outage}, []string{sendFirst, receiveFirst}, 1},
		{plain, sender, []string{kill, restart, freeze, hang, cut, power}, []string{sender}, 1},
		{plain, receiver, []string{kill, restart, freeze, hang, cut, power}, []string{receiver}, 1},
		{plain, sender, []string{kill, restart, freeze, hang, power}, []string{receiver}, 1},
		{plain, receiver, []string{kill, restart, freeze, hang, power}, []string{sender}, 1},
	},
	inMode(stoneHouse), inMode(ironHouse), inMode(bidirectional),
	inMode(multiserver), inMode(multiclient), inMode(biServer), inMode(biClient),
	withVidGear(stoneHouse, kill, restart, freeze, hang, power), withVidGear(ironHouse, kill, restart, freeze, hang, power),
	withVidGear(bidirectional, kill, restart, freeze, hang),
	withVidGear(multiserver, kill, restart, freeze, hang), withVidGear(multiclient, kill, restart, freeze, hang),
	inMode(overImageZMQ), sideBySide,
)

// sideBySide is imagezmq with itself, and with this library at either end.
var sideBySide = slices.Concat(
	withVidGear(overImageZMQ, kill, restart, freeze, hang, power),
	[]group{{overImageZMQ, both, []string{kill, restart, freeze, hang, power}, ends, 4}, {overImageZMQ, both, []string{cut}, overImageZMQ.lines(), 4}},
)

// inMode returns cells with Go ends in a mode.
func inMode(m mode) []group {
	return []group{
		{m, "", []string{kill, restart, freeze, hang}, ends, 1},
		{m, "", []string{cut}, m.lines(), 1},
		{m, "", []string{power}, ends, 2},
		{m, "", []string{outage}, []string{sendFirst, receiveFirst}, 2},
	}
}

// withVidGear returns cells of a mode with VidGear at either end, as the victim
// and as the other end.
func withVidGear(m mode, faults ...string) []group {
	var groups []group
	for _, vidgear := range ends {
		groups = append(groups, group{m, vidgear, faults, ends, 4}, group{m, vidgear, []string{cut}, m.lines(), 4})
	}
	return groups
}

// shortTable is a part of `make test`.
var shortTable = []group{
	{plain, "", []string{kill, freeze}, ends, 1},
	{plain, "", []string{cut}, plain.lines(), 1},
	{plain, "", []string{restart}, ends, 1},
	{plain, "", []string{outage}, []string{sendFirst, receiveFirst}, 1},
	{ironHouse, "", []string{kill}, ends, 1},
	{bidirectional, "", []string{hang}, ends, 1},
	{multiserver, "", []string{kill}, ends, 1},
	{multiclient, "", []string{freeze}, []string{receiver}, 1},
}

// chosen returns the cells of the short or the full form.
func chosen() []*cell {
	if full() {
		return expand(fullTable)
	}
	return append(expand(shortTable),
		&cell{mode: plain, pattern: 1, fault: kill, victim: receiver, vidgear: receiver, rounds: 1},
		&cell{mode: plain, pattern: 1, fault: kill, victim: receiver, vidgear: sender, rounds: 1},
		&cell{mode: overImageZMQ, pattern: 1, fault: hang, victim: receiver, vidgear: receiver, rounds: 1},
		&cell{mode: overImageZMQ, pattern: 2, fault: kill, victim: receiver, vidgear: receiver, rounds: 1},
		&cell{mode: overImageZMQ, pattern: 1, fault: freeze, victim: sender, vidgear: sender, rounds: 1},
		&cell{mode: overImageZMQ, pattern: 2, fault: kill, victim: sender, vidgear: sender, rounds: 1},
	)
}

func expand(groups []group) []*cell {
	var all []*cell
	for _, g := range groups {
		for _, fault := range g.faults {
			for _, victim := range g.victims {
				for _, pattern := range g.mode.patterns() {
					all = append(all, &cell{
						mode: g.mode, pattern: pattern, fault: fault, victim: victim, vidgear: g.vidgear,
						rounds: max(1, rounds/g.share),
					})
				}
			}
		}
	}
	return all
}

// requestTimeout returns the RequestTimeout of both ends in seconds: VidGear's
// default, or a shorter one to save time.
func requestTimeout() int {
	if full() {
		return 4
	}
	return 1
}

// limit returns how long a stream may take to resume. VidGear's own time-out is
// never less than 4 s.
func (c *cell) limit() time.Duration {
	timeout := requestTimeout()
	if c.vidgear != "" {
		timeout = max(timeout, 4)
	}
	return time.Duration(timeout+1) * time.Second
}

// lasts returns how long a freeze or a cut lasts: alternately less and more
// than the request timeout.
func lasts(round int) time.Duration {
	if full() {
		return []time.Duration{2 * time.Second, 6 * time.Second}[round%2]
	}
	return 1500 * time.Millisecond
}

// ---- the tables that are printed ----

func table(all []*cell) {
	fmt.Printf("\nrequest_timeout %d s; median / worst in seconds from the end of the fault to the first new frame\n", requestTimeout())
	for _, m := range modes {
		tableOf(m, slices.DeleteFunc(slices.Clone(all), func(c *cell) bool { return !c.ran || c.mode != m }))
	}
	notRun(all)
	fmt.Println()
}

// tableOf returns the table of a mode, with a column for each pattern.
func tableOf(m mode, cells []*cell) {
	if len(cells) == 0 {
		return
	}
	heading, line := "| ends | fault | befalls | rounds |", "|---|---|---|---|"
	for _, pattern := range m.patterns() {
		heading, line = heading+" "+patternNames[pattern]+" |", line+"---|"
	}
	fmt.Printf("\n### %s\n\n%s |\n%s---|\n", m.Name, heading, line)
	for len(cells) > 0 {
		first := cells[0]
		row := fmt.Sprintf("| %s | %s | %s | %d |", first.peers(), first.fault, first.victim, first.rounds)
		var notes []string
		for _, pattern := range m.patterns() {
			i := slices.IndexFunc(cells, func(c *cell) bool { return c.sibling(first) && c.pattern == pattern })
			if i < 0 {
				row += " – |"
				continue
			}
			row += " " + cells[i].result() + " |"
			for _, note := range cells[i].remarks() {
				notes = append(notes, patternNames[pattern]+" "+note)
			}
		}
		fmt.Printf("%s %s |\n", row, strings.Join(notes, "; "))
		cells = slices.DeleteFunc(cells, func(c *cell) bool { return c.sibling(first) })
	}
}

// sibling reports whether cells differ at most in pattern.
func (c *cell) sibling(d *cell) bool {
	return c.mode == d.mode && c.peers() == d.peers() && c.fault == d.fault && c.victim == d.victim
}

// result returns the median and the worst time to resume, and the longest pause
// of the ends without a fault.
func (c *cell) result() string {
	text := "none resumed"
	if k := len(c.took); k > 0 {
		took := slices.Sorted(slices.Values(c.took))
		text = seconds((took[(k-1)/2]+took[k/2])/2) + " / " + seconds(took[k-1])
	}
	if c.held > 0 {
		text += ", others " + seconds(c.held)
	}
	return text
}

// remarks returns errors, and notes about VidGear.
func (c *cell) remarks() []string {
	notes := slices.Clone(c.notes)
	note := func(times int, format string, args ...any) {
		if times > 0 {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	note(c.rounds-len(c.took), "RESUMED %d OF %d TIMES", len(c.took), c.rounds)
	late := 0
	for _, took := range c.took {
		if took > c.limit() {
			late++
		}
	}
	note(late, "LATE %d of %d times", late, c.rounds)
	if c.held > c.limit() {
		notes = append(notes, "OTHERS HELD UP")
	}
	note(c.hung, "%d times %s hung and was started again", c.hung, c.python())
	note(c.ended, "%d times %s ended and was started again", c.ended, c.python())
	return notes
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// notRun returns a table of what VidGear cannot do, with a row for each reason,
// mode and victim.
func notRun(all []*cell) {
	type key struct{ mode, peers, victim, why string }
	var order []key
	faults, patterns := map[key][]string{}, map[key][]string{}
	add := func(to map[key][]string, k key, name string) {
		if !slices.Contains(to[k], name) {
			to[k] = append(to[k], name)
		}
	}
	for _, c := range all {
		k := key{c.mode.Name, c.peers(), c.victim, c.whyNot()}
		if k.why == "" {
			continue
		}
		if !slices.Contains(order, k) {
			order = append(order, k)
		}
		add(faults, k, c.fault)
		add(patterns, k, patternNames[c.pattern])
	}
	if len(order) == 0 {
		return
	}
	fmt.Print("\n### Not run\n\n| mode | ends | befalls | faults | patterns | why |\n|---|---|---|---|---|---|\n")
	for _, k := range order {
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", k.mode, k.peers, k.victim, strings.Join(faults[k], ", "), strings.Join(patterns[k], ", "), k.why)
	}
}

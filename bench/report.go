package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/vidgear-go/netgear/internal/page"
)

// printers are the parts of the page, each for the group of its name.
var printers = []struct {
	group string
	print func(*results, io.Writer, group)
}{
	{"frames", (*results).printFrames},
	{"async", printFPS("The wire of NetGear_Async, 1920x1080 raw", "Beside VidGear's NetGear_Async fed by a generator, received frames per second")},
	{"publish", (*results).printPublish},
	{"latency", (*results).printLatency},
	{"idle", (*results).printIdle},
	{"fresh", printFPS("Fresh and cold frames, 1920x1080 raw", "Fresh: each frame is written just before it is sent, as by a camera, and the time for that does not count. Cold: the frames are older than the cache. Received frames per second")},
	{"memory", (*results).printMemory},
	{"sizes", printFPS("Frames per second by size", "Pattern 0 over tcp (imagezmq, which has no PAIR: REQ/REP)")},
	{"streams", printFPS("Several streams into one receive end", "Multi-server mode, REQ/REP over tcp, each sender a process; frames per second of all together")},
	{"cores", printFPS("Frames per second by cores", "1920x1080, pattern 0 over tcp (imagezmq: REQ/REP), both ends together on so many cores")},
	{"many", (*results).printMany},
	{"relay", printWays("JPEGs that are not decoded", "1920x1080, PAIR over tcp, all ends in one process")},
	{"pictures", printWays("Pictures, and parts of pictures", "1920x1080; SendImage to a receive end in the same process that reads no pixels")},
	{"camera", printWays("A camera's JPEG to a VidGear receive end", "1920x1080, 4:2:0, in one piece; the send end's process")},
}

func (r *results) print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "Machine: %s, %d cores, %s; load average before the run: %s.\n%s\nDate: %s. Again: `%s`; it took %.0f minutes.\n",
		m.CPU, m.Cores, m.OS, m.Load, m.Versions, m.Date, r.Command, r.Took/60)
	r.printGoals(w)
	for _, p := range printers {
		if g, ok := r.group(p.group); ok {
			p.print(r, w, g)
			r.printPlots(w, g.Name)
		}
	}
}

// writePage replaces the page in a document.
func (r *results) writePage(file string) error {
	var text strings.Builder
	r.print(&text)
	return page.Replace(file, "bench", text.String())
}

// printPlots prints the plots of a group, with paths relative to
// docs/performance.md.
func (r *results) printPlots(w io.Writer, group string) {
	if !r.Plots {
		return
	}
	for _, c := range r.charts() {
		if c.Group == group {
			fmt.Fprintf(w, "\n![%s](plots/%s.svg)\n", c.Title, c.File)
		}
	}
}

// heading prints the heading of a section.
func (r *results) heading(w io.Writer, g group, title, text string) {
	fmt.Fprintf(w, "\n### %s\n\n%s, median (min–max) of %d %s:\n\n", title, text, g.Rounds, map[bool]string{true: "round", false: "rounds"}[g.Rounds == 1])
}

func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func head(w io.Writer, cells ...string) {
	row(w, cells...)
	fmt.Fprintln(w, "|"+strings.Repeat("---|", len(cells)))
}

// table has a row for each scene and a column for each contender.
func (r *results) table(w io.Writer, scenes []scene, names []string, cell func(s scene, who string) string) {
	head(w, append([]string{"case"}, names...)...)
	for _, s := range scenes {
		cells := []string{s.Name}
		for _, who := range names {
			cells = append(cells, r.orDash(s, who, cell))
		}
		row(w, cells...)
	}
}

func (r *results) orDash(s scene, who string, cell func(scene, string) string) string {
	if r.over(s.Name, who, func(outcome) float64 { return 0 }).n > 0 {
		return cell(s, who)
	}
	if len(r.Outcomes[s.Name][who]) > 0 {
		return "failed"
	}
	return "–"
}

func (r *results) fpsTable(w io.Writer, scenes []scene) {
	r.table(w, scenes, r.takingPart(scenes), func(s scene, who string) string { return r.over(s.Name, who, fps).format("%.0f") })
}

// ratioTable prints the ratios of this library to each of the others.
func (r *results) ratioTable(w io.Writer, scenes []scene, p pick) { r.ratiosOf(w, ours, scenes, p) }

// ratiosOf prints the ratios of one to each of the others.
func (r *results) ratiosOf(w io.Writer, one string, scenes []scene, p pick) {
	var others, titles []string
	for _, who := range r.takingPart(scenes) {
		if who != one {
			others, titles = append(others, who), append(titles, "÷ "+who)
		}
	}
	head(w, append([]string{"case, " + one}, titles...)...)
	for _, s := range scenes {
		cells := []string{s.Name}
		for _, who := range others {
			cells = append(cells, r.ratio(s.Name, one, who, p).format("%.2f"))
		}
		row(w, cells...)
	}
}

func streamsOf(g group) (scenes []scene) {
	for _, s := range g.Scenes {
		if s.Kind == stream {
			scenes = append(scenes, s)
		}
	}
	return scenes
}

func (r *results) printFrames(w io.Writer, g group) {
	scenes := streamsOf(g)
	r.heading(w, g, "Frames per second, 1920x1080", "Every frame answered, received frames per second")
	r.fpsTable(w, scenes)
	fmt.Fprint(w, "\nThe same as ratios, each of two neighbors in time:\n\n")
	r.ratioTable(w, scenes, fps)
	fmt.Fprint(w, "\nCPU time per frame in ms, all threads: send end + receive end = both (min–max):\n\n")
	r.table(w, scenes, r.takingPart(scenes), func(s scene, who string) string {
		send := r.over(s.Name, who, func(o outcome) float64 { return 1e3 * o.SendCPU })
		recv := r.over(s.Name, who, func(o outcome) float64 { return 1e3 * o.RecvCPU })
		both := r.over(s.Name, who, func(o outcome) float64 { return 1e3 * bothCPU(o) })
		return fmt.Sprintf("%.2f + %.2f = %s", send.median, recv.median, both.format("%.2f"))
	})
	r.printCodec(w)
	r.printAllocs(w, scenes)
}

func (r *results) printCodec(w io.Writer) {
	cores := r.Machine.Cores
	fmt.Fprintf(w, "\nThe JPEG codec alone, CPU ms per 1080p frame while all %d cores do the same, and what they could make and read with it:\n\n", cores)
	head(w, "", "make", "read", "limit, frames per second", "KB per JPEG")
	for _, who := range []string{ours, vidgear} {
		take := func(p pick, verb string) string { return r.over(codecScene, who, p).format(verb) }
		row(w, who, take(func(o outcome) float64 { return 1e3 * o.Recv.Encode }, "%.2f"), take(func(o outcome) float64 { return 1e3 * o.Recv.Decode }, "%.2f"),
			take(codecFPS(cores), "%.0f"), fmt.Sprintf("%.0f", r.over(codecScene, who, func(o outcome) float64 { return o.Recv.Size / 1e3 }).median))
	}
}

func (r *results) printAllocs(w io.Writer, scenes []scene) {
	fmt.Fprint(w, "\nnetgear's Go allocations per frame, median: number, bytes:\n\n")
	head(w, "case", "send", "receive")
	for _, s := range scenes {
		one := func(end func(outcome) *event) string {
			count := r.over(s.Name, ours, func(o outcome) float64 { return end(o).Allocs / float64(s.N) })
			bytes := r.over(s.Name, ours, func(o outcome) float64 { return end(o).AllocBytes / float64(s.N) })
			return fmt.Sprintf("%.1f, %.0f B", count.median, bytes.median)
		}
		row(w, s.Name, one(func(o outcome) *event { return o.Send }), one(func(o outcome) *event { return o.Recv }))
	}
}

func (r *results) printPublish(w io.Writer, g group) {
	r.heading(w, g, "Publishing, 1920x1080 raw", fmt.Sprintf("At most %d frames a second are published, more than a connection takes; frames per second that arrived", publishFPS))
	r.fpsTable(w, g.Scenes)
	fmt.Fprint(w, "\nThe same as ratios, netgear with its ownership transferred to each of the others:\n\n")
	r.ratiosOf(w, transfers, g.Scenes, fps)
	fmt.Fprint(w, "\nPublished frames per second, and the send end's CPU ms for each:\n\n")
	r.table(w, g.Scenes, r.takingPart(g.Scenes), func(s scene, who string) string {
		cpu := r.over(s.Name, who, func(o outcome) float64 { return 1e3 * o.SendCPU })
		return fmt.Sprintf("%.0f, %.3f ms", r.over(s.Name, who, func(o outcome) float64 { return o.Sent }).median, cpu.median)
	})
}

func (r *results) printLatency(w io.Writer, g group) {
	r.heading(w, g, "Latency, 1920x1080 at 30 fps", "From before the send call to after the receive call, ms")
	head(w, "case", "", "p50", "p99", "most", "p50 ÷ VidGear's", "p99 ÷ VidGear's")
	for _, s := range g.Scenes {
		for _, who := range r.takingPart([]scene{s}) {
			row(w, s.Name, who, r.over(s.Name, who, latency(0.5)).format("%.2f"), r.over(s.Name, who, latency(0.99)).format("%.2f"),
				r.over(s.Name, who, latency(1)).format("%.2f"), r.ratio(s.Name, who, vidgear, latency(0.5)).format("%.2f"),
				r.ratio(s.Name, who, vidgear, latency(0.99)).format("%.2f"))
		}
	}
	r.printFloor(w)
}

// printFloor prints the limit of any NetGear while one core encodes a JPEG and
// one decodes it.
func (r *results) printFloor(w io.Writer) {
	floor := r.over(codecScene, ours, func(o outcome) float64 { return 1e3 * (o.Recv.Encode + o.Recv.Decode) })
	if floor.n > 0 {
		fmt.Fprintf(w, "\nMaking a JPEG and reading it take %s ms of this with the codec alone.\n", floor.format("%.2f"))
	}
}

func (r *results) printIdle(w io.Writer, g group) {
	r.heading(w, g, "A receive end that waits", fmt.Sprintf("CPU as %% of one core over %.0f s, and how often a second a thread of it went to sleep", g.Scenes[0].Seconds))
	r.table(w, g.Scenes, r.takingPart(g.Scenes), func(s scene, who string) string {
		sleeps := r.over(s.Name, who, func(o outcome) float64 { return float64(o.Recv.Switches) / s.Seconds })
		return fmt.Sprintf("%s %%, %.0f/s", r.over(s.Name, who, idleCPU(s.Seconds)).format("%.3f"), sleeps.median)
	})
}

func (r *results) printMemory(w io.Writer, g group) {
	r.heading(w, g, "Memory of a receive end with an empty queue", "Resident MB when opened → after 20 frames → after all")
	r.table(w, g.Scenes, r.takingPart(g.Scenes), func(s scene, who string) string {
		at := func(f func(outcome) footprint) float64 {
			return r.over(s.Name, who, func(o outcome) float64 { return f(o).RSS }).median
		}
		return fmt.Sprintf("%.0f → %.0f → %.0f", at(func(o outcome) footprint { return o.Ready }), at(func(o outcome) footprint { return o.Warm }), at(func(o outcome) footprint { return o.Done }))
	})
}

// printFPS prints groups with only frames per second.
func printFPS(title, text string) func(*results, io.Writer, group) {
	return func(r *results, w io.Writer, g group) {
		r.heading(w, g, title, text)
		r.fpsTable(w, g.Scenes)
		fmt.Fprintln(w)
		r.ratioTable(w, g.Scenes, fps)
	}
}

// printWays prints groups of ways within one process.
func printWays(title, text string) func(*results, io.Writer, group) {
	return func(r *results, w io.Writer, g group) {
		r.heading(w, g, title, text+"; CPU time of the process for each frame, frames per second")
		head(w, "case", "way", "CPU, ms", "CPU ÷ the first", "frames per second")
		for _, s := range g.Scenes {
			for i, way := range r.ways(s) {
				ratio := "1"
				if i > 0 {
					ratio = r.ratioOf(s.Name, ours, wayCPU(way), s.Name, ours, wayCPU(r.ways(s)[0])).format("%.2f")
				}
				cpu := r.over(s.Name, ours, func(o outcome) float64 { return 1e3 * wayCPU(way)(o) })
				row(w, s.Name, way, cpu.format("%.2f"), ratio, r.over(s.Name, ours, wayFPS(way)).format("%.0f"))
			}
		}
	}
}

// ways returns the names of a scene's ways.
func (r *results) ways(s scene) (names []string) {
	for _, o := range r.Outcomes[s.Name][ours] {
		if o.Failed == "" {
			for _, w := range o.Recv.Ways {
				names = append(names, w.Name)
			}
			return names
		}
	}
	return nil
}

func (r *results) printMany(w io.Writer, g group) {
	r.heading(w, g, "Many waiting receive ends in one process", "CPU as % of one core, resident MB, threads")
	r.table(w, g.Scenes, r.takingPart(g.Scenes), func(s scene, who string) string {
		memory := r.over(s.Name, who, func(o outcome) float64 { return o.Done.RSS })
		threads := r.over(s.Name, who, func(o outcome) float64 { return float64(o.Done.Threads) })
		return fmt.Sprintf("%s %%, %.0f MB, %.0f", r.over(s.Name, who, idleCPU(s.Seconds)).format("%.2f"), memory.median, threads.median)
	})
}

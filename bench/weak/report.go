package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/page"
)

// results are those of one run. They are also the form of the results file.
type results struct {
	Command, Date    string
	CPU, Kernel      string
	Load, Congestion string
	Took             float64 // minutes
	Scenes           []sceneInfo
	Outcomes         []outcome
}

// sceneInfo is what the page needs of a scene.
type sceneInfo struct {
	Name, Title string
	MaxAge      time.Duration
	Marked      int // steps
}

func newResults(scenes []scene, congestion string) *results {
	r := &results{
		Command: strings.Join(append([]string{"go run ./bench/weak"}, os.Args[1:]...), " "), Date: time.Now().UTC().Format("2006-01-02"),
		CPU: page.CPUModel(), Kernel: page.Output("uname", "-r"), Load: page.LoadAverage(), Congestion: congestion,
	}
	for _, s := range scenes {
		info := sceneInfo{Name: s.Name, Title: s.Title, MaxAge: s.MaxAge}
		for _, step := range s.Steps {
			if step.Marked {
				info.Marked++
			}
		}
		r.Scenes = append(r.Scenes, info)
	}
	return r
}

func (r *results) read(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, r)
}

func (r *results) write(name string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

func (r *results) publish(ctx context.Context, f *flags) error {
	r.sort()
	var text strings.Builder
	r.print(&text)
	fmt.Print(text.String())
	if f.page != "" {
		if err := page.Replace(f.page, "weak", text.String()); err != nil {
			return err
		}
	}
	if f.plots != "" {
		return page.Draw(ctx, r.charts(), f.plots)
	}
	return nil
}

// sort orders the outcomes by pattern, and then as the contenders.
func (r *results) sort() {
	place := func(name string) int {
		return slices.IndexFunc(contenders, func(c contender) bool { return c.Name == name })
	}
	slices.SortStableFunc(r.Outcomes, func(a, b outcome) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(place(a.Contender), place(b.Contender)))
	})
}

func (r *results) print(w io.Writer) {
	fmt.Fprintf(w, "Machine: %s, %d cores, kernel %s; load average before the run: %s. TCP's congestion control: %s.\nDate: %s. Again: `%s`; it took %.0f minutes.\n",
		r.CPU, runtime.NumCPU(), r.Kernel, r.Load, r.Congestion, r.Date, r.Command, r.Took)
	r.printGoals(w)
	for _, s := range r.Scenes {
		r.printScene(w, &s)
	}
}

// tooBusy is how late the emulator may deliver packets in the mean. Beyond it
// the figures are not those of the network.
const tooBusy = 10 * time.Millisecond

const (
	goalRecover = 2 * time.Second
	goalUsed    = 0.9
)

// printGoals holds the sender with Adapt against its goals.
func (r *results) printGoals(w io.Writer) {
	fmt.Fprintf(w, "\n### Goals of Adapt\n\n")
	fmt.Fprintln(w, "| scene | pattern | fresh again after at most 2 s | no frame lost that is answered | at least 90 % of the rate used |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, s := range r.Scenes {
		for _, o := range r.Outcomes {
			if o.Scene != s.Name || o.Contender != adapting {
				continue
			}
			if o.Late > tooBusy {
				fmt.Fprintf(w, "| %s | %s | machine too busy | | |\n", s.Name, patternNames[o.Pattern])
				continue
			}
			late := func(d time.Duration) bool { return d < 0 || d > goalRecover }
			lost := "–"
			if o.Pattern != 2 {
				lost = verdict(o.Lost == 0, fmt.Sprint(o.Lost))
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", s.Name, patternNames[o.Pattern], verdict(!slices.ContainsFunc(o.Recover, late), recovered(o.Recover)),
				lost, verdict(o.Used >= goalUsed, fmt.Sprintf("%.0f %%", 100*o.Used)))
		}
	}
}

func verdict(met bool, measured string) string {
	if met {
		return measured + ", met"
	}
	return "**" + measured + ", missed**"
}

func (r *results) printScene(w io.Writer, s *sceneInfo) {
	fmt.Fprintf(w, "\n### %s: %s\n\nMaxAge %d ms.\n\n", s.Name, s.Title, s.MaxAge.Milliseconds())
	fmt.Fprintln(w, "| pattern | contender | fps | age p50, ms | age p99, ms | fresh | recovered after, s | rate used | KB a frame | sent | lost | late, ms | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, o := range r.Outcomes {
		if o.Scene != s.Name {
			continue
		}
		size := "–"
		if o.KB > 0 {
			size = fmt.Sprintf("%.0f", o.KB)
		}
		fmt.Fprintf(w, "| %s | %s | %.1f | %d | %d | %.0f %% | %s | %.0f %% | %s | %d | %d | %.1f | %s |\n", patternNames[o.Pattern], o.Contender, o.FPS,
			o.P50.Milliseconds(), o.P99.Milliseconds(), 100*o.Fresh, recovered(o.Recover), 100*o.Used, size, o.Sent, o.Lost, o.Late.Seconds()*1e3, o.remark())
	}
	for _, c := range r.charts() {
		if c.Group == s.Name {
			fmt.Fprintf(w, "\n![%s](plots/%s.svg)\n", c.Title, c.File)
		}
	}
}

// remark returns why the figures need care: the machine, or an end that ended
// early.
func (o *outcome) remark() string {
	text := firstLine(o.Gone)
	if o.Late > tooBusy {
		text = strings.TrimSuffix("machine too busy; "+text, "; ")
	}
	return text
}

// recovered lists the times after each marked step.
func recovered(all []time.Duration) string {
	var texts []string
	for _, d := range all {
		text := "never"
		if d >= 0 {
			text = fmt.Sprintf("%.1f", d.Seconds())
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.ReplaceAll(line, "|", "/")
}

// charts draws the age of the newest frames over time, for scenes in which the
// network changes.
func (r *results) charts() (all []page.Chart) {
	for _, s := range r.Scenes {
		if s.Name != "steps" && s.Name != traceName && s.Name != recordedName {
			continue
		}
		for _, pattern := range []int{1, 2} {
			c := page.Chart{
				Group: s.Name, File: fmt.Sprintf("weak-%s-%d", s.Name, pattern), Log: true,
				Title: fmt.Sprintf("Age on arrival, %s: %s", patternNames[pattern], s.Title), X: "seconds", Y: "median of the second, ms",
			}
			for _, o := range r.Outcomes {
				if o.Scene == s.Name && o.Pattern == pattern {
					c.Series = append(c.Series, ages(&o))
				}
			}
			if len(c.Series) > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// ages is one line of a chart. Seconds without a frame have no point.
func ages(o *outcome) (line page.Series) {
	line.Name = o.Contender
	for i, x := range o.Seconds {
		if x.Frames > 0 && x.P50 > 0 {
			line.X, line.Y = append(line.X, float64(i)), append(line.Y, float64(x.P50.Milliseconds()))
		}
	}
	return line
}

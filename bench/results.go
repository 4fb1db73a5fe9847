package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// results is everything that was measured. It is also the form of the results
// file.
type results struct {
	Command  string
	Machine  machine
	Groups   []group
	Names    []string // of the contenders, in the order of the tables
	Outcomes map[string]map[string][]outcome
	Took     float64 // seconds
	Plots    bool    // they are drawn
}

func (b *bench) newResults(f flags) (*results, error) {
	l, names := quickLengths, quickGroups
	if f.full {
		l, names = fullLengths, append(slices.Clone(quickGroups), moreGroups...)
	}
	if f.only != "" {
		names = strings.Split(f.only, ",")
	}
	r := &results{Command: strings.Join(append([]string{"go run ./bench"}, os.Args[1:]...), " "), Plots: f.full, Outcomes: map[string]map[string][]outcome{}}
	for _, name := range names {
		g, err := l.group(name)
		if err != nil {
			return nil, err
		}
		if f.rounds > 0 {
			g.Rounds = f.rounds
		}
		r.Groups = append(r.Groups, g)
	}
	for _, c := range b.contenders {
		r.Names = append(r.Names, c.Name)
	}
	var err error
	r.Machine, err = b.machine()
	return r, err
}

func (r *results) add(scene, who string, o outcome) {
	if r.Outcomes[scene] == nil {
		r.Outcomes[scene] = map[string][]outcome{}
	}
	r.Outcomes[scene][who] = append(r.Outcomes[scene][who], o)
}

func (r *results) write(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func readResults(file string) (*results, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(results)
	return r, json.Unmarshal(data, r)
}

// failures returns an error that lists what failed.
func (r *results) failures() error {
	var all []string
	for scene, by := range r.Outcomes {
		for who, rounds := range by {
			for _, o := range rounds {
				if o.Failed != "" {
					all = append(all, fmt.Sprintf("%s, %s: %s", scene, who, o.Failed))
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return fmt.Errorf("not everything could be measured:\n%s", strings.Join(slices.Compact(all), "\n"))
}

// ---- numbers ----

// spread is a median with the extremes. It is empty if n is 0.
type spread struct {
	n                int
	median, min, max float64
}

func spreadOf(v []float64) spread {
	k := len(v)
	if k == 0 {
		return spread{}
	}
	v = slices.Sorted(slices.Values(v))
	return spread{k, (v[(k-1)/2] + v[k/2]) / 2, v[0], v[k-1]}
}

// format writes "median (min–max)".
func (s spread) format(verb string) string {
	switch s.n {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf(verb, s.median)
	}
	return fmt.Sprintf(verb+" ("+verb+"–"+verb+")", s.median, s.min, s.max)
}

// pick returns one number of an outcome.
type pick func(outcome) float64

func fps(o outcome) float64     { return o.FPS }
func bothCPU(o outcome) float64 { return o.SendCPU + o.RecvCPU }
func latency(q float64) pick    { return func(o outcome) float64 { return quantile(o.Latency, q) } }
func idleCPU(seconds float64) pick {
	return func(o outcome) float64 { return 100 * o.Recv.CPU / seconds }
}

// wayCPU returns the CPU time of a way, and wayFPS its frames per second.
func wayCPU(name string) pick {
	return ofWay(name, func(w wayResult) float64 { return w.CPU })
}
func wayFPS(name string) pick {
	return ofWay(name, func(w wayResult) float64 { return w.FPS })
}

func ofWay(name string, number func(wayResult) float64) pick {
	return func(o outcome) float64 {
		i := slices.IndexFunc(o.Recv.Ways, func(w wayResult) bool { return w.Name == name })
		return number(o.Recv.Ways[i])
	}
}

// codecFPS returns how many frames per second so many cores could encode and
// decode with the codec alone.
func codecFPS(cores int) pick {
	return func(o outcome) float64 { return float64(cores) / (o.Recv.Encode + o.Recv.Decode) }
}

// over returns the spread of one number over all rounds.
func (r *results) over(scene, who string, p pick) spread {
	var v []float64
	for _, o := range r.Outcomes[scene][who] {
		if o.Failed == "" {
			v = append(v, p(o))
		}
	}
	return spreadOf(v)
}

// ratio returns the ratio within each round, in which the two were adjacent in
// time.
func (r *results) ratio(scene, a, b string, p pick) spread {
	return r.ratioOf(scene, a, p, scene, b, p)
}

func (r *results) ratioOf(sceneA, a string, pickA pick, sceneB, b string, pickB pick) spread {
	var v []float64
	x, y := r.Outcomes[sceneA][a], r.Outcomes[sceneB][b]
	for i := range min(len(x), len(y)) {
		if x[i].Failed == "" && y[i].Failed == "" {
			v = append(v, pickA(x[i])/pickB(y[i]))
		}
	}
	return spreadOf(v)
}

// group returns the group of that name, if it was measured.
func (r *results) group(name string) (group, bool) {
	i := slices.IndexFunc(r.Groups, func(g group) bool { return g.Name == name })
	if i < 0 {
		return group{}, false
	}
	return r.Groups[i], true
}

// takingPart returns the contenders that were measured in any of the scenes.
func (r *results) takingPart(scenes []scene) []string {
	var names []string
	for _, name := range r.Names {
		if slices.ContainsFunc(scenes, func(s scene) bool { return len(r.Outcomes[s.Name][name]) > 0 }) {
			names = append(names, name)
		}
	}
	return names
}

package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/vidgear-go/netgear"
)

// goal is a target for a measured number. It is printed, never asserted:
// machines differ, and shared ones are noisy.
type goal struct {
	what   string
	need   float64
	atMost bool // else at least
	got    spread
	verb   string
}

func (g goal) verdict() string {
	short := 1 - g.got.median/g.need
	if g.atMost {
		short = -short
	}
	if short <= 0 {
		return "met"
	}
	return fmt.Sprintf("**short by %.0f %%**", 100*short)
}

func (g goal) bound() string {
	sign := "≥ "
	if g.atMost {
		sign = "≤ "
	}
	return sign + fmt.Sprintf("%g", g.need)
}

func (r *results) printGoals(w io.Writer) {
	if !slices.ContainsFunc(r.goals(), func(g goal) bool { return g.got.n > 0 }) {
		return
	}
	fmt.Fprint(w, "\n### Goals\n\nRatios within each round, median (min–max); the median is held against the goal.\n\n")
	head(w, "", "measured", "goal", "")
	for _, g := range r.goals() {
		if g.got.n > 0 {
			row(w, g.what, g.got.format(g.verb), g.bound(), g.verdict())
		}
	}
}

func (r *results) goals() (all []goal) {
	for pattern := range 2 {
		for _, protocol := range []string{"tcp", "ipc"} {
			s := framesScene(false, pattern, protocol)
			all = append(all,
				goal{what: s + " ÷ bare libzmq with the same settings", need: 0.95, got: r.ratio(s, ours, bareSame, fps), verb: "%.2f"},
				goal{what: s + " ÷ VidGear", need: 1.25, got: r.ratio(s, ours, vidgear, fps), verb: "%.2f"},
				goal{what: s + " ÷ imagezmq", need: 1.25, got: r.ratio(s, ours, imagezmq, fps), verb: "%.2f"})
		}
	}
	for _, protocol := range []string{"tcp", "ipc"} {
		s := publishScene(protocol)
		all = append(all,
			goal{what: s + ", ownership transferred ÷ bare libzmq with the same settings", need: 0.95, got: r.ratio(s, transfers, bareSame, fps), verb: "%.2f"},
			goal{what: s + ", ownership transferred ÷ VidGear", need: 1.25, got: r.ratio(s, transfers, vidgear, fps), verb: "%.2f"},
			goal{what: s + ", ownership transferred, with imagezmq's high-water mark ÷ imagezmq", need: 1.25, got: r.ratio(s, keepsMany, imagezmq, fps), verb: "%.2f"})
	}
	for _, protocol := range []string{"tcp", "ipc"} {
		all = append(all, goal{what: publishScene(protocol) + ", ownership transferred ÷ copied", need: 1, got: r.ratio(publishScene(protocol), transfers, ours, fps), verb: "%.2f"})
	}
	all = append(all, goal{what: sizeScene(size480, false) + " ÷ bare libzmq with the same settings", need: 0.95, got: r.ratio(sizeScene(size480, false), ours, bareSame, fps), verb: "%.2f"})
	for _, s := range []string{sizeScene(size480, true), sizeScene(size720, true), sizeScene(size1080, true), sizeScene(size4K, true), streamsScene(2, true)} {
		all = append(all, goal{what: s + " ÷ imagezmq", need: 1.05, got: r.ratio(s, ours, imagezmq, fps), verb: "%.2f"})
	}
	for pattern := range 2 {
		s := framesScene(true, pattern, "tcp")
		all = append(all,
			goal{what: s + " ÷ what the codec alone allows", need: 0.92, got: r.ratioOf(s, ours, fps, codecScene, ours, codecFPS(r.Machine.Cores)), verb: "%.2f"},
			goal{what: s + ", sending ahead ÷ what the codec alone allows", need: 0.92, got: r.ratioOf(s, ahead, fps, codecScene, ours, codecFPS(r.Machine.Cores)), verb: "%.2f"},
			goal{what: s + " ÷ VidGear", need: 1.45, got: r.ratio(s, ours, vidgear, fps), verb: "%.2f"},
			goal{what: s + ", sending ahead ÷ VidGear", need: 1.45, got: r.ratio(s, ahead, vidgear, fps), verb: "%.2f"})
	}
	for _, jpeg := range []bool{false, true} {
		s := latencyScene(jpeg)
		for _, q := range []float64{0.5, 0.99} {
			all = append(all, goal{what: fmt.Sprintf("%s, latency p%.0f ÷ VidGear's", s, 100*q), need: 0.6, atMost: true, got: r.ratio(s, ours, vidgear, latency(q)), verb: "%.2f"})
		}
	}
	all = append(all,
		goal{what: jpegOnlyScene + ", 1080p, CPU ms per frame of both ends", need: 0.35, atMost: true, verb: "%.2f",
			got: r.over(jpegOnlyScene, ours, func(o outcome) float64 { return 1e3 * wayCPU(netgear.DecodeFollowUse.String())(o) })},
		goal{what: relayScene + ", 1080p JPEG, frames per second", need: 2500, got: r.over(relayScene, ours, wayFPS("default")), verb: "%.0f"})
	for _, c := range []struct {
		scene, a, b string
		need        float64
	}{
		{encodeScene, "YCbCr", "RGBA", 0.95},
		{read422Scene, "Image", "Bytes", 1.25}, {read422Scene, "YCbCr", "Bytes", 1},
		{read422Scene, "1/2", "Bytes", 0.65}, {read422Scene, "1/4", "Bytes", 0.5}, {read422Scene, "gray", "Bytes", 0.75},
		{cameraScene(75), "passed through", "decoded and encoded", 0.05},
	} {
		all = append(all, goal{what: c.scene + ", CPU: " + c.a + " ÷ " + c.b, need: c.need, atMost: true, verb: "%.2f",
			got: r.ratioOf(c.scene, ours, wayCPU(c.a), c.scene, ours, wayCPU(c.b))})
	}
	if g, ok := r.group("idle"); ok {
		for _, s := range g.Scenes {
			all = append(all, goal{what: "waiting, " + s.Name + ", % of a core", need: 0.2, atMost: true, got: r.over(s.Name, ours, idleCPU(s.Seconds)), verb: "%.3f"})
		}
	}
	return all
}

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/vidgear-go/netgear/internal/page"
)

type (
	chart  = page.Chart
	series = page.Series
)

// draw writes charts of the results to a folder, as SVG.
func (r *results) draw(ctx context.Context, folder string) error {
	return page.Draw(ctx, r.charts(), folder)
}

func (r *results) charts() (all []chart) {
	for _, jpeg := range []bool{false, true} {
		m := mode(jpeg)
		all = append(all,
			r.bySize(m, jpeg),
			r.latencies(m, jpeg),
			r.byStreams(m, jpeg),
			r.byCores(m, jpeg))
	}
	all = append(all, r.cpu())
	return slices.DeleteFunc(all, func(c chart) bool { return len(c.Series) == 0 })
}

// across draws frames per second over scenes, which are the categories, for
// each contender.
func (r *results) across(c chart, scenes []string) chart {
	for _, who := range r.Names {
		s := series{Name: who}
		for i, scene := range scenes {
			if got := r.over(scene, who, fps); got.n > 0 {
				s.X, s.Y = append(s.X, float64(i)), append(s.Y, got.median)
			}
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func (r *results) bySize(m string, jpeg bool) chart {
	c := chart{Group: "sizes", File: "fps-" + m, Title: "Frames per second by size, " + m, X: "size of the frames", Y: "frames per second", Log: true}
	var scenes []string
	for _, s := range []size{size480, size720, size1080, size4K} {
		c.Categories = append(c.Categories, fmt.Sprintf("%dx%d", s.Width, s.Height))
		scenes = append(scenes, sizeScene(s, jpeg))
	}
	return r.across(c, scenes)
}

func (r *results) byStreams(m string, jpeg bool) chart {
	c := chart{Group: "streams", File: "streams-" + m, Title: "Several 640x480 streams into one receive end, " + m, X: "streams", Y: "frames per second, all together"}
	return r.byCount(c, streamCounts[:], func(k int) string { return streamsScene(k, jpeg) })
}

func (r *results) byCores(m string, jpeg bool) chart {
	c := chart{Group: "cores", File: "cores-" + m, Title: "1920x1080 frames per second by cores, " + m, X: "cores for both ends", Y: "frames per second"}
	return r.byCount(c, coreCounts(), func(k int) string { return coresScene(k, jpeg) })
}

func (r *results) byCount(c chart, counts []int, scene func(int) string) chart {
	var scenes []string
	for _, k := range counts {
		c.Categories = append(c.Categories, fmt.Sprint(k))
		scenes = append(scenes, scene(k))
	}
	return r.across(c, scenes)
}

// latencies draws the share of frames that arrived within a time, of all rounds
// together.
func (r *results) latencies(m string, jpeg bool) chart {
	c := chart{Group: "latency", File: "latency-" + m, Title: "Latency of 1920x1080 frames at 30 fps, " + m, X: "ms from send call to received frame", Y: "% of frames within it"}
	for _, who := range r.Names {
		var all []float64
		for _, o := range r.Outcomes[latencyScene(jpeg)][who] {
			all = append(all, o.Latency...)
		}
		if len(all) == 0 {
			continue
		}
		s := series{Name: who}
		for percent := 0; percent <= 99; percent++ { // the last percent would compress the rest
			s.X, s.Y = append(s.X, quantile(all, float64(percent)/100)), append(s.Y, float64(percent))
		}
		c.Series = append(c.Series, s)
	}
	return c
}

func (r *results) cpu() chart {
	c := chart{Group: "frames", File: "cpu", Title: "CPU time per 1920x1080 frame, REQ/REP over tcp", Y: "ms", Bars: true}
	for i, jpeg := range []bool{false, true} {
		c.Categories = append(c.Categories, mode(jpeg)+", send end", mode(jpeg)+", receive end")
		scene := framesScene(jpeg, 1, "tcp")
		for _, who := range r.Names {
			send := r.over(scene, who, func(o outcome) float64 { return 1e3 * o.SendCPU })
			if send.n == 0 {
				continue
			}
			recv := r.over(scene, who, func(o outcome) float64 { return 1e3 * o.RecvCPU })
			at := slices.IndexFunc(c.Series, func(s series) bool { return s.Name == who })
			if at < 0 {
				at = len(c.Series)
				c.Series = append(c.Series, series{Name: who})
			}
			s := &c.Series[at]
			s.X, s.Y = append(s.X, float64(2*i), float64(2*i+1)), append(s.Y, send.median, recv.median)
		}
	}
	return c
}

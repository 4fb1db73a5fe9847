package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// marks draws rows between the lines of a chart and its X axis, with their names
// in the column of the legend. A mark is dark where it begins, so that those of
// which several last at once can be seen.
type marks struct {
	heading string
	rows    []row
	style   text.Style
}

const (
	rowHeight = 12
	markWidth = 1.5 // of a beginning
)

// height returns the height of the rows and of the heading.
func (m *marks) height() vg.Length { return vg.Length(len(m.rows)+1) * rowHeight }

// DataRange implements plot.DataRanger: the X axis reaches to the last mark.
func (m *marks) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax = math.Inf(1), math.Inf(-1)
	for _, r := range m.rows {
		for i := range r.From {
			xmin, xmax = min(xmin, r.From[i]), max(xmax, r.To[i])
		}
	}
	return xmin, xmax, math.Inf(1), math.Inf(-1)
}

// Plot implements plot.Plotter.
func (m *marks) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := m.style
	style.YAlign = text.YCenter
	name := func(y vg.Length, name string) { c.FillText(style, vg.Point{X: c.Max.X + 16, Y: y}, name) }
	y := c.Min.Y - rowHeight
	name(y, m.heading)
	for _, r := range m.rows {
		y -= rowHeight
		name(y, r.Name)
		c.StrokeLine2(draw.LineStyle{Color: color.Gray{0xdd}, Width: 0.5}, c.Min.X, y, c.Max.X, y)
		for i := range r.From {
			box(c, color.Gray{0xaa}, x(r.From[i]), x(r.To[i]), y)
		}
		for _, from := range r.From {
			box(c, color.Gray{0x22}, x(from), x(from)+markWidth, y)
		}
	}
}

// box draws a box from one X to another, around a Y.
func box(c draw.Canvas, fill color.Color, from, to, y vg.Length) {
	c.FillPolygon(fill, []vg.Point{{X: from, Y: y - 4}, {X: to, Y: y - 4}, {X: to, Y: y + 4}, {X: from, Y: y + 4}})
}

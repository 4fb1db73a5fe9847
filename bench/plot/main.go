// Plot draws the charts of the bench and of the soak runs as SVG. It is a module of
// its own, so that the library does not require the plotting library. Package page
// runs it:
//
//	go run . CHARTS.json FOLDER
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is the form that package page writes.
type chart struct {
	File, Title, X, Y string
	Bars              bool     // else lines
	Log               bool     // the Y axis
	Categories        []string // names for X 0, 1, 2, …
	Series            []series
	Marks             string // the heading of Rows
	Rows              []row  // marks below the lines
}

type series struct {
	Name string
	X, Y []float64
}

type row struct {
	Name     string
	From, To []float64
}

// colors are those of the contenders, the same in every chart, and are
// distinguishable for color-blind readers.
var colors = map[string]color.Color{
	"netgear":                     color.RGBA{0x00, 0x72, 0xb2, 0xff},
	"netgear, sending ahead":      color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	"netgear, memory handed over": color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	"netgear with Adapt":          color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	"VidGear":                     color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	"imagezmq":                    color.RGBA{0x00, 0x9e, 0x73, 0xff},
	"libzmq, same settings":       color.RGBA{0x55, 0x55, 0x55, 0xff},
	"libzmq":                      color.RGBA{0xaa, 0xaa, 0xaa, 0xff},
}

// others are the colors of all other series, by their order in a chart.
var others = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff},
	color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0x55, 0x55, 0x55, 0xff},
}

func colorOf(name string, index int) color.Color {
	if c, ok := colors[name]; ok {
		return c
	}
	return others[index%len(others)]
}

// The legend has a column of its own, so that it never covers the data.
const width, height, legendWidth = 25 * vg.Centimeter, 10 * vg.Centimeter, 7 * vg.Centimeter

// titleWidth is the space for the title, which is above the data.
const titleWidth = width - legendWidth - 20

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plot CHARTS.json FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(file, folder string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var charts []chart
	if err := json.Unmarshal(data, &charts); err != nil {
		return err
	}
	for _, c := range charts {
		if err := c.draw(filepath.Join(folder, c.File+".svg")); err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
	}
	return nil
}

func (c *chart) draw(file string) error {
	p, legend := plot.New(), plot.NewLegend()
	c.dress(p, &legend)
	add := c.lines
	if c.Bars {
		add = c.bars
	}
	if err := add(p, &legend); err != nil {
		return err
	}
	height := height
	if len(c.Rows) > 0 {
		marks := &marks{c.Marks, c.Rows, legend.TextStyle}
		p.Add(marks)
		p.X.Padding += marks.height()
		height += marks.height()
	}
	canvas := vgsvg.New(width, height)
	page := draw.New(canvas)
	// For pages with a dark background.
	page.FillPolygon(color.White, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}})
	p.Draw(draw.Crop(page, 8, -legendWidth, 8, -8))
	legend.Draw(draw.Crop(page, width-legendWidth+8, -4, 8, -40))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	return os.WriteFile(file, bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), 0o644)
}

// dress sets the parts of a chart besides its data.
func (c *chart) dress(p *plot.Plot, legend *plot.Legend) {
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &legend.TextStyle.Font} {
		f.Variant = "Sans"
		f.Size = 10
	}
	p.Title.TextStyle.Font.Size = 12
	if long := p.Title.TextStyle.Width(c.Title); long > titleWidth {
		p.Title.TextStyle.Font.Size *= titleWidth / long
	}
	p.Title.Padding, p.X.Padding, p.Y.Padding = 10, 8, 8
	p.BackgroundColor = color.White
	legend.Top, legend.Left, legend.Padding = true, true, 4
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(plainTicks), plot.TickerFunc(plainTicks)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.Gray{0xdd}
	p.Add(grid)
	if c.Log {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(decades)
		return
	}
	p.Y.Min = 0
	if len(c.Categories) == 0 {
		p.X.Min = 0
	}
}

// plainTicks returns gonum's ticks, with numbers such as 25, not 25.00.
func plainTicks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if t := &ticks[i]; !t.IsMinor() {
			t.Label = strconv.FormatFloat(math.Round(t.Value*1e6)/1e6, 'f', -1, 64)
		}
	}
	return ticks
}

// decades returns the ticks 1, 2, 5, 10, 20, 50, …
func decades(low, high float64) (ticks []plot.Tick) {
	for ten := math.Pow(10, math.Floor(math.Log10(low))); ten <= high; ten *= 10 {
		for _, k := range []float64{1, 2, 5} {
			if v := k * ten; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
			}
		}
	}
	return ticks
}

func (c *chart) lines(p *plot.Plot, legend *plot.Legend) error {
	few := !slices.ContainsFunc(c.Series, func(s series) bool { return len(s.X) >= 20 })
	index := map[string]int{} // several lines may have one name, and then one color
	for _, s := range c.Series {
		k, again := index[s.Name]
		if !again {
			k = len(index)
			index[s.Name] = k
		}
		xy := make(plotter.XYs, len(s.X))
		for i := range xy {
			xy[i].X, xy[i].Y = s.X[i], s.Y[i]
		}
		line, points, err := plotter.NewLinePoints(xy)
		if err != nil {
			return err
		}
		line.Color, line.Width = colorOf(s.Name, k), 2
		points.Color, points.Shape = colorOf(s.Name, k), draw.CircleGlyph{}
		p.Add(line)
		if !again {
			legend.Add(s.Name, line)
		}
		if few { // measured points, not a curve
			p.Add(points)
		}
	}
	if len(c.Categories) > 0 {
		p.NominalX(c.Categories...)
	}
	return nil
}

func (c *chart) bars(p *plot.Plot, legend *plot.Legend) error {
	const barWidth = 14
	for k, s := range c.Series {
		values := make(plotter.Values, len(c.Categories))
		for i, x := range s.X {
			values[int(x)] = s.Y[i]
		}
		bars, err := plotter.NewBarChart(values, barWidth)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = colorOf(s.Name, k), 0
		bars.Offset = vg.Length(barWidth+2) * (vg.Length(k) - vg.Length(len(c.Series)-1)/2)
		p.Add(bars)
		legend.Add(s.Name, bars)
	}
	p.NominalX(c.Categories...)
	return nil
}

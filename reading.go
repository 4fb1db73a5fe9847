package netgear

import (
	"fmt"
	"image"
	"runtime"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// Reading selects which pixels of a JPEG are decoded, so that an application
// does not pay for those that it does not need. The zero value selects all of
// them. A Reading has no effect on raw frames.
//
// The pixels are those of libjpeg: a reduced or gray picture is that of
// simplejpeg (min_factor, colorspace), and a region is that part of the whole
// picture. A Reading works for the JPEGs of any program.
type Reading struct {
	// Reduce divides both sides of the picture by 2, 4 or 8, rounded up. 0 and
	// 1 leave them.
	Reduce int
	// Gray decodes a picture in color to gray, and does not read its colors. The
	// shape is [rows, columns].
	Gray bool
	// Region is the part of the picture that is decoded, in pixels of the whole
	// picture, not of the reduced one. What is beyond the picture is ignored.
	// With Reduce the region is extended to multiples of it. The empty
	// rectangle selects all of the picture.
	//
	// Rows outside of the region are not decoded where the JPEG has restart
	// markers at the ends of rows, as JPEGs in strips have (JPEGStrips). Other
	// JPEGs are decoded from the top to the end of the region. Damage in what
	// is not decoded is not noticed.
	Region image.Rectangle
}

// check returns why a Reading selects nothing that exists, or "".
func (r Reading) check() string {
	switch {
	case r.Reduce != 0 && r.Reduce != 1 && r.Reduce != 2 && r.Reduce != 4 && r.Reduce != 8:
		return "Reduce must be 1, 2, 4 or 8, or 0 for 1"
	case r.Region != image.Rectangle{} && (r.Region.Empty() || r.Region.Max.X <= 0 || r.Region.Max.Y <= 0):
		return "Region must be a part of a picture, or the zero Rectangle for all of it"
	}
	return ""
}

// setReading sets which pixels of the JPEG the frame has, and so its shape.
func (m *frameMemory) setReading(r Reading) error {
	if why := r.check(); why != "" {
		return fmt.Errorf("%w: %s: %+v", ErrFrame, why, r)
	}
	opts := turbojpeg.DecodeOptions{Reduce: max(1, r.Reduce), Region: r.Region}
	rect := opts.Rect(m.info)
	if rect.Empty() {
		return fmt.Errorf("%w: the region %v is outside of the picture of %dx%d", ErrFrame, r.Region, m.info.Width, m.info.Height)
	}
	whole := image.Rect(0, 0, m.info.Width, m.info.Height)
	m.reading = Reading{
		Reduce: opts.Reduce, Gray: r.Gray,
		Region: image.Rectangle{rect.Min.Mul(opts.Reduce), rect.Max.Mul(opts.Reduce)}.Intersect(whole),
	}
	m.shape = append(m.shapeBuf[:0], rect.Dy(), rect.Dx())
	// As VidGear: GRAY has no channel dimension.
	if cs := m.space(); cs.Channels() > 1 {
		m.shape = append(m.shape, cs.Channels())
	}
	return nil
}

// applyReading is setReading for the frames of a receive end, of which raw ones
// have all of their pixels.
func (m *frameMemory) applyReading(r Reading) error {
	if r == (Reading{}) || !m.coding.jpeg {
		return nil
	}
	return because(malformedJPEG, m.setReading(r))
}

// space returns the colorspace into which a JPEG is decoded.
func (m *frameMemory) space() turbojpeg.Colorspace {
	if m.reading.Gray {
		return turbojpeg.GRAY
	}
	return m.coding.colorspace
}

// readsAll reports whether decoding the pixels reads all codes of the JPEG.
func (m *frameMemory) readsAll() bool {
	return m.reading.Region == image.Rect(0, 0, m.info.Width, m.info.Height)
}

// rect returns the place of the pixels in the (reduced) picture.
func (m *frameMemory) rect() image.Rectangle {
	if !m.coding.jpeg {
		return image.Rect(0, 0, m.shape[1], m.shape[0])
	}
	return turbojpeg.DecodeOptions{Reduce: m.reading.Reduce, Region: m.reading.Region}.Rect(m.info)
}

// original returns the memory that has the JPEG.
func (m *frameMemory) original() *frameMemory {
	if m.of != nil {
		return m.of
	}
	return m
}

// Read returns another Frame of the same JPEG, with the pixels that r selects.
// They are decoded when they are needed, independently of the pixels of f and
// of Options.Reading: a detector can read a whole picture at a quarter of its
// size, and then a region at full size.
//
// Both Frames must be closed, in any order, and may be used by different
// goroutines. The memory of the JPEG is released with the last. The new Frame
// has the same Message, Port, Peer, Stamp and ReceivedAt. Its JPEG is the whole
// JPEG, and SendFrame sends that.
//
// A raw frame is an ErrFrame, as are a Reduce that does not exist, a Region
// outside of the picture, and a frame that is nil, closed or zero. Damage is an
// error only when the pixels are needed.
func (f *Frame) Read(r Reading) (*Frame, error) {
	defer runtime.KeepAlive(f) // keeps the memory of an unreferenced frame
	if err := f.usable(); err != nil {
		return nil, wrap("Read", err)
	}
	if !f.coding.jpeg {
		return nil, wrap("Read", fmt.Errorf("%w: the frame is raw, and a Reading is of a JPEG", ErrFrame))
	}
	g, of := newBlankFrame(), f.original()
	g.coding, g.info, g.dtype, g.copies, g.peer, g.port, g.source = of.coding, of.info, of.dtype, of.copies, of.peer, of.port, of.source
	if err := g.setReading(r); err != nil {
		return nil, wrap("Read", err)
	}
	of.frames.Add(1)
	g.of = of
	f.describe(g)
	g.track()
	g.handOut()
	return g, nil
}

// Reading returns which pixels of the JPEG the frame has: Options.Reading of
// the receive end, or that of Read. Reduce is at least 1, and Region is the
// part of the whole picture that the pixels show. It returns the zero Reading
// for a raw frame.
func (f *Frame) Reading() Reading {
	if f == nil || f.frameMemory == nil {
		return Reading{}
	}
	return f.reading
}

// FullShape returns the Shape of the whole picture, of which a Reading may have
// selected a part.
func (f *Frame) FullShape() []int {
	if f == nil || f.frameMemory == nil || !f.coding.jpeg {
		return f.Shape()
	}
	shape := []int{f.info.Height, f.info.Width}
	if n := f.coding.colorspace.Channels(); n > 1 {
		shape = append(shape, n)
	}
	return shape
}

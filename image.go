package netgear

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"runtime"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// SendImage sends a picture of package image. As JPEG its pixels go to the
// encoder as they lie; raw, it is sent in OpenCV's order, [rows, columns, 3]
// blue first, or [rows, columns] for an *image.Gray. The picture may be reused
// as soon as SendImage returns. For the rest see SendArray.
func (n *NetGear) SendImage(ctx context.Context, img image.Image, message any) (Reply, error) {
	b := img.Bounds()
	if b.Empty() {
		return Reply{}, wrap("send", fmt.Errorf("%w: it is empty", ErrFrame))
	}
	if gray, ok := img.(*image.Gray); ok {
		return n.SendArray(ctx, Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx()}, Data: packRows(gray.Pix[gray.PixOffset(b.Min.X, b.Min.Y):], gray.Stride, b.Dx(), b.Dy())}, message)
	}
	if n.jpeg && n.colorspace == turbojpeg.GRAY {
		gray := image.NewGray(b)
		draw.Draw(gray, b, img, b.Min, draw.Src)
		return n.SendImage(ctx, gray, message)
	}
	rgba := asRGBA(img)
	if !n.jpeg || max(b.Dx(), b.Dy()) > turbojpeg.MaxDimension {
		return n.SendArray(ctx, Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx(), 3}, Data: bgrOf(rgba)}, message)
	}
	tell := n.colorspace
	if tell == turbojpeg.CMYK {
		tell = turbojpeg.BGR // a picture of package image is not CMYK
	}
	p := payload{array: Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx(), 4}, Data: rgba.Pix[rgba.PixOffset(b.Min.X, b.Min.Y):]}}
	p.asJPEG(&n.settings, turbojpeg.RGBX, tell, rgba.Stride)
	return n.send(ctx, &p, message)
}

func asRGBA(img image.Image) *image.RGBA {
	if rgba, ok := img.(*image.RGBA); ok {
		return rgba
	}
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Rect, img, rgba.Rect.Min, draw.Src)
	return rgba
}

// packRows returns rows without the gaps between them.
func packRows(pix []byte, stride, width, rows int) []byte {
	if stride == width {
		return pix[:width*rows]
	}
	packed := make([]byte, 0, width*rows)
	for y := range rows {
		packed = append(packed, pix[y*stride:y*stride+width]...)
	}
	return packed
}

func bgrOf(img *image.RGBA) []byte {
	b := img.Rect
	bgr := make([]byte, 0, 3*b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		row := img.Pix[img.PixOffset(b.Min.X, y):]
		for x := range b.Dx() {
			bgr = append(bgr, row[4*x+2], row[4*x+1], row[4*x])
		}
	}
	return bgr
}

// channelOrders says where red, green, blue and alpha are in a pixel of each
// colourspace; -1 is "no alpha".
var channelOrders = map[turbojpeg.Colorspace][4]int{
	turbojpeg.RGB: {0, 1, 2, -1}, turbojpeg.BGR: {2, 1, 0, -1},
	turbojpeg.RGBX: {0, 1, 2, -1}, turbojpeg.BGRX: {2, 1, 0, -1}, turbojpeg.XBGR: {3, 2, 1, -1}, turbojpeg.XRGB: {1, 2, 3, -1},
	turbojpeg.RGBA: {0, 1, 2, 3}, turbojpeg.BGRA: {2, 1, 0, 3}, turbojpeg.ABGR: {3, 2, 1, 0}, turbojpeg.ARGB: {1, 2, 3, 0},
}

// Image is the frame as a picture of package image, in memory of its own: an
// *image.Gray for one channel, else an *image.NRGBA (*image.CMYK for a CMYK
// JPEG). Only uint8 frames of 1, 3 or 4 channels are pictures. A raw frame is
// taken for BGR or BGRA, OpenCV's order.
func (f *Frame) Image() (image.Image, error) {
	defer runtime.KeepAlive(f) // a dropped frame's memory goes with it
	if f.closed {
		return nil, wrap("Image", fmt.Errorf("%w: it is closed", ErrFrame))
	}
	c := f.channels()
	if f.dtype.name != "uint8" || len(f.shape) < 2 || len(f.shape) > 3 || c != 1 && c != 3 && c != 4 {
		return nil, wrap("Image", fmt.Errorf("%w: %s of shape %v is no picture; use Array", ErrFrame, f.dtype.name, f.shape))
	}
	rect := image.Rect(0, 0, f.shape[1], f.shape[0])
	if c == 1 {
		gray := image.NewGray(rect)
		copy(gray.Pix, f.data)
		return gray, nil
	}
	cs := turbojpeg.BGR
	if c == 4 {
		cs = turbojpeg.BGRA
	}
	if f.coding.jpeg {
		cs = f.coding.colorspace
	}
	if cs == turbojpeg.CMYK {
		cmyk := image.NewCMYK(rect)
		copy(cmyk.Pix, f.data)
		return cmyk, nil
	}
	return nrgba(rect, f.data, c, channelOrders[cs]), nil
}

func nrgba(rect image.Rectangle, data []byte, channels int, order [4]int) *image.NRGBA {
	img := image.NewNRGBA(rect)
	for i, o := 0, 0; i+channels <= len(data); i, o = i+channels, o+4 {
		p, q := data[i:i+channels], img.Pix[o:o+4]
		q[0], q[1], q[2], q[3] = p[order[0]], p[order[1]], p[order[2]], 0xff
		if order[3] >= 0 {
			q[3] = p[order[3]]
		}
	}
	return img
}

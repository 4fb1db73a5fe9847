package netgear

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"runtime"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// SendImage sends a picture of package image. As JPEG its pixels are encoded
// without a conversion. Raw, it is sent in OpenCV's order: [rows, columns, 3]
// with blue first, or [rows, columns] for an *image.Gray. The caller may reuse
// the picture as soon as SendImage returns. For retries, errors and concurrency
// see SendArray.
func (n *NetGear) SendImage(ctx context.Context, img image.Image, message any) (Reply, error) {
	s, err := n.sender()
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	p, err := s.imagePayload(img)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	return s.send(ctx, &p, message)
}

// imagePayload selects, from the options, the form in which a picture is sent.
func (n *settings) imagePayload(img image.Image) (payload, error) {
	if err := checkImage(img, n.opts.MaxFrameBytes); err != nil {
		return payload{}, err
	}
	b := img.Bounds()
	gray, isGray := img.(*image.Gray)
	var err error
	if !isGray && n.jpeg && n.colorspace == turbojpeg.GRAY {
		isGray, gray = true, image.NewGray(b)
		err = convert(gray, img)
	}
	if err == nil && isGray {
		return n.arrayPayload(grayArray(gray))
	}
	rgba := &image.RGBA{}
	if err == nil {
		rgba, err = asRGBA(img)
	}
	if err != nil {
		return payload{}, err
	}
	if !n.jpeg || max(b.Dx(), b.Dy()) > turbojpeg.MaxDimension {
		return n.arrayPayload(bgrArray(rgba))
	}
	target := n.colorspace
	if target == turbojpeg.CMYK {
		target = turbojpeg.BGR // a picture of package image is not CMYK
	}
	p := payload{array: Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx(), 4}, Data: rgba.Pix}}
	p.asJPEG(n, turbojpeg.RGBX, target, rgba.Stride)
	return p, nil
}

// maxPicture bounds pictures inside messages, for which no option applies. A
// message has no room for more.
const maxPicture = 1 << 30

// imageArray returns a picture as an array in OpenCV's order.
func imageArray(img image.Image) (Array, error) {
	if err := checkImage(img, maxPicture); err != nil {
		return Array{}, err
	}
	if gray, ok := img.(*image.Gray); ok {
		return grayArray(gray), nil
	}
	rgba, err := asRGBA(img)
	if err != nil {
		return Array{}, err
	}
	return bgrArray(rgba), nil
}

func grayArray(img *image.Gray) Array {
	b := img.Rect
	return Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx()}, Data: packRows(img.Pix, img.Stride, b.Dx(), b.Dy())}
}

func bgrArray(img *image.RGBA) Array {
	return Array{DType: "uint8", Shape: []int{img.Rect.Dy(), img.Rect.Dx(), 3}, Data: bgrOf(img)}
}

func asRGBA(img image.Image) (*image.RGBA, error) {
	if rgba, ok := img.(*image.RGBA); ok {
		return rgba, nil
	}
	rgba := image.NewRGBA(img.Bounds())
	return rgba, convert(rgba, img)
}

// convert draws a checked picture into dst, which has its bounds. The methods
// of a type of another package may panic.
func convert(dst draw.Image, img image.Image) error {
	return guarded(img, func() { draw.Draw(dst, dst.Bounds(), img, dst.Bounds().Min, draw.Src) })
}

// packRows returns rows without gaps between them.
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

// Image returns the frame as a picture of package image, in memory of its own.
// It is an *image.Gray for one channel, an *image.CMYK for a CMYK JPEG, and
// otherwise an *image.NRGBA. A frame that is not uint8 with 1, 3 or 4 channels
// is an ErrFrame. A raw frame is assumed to be BGR or BGRA, OpenCV's order.
func (f *Frame) Image() (image.Image, error) {
	defer runtime.KeepAlive(f) // keeps the memory of an unreferenced frame
	if err := f.usable(); err != nil {
		return nil, wrap("Image", err)
	}
	c := f.channels()
	if f.dtype.Name != "uint8" || len(f.shape) < 2 || len(f.shape) > 3 || c != 1 && c != 3 && c != 4 {
		return nil, wrap("Image", fmt.Errorf("%w: %s of shape %v is no picture; use Array", ErrFrame, f.dtype.Name, f.shape))
	}
	pixels, err := f.load()
	if err != nil {
		return nil, wrap("Image", err)
	}
	rect := image.Rect(0, 0, f.shape[1], f.shape[0])
	if c == 1 {
		gray := image.NewGray(rect)
		copy(gray.Pix, pixels)
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
		copy(cmyk.Pix, pixels)
		return cmyk, nil
	}
	return nrgba(rect, pixels, c, cs.RGBA()), nil
}

// nrgba returns a picture of pixels. order holds the positions of red, green,
// blue and alpha; order[3] is -1 without alpha.
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

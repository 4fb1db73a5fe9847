package netgear

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"runtime"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// SendImage sends a picture of package image. The caller may reuse the picture
// as soon as SendImage returns. For retries, errors and concurrency see
// SendArray.
//
// As JPEG, an *image.YCbCr, *image.Gray, *image.RGBA or *image.NRGBA is encoded
// as its memory is, also if it is a sub-image. The JPEG of an *image.YCbCr has
// the subsampling of the picture: 4:4:4, 4:4:0, 4:2:2, 4:2:0 or 4:1:1. The
// other JPEGs are 4:2:2, as in VidGear. (4:1:0 becomes 4:1:1. If a sub-image
// begins in the middle of a chroma sample, its JPEG has a sample for each pixel
// in that direction.) A picture of any other type is converted to RGBA by
// package image/draw before.
//
// Raw, a picture is sent in OpenCV's order: [rows, columns, 3] with blue first,
// or [rows, columns] for an *image.Gray. It has the pixels that image/draw
// makes of it.
//
// Alpha is not sent. Its pixels are multiplied by it, as image/draw does, which
// puts the picture on a black background.
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
	toGray := n.jpeg && n.colorspace == turbojpeg.GRAY
	b := img.Bounds()
	if !n.jpeg || max(b.Dx(), b.Dy()) > turbojpeg.MaxDimension {
		return n.rawPicture(img, toGray)
	}
	picture, err := encodable(img)
	if err != nil {
		return payload{}, err
	}
	decoded := n.colorspace
	if _, isGray := img.(*image.Gray); isGray || toGray {
		picture, decoded = picture.Gray(), turbojpeg.GRAY
	} else if decoded == turbojpeg.CMYK {
		decoded = turbojpeg.BGR // a picture of package image is not CMYK
	}
	var p payload
	p.asJPEG(n, picture, decoded)
	return p, nil
}

// rawPicture returns a checked picture as an array: of its own memory, or in
// pooled memory if it had to be converted.
func (n *settings) rawPicture(img image.Image, toGray bool) (payload, error) {
	var pooled *zmsg.Buffer
	kept := false
	defer func() {
		if !kept { // also if the picture's own methods end the goroutine
			pooled.Release()
		}
	}()
	a, err := pictureArray(img, toGray, func(size int) (_ []byte, err error) {
		if pooled, err = zmsg.NewBuffer(size); err != nil {
			return nil, err
		}
		return pooled.Bytes(), nil
	})
	var p payload
	if err == nil {
		p, err = n.arrayPayload(a)
	}
	if err != nil {
		return payload{}, err
	}
	p.pooled, kept = pooled, true
	return p, nil
}

// encodable returns a checked picture for the encoder, as its memory is if the
// encoder can read it.
func encodable(img image.Image) (turbojpeg.Picture, error) {
	switch i := img.(type) {
	case *image.Gray:
		return turbojpeg.GrayPixels(i), nil
	case *image.NRGBA:
		return turbojpeg.NRGBAPixels(i), nil
	case *image.YCbCr:
		if i.Rect.Min.X >= 0 && i.Rect.Min.Y >= 0 { // otherwise the samples are not where the encoder reads them
			return turbojpeg.Planes(i), nil
		}
	}
	rgba, err := asRGBA(img)
	if err != nil {
		return turbojpeg.Picture{}, err
	}
	return turbojpeg.RGBAPixels(rgba), nil
}

// maxPicture bounds pictures inside messages, for which no option applies. A
// message has no room for more.
const maxPicture = 1 << 30

// imageArray returns a picture as an array in OpenCV's order.
func imageArray(img image.Image) (Array, error) {
	if err := checkImage(img, maxPicture); err != nil {
		return Array{}, err
	}
	return pictureArray(img, false, func(size int) ([]byte, error) { return turbojpeg.Unzeroed(size), nil })
}

// pictureArray returns a checked picture as an array in OpenCV's order. With
// toGray a picture in color loses it. A picture in color is converted to memory
// from allocate.
func pictureArray(img image.Image, toGray bool, allocate func(size int) ([]byte, error)) (Array, error) {
	gray, isGray := img.(*image.Gray)
	if isGray {
		return grayArray(gray), nil
	}
	if toGray {
		gray = image.NewGray(img.Bounds())
		err := convert(gray, img)
		return grayArray(gray), err
	}
	b := img.Bounds()
	bgr, err := allocate(3 * b.Dx() * b.Dy())
	if err != nil {
		return Array{}, err
	}
	known, err := turbojpeg.ToBGR(bgr, img)
	if !known {
		var rgba *image.RGBA
		if rgba, err = asRGBA(img); err == nil {
			_, err = turbojpeg.ToBGR(bgr, rgba)
		}
	}
	return Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx(), 3}, Data: bgr}, err
}

func grayArray(img *image.Gray) Array {
	b := img.Rect
	return Array{DType: "uint8", Shape: []int{b.Dy(), b.Dx()}, Data: packRows(img.Pix, img.Stride, b.Dx(), b.Dy())}
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

// Image returns the frame as a picture of package image, in memory of its own.
// It is an *image.Gray for one channel, an *image.CMYK for a CMYK JPEG, an
// *image.NRGBA for a raw frame with four channels, and otherwise an
// *image.RGBA. A frame that is not uint8 with 1, 3 or 4 channels is an
// ErrFrame. A raw frame is assumed to be BGR or BGRA, OpenCV's order.
//
// Each call decodes the JPEG to the picture, unless the pixels have been
// decoded before (Options.Decode, Bytes); then it converts them. Of a Reading
// with a Region, the picture's Bounds are the region's place in the picture as
// SubImage has it: in the reduced picture, if Reduce is more than 1.
func (f *Frame) Image() (image.Image, error) {
	img, err := f.picture()
	return img, wrap("Image", err)
}

func (f *Frame) picture() (image.Image, error) {
	defer runtime.KeepAlive(f) // keeps the memory of an unreferenced frame
	if err := f.usable(); err != nil {
		return nil, err
	}
	c := f.channels()
	if f.dtype.Name != "uint8" || len(f.shape) < 2 || len(f.shape) > 3 || c != 1 && c != 3 && c != 4 {
		return nil, fmt.Errorf("%w: %s of shape %v is no picture; use Array", ErrFrame, f.dtype.Name, f.shape)
	}
	cs := [5]turbojpeg.Colorspace{1: turbojpeg.GRAY, 3: turbojpeg.BGR, 4: turbojpeg.BGRA}[c]
	if f.coding.jpeg {
		cs = f.space()
	}
	img, pix, order := newPicture(f.rect(), cs, f.coding.jpeg)
	stride := f.shape[1] * order.Channels()
	if settled, _, _, _ := f.outcome(); !settled && f.coding.jpeg {
		err := f.decodeTo(f.stop(), func(dec *turbojpeg.Decoder, opts turbojpeg.DecodeOptions, strips int) error {
			return dec.DecodeStrips(pix, f.raw(), f.info, stride, order, opts, strips)
		})
		if err != nil {
			return nil, closedIfStopped(err)
		}
		return img, nil
	}
	pixels, err := f.load()
	switch {
	case err != nil:
		return nil, err
	case len(pixels) == 0:
		return img, nil
	case order == cs:
		copy(pix, pixels)
		return img, nil
	}
	if err := turbojpeg.Reorder(pix, stride, order, pixels, f.shape[1]*c, cs, f.shape[1], f.shape[0]); err != nil {
		return nil, frameError(err)
	}
	return img, nil
}

// newPicture returns a picture for pixels of a colorspace, its memory, and the
// order of that. A JPEG has no alpha.
func newPicture(r image.Rectangle, cs turbojpeg.Colorspace, jpeg bool) (image.Image, []byte, turbojpeg.Colorspace) {
	switch {
	case cs == turbojpeg.GRAY:
		img := image.NewGray(r)
		return img, img.Pix, cs
	case cs == turbojpeg.CMYK:
		img := image.NewCMYK(r)
		return img, img.Pix, cs
	case cs.Channels() == 4 && !jpeg:
		img := image.NewNRGBA(r)
		return img, img.Pix, turbojpeg.RGBA
	}
	img := &image.RGBA{Pix: turbojpeg.Unzeroed(4 * r.Dx() * r.Dy()), Stride: 4 * r.Dx(), Rect: r}
	return img, img.Pix, turbojpeg.RGBA
}

// YCbCr returns the planes of luma and chroma that the frame's JPEG has, in Go
// memory of their own. They are what most encoders and detectors take, and cost
// less than pixels, as nothing is converted. Each call decodes the JPEG.
//
// The subsampling is that of the JPEG. Where a Reading reduces a 4:2:0 JPEG,
// the result is 4:4:4, as its chroma then has a sample for each pixel. A gray
// JPEG has chroma of 128. Of a Reading with a Region the Bounds are as in
// Image. The planes have the full range of values, 0 to 255, as package image
// has it.
//
// A raw frame is an ErrFrame, as are a JPEG that stores RGB or printing colors,
// and a Reading with Gray.
func (f *Frame) YCbCr() (*image.YCbCr, error) {
	img, err := f.yCbCr()
	return img, wrap("YCbCr", err)
}

func (f *Frame) yCbCr() (img *image.YCbCr, err error) {
	defer runtime.KeepAlive(f) // keeps the memory of an unreferenced frame
	if err := f.usable(); err != nil {
		return nil, err
	}
	if !f.coding.jpeg || f.reading.Gray {
		return nil, fmt.Errorf("%w: only a JPEG in color, or of gray, has planes of luma and chroma; use Image", ErrFrame)
	}
	err = f.decodeTo(f.stop(), func(dec *turbojpeg.Decoder, opts turbojpeg.DecodeOptions, strips int) (err error) {
		img, err = dec.DecodeYCbCr(f.raw(), f.info, opts, strips)
		return err
	})
	if err != nil {
		return nil, closedIfStopped(err)
	}
	return img, nil
}

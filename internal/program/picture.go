package program

import "github.com/vidgear-go/netgear"

// Picture returns a picture of a square that moves over a background of two
// colors.
func Picture(i int) netgear.Array {
	const width, height, side = 320, 240, 40
	pixels := make([]byte, 0, 3*width*height)
	left := 4 * i % (width - side)
	for y := range height {
		for x := range width {
			if x >= left && x < left+side && y >= 100 && y < 100+side {
				pixels = append(pixels, 255, 255, 255)
			} else {
				pixels = append(pixels, byte(x*200/width), byte(y*200/height), 40)
			}
		}
	}
	return netgear.Array{DType: "uint8", Shape: []int{height, width, 3}, Data: pixels}
}

package source

import (
	"context"
	"errors"
	"io"

	"github.com/vidgear-go/netgear/internal/avi"
)

// maxPicture is the largest JPEG that is read, in bytes.
const maxPicture = 64 << 20

// aviFile reads the JPEGs of an AVI file.
type aviFile struct {
	*avi.Reader
	in  io.ReadSeekCloser
	buf []byte
}

// newAVI reads the header of an AVI file, and takes ownership of in on success.
// It returns avi.ErrFormat for other files.
func newAVI(in io.ReadSeekCloser) (*aviFile, error) {
	r, err := avi.New(in, maxPicture)
	if err != nil {
		return nil, err
	}
	return &aviFile{Reader: r, in: in}, nil
}

// next returns the next picture. What is cut off at the end of the file is
// left out.
func (a *aviFile) next(ctx context.Context) (Frame, error) {
	if ctx.Err() != nil {
		return Frame{}, ctx.Err()
	}
	jpeg, _, err := a.Next(a.buf, 0)
	switch {
	case errors.Is(err, avi.ErrTruncated):
		return Frame{}, io.EOF
	case err != nil:
		return Frame{}, err
	}
	a.buf = jpeg
	return Frame{JPEG: jpeg}, nil
}

func (a *aviFile) rate() float64 {
	if p := a.Period(); p > 0 {
		return 1 / p.Seconds()
	}
	return 0
}

func (a *aviFile) close() { a.in.Close() }

package record

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vidgear-go/netgear/internal/avi"
)

// aviBlocks reads the JPEGs of an AVI file.
type aviBlocks struct {
	r      *avi.Reader
	track  trackInfo
	period time.Duration
	from   int // the number of the first picture to read
	damage damage
}

// defaultPeriod is the time between two pictures of a file that has none.
const defaultPeriod = time.Second / 25

// newAVI reads the header of an AVI file.
func newAVI(r io.ReaderAt, size, maxFrame int64) (*aviBlocks, error) {
	in, err := avi.New(io.NewSectionReader(r, 0, size), maxFrame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	a := &aviBlocks{r: in, period: in.Period(), track: trackInfo{name: "track 1", codecID: "MJPG", play: playJPEG}}
	if a.period == 0 {
		a.period = defaultPeriod
	}
	a.track.width, a.track.height = in.Size()
	return a, nil
}

func (a *aviBlocks) nextBlock(buf []byte) (rawBlock, error) {
	for {
		jpeg, number, err := a.r.Next(buf, a.from)
		switch {
		case err == nil:
			return rawBlock{track: &a.track, at: time.Duration(number) * a.period, data: jpeg}, nil
		case errors.Is(err, io.EOF):
			return rawBlock{}, a.damage.result()
		case errors.Is(err, avi.ErrTruncated):
			a.damage.add(fmt.Errorf("%w: it ends inside a picture", ErrTruncated), 0)
		case errors.Is(err, avi.ErrTooLarge):
			a.damage.add(fmt.Errorf("%w: %w", ErrTooLarge, err), 0)
		default:
			return rawBlock{}, fmt.Errorf("record: %w", err)
		}
	}
}

// rewind moves to the first picture at a time or later.
func (a *aviBlocks) rewind(from time.Duration) {
	a.r.Rewind()
	a.from, a.damage = int((from+a.period-1)/a.period), damage{}
}

// length counts the pictures. The next rewind must follow.
func (a *aviBlocks) length() time.Duration {
	a.r.Rewind()
	return time.Duration(a.r.Count()) * a.period
}

func (a *aviBlocks) about() about {
	t := &a.track
	return about{damage: &a.damage, tracks: []Track{{t.name, t.codecID, t.width, t.height}}}
}

package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numpy"
)

// defaultMaxFrameBytes is the default of netgear.Options.MaxFrameBytes.
const defaultMaxFrameBytes = 256 << 20

// Player reads the frames of a recording. Open returns one. Only one goroutine
// at a time may use it.
type Player struct {
	blocks  blocks
	file    *interruptible
	path    string // "" if it is not known
	closer  io.Closer
	pending map[uint64]*pending // by sender
	buf     []byte              // memory of the last frame, while Play runs
	reuse   bool
}

// blocks is what a Player needs of a file format.
type blocks interface {
	nextBlock(buf []byte) (rawBlock, error)
	rewind(from time.Duration)
	about() about
}

// about describes a file.
type about struct {
	start    time.Time // of time 0; zero if the file has none
	duration time.Duration
	cut      bool
	tracks   []Track
	damage   *damage
}

// Track describes a track that is played.
type Track struct {
	Name          string // the sender, or "track 1" if the file has no name
	Codec         string // Matroska's: "V_MJPEG", "V_UNCOMPRESSED", "X_NETGEAR/ARRAY"; of AVI "MJPG"
	Width, Height int    // of pictures
}

// Frame is a frame of a recording.
type Frame struct {
	Track string        // the name of the track: the sender
	At    time.Duration // since the beginning of the file, in milliseconds
	Time  time.Time     // of capture or arrival; zero if the file has no date

	// JPEG is the frame's JPEG, exactly as recorded; nil for an array.
	JPEG []byte
	// Colorspace is the order of the channels that the sender's header named
	// for the JPEG. It is "BGR" in files of other programs.
	Colorspace string
	// Array is the frame's array, if it has no JPEG.
	Array netgear.Array

	Message  netgear.Message
	Stamp    *netgear.Stamp // as recorded, by the sender's clock
	Received time.Time      // when the frame arrived, if it has a Stamp
	Port     string         // the sender's port, in multi-server mode
}

// NetGear returns the frame as a received one, with decoded pixels, for programs
// that view or process recordings. The caller must Close it.
func (f *Frame) NetGear() (*netgear.Frame, error) {
	var n *netgear.Frame
	var err error
	if f.JPEG != nil {
		n, err = netgear.NewJPEGFrame(f.JPEG, f.Message)
	} else {
		n, err = netgear.NewFrame(f.Array, f.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	n.Stamp, n.Port, n.ReceivedAt = f.Stamp, f.Port, f.Received
	return n, nil
}

// PlayerOptions holds the settings of a Player.
type PlayerOptions struct {
	// MaxFrameBytes bounds the memory for one frame. A larger one is skipped,
	// and reported as ErrTooLarge at the end. Default 256 MiB.
	MaxFrameBytes int64
}

// Open opens a recording, or any other Matroska or AVI file with Motion JPEG.
// The caller must Close it.
//
// A file that a killed process has left can be opened, as can one that is still
// being written: it ends where the file ends now. Errors to test for:
// ErrFormat, ErrTruncated, ErrCorrupt, and those of os.Open.
func Open(path string) (*Player, error) { return PlayerOptions{}.Open(path) }

// Open opens a recording with these options, as [Open] does.
func (o PlayerOptions) Open(path string) (*Player, error) {
	if i, err := os.Stat(path); err == nil && !i.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, fmt.Errorf("%w: it is no regular file (%s)", ErrFormat, path)
	}
	f, err := os.Open(path) //nolint:gosec // the caller's
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	p, err := o.open(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	p.path = path
	return p, nil
}

func (o PlayerOptions) open(f *os.File) (*Player, error) {
	i, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	p, err := o.Read(f, i.Size())
	if err != nil {
		return nil, err
	}
	p.closer = f
	return p, nil
}

// Read returns a Player of a file in memory, or of another source of so many
// bytes. The source must stay valid while the Player is used.
func (o PlayerOptions) Read(r io.ReaderAt, size int64) (*Player, error) {
	if o.MaxFrameBytes <= 0 {
		o.MaxFrameBytes = defaultMaxFrameBytes
	}
	file := &interruptible{r: r}
	b, err := readFormat(file, size, o.MaxFrameBytes)
	if err != nil {
		return nil, err
	}
	p := &Player{blocks: b, file: file}
	p.rewind(0)
	return p, nil
}

// interruptible is a file of which nothing is read after the end of a context.
// Finding the next frame may mean to read all of a large file.
type interruptible struct {
	r   io.ReaderAt
	ctx context.Context // nil: none

	stopped bool // it has refused to read
}

func (f *interruptible) ReadAt(b []byte, at int64) (int, error) {
	if f.ctx != nil && f.ctx.Err() != nil {
		f.stopped = true
		return 0, f.ctx.Err()
	}
	return f.r.ReadAt(b, at)
}

// readFormat reads the header of a file of any format.
func readFormat(r io.ReaderAt, size, maxFrame int64) (blocks, error) {
	var magic [4]byte
	if _, err := r.ReadAt(magic[:], 0); err == nil && string(magic[:]) == "RIFF" {
		return newAVI(r, size, maxFrame)
	}
	return newDemuxer(r, size, maxFrame)
}

// Close closes the file. Frames stay valid.
func (p *Player) Close() error {
	if p.closer == nil {
		return nil
	}
	return p.closer.Close()
}

// Tracks returns the tracks that are played, in the order of the file.
func (p *Player) Tracks() []Track { return p.blocks.about().tracks }

// Start returns the time of the file's beginning, or the zero Time if the file
// has none.
func (p *Player) Start() time.Time { return p.blocks.about().start }

// Duration returns the length of the recording; of a file that was cut, up to the
// cut. It is up to a second too short for a recording that is not complete, and 0
// if the file does not contain it.
func (p *Player) Duration() time.Duration { return p.blocks.about().duration }

// Cut reports whether the end of the recording is missing: its process was killed,
// or still writes it, or the file is not whole. Of a file of another program it
// reports only that the file is not whole, and of an AVI file nothing.
func (p *Player) Cut() bool { return p.blocks.about().cut }

// length returns the Duration, or that of the pictures of an AVI file, which are
// counted.
func (p *Player) length() time.Duration {
	if a, ok := p.blocks.(*aviBlocks); ok {
		return a.length()
	}
	return p.Duration()
}

// Seek continues with the first frame at a time since the beginning, or later.
func (p *Player) Seek(at time.Duration) { p.rewind(at) }

func (p *Player) rewind(from time.Duration) {
	p.pending = map[uint64]*pending{}
	p.blocks.rewind(from)
}

// Next returns the next frame. The caller may keep it.
//
// At the end it returns io.EOF. If a part of the file could not be read, it
// returns ErrTruncated, ErrCorrupt or ErrTooLarge instead, after all frames
// that are intact.
func (p *Player) Next() (*Frame, error) {
	for {
		b, err := p.blocks.nextBlock(p.buf)
		if err != nil {
			return nil, err
		}
		if p.reuse && b.track.play != playText {
			p.buf = b.data
		}
		if f := p.frame(&b); f != nil {
			return f, nil
		}
	}
}

// Frames returns an iterator over what Next returns. It ends after io.EOF, which
// it does not yield, and after any other error, which it yields.
func (p *Player) Frames() iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		for {
			f, err := p.Next()
			if errors.Is(err, io.EOF) || !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// pending is a text whose picture follows.
type pending struct {
	at   time.Duration
	meta *meta
}

// frame returns the frame of a block, or nil: the block is a text, or damaged.
func (p *Player) frame(b *rawBlock) *Frame {
	sender := b.track.uid >> 8
	if b.track.play == playText {
		p.text(b, sender)
		return nil
	}
	m := &meta{}
	if w := p.pending[sender]; w != nil && w.at == b.at {
		m = w.meta
	}
	delete(p.pending, sender)
	about := p.blocks.about()
	f := &Frame{Track: b.track.name, At: b.at, Message: m.Message, Stamp: m.Stamp, Received: m.Received, Port: m.Port}
	if !about.start.IsZero() {
		f.Time = about.start.Add(b.at)
	}
	if err := f.fill(b, m); err != nil {
		about.damage.add(err, int64(len(b.data)))
		return nil
	}
	return f
}

// maxSendersRead bounds the texts that wait for their pictures.
const maxSendersRead = maxTracks

// text keeps a text for the picture that follows.
func (p *Player) text(b *rawBlock, sender uint64) {
	m, err := decodeMeta(b.data)
	if err != nil {
		p.blocks.about().damage.add(fmt.Errorf("%w: the text of a frame at %v: %w", ErrCorrupt, b.at, err), int64(len(b.data)))
		return
	}
	if len(p.pending) < maxSendersRead {
		p.pending[sender] = &pending{b.at, m}
	}
}

// fill sets the frame's picture or array.
func (f *Frame) fill(b *rawBlock, m *meta) error {
	t := b.track
	f.Array = netgear.Array{DType: "uint8", Data: b.data}
	switch {
	case t.play == playJPEG, t.play == playArray && m.JPEG:
		f.JPEG, f.Array, f.Colorspace = b.data, netgear.Array{}, m.Colorspace
		if f.Colorspace == "" {
			f.Colorspace = "BGR"
		}
		return f.checkJPEG()
	case t.play == playArray && m.DType == "":
		return fmt.Errorf("%w: an array at %v has no type", ErrCorrupt, b.at)
	case t.play == playBGR:
		f.Array.Shape = []int{t.height, t.width, 3}
	case t.play == playGray:
		f.Array.Shape = []int{t.height, t.width}
	}
	if m.DType != "" {
		f.Array.DType, f.Array.Shape = m.DType, m.Shape
	}
	return f.checkArray()
}

// checkJPEG reports whether the JPEG begins as one. The send calls check more.
func (f *Frame) checkJPEG() error {
	if len(f.JPEG) < 4 || f.JPEG[0] != 0xFF || f.JPEG[1] != 0xD8 {
		return fmt.Errorf("%w: the frame at %v is no JPEG", ErrCorrupt, f.At)
	}
	return nil
}

// checkArray checks an array's type and its size in bytes.
func (f *Frame) checkArray() error {
	d, err := numpy.Parse(f.Array.DType)
	if err == nil {
		err = d.Check(f.Array.Shape, len(f.Array.Data))
	}
	if err != nil {
		return fmt.Errorf("%w: the array at %v: %w", ErrCorrupt, f.At, err)
	}
	return nil
}

package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Limits of what is read into memory at once, besides frames.
const (
	maxTracksBytes = 1 << 20
	maxTracks      = 1024
	maxInfoBytes   = 64 << 10
	maxTextBytes   = 16 << 20
)

// demuxer reads the blocks of a Matroska file in their order.
type demuxer struct {
	*source
	maxFrame int64

	body     int64 // where the Segment's content begins
	bodyEnd  int64 // where it ends according to its size; -1 if that is unknown
	first    int64 // the first cluster
	scale    time.Duration
	duration time.Duration
	date     time.Time // of time 0; zero if the file has none
	own      bool      // written by this package
	tracks   map[uint64]*trackInfo
	order    []*trackInfo
	list     []Track // those that are played

	from        time.Duration // earlier blocks are skipped
	clusterTime uint64
	clusterEnd  int64 // -1 if it is unknown
	inCluster   bool
	damage      damage
}

// trackInfo is a track of a file that is read.
type trackInfo struct {
	number, uid, kind uint64
	name, codecID     string
	width, height     int
	colorspace        []byte
	private           []byte
	encoded           bool // compressed or encrypted by the container

	play playAs
}

// playAs is what a track contains, as far as it is played.
type playAs uint8

const (
	playNothing playAs = iota
	playJPEG
	playBGR
	playGray
	playArray
	playText
)

// newDemuxer reads a file's headers up to its first cluster.
func newDemuxer(r io.ReaderAt, size, maxFrame int64) (*demuxer, error) {
	d := &demuxer{source: newSource(r, size), maxFrame: maxFrame, scale: time.Millisecond, tracks: map[uint64]*trackInfo{}}
	if err := d.readHeader(); err != nil {
		return nil, err
	}
	if err := d.readSegment(); err != nil {
		return nil, err
	}
	if d.duration > 0 && d.bodyEnd > d.size {
		d.duration = min(d.duration, d.lastBlock())
	}
	return d, nil
}

// lastBlock returns the time of the last block of a file that was cut, whose header
// has the duration of the whole. It reads from a cluster near the end on.
func (d *demuxer) lastBlock() (last time.Duration) {
	var buf []byte
	for tail := int64(readAhead); ; tail *= 4 {
		from := max(d.first, d.size-tail)
		d.rewind(0)
		d.seek(d.findCluster(from))
		found := from == d.first
		for {
			b, ok, err := d.step(buf)
			if err != nil {
				break // mostly the cut
			}
			if ok {
				found, last, buf = true, max(last, b.at), b.data
			}
		}
		if found {
			return last
		}
	}
}

// readHeader reads the EBML header and enters the Segment.
func (d *demuxer) readHeader() error {
	e, err := d.next()
	if err != nil || e.id != idEBML {
		return fmt.Errorf("%w: it does not begin as a Matroska file", ErrFormat)
	}
	b, err := d.content(e, maxInfoBytes)
	if err != nil {
		return err
	}
	docType := ""
	if err := children(b, func(id uint32, content []byte) error {
		if id == idDocType {
			docType = toText(content)
		}
		return nil
	}); err != nil {
		return err
	}
	if docType != "matroska" && docType != "webm" {
		return fmt.Errorf("%w: the type of the document is %q, not matroska", ErrFormat, docType)
	}
	if e, err = d.next(); err != nil || e.id != idSegment {
		return fmt.Errorf("%w: it has no Segment", ErrFormat)
	}
	d.body, d.bodyEnd = e.body, -1
	if e.size >= 0 {
		d.bodyEnd = e.end()
	}
	return nil
}

// readSegment reads what stands before the first cluster.
func (d *demuxer) readSegment() error {
	for {
		e, err := d.next()
		switch {
		case errors.Is(err, io.EOF) && len(d.order) > 0:
			d.first = d.pos
			return d.checkTracks()
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: it ends before its tracks", ErrTruncated)
		case err != nil:
			return err
		}
		switch e.id {
		case idCluster:
			d.first = e.pos
			d.seek(e.pos)
			return d.checkTracks()
		case idInfo:
			err = d.readPart(e, maxInfoBytes, d.readInfo)
		case idTracks:
			err = d.readPart(e, maxTracksBytes, d.readTracks)
		default:
			if err = d.skipElement(e); errors.Is(err, ErrCorrupt) {
				err = fmt.Errorf("%w, at byte %d", err, e.pos)
			}
		}
		if err != nil {
			return err
		}
	}
}

// readPart reads an element into memory, and calls fn for each one inside it.
func (d *demuxer) readPart(e element, limit int64, fn func(id uint32, content []byte) error) error {
	b, err := d.content(e, limit)
	if err == nil {
		err = children(b, fn)
	}
	if err != nil {
		return fmt.Errorf("%w, at byte %d", err, e.pos)
	}
	return nil
}

// skipElement skips an element that is not read.
func (d *demuxer) skipElement(e element) error {
	switch {
	case e.size < 0:
		return errNoElement
	case e.size > d.size-e.body:
		return ErrTruncated
	}
	return d.skip(e.size)
}

func (d *demuxer) readInfo(id uint32, b []byte) error {
	switch id {
	case idTimestampScale:
		if scale := toUint(b); scale > 0 && scale <= uint64(time.Second) {
			d.scale = time.Duration(scale) //nolint:gosec // at most a second
		}
	case idDuration:
		if ticks := toFloat(b); ticks > 0 && ticks < math.MaxInt64/float64(d.scale) {
			d.duration = time.Duration(ticks * float64(d.scale))
		}
	case idDateUTC:
		d.date = matroskaEpoch.Add(time.Duration(toUint(b))) //nolint:gosec // two's complement
	case idWritingApp:
		d.own = toText(b) == writingApp
	}
	return nil
}

var matroskaEpoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func (d *demuxer) readTracks(id uint32, b []byte) error {
	if id != idTrackEntry {
		return nil
	}
	t := &trackInfo{}
	if err := children(b, t.read); err != nil {
		return err
	}
	if len(d.order) >= maxTracks {
		return fmt.Errorf("%w: it has more than %d tracks", ErrFormat, maxTracks)
	}
	if d.tracks[t.number] == nil {
		d.tracks[t.number] = t
		d.order = append(d.order, t)
	}
	return nil
}

func (t *trackInfo) read(id uint32, b []byte) error {
	switch id {
	case idTrackNumber:
		t.number = toUint(b)
	case idTrackUID:
		t.uid = toUint(b)
	case idTrackType:
		t.kind = toUint(b)
	case idName:
		t.name = toText(b[:min(len(b), 4*maxName)])
	case idCodecID:
		t.codecID = toText(b[:min(len(b), 4*maxName)])
	case idCodecPrivate:
		t.private = slices.Clone(b[:min(len(b), 64)]) // b may be the whole list
	case idContentEncodings:
		t.encoded = true
	case idVideo:
		return children(b, t.readVideo)
	}
	return nil
}

func (t *trackInfo) readVideo(id uint32, b []byte) error {
	switch id {
	case idPixelWidth:
		t.width = int(min(toUint(b), math.MaxInt32)) //nolint:gosec // checked
	case idPixelHeight:
		t.height = int(min(toUint(b), math.MaxInt32)) //nolint:gosec // checked
	case idColourSpace:
		t.colorspace = slices.Clone(b[:min(len(b), 4)])
	}
	return nil
}

// checkTracks decides how each track is played. At least one must be.
func (d *demuxer) checkTracks() error {
	found := []string{}
	for n, t := range d.order {
		t.play = t.playAs(d.own)
		if t.name == "" {
			t.name = fmt.Sprintf("track %d", n+1)
		}
		if t.play != playNothing && t.play != playText {
			d.list = append(d.list, Track{t.name, t.codecID, t.width, t.height})
		}
		found = append(found, t.codecID)
	}
	switch {
	case len(d.list) > 0 || d.own:
		return nil // a recording may be empty
	case len(found) == 0:
		return fmt.Errorf("%w: it has no tracks", ErrFormat)
	}
	return fmt.Errorf("%w: none of its tracks is Motion JPEG or raw BGR or gray video: %s", ErrFormat, strings.Join(found[:min(len(found), 8)], ", "))
}

// playAs returns how a track is played.
func (t *trackInfo) playAs(own bool) playAs {
	switch {
	case t.encoded:
		return playNothing
	case own && t.codecID == codecIDText:
		return playText
	case own && t.codecID == codecIDArray:
		return playArray
	case t.kind != trackVideo:
		return playNothing
	case t.codecID == codecIDJPEG, t.codecID == codecIDVFW && t.isMJPG():
		return playJPEG
	case t.codecID == codecIDRaw && string(t.colorspace) == string(fourCCBGR):
		return playBGR
	case t.codecID == codecIDRaw && string(t.colorspace) == string(fourCCGray):
		return playGray
	}
	return playNothing
}

// isMJPG reports whether a track of Windows' codecs is Motion JPEG: its header
// is a BITMAPINFOHEADER.
func (t *trackInfo) isMJPG() bool {
	return len(t.private) >= 20 && strings.EqualFold(string(t.private[16:20]), "MJPG")
}

// rawBlock is a block as it is in the file.
type rawBlock struct {
	track *trackInfo
	at    time.Duration
	data  []byte
}

// nextBlock returns the next block of a track that is played, with the data in
// buf if it fits. At the end it returns io.EOF, or why the end is missing.
func (d *demuxer) nextBlock(buf []byte) (rawBlock, error) {
	for {
		b, ok, err := d.step(buf)
		switch {
		case ok:
			return b, nil
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrTruncated):
			if !d.resync(err) {
				return b, d.damage.result()
			}
		case err != nil:
			if errors.Is(err, io.EOF) {
				err = d.damage.result()
			}
			return b, err
		}
	}
}

// step reads one element of the Segment or of a cluster. It reports true for a
// block that is played.
func (d *demuxer) step(buf []byte) (b rawBlock, ok bool, err error) {
	if d.bodyEnd >= 0 && d.pos >= d.bodyEnd {
		return b, false, io.EOF
	}
	e, err := d.next()
	if errors.Is(err, io.EOF) && d.bodyEnd >= 0 {
		return b, false, fmt.Errorf("%w: bytes missing: %d", ErrTruncated, d.bodyEnd-d.size)
	}
	if err != nil {
		return b, false, err
	}
	if d.inCluster && d.clusterEnd >= 0 && e.pos >= d.clusterEnd {
		d.inCluster = false
	}
	switch e.id {
	case idCluster:
		return b, false, d.enterCluster(e)
	case idSegment, idEBML:
		return b, false, io.EOF // another recording that was appended
	}
	if !d.inCluster {
		return b, false, d.leave(e)
	}
	return d.inside(e, buf)
}

// enterCluster begins a cluster, whose first element has its time.
func (d *demuxer) enterCluster(e element) error {
	d.inCluster, d.clusterEnd = true, -1
	if e.size >= 0 {
		d.clusterEnd = e.end()
	}
	for {
		e, err := d.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil // the process was killed here
		case err != nil:
			return err
		case e.id == idTimestamp:
			b, err := d.content(e, 8)
			d.clusterTime = toUint(b)
			if err == nil {
				err = d.skipEarly()
			}
			return err
		case e.id != idVoid && e.id != idCRC32:
			return errNoElement
		}
		if err := d.skipElement(e); err != nil {
			return err
		}
	}
}

// skipEarly skips a cluster in which every block is too early. So a time is
// found without the index, which a process that was killed has not written.
func (d *demuxer) skipEarly() error {
	latest, err := d.time(math.MaxInt16)
	if err != nil || latest >= d.from || d.clusterEnd < 0 || d.clusterEnd > d.size {
		return err
	}
	d.inCluster = false
	return d.skip(d.clusterEnd - d.pos)
}

// rewind moves to the first block at a time or later.
func (d *demuxer) rewind(from time.Duration) {
	d.from, d.inCluster, d.damage = from, false, damage{}
	d.seek(d.first)
}

// leave skips an element between clusters.
func (d *demuxer) leave(e element) error {
	switch e.id {
	case idCues, idTags, idSeekHead, idInfo, idTracks, idChapters, idAttachments, idVoid, idCRC32:
		return d.skipElement(e)
	}
	return errNoElement
}

// inside reads an element in a cluster.
func (d *demuxer) inside(e element, buf []byte) (b rawBlock, ok bool, err error) {
	switch e.id {
	case idSimpleBlock, idBlock:
		return d.readBlock(e, buf)
	case idBlockGroup:
		if e.size < 0 {
			return b, false, errNoElement
		}
		return b, false, nil // its elements are read as if they were the cluster's
	case idCues, idTags, idSeekHead, idInfo, idTracks, idChapters, idAttachments:
		if d.clusterEnd < 0 {
			d.inCluster = false
			return b, false, d.skipElement(e)
		}
		return b, false, errNoElement
	}
	if !clusterElements[e.id] {
		return b, false, errNoElement
	}
	return b, false, d.skipElement(e)
}

// clusterElements are the elements of clusters and block groups that are
// skipped.
var clusterElements = map[uint32]bool{
	idVoid: true, idCRC32: true, idBlockDuration: true,
	0xA7: true, 0xAB: true, 0xAF: true, 0x5854: true, // position and size of clusters, encrypted blocks, silent tracks
	0xFA: true, 0xFB: true, 0xFD: true, 0xA4: true, // references between blocks, codec state
	0x75A1: true, 0x75A2: true, 0x8E: true, 0xA2: true, 0xC8: true, // additions, padding, slices, reference frames
}

// readBlock reads a block, or skips one that is not played or cannot be.
func (d *demuxer) readBlock(e element, buf []byte) (b rawBlock, ok bool, err error) {
	head, err := d.blockHeader(e)
	if err != nil {
		return b, false, err
	}
	b.track = d.tracks[head.track]
	if b.track == nil || b.track.play == playNothing {
		return b, false, d.skip(e.size)
	}
	if b.at, err = d.time(head.rel); err != nil {
		return b, false, err
	}
	length := e.size - head.size
	switch {
	case b.at < d.from:
		return b, false, d.skip(e.size)
	case length > d.limit(b.track):
		d.damage.add(fmt.Errorf("%w: a frame or message has %d bytes, the limit is %d", ErrTooLarge, length, d.limit(b.track)), e.size)
		return b, false, d.skip(e.size)
	case head.laced:
		d.damage.add(fmt.Errorf("%w: several frames in one block, at byte %d", ErrFormat, e.pos), e.size)
		return b, false, d.skip(e.size)
	}
	if err := d.skip(head.size); err != nil {
		return b, false, err
	}
	if b.track.play == playText {
		buf = nil // the picture follows
	}
	if int64(cap(buf)) < length {
		buf = make([]byte, length)
	}
	b.data = buf[:length]
	err = d.read(b.data)
	return b, err == nil, err
}

// blockHead is what stands before the content of a block.
type blockHead struct {
	track uint64
	rel   int16 // the time relative to the cluster's, in ticks
	laced bool  // it has several frames
	size  int64 // of the header
}

// blockHeader returns a block's header, and stays before it. The block must be
// within its cluster and the file.
func (d *demuxer) blockHeader(e element) (h blockHead, err error) {
	const longest = 8 + 2 + 1
	switch {
	case e.size < 4, d.clusterEnd >= 0 && e.end() > d.clusterEnd:
		return h, errNoElement
	case e.size > d.size-e.body:
		return h, fmt.Errorf("%w: it ends inside a frame, at byte %d", ErrTruncated, e.pos)
	}
	b, err := d.buf.Peek(int(min(e.size, longest)))
	if err != nil {
		return h, asTruncated(err)
	}
	number, n, err := parseNumber(b, 8)
	if err != nil || n+3 > len(b) {
		return h, errNoElement
	}
	rel := int16(binary.BigEndian.Uint16(b[n:])) //nolint:gosec // two's complement
	return blockHead{number, rel, b[n+2]&0x06 != 0, int64(n + 3)}, nil
}

// limit returns how many bytes a block of a track may have.
func (d *demuxer) limit(t *trackInfo) int64 {
	if t.play == playText {
		return min(d.maxFrame, maxTextBytes)
	}
	return d.maxFrame
}

// time returns a block's time.
func (d *demuxer) time(rel int16) (time.Duration, error) {
	const longest = 1 << 62
	if d.clusterTime > uint64(longest/d.scale) { //nolint:gosec // never negative
		return 0, errNoElement
	}
	return time.Duration(d.clusterTime)*d.scale + time.Duration(rel)*d.scale, nil //nolint:gosec // checked
}

// toText returns a text without its padding.
func toText(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(text, "")
}

func toFloat(b []byte) float64 {
	if len(b) == 4 {
		return float64(math.Float32frombits(uint32(toUint(b)))) //nolint:gosec // of four bytes
	}
	return math.Float64frombits(toUint(b))
}

// about describes the file.
func (d *demuxer) about() about { return about{d.date, d.duration, d.cut(), d.list, &d.damage} }

// cut reports whether the end of the file is missing. A Recorder writes the size of
// the Segment when it ends the file. A program that writes into a pipe never does.
func (d *demuxer) cut() bool { return d.bodyEnd < 0 && d.own || d.bodyEnd > d.size }

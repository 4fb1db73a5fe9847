package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// file is what the writer needs of an *os.File.
type file interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// createFile creates a file that did not exist. It is locked, so that no other
// Recorder deletes it for its budget.
func createFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as other programs' videos
	if err != nil {
		return nil, err
	}
	lock(f)
	return f, nil
}

// writingApp marks the files of this package. The number is the format's.
const writingApp = "netgear record 1"

// A file is laid out so that what is added later has its place:
//
//	EBML header, Segment (its size is written at the end)
//	SeekHead, padded to seekHeadBytes
//	Info (its duration is written with each cluster)
//	Tracks, padded to tracksBytes
//	Cluster, Cluster, … (the size of each is written when it ends)
//	Cues
const (
	seekHeadBytes = 96
	tracksBytes   = 32 << 10
	headerBytes   = tracksBytes + 1<<10 // of all of them, at most
)

// A cluster ends after clusterTime, or when it has clusterBytes.
const (
	clusterTime  = time.Second
	clusterBytes = 32 << 20
)

// blockReach is how far from the time of its cluster a block may be. The format
// has 16 bits for it, in milliseconds.
const blockReach = 30 * time.Second

// maxVideoTracks bounds the tracks of one sender whose pictures change their
// size or type. Further forms are written into its track of arrays.
const maxVideoTracks = 4

// matroska writes one file. What it has written can be read at any time: only
// the last block of a process that is killed may be incomplete.
type matroska struct {
	f       file
	size    int64     // of what is complete
	start   time.Time // of the first frame
	body    int64     // where the Segment's content begins
	tracks  int       // how many
	entries []byte    // their list
	senders map[*sender]*fileSender
	uid     uint64 // of the file; the tracks' UIDs begin with it

	tracksPos   int64
	durationPos int64
	cluster     cluster
	cues        cueList
	end         time.Duration // of the last block
}

// fileSender holds the tracks of a sender in the file, nil where there is none.
type fileSender struct {
	index int
	video map[form]*trackEntry
	array *trackEntry
	text  *trackEntry
	last  time.Duration // of the last block, negative if there is none
	step  time.Duration // between the last two
	shift time.Duration // is added to its times, after a clock was set back
}

// cluster is the cluster that is being written.
type cluster struct {
	pos   int64 // where it begins; 0 if there is none
	start time.Duration
}

// newMatroska writes a file's header. After an error the caller deletes the
// file.
func newMatroska(f file, start time.Time) (*matroska, error) {
	m := &matroska{f: f, start: start, senders: map[*sender]*fileSender{}}
	m.uid = uint64(rand.Uint32()|1) << 24 //nolint:gosec // it needs no secrecy
	b, err := m.header()
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return nil, err
	}
	m.size = int64(len(b))
	return m, nil
}

// header returns all that stands before the first cluster.
func (m *matroska) header() ([]byte, error) {
	var h ebmlHeader
	h.Header.EBMLVersion, h.Header.EBMLReadVersion = 1, 1
	h.Header.EBMLMaxIDLength, h.Header.EBMLMaxSizeLength = 4, 8
	h.Header.EBMLDocType, h.Header.EBMLDocTypeVersion, h.Header.EBMLDocTypeReadVersion = "matroska", 4, 2
	b, err := marshal(&h)
	if err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint64(appendID(b, idSegment), unknownSize)
	m.body = int64(len(b))
	var i info
	i.Info.SegmentUID = make([]byte, 16)
	binary.BigEndian.PutUint64(i.Info.SegmentUID, m.uid)
	binary.BigEndian.PutUint64(i.Info.SegmentUID[8:], rand.Uint64()) //nolint:gosec // it needs no secrecy
	i.Info.TimecodeScale = uint64(time.Millisecond)
	i.Info.DateUTC = m.start.UTC()
	i.Info.MuxingApp, i.Info.WritingApp = "ebml-go", writingApp
	text, err := marshal(&i)
	if err != nil {
		return nil, err
	}
	m.durationPos = m.body + seekHeadBytes + int64(bytes.Index(text, durationHeader)+len(durationHeader))
	m.tracksPos = m.body + seekHeadBytes + int64(len(text))
	index, err := m.seekHead(0)
	if err != nil {
		return nil, err
	}
	list := trackList(nil)
	return slices.Concat(b, index, text, list, make([]byte, tracksBytes-len(list))), nil
}

// durationHeader begins the duration's element, a number of eight bytes. The
// element comes before those whose content could look like it.
var durationHeader = []byte{0x44, 0x89, 0x88}

// seekHead returns the index of the file's parts. Without cues, cuesPos is 0.
func (m *matroska) seekHead(cuesPos int64) ([]byte, error) {
	var h seekHead
	add := func(id uint32, pos int64) {
		h.SeekHead.Seek = append(h.SeekHead.Seek, seek{appendID(nil, id), uint64(pos - m.body)}) //nolint:gosec // never negative
	}
	add(idInfo, m.body+seekHeadBytes)
	add(idTracks, m.tracksPos)
	if cuesPos > 0 {
		add(idCues, cuesPos)
	}
	b, err := marshal(&h)
	if err != nil {
		return nil, err
	}
	return appendPadding(b, seekHeadBytes-len(b)), nil
}

// trackList returns the list of tracks and the header of its padding.
func trackList(entries []byte) []byte {
	b := appendSize(appendID(nil, idTracks), int64(len(entries)))
	b = append(b, entries...)
	return appendSize(append(b, idVoid), int64(tracksBytes-len(b)-paddingHeader))
}

// addTrack adds a track to the file's list, which is written again. It is
// written without the rest of its padding: what is short is written in one
// piece, also if the process is killed.
func (m *matroska) addTrack(s *sender, of *fileSender, entry trackEntry, kind uint64) (*trackEntry, error) {
	entry.TrackNumber = uint64(m.tracks + 1)            //nolint:gosec // never negative
	entry.TrackUID = m.uid | uint64(of.index)<<8 | kind //nolint:gosec // never negative
	entry.Name, entry.Language = s.title, "und"
	b, err := marshal(&trackElement{&entry})
	if err != nil {
		return nil, err
	}
	const room = tracksBytes - maxHeader - paddingHeader
	entries := slices.Concat(m.entries, b)
	if len(entries) > room {
		return nil, ErrTooManySenders
	}
	if _, err := m.f.WriteAt(trackList(entries), m.tracksPos); err != nil {
		return nil, err
	}
	m.tracks, m.entries = m.tracks+1, entries
	return &entry, nil
}

// The last byte of a track's UID is its kind. Video tracks are counted from 1.
const (
	kindText  = 0x10
	kindArray = 0x11
)

// defaultStep is how long a frame is shown if nothing else is known.
const defaultStep = 40 * time.Millisecond

// sender returns the tracks of a sender.
func (m *matroska) sender(s *sender) *fileSender {
	of := m.senders[s]
	if of == nil {
		of = &fileSender{index: len(m.senders), video: map[form]*trackEntry{}, last: -time.Millisecond, step: defaultStep}
		m.senders[s] = of
	}
	return of
}

// pictureTrack returns the track for the pictures of a form, or nil if they go
// among the arrays.
func (m *matroska) pictureTrack(s *sender, f form) (*trackEntry, error) {
	of := m.sender(s)
	if t := of.video[f]; t != nil || f.codec == codecArray || len(of.video) >= maxVideoTracks {
		return t, nil
	}
	entry := trackEntry{
		TrackType: trackVideo, FlagEnabled: 1, CodecID: codecIDRaw,
		Video: &video{PixelWidth: uint64(f.width), PixelHeight: uint64(f.height)}, //nolint:gosec // never negative
	}
	switch f.codec {
	case codecJPEG:
		entry.CodecID = codecIDJPEG
	case codecBGR:
		entry.Video.ColourSpace = fourCCBGR
	case codecGray:
		entry.Video.ColourSpace = fourCCGray
	}
	if len(of.video) == 0 {
		entry.FlagDefault = 1
	}
	t, err := m.addTrack(s, of, entry, uint64(len(of.video)+1))
	if err == nil {
		of.video[f] = t
	}
	return t, err
}

// arrayTrack returns the track of a sender's arrays.
func (m *matroska) arrayTrack(s *sender) (_ *trackEntry, err error) {
	of := m.sender(s)
	if of.array == nil {
		of.array, err = m.addTrack(s, of, trackEntry{TrackType: trackMetadata, CodecID: codecIDArray}, kindArray)
	}
	return of.array, err
}

// textTrack returns the track of a sender's JSON texts.
func (m *matroska) textTrack(s *sender) (_ *trackEntry, err error) {
	of := m.sender(s)
	if of.text == nil {
		of.text, err = m.addTrack(s, of, trackEntry{TrackType: trackSubtitle, FlagEnabled: 1, CodecID: codecIDText}, kindText)
	}
	return of.text, err
}

// write writes a frame. After an error the file is as it was.
func (m *matroska) write(s *sender, i *item, at time.Time) error {
	picture, err := m.pictureTrack(s, i.form)
	if err == nil && picture == nil {
		i.describe()
		picture, err = m.arrayTrack(s)
	}
	var text *trackEntry
	if err == nil && i.meta != nil {
		text, err = m.textTrack(s)
	}
	if err != nil {
		return err
	}
	of := m.sender(s)
	of.keepTime(at.Sub(m.start))
	b := block{picture: picture, text: text, at: of.time(at.Sub(m.start)), shown: of.step}
	if err := m.writeBlock(&b, i); err != nil {
		return err
	}
	of.wrote(b.at)
	return nil
}

// time returns the time of a block in the file: later than the sender's last
// one, because players require that within a track.
func (of *fileSender) time(at time.Duration) time.Duration {
	return max((at + of.shift).Round(time.Millisecond), of.last+time.Millisecond, 0)
}

// keepTime continues a sender's time if a clock was set back.
func (of *fileSender) keepTime(at time.Duration) {
	if at+of.shift < of.last-clockSkew {
		of.shift = of.last + of.step - at
	}
}

// wrote notes the time of a sender's last block.
func (of *fileSender) wrote(at time.Duration) {
	if of.last >= 0 {
		of.step = min(at-of.last, time.Second)
	}
	of.last = at
}

// block is a frame's picture and its text.
type block struct {
	picture, text *trackEntry
	at            time.Duration
	shown         time.Duration // how long it is shown
}

// writeBlock writes a block, in a new cluster if it is time for one.
func (m *matroska) writeBlock(b *block, i *item) error {
	c := m.cluster
	if c.pos == 0 || b.at < c.start-blockReach || b.at >= c.start+clusterTime || m.size-c.pos >= clusterBytes {
		m.endCluster()
		c = cluster{pos: m.size, start: b.at}
	}
	head := make([]byte, 0, 128+len(i.meta))
	if c.pos == m.size {
		head = binary.BigEndian.AppendUint64(appendID(head, idCluster), unknownSize)
		head = appendUint(head, idTimestamp, uint64(c.start/time.Millisecond)) //nolint:gosec // never negative
	}
	rel := b.at - c.start
	if b.text != nil {
		head = appendText(head, b.text.TrackNumber, rel, b.shown, i.meta)
	}
	head = appendBlockHeader(head, idSimpleBlock, b.picture.TrackNumber, rel, flagKey, len(i.data))
	if err := m.append(head, i.data); err != nil {
		return err
	}
	m.cluster = c
	m.cues.add(b.picture.TrackNumber, b.at, c.pos-m.body)
	m.end = max(m.end, b.at+b.shown)
	return nil
}

// fullSize returns the size that the file will have at most, if no frame is
// added.
func (m *matroska) fullSize() int64 { return m.size + m.cues.bytes() }

// append writes at the end of the file. After an error the file is as it was,
// if the system permits; otherwise the next call overwrites the rest.
func (m *matroska) append(parts ...[]byte) error {
	end := m.size
	for _, p := range parts {
		if _, err := m.f.WriteAt(p, end); err != nil {
			m.f.Truncate(m.size)
			return err
		}
		end += int64(len(p))
	}
	m.size = end
	return nil
}

// endCluster writes the cluster's size, and the duration so far. Both are
// optional, so errors have no effect.
func (m *matroska) endCluster() {
	if m.cluster.pos == 0 {
		return
	}
	const header = 4 + 8
	m.f.WriteAt(appendSize(nil, m.size-m.cluster.pos-header), m.cluster.pos+4)
	m.cluster = cluster{}
	milliseconds := float64(m.end) / float64(time.Millisecond)
	m.f.WriteAt(binary.BigEndian.AppendUint64(nil, math.Float64bits(milliseconds)), m.durationPos)
}

// close ends the file. On an error it has no index, but all that was recorded.
func (m *matroska) close() error {
	m.endCluster()
	err := m.writeCues()
	m.f.WriteAt(appendSize(nil, m.size-m.body), m.body-8)
	return errors.Join(err, m.f.Close())
}

// writeCues writes the index and its place in the SeekHead.
func (m *matroska) writeCues() error {
	c := m.cues.element()
	if len(c.Cues.CuePoint) == 0 {
		return nil
	}
	b, err := marshal(&c)
	if err != nil {
		return err
	}
	pos := m.size
	if err := m.append(b); err != nil {
		return fmt.Errorf("the index is missing: %w", err)
	}
	head, err := m.seekHead(pos)
	if err != nil {
		return err
	}
	_, err = m.f.WriteAt(head, m.body)
	return err
}

package record

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/at-wat/ebml-go"
)

// The headers of a Matroska file as ebml-go writes them. Names without a tag
// are the elements' names.

type ebmlHeader struct {
	Header struct {
		EBMLVersion            uint64
		EBMLReadVersion        uint64
		EBMLMaxIDLength        uint64
		EBMLMaxSizeLength      uint64
		EBMLDocType            string
		EBMLDocTypeVersion     uint64
		EBMLDocTypeReadVersion uint64
	} `ebml:"EBML"`
}

type seekHead struct {
	SeekHead struct {
		Seek []seek
	}
}

type seek struct {
	SeekID       []byte
	SeekPosition uint64
}

type info struct {
	Info struct {
		TimecodeScale uint64
		Duration      float64 `ebml:"Duration,size=8"`
		SegmentUID    []byte
		DateUTC       time.Time
		MuxingApp     string
		WritingApp    string
	}
}

type trackElement struct {
	TrackEntry *trackEntry
}

type trackEntry struct {
	TrackNumber uint64
	TrackUID    uint64
	TrackType   uint64
	FlagEnabled uint64
	FlagDefault uint64
	FlagLacing  uint64
	Name        string
	Language    string
	CodecID     string
	Video       *video `ebml:"Video,omitempty"`
}

type video struct {
	PixelWidth  uint64
	PixelHeight uint64
	ColourSpace []byte `ebml:"ColourSpace,omitempty"`
}

type cues struct {
	Cues struct {
		CuePoint []cuePoint
	}
}

type cuePoint struct {
	CueTime           uint64
	CueTrackPositions []cuePosition
}

type cuePosition struct {
	CueTrack           uint64
	CueClusterPosition uint64
}

// The types of tracks.
const (
	trackVideo    = 1
	trackSubtitle = 0x11
	trackMetadata = 0x21
)

// The codecs of tracks.
const (
	codecIDJPEG  = "V_MJPEG"
	codecIDRaw   = "V_UNCOMPRESSED"
	codecIDVFW   = "V_MS/VFW/FOURCC"
	codecIDText  = "S_TEXT/UTF8"
	codecIDArray = "X_NETGEAR/ARRAY"
)

// The names that FFmpeg has for the pixels of V_UNCOMPRESSED.
var (
	fourCCBGR  = []byte("BGR\x18")
	fourCCGray = []byte("Y800")
)

// The elements that are read, and those written without ebml-go: a recording's
// clusters and blocks.
const (
	idEBML        = 0x1A45DFA3
	idSegment     = 0x18538067
	idSeekHead    = 0x114D9B74
	idInfo        = 0x1549A966
	idTracks      = 0x1654AE6B
	idCues        = 0x1C53BB6B
	idChapters    = 0x1043A770
	idAttachments = 0x1941A469
	idTags        = 0x1254C367
	idCluster     = 0x1F43B675
	idVoid        = 0xEC
	idCRC32       = 0xBF

	idTimestamp     = 0xE7
	idSimpleBlock   = 0xA3
	idBlockGroup    = 0xA0
	idBlock         = 0xA1
	idBlockDuration = 0x9B

	idTimestampScale = 0x2AD7B1
	idDuration       = 0x4489
	idDateUTC        = 0x4461
	idWritingApp     = 0x5741
	idDocType        = 0x4282

	idTrackEntry       = 0xAE
	idTrackNumber      = 0xD7
	idTrackUID         = 0x73C5
	idTrackType        = 0x83
	idName             = 0x536E
	idCodecID          = 0x86
	idCodecPrivate     = 0x63A2
	idVideo            = 0xE0
	idPixelWidth       = 0xB0
	idPixelHeight      = 0xBA
	idColourSpace      = 0x2EB524
	idContentEncodings = 0x6D80
)

// unknownSize is the size of an element that is still written, in eight bytes.
const unknownSize = 0x01FFFFFFFFFFFFFF

// marshal returns an element that ebml-go writes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := ebml.Marshal(v, &b)
	return b.Bytes(), err
}

// appendID appends an element's ID, whose first byte contains its length.
func appendID(b []byte, id uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if id>>shift > 0 {
			b = append(b, byte(id>>shift)) //nolint:gosec // the lowest byte
		}
	}
	return b
}

// appendSize appends an element's size in eight bytes.
func appendSize(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, 1<<56|uint64(n)) //nolint:gosec // never negative
}

// paddingHeader is the length of the header of a Void element.
const paddingHeader = 1 + 8

// appendPadding appends a Void element of n bytes in all, header included.
func appendPadding(b []byte, n int) []byte {
	b = appendSize(append(b, idVoid), int64(n-paddingHeader))
	return append(b, make([]byte, n-paddingHeader)...)
}

package netgear

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// frameSource is what the frames of one receive end have in common, also after
// its Close. All methods may be called concurrently.
type frameSource struct {
	link     *link // nil for frames that the application creates
	settings *settings
	use      useHistory // whether frames that Recv returned were read
	changed  func()     // called when use has changed its answer

	open    atomic.Int64  // frames that the application has, for Stats
	decoded atomic.Uint64 // decodings that have begun
	suspect atomic.Int32  // JPEGs still to check, after one with a fault; see doubts
	sentOn  atomic.Uint64 // JPEGs that were sent on without having been decoded

	mu     sync.Mutex
	idle   []*turbojpeg.Decoder
	busy   int
	closed bool // decoders are not kept
}

// created is the source of frames that the application creates.
var created = frameSource{settings: defaultSettings(), changed: func() {}, closed: true}

func defaultSettings() *settings {
	s := newSettings(Options{})
	return &s
}

// acquire returns a decoder for a call that decodes on use, and the number of
// cores that are its share of all such calls.
func (s *frameSource) acquire() (dec *turbojpeg.Decoder, share int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		dec, s.idle = s.idle[n-1], s.idle[:n-1]
	} else if dec, err = turbojpeg.NewDecoder(); err != nil {
		return nil, 0, err
	}
	s.busy++
	return dec, max(1, cores()/s.busy), nil
}

// giveUp takes a decoder back. It is kept for the next call, or closed after
// the end's Close.
func (s *frameSource) giveUp(dec *turbojpeg.Decoder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if s.closed || len(s.idle) >= cores() {
		dec.Close()
		return
	}
	dec.Stop = turbojpeg.Stop{}
	s.idle = append(s.idle, dec)
}

// closeDecoders closes the decoders that are not in use, and makes the others
// be closed after their use. Frames that the application has can be decoded
// nevertheless.
func (s *frameSource) closeDecoders() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, dec := range s.idle {
		dec.Close()
	}
	s.idle = slices.Delete(s.idle, 0, len(s.idle))
}

// noteUse notes whether the application has read the pixels of a frame that
// Recv returned, before it closed the frame.
func (s *frameSource) noteUse(read bool) {
	if s.use.note(read) {
		s.changed()
	}
}

// noteDecoded counts how long decoding a JPEG took, and counts and logs a
// received one that libjpeg warned of, once for all its Readings.
func (s *frameSource) noteDecoded(m *frameMemory, began time.Time, fault string) {
	if fault != "" {
		s.suspect.Store(suspectFor)
	}
	if s.link != nil {
		s.link.counters.decode.since(began)
		if fault != "" && !m.original().faulty.Swap(true) {
			s.link.noteFault(m.peer, m.port, fault)
		}
	}
}

// damagedOnUse counts and logs a frame whose JPEG could not be decoded when its
// pixels were needed, once for all its Readings. Recv has returned it, so it is
// not dropped.
func (s *frameSource) damagedOnUse(m *frameMemory, err error) {
	if !damage(err) {
		return
	}
	s.suspect.Store(suspectFor)
	if s.link != nil && !m.original().broken.Swap(true) {
		s.link.noteMalformed(m.peer, m.port, "a frame that was delivered cannot be decoded", err)
	}
}

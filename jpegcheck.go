package netgear

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// mend checks a finished JPEG before it is sent. VidGear's receive thread ends
// at every JPEG that libjpeg warns of, so none may be sent. If the picture is
// complete, mend replaces the JPEG by one without faults that has the same
// coefficients and the same pixels. Otherwise the error names the damage.
func (l *link) mend(p *payload, enc *turbojpeg.Encoder) error {
	if !p.check || !l.opts.JPEGCheck.or(true) {
		return nil
	}
	whole, err := enc.Mend(p.ready, p.info, l.opts.MaxFrameBytes)
	if p.frame != nil && !errors.Is(err, turbojpeg.ErrStopped) && !errors.Is(err, turbojpeg.ErrNoMemory) {
		p.frame.noteChecked(err == nil && &whole[0] == &p.ready[0])
	}
	switch {
	case errors.Is(err, turbojpeg.ErrStopped):
		return err
	case errors.Is(err, turbojpeg.ErrNoMemory):
		return fmt.Errorf("%w: the check of a JPEG: %w", ErrFrame, err)
	case errors.Is(err, turbojpeg.ErrLimit):
		return fmt.Errorf("%w: the check of a JPEG: %w (Options.MaxFrameBytes; JPEGCheck: ToggleOff sends it as it is)", ErrFrame, err)
	case err != nil:
		return fmt.Errorf("%w: the JPEG is damaged, so pixels are missing: %w (it would end a VidGear receive end; JPEGCheck: ToggleOff sends it as it is)", ErrFrame, err)
	}
	if &whole[0] != &p.ready[0] {
		l.counters.damaged.Add(1)
		l.messageLog.Log(l.opts.Logger, slog.LevelWarn, "a JPEG had a fault and was written again without it", "endpoint", l.where())
		p.ready = whole
		p.release() // the faulty one is not sent
	}
	return nil
}

// needsCheck reports whether a frame's JPEG must be checked before it is sent
// on. What a decoding has found is known. Of a JPEG that was not decoded since it
// came from another end, that end's sender is responsible: VidGear encodes
// every JPEG, and SendJPEG checks it. So by default a part of them is checked,
// until one is found that has a fault; see doubts.
func (n *settings) needsCheck(m *frameMemory) bool {
	settled, fault, _, _ := m.outcome()
	switch {
	case fault != "":
		return true
	case settled && m.readsAll():
		return false
	case n.opts.JPEGCheck == ToggleOff || m.sound.Load():
		return false
	case n.opts.JPEGCheck == ToggleOn || m.source == &created:
		return true
	}
	return m.source.doubts(m.raw())
}

// checkedOneIn is how many received JPEGs are sent on for one that is read in
// full. A check takes an eighth to a half of a decoding, so that is less than a
// hundredth of the work of decoding all.
const checkedOneIn = 64

// suspectFor is how many JPEGs of a receive end are checked after one with a
// fault, until no other has one.
const suspectFor = 1000

// doubts reports whether a received JPEG that is sent on may have a fault. It is
// the first or one of a sample, its markers are out of order, or one of the last
// JPEGs of the same receive end had a fault.
func (s *frameSource) doubts(jpeg []byte) bool {
	sampled := s.sentOn.Add(1)%checkedOneIn == 1
	return sampled || s.suspect.Load() > 0 || !turbojpeg.Whole(jpeg)
}

// noteChecked notes the result of a check: whether the JPEG has no fault.
func (m *frameMemory) noteChecked(sound bool) {
	switch {
	case !sound:
		m.source.suspect.Store(suspectFor)
	case !m.sound.Swap(true) && m.source.suspect.Load() > 0:
		m.source.suspect.Add(-1)
	}
}

// noteFault counts and logs a received frame whose JPEG libjpeg warned of, if
// it did.
func (l *link) noteFault(peer, port, fault string) {
	if fault != "" {
		l.counters.damaged.Add(1)
		l.messageLog.Log(l.opts.Logger, slog.LevelWarn, "a JPEG had a fault, but its picture is whole", "endpoint", l.where(), "peer", peer, "port", port, "fault", fault)
	}
}

// coefficientsText explains the memory that a JPEG requires besides its pixels,
// if it does.
func coefficientsText(info turbojpeg.Info) string {
	if info.Memory == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them for its coefficients, as it has several scans", info.Memory)
}

package netgear

import (
	"errors"
	"time"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// decodeHow is what one decoding uses.
type decodeHow struct {
	dec      *turbojpeg.Decoder
	settings *settings
	cores    int
}

// strips returns the number of strips in which a JPEG may be decoded.
func (h *decodeHow) strips(info turbojpeg.Info) int {
	if h.cores == 1 {
		return 1
	}
	return h.settings.strips(info.Width, info.Height, h.cores)
}

// decodes reports whether the frame's pixels are not what was received.
func (m *frameMemory) decodes() bool { return !m.ready() }

// stop returns what ends a decoding by a call without a context: Close, while
// Respond has the frame, as Close waits for Respond. That applies to every Frame
// of the memory, also to those that Retain and Read return.
func (m *frameMemory) stop() turbojpeg.Stop {
	if m.original().responding.Load() {
		return turbojpeg.Stop{m.source.link.ctx.Done()}
	}
	return turbojpeg.Stop{}
}

// decodeOnUse returns the pixels for a call that needs them, and decodes them
// in that call unless it has been done. A result that the source has not seen
// is counted there.
func (m *frameMemory) decodeOnUse(stop turbojpeg.Stop) ([]byte, error) {
	m.read.Store(true)
	if fresh, err := m.decodeHere(stop); err != nil {
		return nil, m.failedOnUse(fresh, err)
	}
	return m.data, nil
}

// decodeHere decodes the pixels with a decoder of the source, unless it has been
// done. fresh reports whether this call found the error.
func (m *frameMemory) decodeHere(stop turbojpeg.Stop) (fresh bool, err error) {
	if mine, err := m.begin(stop); !mine {
		return false, err
	}
	defer m.end()
	dec, cores, err := m.source.acquire()
	if err != nil {
		return true, err
	}
	defer m.source.giveUp(dec)
	dec.Stop = stop
	return true, m.decode(decodeHow{dec: dec, settings: m.source.settings, cores: cores})
}

// failedOnUse returns the error of a call that needed the pixels. A fresh one
// is counted.
func (m *frameMemory) failedOnUse(fresh bool, err error) error {
	if errors.Is(err, turbojpeg.ErrStopped) {
		return err
	}
	if err = asFrameError(err); fresh {
		m.source.damagedOnUse(m, err)
	}
	return err
}

// decodeTo has read decode the JPEG to memory of the caller. The frame does not
// keep the result, other than an error about the JPEG.
func (m *frameMemory) decodeTo(stop turbojpeg.Stop, read func(dec *turbojpeg.Decoder, opts turbojpeg.DecodeOptions, strips int) error) error {
	if _, _, _, bad := m.outcome(); bad != nil {
		return m.failedOnUse(false, bad)
	}
	dec, cores, err := m.source.acquire()
	if err != nil {
		return m.failedOnUse(false, err)
	}
	defer m.source.giveUp(dec)
	dec.Stop = stop
	m.source.decoded.Add(1)
	began := time.Now()
	how := decodeHow{dec: dec, settings: m.source.settings, cores: cores}
	err = because(malformedJPEG, read(dec, m.decodeOptions(how.settings), how.strips(m.info)))
	if err != nil {
		return m.failedOnUse(m.settle(nil, "", err), err)
	}
	fault := dec.Warning()
	if !m.noteWarning(fault) {
		fault = "" // it was counted before
	}
	m.source.noteDecoded(m, began, fault)
	return nil
}

// decodeAhead decodes the pixels with the resources of the caller, unless it
// has been done. fresh reports whether this call found the error.
func (m *frameMemory) decodeAhead(how decodeHow) (fresh bool, err error) {
	if mine, err := m.begin(how.dec.Stop); !mine {
		return false, err
	}
	defer m.end()
	return true, m.decode(how)
}

// begin reports whether the caller must decode, and then call end. Otherwise
// err is the result. Of several goroutines the first one decodes, while the
// others wait. If its Stop ended it, the next one decodes.
func (m *frameMemory) begin(stop turbojpeg.Stop) (mine bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		switch {
		case m.settled:
			return false, m.bad
		case !m.decoding:
			m.decoding = true
			return true, nil
		case m.decodingEnds == nil:
			m.decodingEnds = make(chan struct{})
		}
		ends := m.decodingEnds
		m.mu.Unlock()
		select {
		case <-ends:
		case <-stop[0]:
			err = turbojpeg.ErrStopped
		case <-stop[1]:
			err = turbojpeg.ErrStopped
		}
		m.mu.Lock()
		if err != nil {
			return false, err
		}
	}
}

// end is called after a decoding that begin has permitted.
func (m *frameMemory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decoding = false
	if m.decodingEnds != nil {
		close(m.decodingEnds)
		m.decodingEnds = nil
	}
}

// decode decodes the pixels, or copies them to where they are aligned. It is
// called between begin and end. An error other than of the JPEG is not stored, because
// memory may be free at the next call.
func (m *frameMemory) decode(how decodeHow) error {
	buf, err := zmsg.NewBuffer(m.size())
	if err != nil {
		return err
	}
	m.source.decoded.Add(1)
	began, fault := time.Now(), ""
	switch {
	case m.coding.jpeg:
		err = m.decodeJPEG(buf.Bytes(), how)
		fault = how.dec.Warning()
	case m.dtype.BigEndian:
		numpy.SwapBytes(buf.Bytes(), m.raw(), m.dtype.Unit)
	default:
		copy(buf.Bytes(), m.raw())
	}
	if err != nil {
		buf.Release()
		m.settle(nil, "", err)
		return err
	}
	if !m.settle(buf, fault, nil) {
		fault = "" // it was counted before
	}
	if m.coding.jpeg {
		m.source.noteDecoded(m, began, fault)
	} else {
		m.part.Close() // its bytes were read for the last time
	}
	return nil
}

// decodeJPEG decodes a JPEG into dst, on several cores if the JPEG permits. The
// options of the receive end count as much as the header's, as in VidGear.
func (m *frameMemory) decodeJPEG(dst []byte, how decodeHow) error {
	cs := m.space()
	err := how.dec.DecodeStrips(dst, m.raw(), m.info, m.shape[1]*cs.Channels(), cs, m.decodeOptions(how.settings), how.strips(m.info))
	return because(malformedJPEG, err)
}

// decodeOptions returns what of the JPEG is decoded, and how exactly.
func (m *frameMemory) decodeOptions(n *settings) turbojpeg.DecodeOptions {
	opts := n.decodeOptions()
	opts.FastDCT = opts.FastDCT || m.coding.fastDCT
	opts.FastUpsample = opts.FastUpsample || m.coding.fastUpsample
	opts.Reduce, opts.Region = m.reading.Reduce, m.reading.Region
	return opts
}

// damage reports whether an error is about the JPEG, so that every decoding of
// it returns the same.
func damage(err error) bool {
	return errors.Is(err, turbojpeg.ErrCorrupt) || errors.Is(err, turbojpeg.ErrLimit)
}

// settle stores the result of a decoding, unless it may be another next time.
// It reports whether the error or the warning is new.
func (m *frameMemory) settle(pixels *zmsg.Buffer, fault string, err error) (fresh bool) {
	if err != nil && !damage(err) {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh = m.bad == nil && m.fault == ""
	m.settled, m.bad = true, err
	if err == nil {
		m.pixels, m.data, m.fault = pixels, pixels.Bytes(), fault
	}
	return fresh
}

// noteWarning stores libjpeg's warning, and reports whether it is new.
func (m *frameMemory) noteWarning(fault string) (fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if fault == "" || m.fault != "" {
		return false
	}
	m.fault = fault
	return true
}

// outcome returns the result of the decoding, if there is one: whether it has
// been tried, libjpeg's warning, the memory of the pixels beside the footprint, and
// the error.
func (m *frameMemory) outcome() (settled bool, fault string, extra int64, bad error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pixels != nil {
		extra = m.decodingBytes() - m.freedBytes()
	}
	return m.settled, m.fault, extra, m.bad
}

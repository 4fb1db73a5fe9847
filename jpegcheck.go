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
	switch {
	case errors.Is(err, turbojpeg.ErrStopped):
		return err
	case errors.Is(err, turbojpeg.ErrLimit):
		return fmt.Errorf("%w: the check of a JPEG: %w (Options.MaxFrameBytes; JPEGCheck: ToggleOff sends it as it is)", ErrFrame, err)
	case err != nil:
		return fmt.Errorf("%w: the JPEG is damaged, so pixels are missing: %w (it would end a VidGear receive end; JPEGCheck: ToggleOff sends it as it is)", ErrFrame, err)
	}
	if &whole[0] != &p.ready[0] {
		l.counters.damaged.Add(1)
		l.messageLog.log(l.opts.Logger, slog.LevelWarn, "a JPEG had a fault and was written again without it", "endpoint", l.where())
		p.ready = whole
	}
	return nil
}

// noteFault counts and logs a received frame whose JPEG libjpeg warned of.
func (l *link) noteFault(f *Frame) {
	if f.fault != "" {
		l.counters.damaged.Add(1)
		l.messageLog.log(l.opts.Logger, slog.LevelWarn, "a JPEG had a fault, but its picture is whole", "endpoint", l.where(), "port", f.Port, "fault", f.fault)
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

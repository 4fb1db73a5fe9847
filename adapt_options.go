package netgear

import (
	"cmp"
	"time"
)

// Adapt bounds what a send end may change about its frames so that they arrive
// in time. The receive end needs nothing for that: every frame is an ordinary
// one.
//
// First the quality of JPEGs is reduced, down to MinQuality. Then pictures are
// scaled down before they are encoded, so the receive end gets smaller ones.
// Last, fewer frames are sent. When the network allows it, all of that is
// restored in the reverse order. OnEvent gets each change (EventAdapted), and
// Stats.Adapt has the present setting with its reason.
//
// Only frames that this end encodes can become smaller. Of finished JPEGs
// (SendJPEG, SendFrame) and of raw frames, only the number is adapted.
//
// With Pair and ReqRep the time from sending a frame to its answer is measured.
// So the rate adapts itself, and a receive end that answers late counts as a
// slow network. With PubSub and PushPull the queued bytes are measured, on
// Linux with those in the system and in the network, and on other systems those
// in libzmq alone. A send call then leaves a frame out if it would be too late
// or too many, returns nil, and Stats.Skipped counts it. The slowest of several
// subscribers determines, except one over which nothing arrives.
type Adapt struct {
	// MaxAge is how old a frame may be when it arrives, counted from the send
	// call. It is at least 20 ms. Frames that are on their way when the network
	// becomes slower may be older. Default 0: nothing is adapted.
	MaxAge time.Duration
	// MinQuality is the least quality of JPEGs, 10 to 100. Default 30.
	MinQuality int
	// MinScale is the least share of the width and height of pictures, 0.125
	// to 1. With 1 all have their whole size. Default 0.5.
	MinScale float64
	// MinFPS is how many frames are sent in a second at least, even if they are
	// too late, while anything arrives at the peer. With Pair and ReqRep it
	// bounds the time that a frame may take. At most 1000. Default 5.
	MinFPS float64
}

const (
	defaultMinQuality = 30
	defaultMinScale   = 0.5
	defaultMinFPS     = 5
	minMaxAge         = 20 * time.Millisecond
)

func (a Adapt) withDefaults() Adapt {
	if a.MaxAge != 0 {
		a.MinQuality = cmp.Or(a.MinQuality, defaultMinQuality)
		a.MinScale = cmp.Or(a.MinScale, defaultMinScale)
		a.MinFPS = cmp.Or(a.MinFPS, defaultMinFPS)
	}
	return a
}

func checkAdapt(o *Options) error {
	a := o.Adapt
	switch {
	case a == Adapt{}:
		return nil
	case a.MaxAge < minMaxAge || a.MaxAge > time.Hour:
		return invalid("Adapt", a, "MaxAge must be from %v to 1h", minMaxAge)
	case a.MinQuality != 0 && (a.MinQuality < 10 || a.MinQuality > 100):
		return invalid("Adapt", a, "MinQuality must be from 10 to 100")
	case a.MinScale != 0 && !(a.MinScale >= 0.125 && a.MinScale <= 1):
		return invalid("Adapt", a, "MinScale must be from 0.125 to 1")
	case !(a.MinFPS >= 0 && a.MinFPS <= 1000):
		return invalid("Adapt", a, "MinFPS must be from 0 to 1000")
	case o.SendAhead > 0:
		return fixed(invalid("Adapt", a, "frames that are sent ahead have been encoded before it is known how; SendLatest encodes them last"), set("SendAhead", 0))
	}
	return nil
}

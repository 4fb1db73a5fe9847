package netgear

import (
	"math/bits"
	"sync/atomic"
)

// DecodePolicy selects when a receive end decodes JPEGs.
type DecodePolicy int8

const (
	// DecodeFollowUse decodes ahead of Recv while the application reads pixels,
	// and on use while it does not.
	DecodeFollowUse DecodePolicy = iota
	// DecodeAhead decodes every frame before Recv returns it.
	DecodeAhead
	// DecodeOnUse decodes a frame in the first call that needs its pixels.
	DecodeOnUse
)

const (
	// usesKept is how many closed frames decide whether the next are decoded
	// ahead. It is few, so that an application which reads no pixels soon pays
	// for no decoding, and one that begins to read them soon has them at once.
	usesKept = 8
	// usesAhead is how many of them must have been read. With half of them no
	// application pays for more than twice the decodings that it uses.
	usesAhead = usesKept / 2
)

// useHistory decides whether frames are decoded before the application needs
// their pixels.
type useHistory struct {
	policy DecodePolicy
	unread atomic.Uint32 // a bit for each of the last usesKept frames, 1 if it was not read
}

// ahead reports whether the next frames are to be decoded ahead. Before the
// first frame they are, so that an application that reads pixels waits for no
// decoding.
func (u *useHistory) ahead() bool {
	if u.policy != DecodeFollowUse {
		return u.policy == DecodeAhead
	}
	return aheadAfter(u.unread.Load())
}

func aheadAfter(unread uint32) bool { return usesKept-bits.OnesCount32(unread) >= usesAhead }

// note notes whether a frame was read, and reports whether that has changed
// what ahead returns.
func (u *useHistory) note(read bool) (changed bool) {
	for {
		before := u.unread.Load()
		after := before << 1 & (1<<usesKept - 1)
		if !read {
			after |= 1
		}
		if u.unread.CompareAndSwap(before, after) {
			return u.policy == DecodeFollowUse && aheadAfter(before) != aheadAfter(after)
		}
	}
}

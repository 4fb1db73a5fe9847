package natsbridge

import (
	"math/bits"
	"slices"
	"time"

	"github.com/vidgear-go/netgear"
)

// maxSenders bounds the senders of a camera whose epoch is known. If there are
// more, the one that has been silent for the longest time gets another epoch when
// it comes again.
const maxSenders = 64

// epochOf returns the epoch of a frame's stamp, or of an own number without one.
// Each sender that stamps name has its own, as each one that restarts is another
// one. A stamp that names none, and does not belong to the stamps of the epoch,
// begins another one: the sender has restarted.
func (c *camera) epochOf(s *netgear.Stamp, now time.Time) uint64 {
	switch {
	case s == nil:
	case s.Sender != 0:
		return c.epochOfSender(s.Sender, now)
	default:
		if !c.stamps.belongs(s) {
			c.stamps = epochStamps{}
			c.epoch = c.newEpoch(now)
		}
		c.stamps.add(s)
	}
	return c.epoch
}

// epochOfSender returns the epoch of a sender that stamps name.
func (c *camera) epochOfSender(sender uint64, now time.Time) uint64 {
	c.senders.Max = maxSenders
	epoch, known := c.senders.Use(sender)
	if !known {
		*epoch = c.newEpoch(now)
	}
	return *epoch
}

// newEpoch returns an epoch that is larger than all before.
func (c *camera) newEpoch(now time.Time) uint64 {
	c.newest = max(c.newest+1, c.epoch+1, uint64(now.UnixNano()))
	return c.newest
}

// epochStamps holds the stamps by which the restart of a sender that they do not
// name is recognized. It has
// at most 65 of them.
type epochStamps struct {
	last netgear.Stamp
	top  uint64 // the largest number
	// known has the first stamp of each length of the number in bits, with
	// ascending numbers. The numbers of a restarted sender begin with 1, so they
	// fall where the known ones are close to each other.
	known []netgear.Stamp
}

// belongs reports whether a stamp can be of the same run of the sender as the
// others. Frames may be late, or come twice. But where the numbers do not
// increase, the time must not: neither in relation to the last stamp, nor to the
// known ones with smaller and larger numbers. The times alone would not do,
// because the sender's clock may be set back while it restarts.
func (e *epochStamps) belongs(s *netgear.Stamp) bool {
	if len(e.known) == 0 || s.Seq > e.top {
		return true
	}
	switch {
	case s.Seq == e.last.Seq:
		return s.Time.Equal(e.last.Time)
	case s.Seq < e.last.Seq && s.Time.After(e.last.Time):
		return false
	}
	i, exact := e.find(s.Seq)
	if exact {
		return s.Time.Equal(e.known[i].Time)
	}
	return (i == 0 || !s.Time.Before(e.known[i-1].Time)) && (i == len(e.known) || !s.Time.After(e.known[i].Time))
}

// find returns where a number is among the known ones, or would be.
func (e *epochStamps) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(e.known, seq, func(k netgear.Stamp, seq uint64) int {
		switch {
		case k.Seq < seq:
			return -1
		case k.Seq > seq:
			return 1
		}
		return 0
	})
}

// add notes a stamp of the epoch.
func (e *epochStamps) add(s *netgear.Stamp) {
	if len(e.known) == 0 || bits.Len64(s.Seq) > bits.Len64(e.known[len(e.known)-1].Seq) {
		e.known = append(e.known, *s)
	}
	e.last, e.top = *s, max(e.top, s.Seq)
}

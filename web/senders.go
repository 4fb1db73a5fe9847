package web

import (
	"log/slog"
	"slices"
	"time"

	"github.com/vidgear-go/netgear"
)

// sender is what streams of a source differ by.
type sender struct{ port, peer string }

// find returns the stream of a frame's sender, a new one if need be, or nil if
// there are too many. v.mu must be held.
func (v *Viewer) find(s *Source, f *netgear.Frame) *stream {
	if st := s.streams[sender{f.Port, f.Peer}]; st != nil {
		return st // it is the one that match returns
	}
	st := v.match(s, f.Port, f.Peer)
	if st == nil {
		st = v.reconnected(s, f.Port, f.Peer)
	}
	if st == nil {
		st = v.add(s, f.Port)
	}
	if st == nil {
		return nil
	}
	if f.Peer != "" {
		st.peer = f.Peer
	}
	if st.port != f.Port { // it had no frame yet
		st.port = f.Port
		st.name = v.uniqueName(s, f.Port, st)
		v.changed()
	}
	st.forget()
	st.sender = sender{st.port, st.peer}
	s.streams[st.sender] = st
	return st
}

// forget removes the stream from those that find finds at once. v.mu must be held.
func (st *stream) forget() {
	if st.source.streams[st.sender] == st {
		delete(st.source.streams, st.sender)
	}
}

// match returns the existing stream for a port and a peer, or nil. The best is
// the peer's own. The next best is one whose peer is not known, because the
// first frames of a connection may be without it. Otherwise it is one that is
// not live, whose sender has come back from another port of its machine, or
// was replaced. v.mu must be held.
func (v *Viewer) match(s *Source, port, peer string) *stream {
	var best *stream
	most, now := 0, time.Now()
	for _, st := range v.streams {
		if st.source != s || st.port != port && st.seq > 0 {
			continue
		}
		if n := st.likeness(port, peer, v.stateOf(st, now) == StateLive); n > most {
			best, most = st, n
		}
	}
	return best
}

// likeness returns how likely a frame from a port and a peer belongs to the
// stream: 0 is impossible.
func (st *stream) likeness(port, peer string, live bool) int {
	switch {
	case st.peer == peer && (st.seq > 0 || peer != ""):
		return 5
	case st.seq == 0 && st.peer == "":
		return 1
	case st.peer == "" || peer == "" && port != "":
		return 4
	case st.seq == 0 || live:
		return 0
	case hostOf(st.peer) == hostOf(peer):
		return 3
	}
	return 2
}

// maxPast is how many earlier peers of a stream are remembered.
const maxPast = 16

// reconnected returns the source's only stream for a port, although it is live,
// if its sender seems to have reconnected: the new peer is on the same machine.
// If the earlier peer sends again there are two senders. Then it returns nil, or
// the stream is the earlier peer's again and the other has a new one. v.mu must
// be held.
func (v *Viewer) reconnected(s *Source, port, peer string) *stream {
	st := v.only(s, port)
	if st == nil || peer == "" || hostOf(st.peer) != hostOf(peer) {
		return nil
	}
	switch slices.Index(st.past, peer) {
	case -1:
		st.past = append(st.past, st.peer)
		st.past = st.past[max(0, len(st.past)-maxPast):]
		return st
	case 0:
		if other := v.add(s, port); other != nil {
			other.peer = st.peer
		}
		st.past = nil
		return st
	}
	return nil
}

// only returns the source's stream for a port, or nil if there are none or
// several. v.mu must be held.
func (v *Viewer) only(s *Source, port string) (only *stream) {
	for _, st := range v.streams {
		switch {
		case st.source != s || st.port != port:
		case only != nil:
			return nil
		default:
			only = st
		}
	}
	return only
}

// count returns how many streams a source has. v.mu must be held.
func (v *Viewer) count(s *Source) (n int) {
	for _, st := range v.streams {
		if st.source == s {
			n++
		}
	}
	return n
}

// add adds a stream. If there are too many, it replaces one of the source's that
// is not live, or returns nil if there is none. v.mu must be held.
func (v *Viewer) add(s *Source, port string) *stream {
	if len(v.streams) >= v.opts.MaxStreams {
		old := v.oldest(s)
		if old < 0 {
			v.tooManyStreams.Do(func() {
				v.logApart(func(log *slog.Logger) {
					log.Warn("web: there are too many streams, and more are not shown; this is logged once", "MaxStreams", v.opts.MaxStreams)
				})
			})
			return nil
		}
		v.streams[old].remove()
		v.streams = slices.Delete(v.streams, old, old+1)
	}
	v.lastID++
	st := &stream{id: v.lastID, source: s, port: port, state: StateWaiting}
	st.name = v.uniqueName(s, port, nil)
	v.streams = append(v.streams, st)
	v.changed()
	return st
}

// oldest returns the index of the source's stream that was without a frame for
// longest, or -1 if all are live. v.mu must be held.
func (v *Viewer) oldest(s *Source) int {
	best, now := -1, time.Now()
	for i, st := range v.streams {
		if st.source != s || v.stateOf(st, now) == StateLive {
			continue
		}
		if best < 0 || st.last.Before(v.streams[best].last) {
			best = i
		}
	}
	return best
}

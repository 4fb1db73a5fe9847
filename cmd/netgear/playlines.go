package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/vidgear-go/netgear/record"
)

// fileLine is the JSON line about a file of a recording.
type fileLine struct {
	File    string      `json:"file"`
	From    *time.Time  `json:"from,omitempty"`
	Seconds float64     `json:"seconds,omitempty"` // not of an AVI file
	Cut     bool        `json:"cut,omitempty"`     // its end is missing
	Tracks  []trackLine `json:"tracks"`
}

type trackLine struct {
	Name   string `json:"name"`
	Codec  string `json:"codec"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// numbersLine is the JSON line about the numbers of one track, over all files. First
// and Last are those of a single run of a single sender.
type numbersLine struct {
	Name    string    `json:"name"`
	Frames  int       `json:"frames"`
	Senders int       `json:"senders"` // 0: the frames have no numbers
	Starts  int       `json:"starts"`
	First   uint64    `json:"first,omitempty"`
	Last    uint64    `json:"last,omitempty"`
	Missing uint64    `json:"missing"`
	AtMost  bool      `json:"at_most,omitempty"` // Missing may be too high
	Gaps    []gapLine `json:"gaps"`
	More    int       `json:"more_gaps"`
}

type gapLine struct {
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Sender uint64 `json:"sender,omitempty"`
	Where  string `json:"where,omitempty"`
}

// describeLine prints what the beginning and the index of a file say about it.
func describeLine(w io.Writer, path string, player *record.Player) error {
	line := fileLine{File: path, Seconds: player.Duration().Seconds(), Cut: player.Cut(), Tracks: []trackLine{}}
	if start := player.Start(); !start.IsZero() {
		start = start.UTC()
		line.From = &start
	}
	for _, t := range player.Tracks() {
		line.Tracks = append(line.Tracks, trackLine{t.Name, t.Codec, t.Width, t.Height})
	}
	return json.NewEncoder(w).Encode(line)
}

// line returns the JSON line about the numbers of a track.
func (n *numbers) line(track string) numbersLine {
	l := numbersLine{Name: track, Frames: n.frames, Senders: n.senders, Starts: n.starts, Missing: n.missing, AtMost: n.unsure, Gaps: []gapLine{}, More: n.more}
	if n.senders == 1 && n.starts == 0 {
		n.origins.All(func(r *origin) { l.First, l.Last = n.first, r.last })
	}
	for _, g := range n.gaps {
		l.Gaps = append(l.Gaps, gapLine{g.first, g.last, g.sender, g.where})
	}
	return l
}

package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/vidgear-go/netgear"
)

// settings configure one end. A process gets them as JSON in its argument; the
// names are those that the Python ends in faults/ read.
type settings struct {
	Receive  bool     `json:"receive"`
	Pattern  int      `json:"pattern"`
	Wire     string   `json:"wire"`
	Secure   int      `json:"secure"`
	JPEG     bool     `json:"jpeg"`
	Address  string   `json:"address"`
	Ports    []string `json:"ports"`
	Keys     string   `json:"keys"`     // where the certificates are
	Timeout  int      `json:"timeout"`  // RequestTimeout in seconds
	Size     int      `json:"size"`     // bytes of a frame
	FPS      float64  `json:"fps"`      // send end; 0: as fast as it goes
	Life     int64    `json:"life"`     // the number of this end's process
	Frames   int64    `json:"frames"`   // send end: how many it sends
	First    int64    `json:"first"`    // the number of its first frame
	ImageZMQ bool     `json:"imagezmq"` // as the Python ends have it
	Progress string   `json:"progress"`
	Every    float64  `json:"every"`  // seconds between samples
	Host     string   `json:"host"`   // the address that the name has; "": the first
	HWM      int      `json:"hwm"`    // HighWaterMark
	Storm    bool     `json:"storm"`  // signals and garbage collections all the while, and receive time-outs
	Faults   bool     `json:"faults"` // faults befall this stream
	Mats     bool     `json:"mats"`   // frames are sent and taken as Mats

	// VidGear's modes, and whether an end at the other side is Python's, whose
	// answers carry data of an earlier frame.
	Bidirectional bool `json:"bidirectional"`
	Multiserver   bool `json:"multiserver"`
	Multiclient   bool `json:"multiclient"`
	Python        bool `json:"python"`
	Peers         int  `json:"peers"` // how many ends there are at the other side
}

// The names of the wires.
const (
	netgearWire  = "netgear"
	asyncWire    = "async"
	imagezmqWire = "imagezmq"
)

var wires = map[string]netgear.Wire{
	netgearWire: netgear.NetGearWire, asyncWire: netgear.AsyncWire, imagezmqWire: netgear.ImageZMQWire,
}

// lockstep reports whether each frame is answered.
func (s *settings) lockstep() bool { return s.Pattern < int(netgear.PubSub) }

// returns reports whether the answers carry data: the numbers of the frame.
func (s *settings) returns() bool { return (s.Bidirectional || s.Multiclient) && s.lockstep() }

// messages reports whether the frames carry a message: their numbers. In the
// other modes VidGear drops messages.
func (s *settings) messages() bool { return s.Bidirectional || s.Multiserver }

func (s *settings) options() netgear.Options {
	o := netgear.Options{
		ReceiveMode:        s.Receive,
		Address:            s.Address,
		Ports:              s.Ports,
		Pattern:            netgear.Pattern(s.Pattern),
		Wire:               wires[s.Wire],
		SecureMode:         netgear.SecureMode(s.Secure),
		CustomCertLocation: s.Keys,
		RequestTimeout:     time.Duration(s.Timeout) * time.Second,
		MaxRetries:         -1,
		TerminatePolicy:    netgear.KeepWaiting,
		Stamp:              !s.lockstep(), // so that Missed counts
		HighWaterMark:      s.HWM,
		BidirectionalMode:  s.Bidirectional,
		MultiserverMode:    s.Multiserver,
		MulticlientMode:    s.Multiclient,
		Logger:             slog.New(slog.NewTextHandler(os.Stderr, nil)),
		OnEvent: func(e netgear.Event) {
			fmt.Fprintln(os.Stderr, e.Time.Format("15:04:05.000"), e)
		},
	}
	if s.Wire == asyncWire {
		o.SubscriberTimeout = -1 // its default is 15 s
	}
	if s.Storm && s.Pattern == pubSub {
		o.SubscriberTimeout = time.Millisecond
	}
	if !s.JPEG && s.Wire != asyncWire {
		o.JPEGCompression = netgear.JPEGOff
	}
	return o
}

func (s *settings) text() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // there are only numbers and texts
	}
	return string(text)
}

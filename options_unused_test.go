package netgear

import (
	"bytes"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// always lists the options that have an effect at every end, or are refused
// where they have none.
var always = strings.Fields(`ReceiveMode Address Ports Protocol Pattern Wire Attach Flag RequestTimeout MaxFrameBytes
	OnReply Respond BidirectionalMode MultiserverMode MulticlientMode Stamp SecureMode AllowAddresses DenyAddresses SSHTunnelMode OnEvent Logger`)

// Each option is in one of the two lists, and its condition has a reason at
// some end only, unless the option has no effect at all.
func TestEffectsOfOptions(t *testing.T) {
	typ := reflect.TypeFor[Options]()
	for i := range typ.NumField() {
		field := typ.Field(i).Name
		effect := effects[field]
		if (effect == nil) != slices.Contains(always, field) {
			t.Errorf("%s must be either in effects or in always", field)
			continue
		}
		if effect == nil {
			continue
		}
		with, without := 0, 0
		for _, o := range everyEnd() {
			if effect(&o) == "" {
				with++
			} else {
				without++
			}
		}
		if without == 0 || (with == 0) != (field == "Track") {
			t.Errorf("%s has an effect at %d ends and none at %d", field, with, without)
		}
	}
	for field := range effects {
		if _, ok := typ.FieldByName(field); !ok {
			t.Errorf("there is no %s", field)
		}
	}
}

// everyEnd returns options for every end, pattern and wire, with and without
// the options on which others depend.
func everyEnd() (all []Options) {
	for _, receive := range []bool{false, true} {
		for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
			for _, wire := range []Wire{NetGearWire, AsyncWire} {
				o := Options{ReceiveMode: receive, Pattern: pattern, Wire: wire, HeartbeatInterval: time.Second}
				more := o
				more.Ports, more.SecureMode, more.SSHTunnelMode, more.Latest = []string{"1"}, StoneHouse, "joe@host", true
				more.HeartbeatInterval = 0
				all = append(all, o, more)
			}
		}
	}
	return all
}

// An option without effect is accepted, and New logs it.
func TestUnusedOptions(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string // the fields and reasons, or "" for none
	}{
		{Options{}, ""},
		{Options{Latest: true}, "Latest: it is for a receive end, and this is a send end"},
		{Options{SendAhead: 2, ReceiveMode: true}, "SendAhead: it is for a send end, and this is a receive end"},
		{Options{SubscriberTimeout: time.Second, ReceiveMode: true}, "SubscriberTimeout: it is for PUB/SUB, and the pattern is PAIR"},
		{Options{SubscriberTimeout: time.Second, ReceiveMode: true, Pattern: PubSub}, ""},
		{Options{SubscriberTimeout: time.Second, ReceiveMode: true, Wire: AsyncWire}, ""},
		{Options{OverwriteCert: true}, "OverwriteCert: it is for a SecureMode, and none is set"},
		{Options{CustomCertLocation: "/nosuch"}, "CustomCertLocation: it is for a SecureMode, and none is set"},
		{Options{SSHTunnelPwd: NewSecret("x"), SSHTunnelKeyfile: "k"}, "SSHTunnelPwd: it is for an SSH tunnel, and SSHTunnelMode is not set; SSHTunnelKeyfile: it is for an SSH tunnel, and SSHTunnelMode is not set"},
		{Options{HeartbeatTimeout: time.Second, Pattern: ReqRep}, "HeartbeatTimeout: there are no heartbeats without HeartbeatInterval"},
		{Options{HeartbeatTimeout: time.Second, HeartbeatInterval: time.Minute, Pattern: ReqRep}, ""}, // it counts from a heartbeat
		{Options{HeartbeatInterval: time.Second}, "HeartbeatInterval: pattern PAIR has no heartbeats"},
		{Options{HeartbeatInterval: -1}, ""},
		{Options{MaxRetries: 5, Pattern: PubSub}, "MaxRetries: pattern PUB/SUB has no retries at this end"},
		{Options{Port: "5", Ports: []string{"6"}}, "Port: Ports is set, too, and replaces it"},
		{Options{JPEGCompressionQuality: 50, JPEGCompression: JPEGOff}, "JPEGCompressionQuality: no frame is encoded as a JPEG"},
		{Options{JPEGCompression: JPEGGray, ReceiveMode: true}, "JPEGCompression: it is for frames that are sent, and this receive end returns none"},
		{Options{JPEGCompression: JPEGGray, ReceiveMode: true, BidirectionalMode: true}, ""},
		{Options{Latest: true, QueueFrames: 5, ReceiveMode: true}, "QueueFrames: Latest keeps only the newest frame"},
		{Options{Track: true}, "Track: it never has one: a send call returns only when the pixels are no longer read"},
		{Options{Wire: AsyncWire, Decode: DecodeAhead, ReceiveMode: true}, "Decode: there is no JPEG on the wire of NetGear_Async"},
		{Options{Wire: AsyncWire, TerminateDelay: time.Second}, "TerminateDelay: the receive end of NetGear_Async has no queue to discard"},
		{Options{Wire: ImageZMQWire, Pattern: ReqRep, TerminateDelay: time.Second}, "TerminateDelay: the receive end of imagezmq has no queue to discard"},
		{Options{Wire: ImageZMQWire, Pattern: ReqRep, SubscriberTimeout: time.Second, ReceiveMode: true}, "SubscriberTimeout: it is for PUB/SUB, and the pattern is REQ/REP"},
		{Options{Wire: ImageZMQWire, Pattern: PubSub, SubscriberTimeout: time.Second, ReceiveMode: true, Address: "10.0.0.4"}, ""},
		{Options{MaxPeers: 5}, "MaxPeers: it is for an end that listens, and this one connects"},
		{Options{MaxPeers: 5, ReceiveMode: true, Attach: AttachConnect}, "MaxPeers: it is for an end that listens, and this one connects"},
		{Options{MaxPeers: 5, ReceiveMode: true}, "MaxPeers: a PAIR receive end serves one peer"},
		{Options{MaxPeers: 5, ReceiveMode: true, Pattern: ReqRep}, ""},
		{Options{MaxPeers: 5, Attach: AttachBind}, ""},
		{Options{HighWaterMark: 5}, "HighWaterMark: it is for the send end of PUB/SUB, and for PUSH/PULL"},
	} {
		if err := c.o.Validate(); err != nil {
			t.Errorf("%v: %v", c.o, err)
		}
		var got []string
		c.o.unused(func(field, why string) { got = append(got, field+": "+why) })
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.o, text, c.want)
		}
	}
	var lines bytes.Buffer
	n := mustNew(t, Options{Address: "127.0.0.1", Port: "1", Latest: true, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	n.Close()
	if want := `msg="an option has no effect here" option=Latest key="" why="it is for a receive end, and this is a send end"`; !strings.Contains(lines.String(), want) {
		t.Errorf("the log has %s", lines.String())
	}
}

// What a newcomer reads.
func TestTextsOfOptionErrors(t *testing.T) {
	missing := t.TempDir() + "/nosuch"
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Address: "127.0.0.1:5555"}, `Address = "127.0.0.1:5555": must be a host alone; the port (5555) is an option of its own; set Address: "127.0.0.1"`},
		{Options{Address: "tcp://10.0.0.4:5555"}, `Address = "tcp://10.0.0.4:5555": must be a host alone; the protocol (tcp) and the port (5555) are options of their own; set Address: "10.0.0.4"`},
		{Options{Address: "http://10.0.0.4"}, `Address = "http://10.0.0.4": must be a host name or an IP address, without protocol or path`},
		{Options{Address: "0.0.0.0"}, `Address = "0.0.0.0": every interface is for the end that binds; this one connects and needs the other end's address`},
		{Options{Address: "::"}, `Address = "::": every interface is for the end that binds; this one connects and needs the other end's address`},
		{Options{Pattern: ReqRep, MulticlientMode: true, Ports: []string{"5566", "5567", "5566"}}, `Ports = []string{"5566", "5567", "5566"}: 5566 is listed twice; each end has a port of its own`},
		{Options{Pattern: ReqRep, MulticlientMode: true, Ports: []string{"5566", "05566"}}, `Ports = []string{"5566", "05566"}: 5566 is listed twice; each end has a port of its own`},
		{Options{Pattern: ReqRep, MulticlientMode: true, Ports: []string{"5566", "x"}}, `Ports = "x": must be a number from 1 to 65535`},
		{Options{RequestTimeout: time.Millisecond}, `RequestTimeout = 1ms: must be at least 10ms`},
		{Options{Pattern: 7}, `Pattern = netgear.Pattern(7): must be 0 (PAIR), 1 (REQ/REP) or 2 (PUB/SUB), and with NetGear_Async's wire also 3 (PUSH/PULL)`},
		{Options{SecureMode: StoneHouse, CustomCertLocation: missing}, `CustomCertLocation = "` + missing + `": must be a folder that exists: no such file or directory`},
	} {
		_, err := New(c.o)
		if want := "netgear: invalid option: " + c.want; err == nil || err.Error() != want {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
	}
}

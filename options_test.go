package netgear

import (
	"encoding/json"
	"errors"
	"image"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestZeroOptionsAreVidGearsDefaults(t *testing.T) {
	var o Options
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	n := newSettings(o)
	if n.opts.address() != "localhost" || n.opts.Ports[0] != "5555" || n.opts.protocol() != "tcp" || n.opts.Pattern != Pair ||
		!n.jpeg || n.colorspace.String() != "BGR" || n.opts.JPEGCompressionQuality != 90 || !n.fastDCT ||
		n.opts.MaxRetries != 3 || n.opts.RequestTimeout != 4*time.Second || n.opts.QueueFrames != 96 || n.opts.Copy {
		t.Errorf("%+v", n)
	}
	o.ReceiveMode = true
	if n := newSettings(o); n.opts.address() != "*" {
		t.Errorf("receive end at %s", n.opts.address())
	}
	if !reflect.DeepEqual(o, Options{ReceiveMode: true}) {
		t.Error("the caller's options were changed")
	}
}

// Every way to set flag is refused, with the reason and the fix in the text.
func TestFlagIsRefused(t *testing.T) {
	for _, flag := range []int{1, 2, 3, -1, 1 << 20} {
		for _, copies := range []bool{true, false} {
			for _, track := range []bool{true, false} {
				o := Options{Flag: flag, Copy: copies, Track: track}
				err := o.Validate()
				if !errors.Is(err, ErrNonBlocking) || !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), "context") {
					t.Errorf("%+v: %v", o, err)
				}
				if trio := strings.Contains(err.Error(), "exactly the combination"); trio != (!copies && !track) {
					t.Errorf("copy %v, track %v: %v", copies, track, err)
				}
				if _, err := New(o); !errors.Is(err, ErrNonBlocking) {
					t.Errorf("New: %v", err)
				}
				if _, err := New(Options{Flag: flag, ReceiveMode: true}); !errors.Is(err, ErrNonBlocking) {
					t.Errorf("New, receive end: %v", err)
				}
			}
		}
	}
	for _, text := range []string{`{"flag": 1}`, `{"flag": 1, "copy": false, "track": false}`, `{" flag ": 1}`, `{"flag": true}`, `{"flag": 0, "flag": 2}`} {
		var o Options
		if err := json.Unmarshal([]byte(text), &o); !errors.Is(err, ErrNonBlocking) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"flag": 0}`, `{"flag": false}`, `{"copy": true, "track": true}`} {
		var o Options
		if err := json.Unmarshal([]byte(text), &o); err != nil || o.Validate() != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for field, o := range map[string]Options{
		"Pattern":                {Pattern: 7},
		"Port":                   {Port: "70000"},
		"Port ":                  {Port: "0"}, // a send end cannot connect to it
		"Port  ":                 {Port: "http"},
		"Ports":                  {Ports: []string{"1", "2"}},
		"Protocol":               {Protocol: "udp"},
		"Address":                {Protocol: "ipc"},
		"Address ":               {Address: "tcp://10.0.0.1"},
		"Address  ":              {Address: "127.0.0.1:5555"},
		"Address   ":             {Address: "[::1]:5555", ReceiveMode: true},
		"Attach":                 {Attach: 9},
		"JPEGCompression":        {JPEGCompression: "YUV"},
		"JPEGCompressionQuality": {JPEGCompressionQuality: 9},
		"JPEGCompressionFastDCT": {JPEGCompressionFastDCT: 5},
		"JPEGStrips":             {JPEGStrips: -1},
		"Reading":                {Reading: Reading{Reduce: 3}},
		"Reading ":               {Reading: Reading{Region: image.Rect(0, 0, 0, 9)}},
		"JPEGStrips ":            {JPEGStrips: 9},
		"RequestTimeout":         {RequestTimeout: time.Millisecond},
		"SubscriberTimeout":      {SubscriberTimeout: -1},
		"TerminatePolicy":        {TerminatePolicy: 5},
		"HeartbeatInterval":      {HeartbeatInterval: time.Nanosecond},
		"HeartbeatTimeout":       {HeartbeatTimeout: 2 * time.Hour},
		"HeartbeatTimeout ":      {HeartbeatTimeout: -1},
		"HighWaterMark":          {HighWaterMark: -1},
		"QueueFrames":            {QueueFrames: -1},
		"QueueBytes":             {QueueBytes: -1},
		"MaxFrameBytes":          {MaxFrameBytes: -1},
		"MaxPeers":               {MaxPeers: -1},
		"MaxPeers ":              {MaxPeers: 1<<16 + 1},
		"SendAhead":              {SendAhead: -1},
		"SendAhead ":             {SendAhead: 1025},
		"SendLatest ":            {SendLatest: true, SendAhead: 1},
		"Adapt ":                 {Adapt: Adapt{MaxAge: time.Millisecond}},
		"Adapt  ":                {Adapt: Adapt{MinQuality: 50}},
		"Adapt   ":               {Adapt: Adapt{MaxAge: time.Second, MinQuality: 5}},
		"Adapt    ":              {Adapt: Adapt{MaxAge: time.Second, MinScale: math.NaN()}},
		"Adapt     ":             {Adapt: Adapt{MaxAge: time.Second, MinFPS: -1}},
		"Adapt      ":            {Adapt: Adapt{MaxAge: time.Second}, SendAhead: 1},
		"OnReply":                {OnReply: func(Reply, error) {}},
		"BidirectionalMode":      {BidirectionalMode: true, Pattern: PubSub},
		"MultiserverMode":        {MultiserverMode: true},
		"MulticlientMode":        {MulticlientMode: true},
		"MulticlientMode ":       {MulticlientMode: true, MultiserverMode: true, Pattern: ReqRep},
		"SSHTunnelMode":          {MultiserverMode: true, Pattern: ReqRep, SSHTunnelMode: "a@b"},
		"SSHTunnelMode ":         {ReceiveMode: true, SSHTunnelMode: "a@b"},
		"SSHTunnelMode  ":        {Protocol: "ipc", Address: "/x", SSHTunnelMode: "a@b"},
		"SecureMode":             {SecureMode: 3},
		"AllowAddresses":         {ReceiveMode: true, AllowAddresses: []string{"10.0.0.1"}},
		"AllowAddresses ":        {ReceiveMode: true, SecureMode: StoneHouse, AllowAddresses: []string{"10.0.0"}},
		"DenyAddresses":          {SecureMode: StoneHouse, DenyAddresses: []string{"10.0.0.1"}},
	} {
		err := o.Validate()
		var e *OptionError
		if !errors.As(err, &e) || e.Field != strings.TrimSpace(field) || !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, o := range []Options{
		{ReceiveMode: true, Port: "0"}, {Address: "::1"}, {Address: "[::1]"}, {Protocol: "ipc", Address: "/run/x", Port: "any"},
		{MaxRetries: -1}, {HeartbeatInterval: -1}, {JPEGStrips: 8}, {ReceiveMode: true, MultiserverMode: true, Pattern: ReqRep, Ports: []string{"1", "2"}},
	} {
		if err := o.Validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestDictionary(t *testing.T) {
	var o Options
	text := `{
		"jpeg_compression": "gray", "jpeg_compression_quality": 75.9, "jpeg_compression_fastdct": false,
		"jpeg_compression_fastupsample": true, "max_retries": 5, "request_timeout": 10, "subscriber_timeout": 7,
		"flag": 0, "copy": true, "track": true, "bidirectional_mode": true, "multiserver_mode": false,
		"multiclient_mode": false, "secure_mode": 0, "custom_cert_location": "/keys", "overwrite_cert": true,
		"ssh_tunnel_pwd": "p", "ssh_tunnel_keyfile": "k",
		"address": "10.0.0.4", "port": 5454, "protocol": "tcp", "pattern": 1, "receive_mode": true, "logging": false}`
	if err := o.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	want := Options{
		JPEGCompression: JPEGGray, JPEGCompressionQuality: 75, JPEGCompressionFastDCT: ToggleOff, JPEGCompressionFastUpsample: true,
		MaxRetries: 5, RequestTimeout: 10 * time.Second, SubscriberTimeout: 7 * time.Second, Copy: true, Track: true,
		BidirectionalMode: true, CustomCertLocation: "/keys", OverwriteCert: true, SSHTunnelPwd: NewSecret("p"), SSHTunnelKeyfile: "k",
		Address: "10.0.0.4", Port: "5454", Protocol: "tcp", Pattern: ReqRep, ReceiveMode: true,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("\n got %+v\nwant %+v", o, want)
	}
	// It is read over the values that exist.
	if err := json.Unmarshal([]byte(`{"jpeg_compression": false, "max_retries": 0, "port": ["1", 2]}`), &o); err != nil {
		t.Fatal(err)
	}
	if o.JPEGCompression != JPEGOff || o.MaxRetries != -1 || o.Port != "" || !reflect.DeepEqual(o.Ports, []string{"1", "2"}) || !o.Copy {
		t.Errorf("%+v", o)
	}
}

// An entry that VidGear ignores silently is an error that names the key.
func TestDictionaryErrors(t *testing.T) {
	for text, says := range map[string]string{
		`{"jpeg_compresion": true}`:         "did you mean jpeg_compression?",
		`{"color": 1}`:                      "VidGear has no such option",
		`{"jpeg_compression": "YUV"}`:       "jpeg_compression",
		`{"jpeg_compression": 1}`:           "jpeg_compression",
		`{"jpeg_compression": "off"}`:       "jpeg_compression",
		`{"jpeg_compression_quality": 5}`:   "10 to 100",
		`{"jpeg_compression_quality": NaN}`: "10 to 100",
		`{"max_retries": "3"}`:              "max_retries",
		`{"max_retries": 1.5}`:              "whole number",
		`{"max_retries": -1}`:               "max_retries = -1: must be a whole number from 1 to 2147483647, or 0 for no limit",
		`{"timeout": 1}`:                    `set "go": {"wire": "NetGear_Async"}`,
		`{"address": "10.0.0.4:5555"}`:      `address = "10.0.0.4:5555": must be a host alone; the port (5555) is an option of its own; set "address": "10.0.0.4"`,
		`{"request_timeout": 3}`:            "from 4",
		`{"request_timeout": true}`:         "request_timeout",
		`{"subscriber_timeout": 0}`:         "subscriber_timeout",
		`{"copy": 1}`:                       "true or false",
		`{"flag": "x"}`:                     "flag",
		`{"secure_mode": 3}`:                "secure_mode",
		`{"ssh_tunnel_mode": 5}`:            "must be a text",
		`{"port": [true]}`:                  "port",
		`{"port": {}}`:                      "port",
		`{"pattern": 4}`:                    "pattern",
		`[]`:                                "JSON object",
		`{"copy": tru}`:                     "JSON object",
		`{"flag": 1, "copy": true}`:         "flag = 1",
		`{"address": "[::1]:5555"}`:         "must be a host alone",
		`{"go": {"latest": 1}}`:             "go.latest",
		`{"go": {"stamp": true, "adapt": {"min_quality": 20, "fps": 1}}}`:       `has no "fps"`,
		`{"copy": true, "go": {"allow_addresses": ["10.0.0.1", 2]}}`:            "list of texts",
		`{"port": [" 1", " 2"], "address": "10.0.0.4:5555"}`:                    "must be a host alone",
		`{"pattern": 2, "go": {"wire": "NetGear_Async", "request_timeout": 1}}`: "go.request_timeout",
	} {
		before := Options{Port: "9", Ports: []string{" 1 ", "2"}, AllowAddresses: []string{"10.0.0.9"}}
		o := before
		o.Ports, o.AllowAddresses = slices.Clone(before.Ports), slices.Clone(before.AllowAddresses)
		err := o.UnmarshalJSON([]byte(text))
		if !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(o, before) {
			t.Errorf("%s: half of it was taken: %+v", text, o)
		}
	}
}

// The error of a flag in the dictionary names what to write there.
func TestFlagInDictionary(t *testing.T) {
	var o Options
	if err := o.UnmarshalJSON([]byte(`{"flag": 1}`)); !errors.Is(err, ErrNonBlocking) || !strings.Contains(err.Error(), `flag = 1: `) || !strings.HasSuffix(err.Error(), `; set "flag": 0`) {
		t.Error(err)
	}
	// More than an int of 32 bits holds.
	if err := o.UnmarshalJSON([]byte(`{"flag": 4294967296}`)); !errors.Is(err, ErrNonBlocking) {
		t.Error(err)
	}
}

// An option that only this library has is named as the dictionary has it, and a
// function has no key.
func TestKeyOfOwnOptions(t *testing.T) {
	for key, o := range map[string]Options{
		"go.jpeg_strips": {JPEGStrips: 99},
		"go.adapt":       {Adapt: Adapt{MaxAge: 1}},
		"pattern":        {Pattern: 9},
		"":               {OnReply: func(Reply, error) {}},
	} {
		var wrong *OptionError
		if err := o.Validate(); !errors.As(err, &wrong) || wrong.Key != key {
			t.Errorf("%q: %q, %v", key, wrong.Key, err)
		}
	}
	for want, s := range map[string]Setting{
		`"go": {"send_ahead": 0}`:         set("SendAhead", 0),
		`"go": {"wire": "NetGear_Async"}`: set("Wire", AsyncWire),
		`"pattern": 1`:                    set("Pattern", ReqRep),
	} {
		if got := s.inJSON(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

package netgear

import (
	"encoding/json"
	"errors"
	"image"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Options are written and read without loss, but for the password and the
// functions.
func TestOptionsRoundTrip(t *testing.T) {
	for text, o := range map[string]Options{
		`{}`: {},
		`{"receive_mode": true, "address": "10.0.0.4", "port": ["1", "2"], "protocol": "tcp", "pattern": 2, "go": {"attach": "bind"}}`:                                                   {ReceiveMode: true, Address: "10.0.0.4", Ports: []string{"1", "2"}, Protocol: "tcp", Pattern: PubSub, Attach: AttachBind},
		`{"port": "5454", "jpeg_compression": false, "jpeg_compression_fastdct": false, "max_retries": 0, "request_timeout": 10}`:                                                        {Port: "5454", JPEGCompression: JPEGOff, JPEGCompressionFastDCT: ToggleOff, MaxRetries: -1, RequestTimeout: 10 * time.Second},
		`{"jpeg_compression": "GRAY", "jpeg_compression_quality": 50, "jpeg_compression_fastdct": true, "go": {"request_timeout": "500ms", "subscriber_timeout": "-1ns"}}`:               {JPEGCompression: JPEGGray, JPEGCompressionQuality: 50, JPEGCompressionFastDCT: ToggleOn, RequestTimeout: 500 * time.Millisecond, SubscriberTimeout: -1},
		`{"secure_mode": 2, "custom_cert_location": "/keys", "overwrite_cert": true, "go": {"allow_addresses": ["10.0.0.0/8"]}}`:                                                         {SecureMode: IronHouse, CustomCertLocation: "/keys", OverwriteCert: true, AllowAddresses: []string{"10.0.0.0/8"}},
		`{"ssh_tunnel_mode": "joe@host", "ssh_tunnel_keyfile": "k", "go": {"ssh_tunnel_known_hosts": ["a"], "ssh_tunnel_ignore_host_key": true}}`:                                        {SSHTunnelMode: "joe@host", SSHTunnelKeyfile: "k", SSHTunnelKnownHosts: []string{"a"}, SSHTunnelIgnoreHostKey: true},
		`{"go": {"wire": "NetGear_Async", "jpeg_strips": 2, "jpeg_check": "off", "decode": "ahead", "reading": {"reduce":2,"region":{"max":{"x":8,"y":8}}}, "queue_bytes": 5000000000}}`: {Wire: AsyncWire, JPEGStrips: 2, JPEGCheck: ToggleOff, Decode: DecodeAhead, Reading: Reading{Reduce: 2, Region: image.Rect(0, 0, 8, 8)}, QueueBytes: 5e9},
		`{"go": {"terminate_policy": "keep waiting", "terminate_delay": "1m0s", "latest": true, "open_frames": 3, "max_peers": 20}}`:                                                     {TerminatePolicy: KeepWaiting, TerminateDelay: time.Minute, Latest: true, OpenFrames: 3, MaxPeers: 20},
		`{"go": {"send_latest": true, "adapt": {"max_age": "500ms", "min_quality": 20, "min_scale": 0.25, "min_fps": 2}}}`:                                                               {SendLatest: true, Adapt: Adapt{MaxAge: 500 * time.Millisecond, MinQuality: 20, MinScale: 0.25, MinFPS: 2}},
		`{"logging": true}`: {Logger: slog.Default()},
	} {
		raw, err := json.Marshal(o)
		if err != nil || string(compact(t, text)) != string(compact(t, string(raw))) {
			t.Errorf("%v\n got %s\nwant %s", err, raw, text)
		}
		var read Options
		if err := json.Unmarshal([]byte(text), &read); err != nil || !reflect.DeepEqual(read, o) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", text, err, read, o)
		}
	}
	raw, err := json.Marshal(Options{SSHTunnelPwd: NewSecret("hidden"), OnReply: func(Reply, error) {}, Port: "1"})
	if err != nil || string(compact(t, string(raw))) != `{"port":"1"}` {
		t.Errorf("%s, %v", raw, err)
	}
	for _, o := range []Options{{Decode: 9}, {Pattern: 9}, {SecureMode: -1}, {JPEGCompressionFastDCT: 9}, {JPEGCheck: 9}, {JPEGCompression: "SEPIA"}} {
		if raw, err := json.Marshal(o); !errors.Is(err, ErrOption) {
			t.Errorf("no constant: %s, %v", raw, err)
		}
	}
	const wrong = "joe:hidden@host"
	for _, o := range []Options{{Address: wrong}, {Port: wrong}, {Ports: []string{"1", wrong}}, {SSHTunnelMode: wrong}, {AllowAddresses: []string{wrong}}, {SSHTunnelKnownHosts: []string{wrong}}} {
		if raw, err := json.Marshal(o); !errors.Is(err, ErrOption) || strings.Contains(string(raw)+err.Error(), "hidden") {
			t.Errorf("%s, %v", raw, err)
		}
	}
}

func compact(t *testing.T, text string) []byte {
	t.Helper()
	var v json.RawMessage = []byte(text)
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Names under "go" may be those of the fields, and what is wrong there is named.
func TestGoOptions(t *testing.T) {
	var o Options
	const text = `{"go": {"QueueFrames": 10, " stall-after ": "2s", "JPEGCheck": true, "decode": null}, "timeout": 7}`
	if err := json.Unmarshal([]byte(text), &o); err == nil {
		t.Error("timeout on NetGear's wire")
	}
	o.Wire, o.Decode = AsyncWire, DecodeAhead
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	if want := (Options{Wire: AsyncWire, QueueFrames: 10, StallAfter: 2 * time.Second, JPEGCheck: ToggleOn, RequestTimeout: 7 * time.Second, SubscriberTimeout: 7 * time.Second}); !reflect.DeepEqual(o, want) {
		t.Errorf("got %+v", o)
	}
	// The wire in the same dictionary permits the keys of its class.
	o = Options{}
	if err := json.Unmarshal([]byte(`{"timeout": 7, "go": {"wire": "NetGear_Async", "request_timeout": "1s"}}`), &o); err != nil || o.RequestTimeout != time.Second {
		t.Errorf("%v, %+v", err, o)
	}
	for text, want := range map[string]string{
		`{"go": 1}`:                          `go: must be an object, such as {"queue_frames": 10, "latest": true}`,
		`{"go": {"queue_frame": 1}}`:         "go.queue_frame: there is no such option; did you mean queue_frames?",
		`{"go": {"pattern": 1}}`:             `go.pattern: it is VidGear's: write it outside of "go"`,
		`{"go": {"queue_frames": "1"}}`:      `go.queue_frames = "1": must be a whole number`,
		`{"go": {"stall_after": 5}}`:         `go.stall_after = 5: must be a time such as "500ms" or "4s"`,
		`{"go": {"decode": "never"}}`:        `go.decode = "never": must be follow use, ahead, on use`,
		`{"go": {"latest": 1}}`:              "go.latest = 1: must be true or false",
		`{"go": {"allow_addresses": "x"}}`:   `go.allow_addresses = "x": must be a list of texts`,
		`{"go": {"on_event": 1}}`:            "go.on_event: there is no such option",
		`{"latest": true}`:                   `latest: VidGear has no such option; write it as {"go": {"latest": …}}`,
		`{"QueueFrames": 1}`:                 `QueueFrames: VidGear has no such option; write it as {"go": {"queue_frames": …}}`,
		`{"bidirectional": true}`:            "bidirectional: VidGear has no such option; did you mean bidirectional_mode?",
		`{"JPEG_compression": true}`:         "JPEG_compression: VidGear has no such option; did you mean jpeg_compression?",
		`{"MaxRetries": 1}`:                  "MaxRetries: VidGear has no such option; did you mean max_retries?",
		`{"secure": 1}`:                      "secure: VidGear has no such option; did you mean secure_mode?",
		`{"cert_location": "x"}`:             "cert_location: VidGear has no such option; did you mean custom_cert_location?",
		`{"copy": null}`:                     "copy = null: must be true or false",
		`{"jpeg_compression_quality": 5.25}`: "jpeg_compression_quality = 5.25: must be a number from 10 to 100",
	} {
		var o Options
		err := json.Unmarshal([]byte(text), &o)
		if err == nil || !strings.HasPrefix(err.Error(), "netgear: invalid option: "+want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

// Every option that may stand under "go" is read as it is written, and no value
// of a wrong kind ends the program.
func TestEveryGoOption(t *testing.T) {
	values := strings.Fields(`5 -5 1.5 1e400 NaN true "x" "" "2s" [] [1] ["x"] {} {"a":1} {"max_age":{}} {"max_age":5} {"min_fps":"x"} null 99999999999999999999999`)
	for folded, i := range goOptions {
		accepted := 0
		for _, value := range append(values, `"ahead"`, `"bind"`, `"NetGear_Async"`, `"keep waiting"`, `{"Gray":true}`, `{"MaxAge":"2s"}`) {
			var o, again Options
			if json.Unmarshal([]byte(`{"go": {"`+folded+`": `+value+`}}`), &o) != nil || reflect.ValueOf(o).Field(i).IsZero() {
				continue
			}
			accepted++
			raw, err := json.Marshal(o)
			if err == nil {
				err = json.Unmarshal(raw, &again)
			}
			if err != nil || !reflect.DeepEqual(o, again) {
				t.Errorf("%s became %s, %v", value, raw, err)
			}
		}
		if accepted == 0 {
			t.Errorf("%s accepts none of the values", folded)
		}
	}
}

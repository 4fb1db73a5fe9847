package netgear

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// VidGear keeps the outer spaces of passwords and paths, and so does the option
// dictionary here. Spaces that cannot be intended are ignored.
func TestDictionaryKeepsSpaces(t *testing.T) {
	const text = `{"ssh_tunnel_pwd": " secret\t", "ssh_tunnel_keyfile": " my key ", "custom_cert_location": "/keys/of camera 1 ",
		"ssh_tunnel_mode": " joe@host ", "protocol": " tcp ", "address": " 10.0.0.4 ", "port": " 5454 ", "jpeg_compression": " gray "}`
	want := Options{SSHTunnelPwd: NewSecret(" secret\t"), SSHTunnelKeyfile: " my key ", CustomCertLocation: "/keys/of camera 1 ",
		SSHTunnelMode: "joe@host", Protocol: "tcp", Address: "10.0.0.4", Port: "5454", JPEGCompression: JPEGGray}
	var o Options
	if err := o.UnmarshalJSON([]byte(text)); err != nil || !reflect.DeepEqual(o, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, o, want)
	}
	// With ipc the address is a path, wherever the protocol is in the
	// dictionary.
	o = Options{}
	if err := o.UnmarshalJSON([]byte(`{"address": "/run/a ", "port": [" b ", 7], "protocol": "ipc"}`)); err != nil {
		t.Fatal(err)
	}
	if o.Address != "/run/a " || !reflect.DeepEqual(o.Ports, []string{" b ", "7"}) {
		t.Errorf("address %q, ports %q", o.Address, o.Ports)
	}
}

// timeout belongs to NetGear_Async: VidGear's NetGear has no such argument.
func TestDictionaryTimeout(t *testing.T) {
	var o Options
	var wrong *OptionError
	err := json.Unmarshal([]byte(`{"timeout": 7}`), &o)
	if !errors.As(err, &wrong) || wrong.Key != "timeout" || wrong.Field != "RequestTimeout" || !strings.Contains(err.Error(), "NetGear_Async") {
		t.Errorf("on NetGear's wire: %v", err)
	}
	o.Wire = AsyncWire
	if err := json.Unmarshal([]byte(`{"timeout": 7.5}`), &o); err != nil || o.RequestTimeout != 7500*time.Millisecond || o.SubscriberTimeout != o.RequestTimeout {
		t.Errorf("on NetGear_Async's: %v, %+v", err, o)
	}
}

// Switches in a header have the value that Python gives them: VidGear reads 0
// and 1, and so must a receive end here.
func TestHeaderSwitches(t *testing.T) {
	for text, want := range map[string]bool{
		"true": true, "false": false, "null": false, "1": true, "0": false, "2": true, "-1": true, "-0": false, "0.0": false, "0.5": true,
		"1e400": true, "NaN": true, "10000000000000000000000": true, `""`: false, "[]": false, "{}": false,
	} {
		h, err := asJSON.parseHeader([]byte(`{"terminate_flag": `+text+`, "compression": {"dct": `+text+`, "ups": `+text+`, "colorspace": "BGR"}}`), nil)
		if err != nil || h.terminate != want || h.fastDCT != want || h.fastUpsample != want || !h.jpeg {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
		h, err = asJSON.parseHeader([]byte(`{"terminate_flag": 0, "compression": `+text+`}`), nil)
		if want != (err != nil) || h.jpeg {
			t.Errorf("compression %s: %+v, %v", text, h, err)
		}
	}
	for _, text := range []string{`"yes"`, `"false"`, `[0]`, `{"a": 0}`} {
		if h, err := asJSON.parseHeader([]byte(`{"terminate_flag": `+text+`}`), nil); !errors.Is(err, errWire) || h.terminate {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
	for value, want := range map[any]bool{true: true, false: false, 0: false, 1: true, 300: true, -1: true, 0.0: false, 0.5: true, uint64(1 << 63): true} {
		m, err := asyncWire{}.encodeMessage(value)
		if err != nil {
			t.Fatal(err)
		}
		raw := appendFields(nil, packedText("terminate"), m, packedText("bi_mode"), m, packedText("data"), packedNil{})
		if h, err := (asyncWire{}).parseHeader(raw, nil); err != nil || h.terminate != want || h.bidirectional != want {
			t.Errorf("msgpack %v: %+v, %v", value, h, err)
		}
	}
	for _, value := range []any{"yes", []int{1}, []byte{1}} {
		m, err := asyncWire{}.encodeMessage(value)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := (asyncWire{}).parseHeader(appendFields(nil, packedText("terminate"), m), nil); !errors.Is(err, errWire) || h.terminate {
			t.Errorf("msgpack %v: %+v, %v", value, h, err)
		}
	}
}

// A frame whose header has 0 and 1 for false and true arrives.
func TestHeaderOfNumbers(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	peer := newBare(t, zmq4.PAIR, recv)
	peer.send([]byte(`{"terminate_flag": 0, "compression": 0, "message": null, "pattern": "0", "dtype": "uint8", "shape": [1, 2]}`), []byte("ab"))
	peer.send([]byte(`{"terminate_flag": 0, "compression": {"dct": 1, "ups": 0, "colorspace": "BGR"}, "message": null, "pattern": "0", "dtype": "", "shape": ""}`), testJPEG(t, 8, 8))
	for i := range 2 {
		f, err := recv.Recv(testContext(t))
		if err != nil {
			t.Fatalf("frame %d: %v, %+v", i, err, recv.Stats())
		}
		f.Close()
	}
}

package netgear

import (
	"errors"
	"fmt"
	"testing"
)

// With the smallest limit that New accepts every handshake ends. A small frame
// arrives and is answered with data, and the terminate message arrives. A
// smaller limit is an error.
func TestSmallestMaxFrameBytes(t *testing.T) {
	for _, m := range []int64{1, 42, minFrameBytes - 1} {
		var wrong *OptionError
		if err := (Options{MaxFrameBytes: m}).Validate(); !errors.As(err, &wrong) || wrong.Field != "MaxFrameBytes" {
			t.Errorf("%d: %v", m, err)
		}
	}
	location := keyFolder(t)
	for wire, patterns := range wirePatterns {
		for _, pattern := range patterns {
			for _, mode := range []SecureMode{Grasslands, StoneHouse, IronHouse} {
				o := Options{
					Wire: wire, Pattern: pattern, SecureMode: mode, CustomCertLocation: location, MaxFrameBytes: minFrameBytes,
					BidirectionalMode: pattern.spec().answers, MultiserverMode: pattern == ReqRep && wire == NetGearWire, HighWaterMark: 100,
				}
				t.Run(fmt.Sprintf("%v %v %d", wire, pattern, mode), func(t *testing.T) { smallestFrame(t, o) })
			}
		}
	}
}

func smallestFrame(t *testing.T, o Options) {
	recv, send := openPair(t, o)
	if o.BidirectionalMode {
		if err := recv.SetReturnData(map[string]any{"seen": true}); err != nil {
			t.Fatal(err)
		}
	}
	mustTravel(t, recv, send)
	for _, a := range []Array{testArray(0, "uint8", 1, 1), testArray(1, "uint8", 8, 8, 3), testArray(2, "float64", 6, 6)} {
		if reply, err := send.SendArray(testContext(t), a, map[string]int{"n": 7}); err != nil || o.BidirectionalMode && reply.Data.IsNone() {
			t.Errorf("%v: %+v, %v", a.Shape, reply, err)
		}
	}
	for ctx := testContext(t); ; {
		f := mustRecv(t, recv, ctx)
		last := f.DType() == "float64"
		f.Close()
		if last {
			return
		}
	}
}

package netgear

import (
	"errors"
	"testing"
)

// A range of IPv4 addresses written as IPv6 denies them.
func TestMappedRangeIsDenied(t *testing.T) {
	location := keyFolder(t)
	_, send := openPair(t, Options{Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location}, func(r, _ *Options) { r.DenyAddresses = []string{"::ffff:127.0.0.0/104"} })
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
	both := Options{ReceiveMode: true, SecureMode: StoneHouse, DenyAddresses: []string{"::ffff:0.0.0.0/90"}}
	if err := both.Validate(); !errors.Is(err, ErrOption) {
		t.Errorf("a range of IPv4 and IPv6 at once: %v", err)
	}
}

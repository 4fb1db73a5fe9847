package transport

import (
	"net/netip"
	"testing"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// A link-local address can be used with the zone of the interface that has it, and
// with no other.
func TestLinkLocalIsAvailable(t *testing.T) {
	if !peertest.InIPv6Only(t) {
		return
	}
	for text, want := range map[string]bool{
		peertest.LinkLocal: true, "fe80::7%nosuch": false, "fe80::7": false, "fe80::8%lo": false,
		"::1": true, "127.0.0.1": false,
	} {
		if got := Available(netip.AddrPortFrom(netip.MustParseAddr(text), 0)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

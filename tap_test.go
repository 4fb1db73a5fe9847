package netgear

import (
	"testing"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// tap is a Proxy with the names that the tests of half-open connections use.
type tap struct {
	*peertest.Proxy
	port string
}

// newTap listens on address, for instance 127.0.0.1:0, and leads to another.
func newTap(t *testing.T, address, to string) tap {
	p := peertest.NewProxy(t, peertest.Listen(t, address), to)
	return tap{p, p.Port}
}

func (p tap) hold(n int)      { p.Hold(n) }
func (p tap) held() bool      { return p.Holds() }
func (p tap) release()        { p.Release() }
func (p tap) reset()          { p.Reset() }
func (p tap) froms() []string { return p.Sources() }

package peertest

import (
	"net"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/tcpproxy"
)

// Proxy is a TCP proxy of a test. It records every byte.
type Proxy struct{ *tcpproxy.Proxy }

// NewProxy leads the connections that l accepts to a server, until the test's
// end. It closes l.
func NewProxy(t testing.TB, l net.Listener, to string) *Proxy {
	t.Helper()
	p := &Proxy{tcpproxy.New(l, to, true)}
	t.Cleanup(p.Close)
	return p
}

// AwaitHeld waits until something is held back. Hold must have been called.
func (p *Proxy) AwaitHeld(t testing.TB) {
	t.Helper()
	select {
	case <-p.Held():
	case <-time.After(waitLimit):
		t.Fatalf("nothing to hold back came within %v", waitLimit)
	}
}

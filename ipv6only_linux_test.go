package netgear

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// On a machine without IPv4, not even 127.0.0.1, every pattern works on every
// wire and with keys, at addresses in each spelling. What needs IPv4 returns an
// error that names the address.
func TestIPv6Only(t *testing.T) {
	if !peertest.InIPv6Only(t) {
		return
	}
	const linkLocal = peertest.LinkLocal
	keys := keyFolder(t)
	ctx := testContext(t)
	newEnd := func(o Options) *NetGear { // mustNew looks for a free port of IPv4's
		o.TerminateDelay, o.RequestTimeout = -1, testTimeout
		n, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	exchange := func(t *testing.T, o Options, listen, connect string) {
		t.Helper()
		r, s := o, o
		r.ReceiveMode, r.Address, r.Port, r.Attach = true, listen, "0", AttachBind
		recv := newEnd(r)
		s.Address, s.Port, s.Attach = connect, recv.Port(), AttachConnect
		send := newEnd(s)
		awaitPeers(t, send, 1)
		awaitPeers(t, recv, 1) // until then the peer of a frame may not be known
		f := exchangeOne(t, send, recv)
		if f.Close(); f.Peer == "" {
			t.Error("the peer has no address")
		}
	}
	for _, o := range []Options{
		{Pattern: Pair}, {Pattern: ReqRep}, {Pattern: PubSub}, {Pattern: Pair, Wire: AsyncWire}, {Pattern: ReqRep, Wire: AsyncWire},
		{Pattern: PubSub, Wire: AsyncWire}, {Pattern: PushPull, Wire: AsyncWire}, {Pattern: ReqRep, Wire: ImageZMQWire}, {Pattern: PubSub, Wire: ImageZMQWire},
		{Pattern: Pair, SecureMode: StoneHouse}, {Pattern: ReqRep, SecureMode: IronHouse}, {Pattern: PubSub, SecureMode: IronHouse},
	} {
		t.Run(fmt.Sprintf("%v %v %v", o.Pattern, o.Wire, o.SecureMode), func(t *testing.T) {
			if o.SecureMode != Grasslands {
				o.CustomCertLocation = keys
			}
			exchange(t, o, "::1", "::1")
		})
	}
	for _, at := range [][2]string{
		{"*", "::1"}, {"", "localhost"}, {"localhost", "localhost"}, {peertest.OnlyIPv6, peertest.OnlyIPv6}, {"[::1]", "[::1]"}, {"*", peertest.OnlyIPv6}, {"0:0::1", "::1"}, {"::", "::1"},
		{linkLocal, linkLocal}, {"*", linkLocal}, {"::", linkLocal},
	} {
		t.Run("at "+at[0]+" from "+at[1], func(t *testing.T) { exchange(t, Options{}, at[0], at[1]) })
	}
	t.Run("errors", func(t *testing.T) {
		for address, says := range map[string]string{
			"127.0.0.1": "127.0.0.1", "192.168.1.4": "192.168.1.4",
			strings.Split(linkLocal, "%")[0]: "interface", strings.Split(linkLocal, "%")[0] + "%none": "none",
		} {
			_, err := open(Options{ReceiveMode: true, Address: address, Port: "0"})
			if !errors.Is(err, ErrAddress) && !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), says) {
				t.Errorf("listening at %s: %v", address, err)
			}
			t.Logf("listening at %s: %v", address, err)
		}
		send := mustNew(t, Options{Address: "127.0.0.1", Port: "5555", RequestTimeout: 100 * time.Millisecond, MaxRetries: 1})
		_, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil)
		if !errors.Is(err, ErrPeerGone) {
			t.Errorf("sending to 127.0.0.1: %v", err)
		}
		t.Logf("sending to 127.0.0.1: %v", err)
	})
}

// exchangeOne sends frames until one is received, as a subscriber may join late.
func exchangeOne(t *testing.T, send, recv *NetGear) *Frame {
	t.Helper()
	got := make(chan *Frame, 1)
	go func() {
		f, err := recv.Recv(testContext(t))
		if err != nil {
			t.Error(err)
		}
		got <- f
	}()
	for end := time.Now().Add(testTimeout); time.Now().Before(end); {
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 8, 8, 3), nil); err != nil {
			t.Fatal(err)
		}
		select {
		case f := <-got:
			return f
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("no frame arrives")
	return nil
}

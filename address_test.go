package netgear

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
)

// "Every interface" binds IPv6 and IPv4, in every pattern, and Endpoints shows
// it.
func TestEveryInterface(t *testing.T) {
	if !transport.DualStack() {
		t.Skip("no socket of this system serves IPv6 and IPv4")
	}
	for _, pattern := range allPatterns {
		for _, host := range []string{"127.0.0.1", "::1", "localhost"} {
			if host == "::1" && !hasLoopback6() {
				continue // IPv6 exists, but is switched off
			}
			recv := mustNew(t, Options{ReceiveMode: true, Port: "0", Pattern: pattern, HighWaterMark: 100})
			if ep := recv.Endpoints()[0]; !strings.HasPrefix(ep, "tcp://[::]:") {
				t.Errorf("the endpoint is %s", ep)
			}
			send := mustNew(t, Options{Address: host, Port: recv.Port(), Pattern: pattern})
			mustTravel(t, recv, send)
			send.Close()
			recv.Close()
		}
	}
}

func hasLoopback6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// mustTravel sends frames until one has arrived.
func mustTravel(t *testing.T, recv, send *NetGear) {
	t.Helper()
	ctx := testContext(t)
	got := make(chan error, 1)
	go func() {
		f, err := recv.Recv(ctx)
		if err == nil {
			f.Close()
		}
		got <- err
	}()
	for {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(10 * time.Millisecond): // a subscription may take effect later
		}
	}
}

// Lists of addresses mean the same on a socket of both families: libzmq reports
// an IPv4 peer there as ::ffff:127.0.0.1.
func TestEveryInterfaceAndLists(t *testing.T) {
	if !transport.DualStack() || !hasLoopback6() {
		t.Skip("no peer of this system can use IPv6")
	}
	location := keyFolder(t)
	for _, c := range []struct {
		allow, deny []string
		host        string
		admitted    bool
	}{
		{[]string{"127.0.0.1"}, nil, "127.0.0.1", true},
		{[]string{"127.0.0.1"}, nil, "::1", false},
		{[]string{"::1"}, nil, "::1", true},
		{[]string{"::1"}, nil, "127.0.0.1", false},
		{nil, []string{"127.0.0.0/8"}, "127.0.0.1", false},
		{nil, []string{"127.0.0.0/8"}, "::1", true},
		{nil, []string{"::1"}, "::1", false},
	} {
		o := Options{ReceiveMode: true, Port: "0", Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location, AllowAddresses: c.allow, DenyAddresses: c.deny}
		recv := mustNew(t, o)
		send := mustNew(t, Options{Address: c.host, Port: recv.Port(), Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location})
		_, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
		if c.admitted != (err == nil) || !c.admitted && !errors.Is(err, ErrAuth) {
			t.Errorf("allow %v, deny %v, from %s: %v", c.allow, c.deny, c.host, err)
		}
		send.Close()
		recv.Close()
	}
}

// A link-local address requires the interface: without it libzmq retries
// forever.
func TestLinkLocalZone(t *testing.T) {
	for _, address := range []string{"fe80::1", "[fe80::1]", "febf:ffff::7"} {
		for _, receive := range []bool{true, false} {
			var wrong *OptionError
			err := Options{Address: address, ReceiveMode: receive}.Validate()
			if !errors.As(err, &wrong) || wrong.Field != "Address" || !strings.Contains(wrong.Reason, strings.Trim(address, "[]")+"%eth0") {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	for _, address := range []string{"fe80::1%eth0", "[fe80::1%eth0]", "::1", "fd00::1", "169.254.0.1"} {
		if err := (Options{Address: address}).Validate(); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	_, err := New(Options{Address: "fe80::1%no-such-interface"})
	if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), `no interface "no-such-interface"`) {
		t.Errorf("an interface that does not exist: %v", err)
	}
	names := newNameServer(t, "fe80::1")
	if _, err := New(Options{Address: names.Name}); !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), "fe80::1%eth0") {
		t.Errorf("a name that leads to one: %v", err)
	}
}

// With its zone, a link-local address works at both ends.
func TestLinkLocal(t *testing.T) {
	address := linkLocal(t)
	if address == "" {
		t.Skip("this machine has no link-local address")
	}
	recv := mustNew(t, Options{ReceiveMode: true, Address: address, Port: "0"})
	mustTravel(t, recv, mustNew(t, Options{Address: address, Port: recv.Port()}))
	everywhere := mustNew(t, Options{ReceiveMode: true, Port: "0"})
	mustTravel(t, everywhere, mustNew(t, Options{Address: "[" + address + "]", Port: everywhere.Port()}))
}

func linkLocal(t *testing.T) string {
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && i.Flags&net.FlagUp != 0 && transport.NeedsZone(p.Addr()) {
				return p.Addr().String() + "%" + i.Name
			}
		}
	}
	return ""
}

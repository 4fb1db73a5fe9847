package sshtunnel_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/sshtunnel"
)

// Without IPv4, an SSH host and the receive end behind it are reached by their
// IPv6 addresses, in brackets, with a zone, and by names. known_hosts has them as
// OpenSSH writes them.
func TestIPv6OnlyTunnels(t *testing.T) {
	if !peertest.InIPv6Only(t) {
		return
	}
	server := sshtunnel.NewServerAt(t, "::", 2222, "ListenAddress [::]:22")
	for _, c := range []struct{ target, known, address string }{
		{"[::1]:2222", "[::1]:2222", "::1"},
		{"[::1]:2222", "[::1]:2222", "[::1]"},
		{"[::1]:2222", "[::1]:2222", "localhost"},
		{"[::1]:2222", "[::1]:2222", peertest.OnlyIPv6},
		{"[::1]:2222", "[::1]:2222", peertest.LinkLocal},
		{"[::1]", "::1", "::1"},
		{"[0:0::1]", "0:0::1", "::1"},
		{"localhost", "localhost", "::1"},
		{"localhost:2222", "[localhost]:2222", "::1"},
		{peertest.OnlyIPv6, peertest.OnlyIPv6, "::1"},
		{peertest.OnlyIPv6 + ":2222", "[" + peertest.OnlyIPv6 + "]:2222", peertest.OnlyIPv6},
		{"[" + peertest.LinkLocal + "]", peertest.LinkLocal, "::1"},
		{"[" + peertest.LinkLocal + "]:2222", "[" + peertest.LinkLocal + "]:2222", "::1"},
	} {
		t.Run(c.target+" to "+c.address, func(t *testing.T) {
			known := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(known, []byte(c.known+" "+server.HostKey()), 0o600); err != nil {
				t.Fatal(err)
			}
			o := netgear.Options{ReceiveMode: true, Address: "*", Port: "0", JPEGCompression: netgear.JPEGOff}
			recv := mustNew(t, o)
			login := server.Config("")
			o.ReceiveMode, o.Address, o.Port = false, c.address, recv.Port()
			user := login.Target[:len(login.Target)-len("[::]:2222")]
			o.SSHTunnelMode, o.SSHTunnelKeyfile, o.SSHTunnelKnownHosts = user+c.target, login.Keyfile, []string{known}
			send := mustNew(t, o)
			if _, err := send.SendArray(aMinute(t), bytesArray(9, 1), nil); err != nil {
				t.Fatal(err)
			}
			f, err := recv.Recv(aMinute(t))
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		})
	}
}

package sshtunnel_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/sshtunnel"
)

// A stream through a real OpenSSH server, in the clear and secured, which is
// killed and restarted in mid-stream: every frame arrives, with no code in the
// application.
func TestStreamThroughTheTunnel(t *testing.T) {
	location := t.TempDir()
	if _, err := netgear.CreateCertificates(location, false); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep} {
		for _, mode := range []netgear.SecureMode{netgear.Grasslands, netgear.IronHouse} {
			t.Run(fmt.Sprintf("%v/secure=%d", pattern, mode), func(t *testing.T) {
				server := sshtunnel.NewServer(t)
				recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, SecureMode: mode, CustomCertLocation: location})
				if err != nil {
					t.Fatal(err)
				}
				defer recv.Close()
				send, err := netgear.New(sendOptions(server, recv, pattern, mode, location))
				if err != nil {
					t.Fatal(err)
				}
				defer send.Close()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				for i := range 15 {
					if i == 5 || i == 10 {
						server.Kill()
						server.Start()
					}
					pixels := []byte(strings.Repeat(fmt.Sprint(i%10), 1<<20))
					if _, err := send.SendArray(ctx, netgear.Array{DType: "uint8", Shape: []int{len(pixels)}, Data: pixels}, i); err != nil {
						t.Fatal(err)
					}
					f, err := recv.Recv(ctx)
					for err == nil && f.Message.Value() != int64(i) { // one that was sent twice
						f.Close()
						f, err = recv.Recv(ctx)
					}
					if err != nil {
						t.Fatal(err)
					}
					if string(f.Bytes()) != string(pixels) {
						t.Errorf("frame %d arrived changed", i)
					}
					f.Close()
				}
			})
		}
	}
}

func sendOptions(server sshtunnel.Server, recv *netgear.NetGear, pattern netgear.Pattern, mode netgear.SecureMode, location string) netgear.Options {
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(recv.Endpoints()[0], "tcp://"))
	c := server.Config(net.JoinHostPort(host, port))
	return netgear.Options{Address: host, Port: port, Pattern: pattern, SecureMode: mode, CustomCertLocation: location, RequestTimeout: time.Second, MaxRetries: -1,
		SSHTunnelMode: c.Target, SSHTunnelPwd: c.Password, SSHTunnelKeyfile: c.Keyfile, SSHTunnelKnownHosts: c.KnownHosts}
}

// What goes wrong on the way is named by the library's own errors.
func TestTunnelErrors(t *testing.T) {
	server := sshtunnel.NewServer(t)
	c := server.Config("127.0.0.1:1")
	good := netgear.Options{Address: "127.0.0.1", Port: "1", RequestTimeout: 200 * time.Millisecond,
		SSHTunnelMode: c.Target, SSHTunnelPwd: c.Password, SSHTunnelKeyfile: c.Keyfile, SSHTunnelKnownHosts: c.KnownHosts}
	stranger := good
	stranger.SSHTunnelKnownHosts = []string{t.TempDir() + "/none"}
	if _, err := netgear.New(stranger); !errors.Is(err, netgear.ErrHostKey) || !errors.Is(err, netgear.ErrAuth) {
		t.Errorf("unknown host: %v", err)
	}
	nowhere := good
	nowhere.SSHTunnelMode = "joe@127.0.0.1:1"
	if _, err := netgear.New(nowhere); !errors.Is(err, netgear.ErrAddress) {
		t.Errorf("no server: %v", err)
	}
	keyless := good
	keyless.SSHTunnelKeyfile = t.TempDir() + "/none"
	if _, err := netgear.New(keyless); !errors.Is(err, netgear.ErrAuth) {
		t.Errorf("no key: %v", err)
	}
	send, err := netgear.New(good)
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	_, err = send.SendArray(context.Background(), netgear.Array{DType: "uint8", Shape: []int{1}, Data: []byte("x")}, nil)
	if !errors.Is(err, netgear.ErrPeerGone) {
		t.Errorf("nobody at the far end: %v", err)
	}
}

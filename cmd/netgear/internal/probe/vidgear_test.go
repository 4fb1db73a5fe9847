package probe

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// vidgearEnd is a real receive end of NetGear.
const vidgearEnd = `
import json, sys
from vidgear.gears import NetGear
end = NetGear(receive_mode=True, address="127.0.0.1", port=sys.argv[1], pattern=int(sys.argv[2]), **json.loads(sys.argv[3]))
print("ready", flush=True)
while (frame := end.recv()) is not None:
    print(*frame.shape, flush=True)
end.close()
print("end", flush=True)
`

// VidGear's own receive ends are examined, and serve their sender afterwards.
func TestVidGear(t *testing.T) {
	peertest.NeedVidGear(t)
	location := t.TempDir()
	dir, err := netgear.CreateCertificates(location)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ReadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pattern netgear.Pattern
		mode    netgear.SecureMode
		o       Options
		want    Result
	}{
		{netgear.Pair, 0, Options{}, Result{Mechanism: "NULL", Socket: "PAIR"}},
		{netgear.PubSub, 0, Options{}, Result{Mechanism: "NULL", Socket: "SUB"}},
		{netgear.ReqRep, 0, Options{Frame: "NetGear"}, Result{Mechanism: "NULL", Socket: "REP", Wire: "NetGear"}},
		{netgear.ReqRep, netgear.StoneHouse, Options{}, Result{Mechanism: "CURVE"}},
		{netgear.ReqRep, netgear.IronHouse, Options{Keys: keys, Client: "REQ"}, Result{Mechanism: "CURVE", Socket: "REP", Keys: KeysAccepted}},
	} {
		t.Run(fmt.Sprint(c.pattern, " ", c.mode, " ", c.o.Frame), func(t *testing.T) {
			t.Parallel()
			port := peertest.FreePort(t)
			options := fmt.Sprintf(`{"secure_mode": %d, "custom_cert_location": %q}`, int(c.mode), location)
			cmd := exec.Command(peertest.Python(), "-c", vidgearEnd, port, fmt.Sprint(int(c.pattern)), options)
			p := peertest.Start(t, "VidGear", cmd, func(line []byte) string { return string(line) })
			expect := func(want string) {
				t.Helper()
				p.Expect(want, func(line string) bool { return line == want })
			}
			expect("ready")
			r := probe(t, "127.0.0.1:"+port, waitFor, c.o)
			if r.Kind != ZeroMQ || r.Mechanism != c.want.Mechanism || r.Socket != c.want.Socket || r.Wire != c.want.Wire || r.Keys != c.want.Keys {
				t.Errorf("%+v, want %+v", r, c.want)
			}
			if c.o.Frame != "" {
				expect("1 1 3")
			}
			send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, Pattern: c.pattern, SecureMode: c.mode, CustomCertLocation: location})
			if err != nil {
				t.Fatal(err)
			}
			defer send.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := send.WaitConnected(ctx, 1); err != nil {
				t.Fatal(err)
			}
			// A publisher's first frames may precede the subscription.
			for received := false; !received; {
				if _, err := send.SendArray(ctx, netgear.Array{DType: "uint8", Shape: []int{8, 8, 3}, Data: make([]byte, 8*8*3)}, nil); err != nil {
					t.Fatal(err)
				}
				select {
				case line := <-p.Lines:
					if received = line == "8 8 3"; !received {
						p.Fail("it prints %q", line)
					}
				case <-time.After(10 * time.Millisecond):
				}
			}
			send.Close()
			for line := range p.Lines {
				if line == "end" {
					return
				}
			}
			p.Fail("it does not print end")
		})
	}
}

// The answer of a real receive end of NetGear_Async shows its wire.
func TestVidGearAsync(t *testing.T) {
	peertest.NeedVidGear(t)
	t.Parallel()
	port := peertest.FreePort(t)
	peer := filepath.Join("..", "..", "..", "..", "interop", "peer.py")
	cmd := exec.Command(peertest.Python(), peer, "recv", "--async", "--port", port, "--pattern", "1", "--n", "1")
	p := peertest.Start(t, "VidGear", cmd, func(line []byte) string { return string(line) })
	expect := func(want string) {
		t.Helper()
		p.Expect(want, func(line string) bool { return strings.Contains(line, want) })
	}
	expect(`"event": "ready"`)
	if r := probe(t, "127.0.0.1:"+port, waitFor, Options{}); r.Socket != "REP" || r.Wire != "" {
		t.Errorf("%+v", r)
	}
	if r := probe(t, "127.0.0.1:"+port, waitFor, Options{Frame: "NetGear_Async"}); r.Wire != "NetGear_Async" {
		t.Errorf("%+v", r)
	}
	expect(`"shape": [1, 1, 3]`)
}

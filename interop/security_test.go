//go:build !nogocv

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// keyFolders creates a certificate folder with either library.
var keyFolders = map[string]func(t *testing.T) string{
	"go-keys": func(t *testing.T) string {
		location := t.TempDir()
		if _, err := netgear.CreateCertificates(location); err != nil {
			t.Fatal(err)
		}
		return location
	},
	"python-keys": func(t *testing.T) string {
		location := t.TempDir()
		make := "import sys; from vidgear.gears.helper import generate_auth_certificates as g; g(sys.argv[1])"
		if out, err := exec.Command(peertest.Python(), "-c", make, location).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return location
	},
}

// TestSecure streams in StoneHouse and IronHouse, in each direction, with
// folders of either library. VidGear's receive end works on PAIR only with
// frames of less than 8 KB, and never receives a frame on PUB/SUB. This
// library's does both.
func TestSecure(t *testing.T) {
	t.Parallel()
	for mode, name := range map[netgear.SecureMode]string{netgear.StoneHouse: "StoneHouse", netgear.IronHouse: "IronHouse"} {
		for maker, makeKeys := range keyFolders {
			for _, pattern := range allPatterns {
				// Each test has its own folder, so its own options: they run at
				// the same time.
				withKeys := func(t *testing.T) netgear.Options {
					return netgear.Options{Pattern: pattern, Address: "127.0.0.1", JPEGCompression: netgear.JPEGOff, RequestTimeout: longTimeout,
						SecureMode: mode, CustomCertLocation: makeKeys(t)}
				}
				cell := fmt.Sprintf("%s/%s/%s", patternNames[pattern], name, maker)
				if pattern != netgear.PubSub {
					t.Run(cell+"/go-to-python", func(t *testing.T) {
						t.Parallel()
						secureToPython(t, withKeys(t))
					})
				}
				t.Run(cell+"/python-to-go", func(t *testing.T) {
					t.Parallel()
					secureToGo(t, withKeys(t))
				})
			}
		}
	}
}

func secureToPython(t *testing.T, o netgear.Options) {
	const frames = 20
	p, o := startReceiver(t, o)
	sender := open(t, o)
	for i := range frames {
		send(t, sender, number(i), nil) // 7 KB each
	}
	equalPictures(t, p.pictures(frames), numbered(frames))
	sender.Close()
	p.end("terminated")
}

// secureToGo: real video, 1.3 MB a frame.
func secureToGo(t *testing.T, o netgear.Options) {
	want := raw.pictures(t)
	receiver, o := openReceiver(t, o)
	if o.Pattern == netgear.PubSub {
		subscribeToPython(t, receiver, o, raw)
		return
	}
	startSender(t, o, "--source", "npy-dir", raw.clip().dir)
	for _, w := range want {
		equal(t, "frame", receivePicture(t, receiver), w)
	}
	receiveEnd(t, receiver)
}

// TestVidGearNeedsBothNames checks what VidGear does to a folder when it opens
// an end (docs/security.md). With "server" and "client" in both subfolders it
// changes nothing. With one of the two it deletes that one, and replaces the
// folder's keys with new ones.
func TestVidGearNeedsBothNames(t *testing.T) {
	t.Parallel()
	location := keyFolders["go-keys"](t)
	guest := keyFolders["go-keys"](t)
	file := func(location, name string) string { return filepath.Join(location, ".vidgear", "keys", name) }
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return string(text)
	}
	openVidGear := func() {
		t.Helper()
		script := "import sys; from vidgear.gears.helper import generate_auth_certificates as g; g(sys.argv[1])"
		if out, err := exec.Command(peertest.Python(), "-c", script, location).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := os.WriteFile(file(location, "public_keys/camera-3.key"), []byte(read(file(guest, "public_keys/client.key"))), 0o644); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	for _, name := range []string{"public_keys/server.key", "public_keys/client.key", "public_keys/camera-3.key", "private_keys/server.key_secret", "private_keys/client.key_secret"} {
		before[name] = read(file(location, name))
	}
	openVidGear()
	for name, text := range before {
		if text == "" || read(file(location, name)) != text {
			t.Errorf("VidGear does not leave %s alone", name)
		}
	}
	if err := os.Remove(file(location, "public_keys/client.key")); err != nil {
		t.Fatal(err)
	}
	openVidGear()
	if now := read(file(location, "public_keys/server.key")); now == before["public_keys/server.key"] {
		t.Error("VidGear left server.key alone without client.key: docs/security.md warns for nothing")
	}
}

// freshSenders sends one frame over a new connection for every line on stdin.
const freshSenders = `
import sys, numpy as np
from vidgear.gears import NetGear
frame = np.arange(720 * 600 * 3, dtype=np.uint32).astype(np.uint8).reshape(600, 720, 3)
for i, _ in enumerate(sys.stdin):
    g = NetGear(address="127.0.0.1", port=sys.argv[2], secure_mode=1, custom_cert_location=sys.argv[1], jpeg_compression=False, bidirectional_mode=True)
    g.send(frame, message=i + 1)
    g.close()
`

// TestSecurePairFromVidGear sends 1.3 MB frames over a hundred new connections
// to secure PAIR sockets. All must arrive. VidGear's own receive end fails with
// EAGAIN at the first one (POLLIN before a whole message has arrived).
func TestSecurePairFromVidGear(t *testing.T) {
	t.Parallel()
	const senders, connections = 4, 25
	for i := range senders {
		t.Run(fmt.Sprint("sender-", i), func(t *testing.T) {
			t.Parallel()
			securePairFromVidGear(t, connections)
		})
	}
}

func securePairFromVidGear(t *testing.T, connections int) {
	location := keyFolders["go-keys"](t)
	receiver, o := openReceiver(t, netgear.Options{Address: "127.0.0.1", BidirectionalMode: true, SecureMode: netgear.StoneHouse,
		CustomCertLocation: location, TerminatePolicy: netgear.KeepWaiting})
	sender := exec.Command(peertest.Python(), "-c", freshSenders, location, o.Port)
	var said peertest.Tail
	sender.Stderr = &said
	next, err := sender.StdinPipe()
	if err == nil {
		err = sender.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sender.Process.Kill()
		sender.Wait()
	})
	for i := range connections {
		// PAIR has room for a peer when the one before has gone.
		await(t, fmt.Sprintf("connection %d to end", i), func() bool { return receiver.Stats().Connected == 0 })
		fmt.Fprintln(next)
		f, err := tryReceive(receiver)
		if err != nil {
			t.Fatalf("connection %d: %v\n%s", i+1, err, said.String())
		}
		if b, err := f.Bytes(); f.Message.Value() != int64(i+1) || len(b) != 600*720*3 {
			t.Errorf("connection %d delivered %v, %d bytes, %v", i+1, f.Message, len(b), err)
		}
		f.Close()
	}
}

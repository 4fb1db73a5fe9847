package natsbridge

import (
	"crypto/sha256"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// The Python program of docs/nats.md receives what is published. It is part of
// the interop tests, as the Python environment is theirs (VidGear is not used).
func TestPython(t *testing.T) {
	peertest.NeedVidGear(t)
	url := startServer(t, nil).ClientURL()
	cmd := exec.Command(peertest.Python(), "testdata/consumer.py", url, "front-door")
	p := peertest.Start(t, "consumer.py", cmd, func(line []byte) string { return string(line) })
	p.Expect("ready", func(line string) bool { return line == "ready" })
	array := netgear.Array{DType: "uint16", Shape: []int{2, 3}, Data: []byte("abcdefghijkl")}
	long := strings.Repeat("x", 2*maxHeaderMessage)
	frames := []struct {
		create func() (*netgear.Frame, error)
		want   string
	}{
		{func() (*netgear.Frame, error) {
			return netgear.NewJPEGFrame(photo(1), stamped(7, map[string]any{"n": "é"}))
		},
			fmt.Sprintf(`7 1764547200000007000 uint8 [48, 64, 3] %x {"n": "\u00e9"}`, sha256.Sum256(photo(1)))},
		{func() (*netgear.Frame, error) { return netgear.NewFrame(array, stamped(8, nil)) },
			fmt.Sprintf(`8 1764547200000008000 uint16 [2, 3] %x null`, sha256.Sum256(array.Data))},
		{func() (*netgear.Frame, error) { return netgear.NewFrame(array, stamped(9, long)) },
			fmt.Sprintf(`9 1764547200000009000 uint16 [2, 3] %x "%s"`, sha256.Sum256(array.Data), long)},
	}
	pub := publisher(t, dial(t, url), PublisherOptions{})
	for _, c := range frames {
		f, err := c.create()
		must(t, err)
		must(t, pub.Publish(within(t), "front-door", f))
		f.Close()
		p.Expect(c.want[:60]+"…", func(line string) bool { return line == c.want })
	}
}

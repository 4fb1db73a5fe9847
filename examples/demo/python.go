//go:build !nogocv

package main

import (
	"fmt"
	"strings"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sample"
)

// The Python code that can replace either process.
const (
	pythonSender = `import cv2
from vidgear.gears import NetGear
end = NetGear(address="127.0.0.1", port="%s", pattern=%d%s)
for loop in range(%d):
    video = cv2.VideoCapture("%s")
    while (read := video.read())[0]:
        end.send(read[1])
end.close()
`
	pythonReceiver = `from vidgear.gears import NetGear
end = NetGear(receive_mode=True, address="127.0.0.1", port="%s", pattern=%d)
while (frame := end.recv()) is not None:
    print(frame.shape)
end.close()
`
)

// standIns prints the Python code that can replace either process.
func (s *settings) standIns() string {
	shown := *s
	shown.port = cli.DefaultPort
	text := "Python's VidGear can stand in for either process. In the project's folder:\n"
	if netgear.Pattern(s.pattern) == netgear.PubSub {
		// VidGear's ends neither wait for a subscriber nor queue frames for a
		// slow one.
		shown.pattern = int(netgear.Pair)
		text += "(shown for PAIR, because over PUB/SUB frames may be lost)\n"
	}
	return text + "\n  Go receives: " + shown.command("receive") + "\n  and Python sends:\n\n" + indent(shown.pythonSender()) +
		"\n  Python receives:\n\n" + indent(fmt.Sprintf(pythonReceiver, shown.port, shown.pattern)) +
		"\n  and Go sends: " + shown.command("send") +
		"\n  (VidGear drops its queue at the sender's terminate message. Close of the Go sender waits half a second before it.)\n"
}

// sendEnds prints the send ends that fit a receiver started alone.
func (s *settings) sendEnds() string {
	return "  " + s.command("send") + "\n\n  or in Python:\n\n" + indent(s.pythonSender())
}

// command returns the command line of one of the two processes.
func (s *settings) command(only string) string {
	text := "go run ./examples/demo -only " + only
	if s.port != cli.DefaultPort {
		text += " -port " + s.port
	}
	if s.pattern != 0 {
		text += fmt.Sprint(" -pattern ", s.pattern)
	}
	if s.raw {
		text += " -raw"
	}
	return text + fmt.Sprint(" -loops ", s.loops)
}

func (s *settings) pythonSender() string {
	options := ""
	if s.raw {
		options = ", jpeg_compression=False"
	}
	return fmt.Sprintf(pythonSender, s.port, s.pattern, options, s.loops, sample.Path)
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

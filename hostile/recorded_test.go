package hostile

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vidgear-go/netgear"
)

// message is the parts of one message.
type message [][]byte

// recording is a file of testdata/captures.
type recording struct {
	Messages []struct {
		From  string
		Parts []string
	}
}

// wireOf returns the wire of a recording, and whether the recorded end, which
// is not called "peer", is the one that sends frames.
func wireOf(file string) (wire netgear.Wire, sends bool) {
	name := filepath.Base(file)
	switch {
	case strings.HasPrefix(name, "async-"):
		wire, name = netgear.AsyncWire, strings.TrimPrefix(name, "async-")
	case strings.HasPrefix(name, "imagezmq-"):
		wire, name = netgear.ImageZMQWire, strings.TrimPrefix(name, "imagezmq-")
	}
	return wire, strings.HasPrefix(name, "send")
}

// corpus has the recorded messages of one wire: those of the side that sends
// frames, and the answers of the other.
type corpus struct{ frames, answers []message }

// corpora returns the recorded messages by wire.
var corpora = sync.OnceValues(func() (map[netgear.Wire]*corpus, error) {
	all := map[netgear.Wire]*corpus{}
	files, err := filepath.Glob("../testdata/captures/*.json")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r recording
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, err
		}
		wire, sends := wireOf(file)
		c := all[wire]
		if c == nil {
			c = &corpus{}
			all[wire] = c
		}
		for _, m := range r.Messages {
			parts := message{}
			for _, text := range m.Parts {
				part, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					return nil, err
				}
				parts = append(parts, part)
			}
			if (m.From != "peer") == sends {
				c.frames = append(c.frames, parts)
			} else {
				c.answers = append(c.answers, parts)
			}
		}
	}
	return all, nil
})

// recorded returns the messages that a peer sends to an end of a wire.
func recorded(t testing.TB, wire netgear.Wire, toReceiver bool) []message {
	t.Helper()
	all, err := corpora()
	if err != nil {
		t.Fatal(err)
	}
	messages := all[wire].answers
	if toReceiver {
		messages = all[wire].frames
	}
	if len(messages) == 0 {
		t.Fatalf("no recorded messages of the wire %v", wire)
	}
	return messages
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The documented log messages are those of the source.
func TestDocumented(t *testing.T) {
	root := filepath.Join("..", "..")
	want, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	if have, _ := os.ReadFile(filepath.Join(root, file)); !bytes.Equal(have, want) {
		t.Errorf("%s differs from what the source logs; run make logs", file)
	}
	for _, part := range []string{"| warn | handshake failed | `endpoint` `peer` `err` `how` `code` |", "| info | connected | `endpoint` `peer` |", "| warn | frames were not sent, or not answered | `endpoint` `frames` `first` `last` `err` |", "## Package record", "natsbridge: frames are lost"} {
		if !bytes.Contains(want, []byte(part)) {
			t.Errorf("no %q", part)
		}
	}
}

package main

import (
	"path/filepath"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/record"
)

// record --frames ends with that number, whatever waits in the queues of its
// inputs.
func TestRecordsNoMoreFrames(t *testing.T) {
	t.Parallel()
	const frames = 3
	receive := netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"}
	ends, err := openInputs([]input{{"front", receive}, {"back", receive}}, board.New())
	if err != nil {
		t.Fatal(err)
	}
	defer ends.close()
	for _, end := range ends.ends {
		send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: end.Port(), TerminateDelay: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer send.Close()
		for _, jpeg := range jpegs(t, 2*frames) {
			if _, err := send.SendJPEG(t.Context(), jpeg, nil); err != nil {
				t.Fatal(err)
			}
		}
		peertest.Await(t, timeLimit, "the frames", func() bool { return end.Stats().Queue == 2*frames })
	}
	recorder, err := record.Create(record.Options{Path: filepath.Join(t.TempDir(), "a.mkv")})
	if err != nil {
		t.Fatal(err)
	}
	r := recordCommand{frames: frames}
	if err := r.receive(t.Context(), ends, recorder, newProgress("recorded", frames)); err != nil {
		t.Error(err)
	}
	if err := recorder.Close(); err != nil {
		t.Error(err)
	}
	if s := recorder.Stats(); s.Frames != frames {
		t.Errorf("%d frames are recorded", s.Frames)
	}
}

package netgear

import (
	"io"
	"testing"
)

// A full queue makes the sender wait and loses nothing.
func TestBackPressure(t *testing.T) {
	for name, o := range map[string]Options{
		"frames": {QueueFrames: 3},
		"bytes":  {QueueBytes: 20000, JPEGCompression: JPEGOff},
	} {
		t.Run(name, func(t *testing.T) {
			recv, send := openPair(t, o)
			ctx := testContext(t)
			const frames = 30
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := range frames {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 50, 50, 3), i); err != nil {
						t.Error(err)
					}
				}
			}()
			await(t, "the queue to fill", func() bool {
				recv.recv.queue.mu.Lock()
				defer recv.recv.queue.mu.Unlock()
				return recv.recv.queue.full
			})
			if q := recv.Stats().Queue; q != 3 {
				t.Errorf("%d frames are queued", q)
			}
			for i := range frames {
				f, err := recv.Recv(ctx)
				if err != nil || f.Message.Value() != int64(i) {
					t.Fatalf("frame %d: %v, %v", i, f.Message, err)
				}
				f.Close()
			}
			<-sent
		})
	}
}

// Latest returns the newest frame and counts the skipped ones.
func TestLatest(t *testing.T) {
	for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
		recv, send := openPair(t, Options{Latest: true, JPEGCompression: c})
		ctx := testContext(t)
		const frames = 40
		for i := range frames {
			if _, err := send.SendArray(ctx, testArray(i, "uint8", 50, 50, 3), i); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "the last frame", func() bool { return recv.Stats().Dropped == frames-1 })
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f.Message.Value() != int64(frames-1) {
			t.Errorf("got frame %v", f.Message)
		}
		f.Close()
		if s := recv.Stats(); s.Dropped != frames-1 || s.Delivered != 1 || s.Queue != 0 {
			t.Errorf("%+v", s)
		}
		send.Close()
		if _, err := recv.Recv(ctx); err != io.EOF {
			t.Errorf("after the goodbye: %v", err)
		}
	}
}

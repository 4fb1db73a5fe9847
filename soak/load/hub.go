package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/soak/internal/sample"
	"github.com/vidgear-go/netgear/web"
)

// hubCounts is what a hub answers.
type hubCounts struct {
	Ports   []string
	URL     string // of the viewer
	Frames  []uint64
	Others  uint64 // frames of clients, and what is no camera's
	Lost    uint64 // frames of cameras that are missing between others
	Doubled uint64
	Last    []uint64 // the number of each camera's last frame

	Connected, Connections, Refused, Flooded, Dropped uint64
	Values                                            sample.Values
}

// frameCounter counts the frames of each camera.
type frameCounter struct {
	mu            sync.Mutex
	frames, last  []uint64
	others        uint64
	lost, doubled uint64
}

func (t *frameCounter) add(f *netgear.Frame) {
	var m frameMessage
	err := f.Message.Decode(&m)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || m.N == 0 || m.Camera < 0 || m.Camera >= len(t.frames) {
		t.others++
		return
	}
	t.frames[m.Camera]++
	last := &t.last[m.Camera]
	switch {
	case m.N <= *last:
		t.doubled++
		return
	case *last > 0:
		t.lost += m.N - *last - 1
	}
	*last = m.N
}

// runHub receives frames of all cameras until the process is to end.
func runHub(r *role, c *commands) error {
	t := &frameCounter{frames: make([]uint64, r.Cameras), last: make([]uint64, r.Cameras)}
	var view *web.Viewer
	var source *web.Source
	url := ""
	if r.Page {
		var err error
		if view, err = web.New(web.Options{MaxStreams: r.Streams, MaxViewers: r.Watchers}); err != nil {
			return err
		}
		defer view.Close()
		source = view.Source("hub")
		r.Options.OnEvent = source.Event
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: view, ReadHeaderTimeout: 10 * time.Second}
		defer server.Close()
		go server.Serve(listener) //nolint:errcheck // it ends with Close
		url = listener.Addr().String()
	}
	end, err := netgear.New(r.Options)
	if err != nil {
		return err
	}
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for f, err := range end.Frames(context.Background()) {
			if err != nil {
				continue
			}
			t.add(f)
			if source != nil {
				source.Publish(f) //nolint:errcheck // it is closed after the end
			}
			f.Close()
			if r.Work > 0 {
				time.Sleep(r.Work) // the application
			}
		}
	})
	err = c.answer(func() (any, error) {
		s := end.Stats()
		t.mu.Lock()
		defer t.mu.Unlock()
		counts := hubCounts{
			Ports: end.Ports(), URL: url, Frames: t.frames, Others: t.others, Lost: t.lost, Doubled: t.doubled, Last: t.last,
			Connected: uint64(s.Connected), Connections: s.Connections, Refused: s.Refused, Flooded: s.Flooded, Dropped: s.Dropped,
		}
		var err error
		counts.Values, err = sample.Self()
		text, failed := json.Marshal(counts)
		return json.RawMessage(text), errors.Join(err, failed)
	})
	err = errors.Join(err, end.Close())
	receiving.Wait()
	return err
}

// Package viewer is a client of the viewer of package web, as its page is: it
// receives the frames of all streams, and acknowledges each.
package viewer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// ErrFull is returned by Watch if the viewer has as many viewers as it admits.
var ErrFull = errors.New("the viewer is full")

// Frame is a frame as a viewer gets it.
type Frame struct {
	ID       int       // of the stream
	Stream   string    // its name; "" until the viewer has sent the list of streams
	Captured time.Time // by the sender's clock; zero if its frames have no stamp
	Received time.Time // when it arrived at the receive end
	Bytes    int
}

// Watch receives frames from the viewer at an address (HOST:PORT) until the
// context ends, the viewer ends, or each returns an error, which it returns. The
// frame is acknowledged after each has returned.
func Watch(ctx context.Context, address string, each func(Frame) error) error {
	const pong websocket.MessageType = 10
	var conn *websocket.Conn
	// The package's own answers must be written within five seconds, which a
	// machine without processor time may not manage.
	onPing := func(_ context.Context, payload []byte) bool {
		conn.Write(ctx, pong, payload) //nolint:errcheck // then the next Read fails, too
		return false
	}
	conn, answer, err := websocket.Dial(ctx, "ws://"+address+"/ws", &websocket.DialOptions{OnPingReceived: onPing})
	if err != nil && answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
		return ErrFull
	}
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	names := map[int]string{}
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if kind == websocket.MessageText {
			if names, err = parseStreams(data); err != nil {
				return err
			}
			continue
		}
		f, err := parseFrame(data)
		if err != nil {
			return err
		}
		f.Stream = names[f.ID]
		if err := each(f); err != nil {
			return err
		}
		if err := conn.Write(ctx, websocket.MessageText, strconv.AppendInt(nil, int64(f.ID), 10)); err != nil {
			return err
		}
	}
}

// parseStreams returns the names of the streams in a list.
func parseStreams(data []byte) (map[int]string, error) {
	var list struct {
		Streams []struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the list of streams: %w", err)
	}
	names := map[int]string{}
	for _, s := range list.Streams {
		names[s.ID] = s.Name
	}
	return names, nil
}

// parseFrame returns the frame in a message: see type socket of package web.
func parseFrame(data []byte) (Frame, error) {
	if len(data) < 4 || uint64(len(data)-4) < uint64(binary.BigEndian.Uint32(data)) {
		return Frame{}, fmt.Errorf("a frame of %d bytes is too short", len(data))
	}
	var header struct {
		ID       int     `json:"id"`
		Captured float64 `json:"captured"` // milliseconds
		Received float64 `json:"received"`
	}
	text := data[4 : 4+binary.BigEndian.Uint32(data)]
	if err := json.Unmarshal(text, &header); err != nil {
		return Frame{}, fmt.Errorf("the header of a frame: %w", err)
	}
	f := Frame{ID: header.ID, Received: fromMillis(header.Received), Bytes: len(data) - 4 - len(text)}
	if header.Captured > 0 {
		f.Captured = fromMillis(header.Captured)
	}
	return f, nil
}

func fromMillis(ms float64) time.Time { return time.UnixMicro(int64(1000 * ms)) }

package natsbridge

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Backpressure selects what happens to frames that arrive faster than they can
// be passed on. Every dropped frame is counted.
type Backpressure int

const (
	// DefaultBackpressure is Block for a Publisher, and KeepLatest for
	// Subscribe.
	DefaultBackpressure Backpressure = iota
	// Block waits until there is room. No frame is dropped, but the caller of
	// Publish waits. With Subscribe the client library's own queue fills, and
	// then drops the newest messages (SubscriberDrops.SlowClient).
	Block
	// DropNewest drops the frame for which there is no room.
	DropNewest
	// KeepLatest replaces the waiting frame of the same camera by a newer one,
	// so that what is passed on is never far behind.
	KeepLatest
)

var backpressureNames = [...]string{"default", "block", "drop-newest", "keep-latest"}

// String returns the name: "default", "block", "drop-newest" or "keep-latest".
func (b Backpressure) String() string {
	if b < 0 || int(b) >= len(backpressureNames) {
		return fmt.Sprintf("Backpressure(%d)", int(b))
	}
	return backpressureNames[b]
}

// MarshalText returns the name.
func (b Backpressure) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText sets b to the choice with this name, or returns an ErrOption.
func (b *Backpressure) UnmarshalText(text []byte) error {
	for i, name := range backpressureNames {
		if string(text) == name {
			*b = Backpressure(i)
			return nil
		}
	}
	return optionError("Backpressure", strconv.Quote(string(text)), "use block, drop-newest or keep-latest")
}

const (
	defaultInFlight      = 4
	maxInFlight          = 256
	defaultMaxFrameBytes = 256 << 20
	defaultAckTimeout    = 5 * time.Second
	defaultRetryFor      = 30 * time.Second
	defaultQueueFrames   = 8
	defaultPartialFrames = 2
	defaultPartTimeout   = 2 * time.Second
	defaultAckWait       = 30 * time.Second
	defaultMaxDeliver    = 5
	minPartBytes         = 1 << 10
)

// PublisherOptions holds the settings of a Publisher. The zero value publishes
// to core NATS.
type PublisherOptions struct {
	// Subject is the beginning of the subjects: one or several tokens separated
	// by dots. The camera's name follows it. Default "frames".
	Subject string
	// Stream is the JetStream stream that must store the frames, such as one
	// that EnsureStream has created. A frame is then sent until the stream has
	// confirmed it, for at most RetryFor. Default "": core NATS, which stores
	// nothing. A frame that is lost on the way to a subscriber is not sent
	// again.
	Stream string
	// Domain is the JetStream domain of Stream. Default "": the connection's
	// own.
	Domain string
	// Backpressure is what happens when InFlight frames have not been confirmed
	// yet. Default Block.
	Backpressure Backpressure
	// InFlight is how many frames may be on their way: accepted, and not yet
	// confirmed by the stream, or with core NATS by the server. With KeepLatest
	// one more of each camera waits. 1 to 256, default 4. All cameras of a
	// Publisher share it; for cameras that must not affect each other create a
	// Publisher each.
	InFlight int
	// PartBytes is the largest payload of one message, in bytes. A larger frame
	// is sent in parts, at most 1000. At least 1024. Default 0: what the
	// server's max_payload leaves.
	PartBytes int
	// MaxFrameBytes is the size of the largest frame that is published, in
	// bytes. A larger one is an ErrTooLarge. Default 256 MiB.
	MaxFrameBytes int64
	// AckTimeout is how long each try waits for the confirmation. Default 5 s.
	AckTimeout time.Duration
	// RetryFor is how long a frame may take from Publish to its confirmation,
	// with all tries and with waiting for a connection. Then it is dropped
	// (PublisherDrops.Expired). It should be less than the stream's window for
	// duplicates (StreamOptions.Duplicates), so that a frame is stored once.
	// Default 30 s.
	RetryFor time.Duration
	// Logger gets a record when frames begin to be lost, and when they are
	// confirmed again. Its handler may call Stats and Publish. One that blocks
	// holds up Close. Default slog.Default().
	Logger *slog.Logger
}

// complete returns the options with the defaults, or an ErrOption.
func (o PublisherOptions) complete(nc *nats.Conn) (_ PublisherOptions, err error) {
	if nc == nil {
		return o, optionError("the connection", nil, "connect with nats.Connect")
	}
	if o.Subject, err = completeSubject(o.Subject); err != nil {
		return o, err
	}
	setDefault(&o.InFlight, defaultInFlight)
	setDefault(&o.MaxFrameBytes, defaultMaxFrameBytes)
	setDefault(&o.AckTimeout, defaultAckTimeout)
	setDefault(&o.RetryFor, defaultRetryFor)
	setDefault(&o.Backpressure, Block)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	switch {
	case o.InFlight < 1 || o.InFlight > maxInFlight:
		return o, optionError("InFlight", o.InFlight, "use 1 to 256")
	case o.PartBytes != 0 && o.PartBytes < minPartBytes:
		return o, optionError("PartBytes", o.PartBytes, "use at least 1024, or 0")
	case o.MaxFrameBytes < 0 || o.AckTimeout < 0 || o.RetryFor < 0:
		return o, optionError("a limit", "negative", "use a positive value, or 0 for the default")
	case o.Backpressure < Block || o.Backpressure > KeepLatest:
		return o, optionError("Backpressure", o.Backpressure, "use Block, DropNewest or KeepLatest")
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Limits bounds what a Subscriber keeps in memory. The zero value has the
// defaults.
type Limits struct {
	// MaxFrameBytes is the size of the largest frame that is received, in
	// bytes, decoded or not. Default 256 MiB.
	MaxFrameBytes int64
	// PartialFrames is how many frames of one camera may be incomplete at a
	// time. The oldest is dropped for another. 1 to 64, default 2.
	PartialFrames int
	// PartialBytes bounds the bytes of all incomplete frames. The oldest are
	// dropped. Default MaxFrameBytes.
	PartialBytes int64
	// PartTimeout is how long an incomplete frame waits for its next part.
	// Default 2 s.
	PartTimeout time.Duration
}

func (l Limits) complete() (Limits, error) {
	setDefault(&l.MaxFrameBytes, defaultMaxFrameBytes)
	setDefault(&l.PartialFrames, defaultPartialFrames)
	setDefault(&l.PartialBytes, l.MaxFrameBytes)
	setDefault(&l.PartTimeout, defaultPartTimeout)
	if l.MaxFrameBytes < 0 || l.PartialBytes < 0 || l.PartTimeout < 0 || l.PartialFrames < 1 || l.PartialFrames > 64 {
		return l, optionError("Limits", fmt.Sprintf("%+v", l), "use positive limits, and 1 to 64 PartialFrames")
	}
	return l, nil
}

// SubscribeOptions holds the settings of Subscribe. The zero value receives the
// live frames of all cameras.
type SubscribeOptions struct {
	// Subject is the beginning of the subjects, as in PublisherOptions. Default
	// "frames".
	Subject string
	// Cameras are the names of the cameras to receive. Default: all.
	Cameras []string
	// Backpressure is what happens when QueueFrames frames wait for Recv.
	// Default KeepLatest: a frame replaces the oldest of its camera, or else the
	// oldest of all.
	Backpressure Backpressure
	// QueueFrames is how many frames wait for Recv. 1 to 1024, default 8.
	QueueFrames int
	// Limits bounds frames in parts.
	Limits Limits
}

func (o SubscribeOptions) complete(nc *nats.Conn) (_ SubscribeOptions, err error) {
	if nc == nil {
		return o, optionError("the connection", nil, "connect with nats.Connect")
	}
	if o.Subject, err = completeSubject(o.Subject); err != nil {
		return o, err
	}
	if err := checkCameras(o.Cameras); err != nil {
		return o, err
	}
	setDefault(&o.QueueFrames, defaultQueueFrames)
	setDefault(&o.Backpressure, KeepLatest)
	if o.QueueFrames < 1 || o.QueueFrames > 1024 {
		return o, optionError("QueueFrames", o.QueueFrames, "use 1 to 1024")
	}
	if o.Backpressure < Block || o.Backpressure > KeepLatest {
		return o, optionError("Backpressure", o.Backpressure, "use Block, DropNewest or KeepLatest")
	}
	o.Limits, err = o.Limits.complete()
	return o, err
}

// StreamSource selects frames of a stream.
type StreamSource struct {
	// Stream is the name of the stream. It is required.
	Stream string
	// Domain is the JetStream domain of Stream. Default "": the connection's
	// own.
	Domain string
	// Subject is the beginning of the subjects, as in PublisherOptions. Default
	// "frames".
	Subject string
	// Cameras are the names of the cameras to receive. Default: all.
	Cameras []string
	// Limits bounds frames in parts. PartTimeout is how long a frame waits for
	// a part that the stream does not return yet.
	Limits Limits
}

func (o StreamSource) complete(nc *nats.Conn) (_ StreamSource, err error) {
	if nc == nil {
		return o, optionError("the connection", nil, "connect with nats.Connect")
	}
	if o.Stream == "" {
		return o, optionError("Stream", `""`, "name the stream")
	}
	if o.Subject, err = completeSubject(o.Subject); err != nil {
		return o, err
	}
	if err := checkCameras(o.Cameras); err != nil {
		return o, err
	}
	o.Limits, err = o.Limits.complete()
	return o, err
}

// ReplayOptions holds the settings of Replay.
type ReplayOptions struct {
	StreamSource
	// From is the time of storing of the first frame, by the server's clock.
	// Default: the beginning of the stream.
	From time.Time
	// Speed is 2 for twice as fast as recorded, and math.Inf(1) for as fast as
	// Recv is called. Default 1.
	Speed float64
	// Follow continues with new frames at the end of the stream. Default: Recv
	// returns io.EOF after the last frame.
	Follow bool
}

func (o ReplayOptions) complete(nc *nats.Conn) (_ ReplayOptions, err error) {
	setDefault(&o.Speed, 1)
	if math.IsNaN(o.Speed) || o.Speed < 0 {
		return o, optionError("Speed", o.Speed, "use a positive number")
	}
	o.StreamSource, err = o.StreamSource.complete(nc)
	return o, err
}

// WatchOptions holds the settings of Watch and Last.
type WatchOptions struct {
	StreamSource
}

// WorkOptions holds the settings of Work.
type WorkOptions struct {
	StreamSource
	// Name is the name of the durable consumer. All workers with the same name
	// share the frames. It is required: a token of a subject.
	Name string
	// AckWait is how long a worker may take for a frame until another gets it,
	// unless it calls Delivery.InProgress. All workers must have the same.
	// Default 30 s.
	AckWait time.Duration
	// MaxDeliver is how often a frame is given to a worker before it is
	// dropped. At least 1, default 5.
	MaxDeliver int
	// MaxAckPending is how many frames all workers together may have at a time.
	// 1 to 100000, default 1000, the server's own.
	MaxAckPending int
	// Prefetch is how many frames this worker may have that Recv has not
	// returned. Their AckWait runs. With 1 a frame is requested when Recv is
	// called, with 2 the next one is fetched while the worker has the last. 1 to
	// 256, default 1.
	Prefetch int
	// OnlyNew begins with frames that are stored after the consumer is created.
	// Default: with the oldest of the stream.
	OnlyNew bool
	// Inactive deletes the durable consumer after so long without a worker.
	// Default 0: never.
	Inactive time.Duration
}

func (o WorkOptions) complete(nc *nats.Conn) (_ WorkOptions, err error) {
	if o.StreamSource, err = o.StreamSource.complete(nc); err != nil {
		return o, err
	}
	setDefault(&o.AckWait, defaultAckWait)
	setDefault(&o.MaxDeliver, defaultMaxDeliver)
	setDefault(&o.MaxAckPending, 1000)
	setDefault(&o.Prefetch, 1)
	switch {
	case !ValidCamera(o.Name):
		return o, optionError("Name", strconv.Quote(o.Name), "name the consumer with one token of a subject")
	case o.AckWait < 0 || o.Inactive < 0 || o.MaxDeliver < 1:
		return o, optionError("a limit", "negative", "use a positive value, or 0 for the default")
	case o.MaxAckPending < 1 || o.MaxAckPending > 100000:
		return o, optionError("MaxAckPending", o.MaxAckPending, "use 1 to 100000")
	case o.Prefetch < 1 || o.Prefetch > 256:
		return o, optionError("Prefetch", o.Prefetch, "use 1 to 256")
	}
	return o, nil
}

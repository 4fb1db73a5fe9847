package natsbridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
)

const (
	defaultStream     = "FRAMES"
	defaultDuplicates = 2 * time.Minute
)

// StreamOptions describes a stream for EnsureStream. The zero value is a
// recording of all cameras in files, without limits.
type StreamOptions struct {
	// Name is the stream's name. Default "FRAMES".
	Name string
	// Domain is the JetStream domain. Default "": the connection's own.
	Domain string
	// Subject is the beginning of the subjects, as in PublisherOptions. No two
	// streams may have the same. Default "frames".
	Subject string
	// LatestOnly keeps the latest frame of each camera, instead of a recording.
	LatestOnly bool
	// MaxAge deletes frames that are older. Default 0: none.
	MaxAge time.Duration
	// MaxBytes is the size of the stream. The oldest messages are deleted to
	// make room, or with DiscardNew new frames are refused. Default 0: no limit
	// but the server's own.
	MaxBytes int64
	// DiscardNew refuses new frames at MaxBytes (PublisherDrops.StreamFull).
	DiscardNew bool
	// Memory stores frames in the server's memory. They do not outlast it.
	// Default: files.
	Memory bool
	// Replicas is how many servers of a cluster store each frame: 1 to 5,
	// default 1.
	Replicas int
	// Duplicates is how long the stream recognizes a frame that is sent again.
	// Default 2 minutes, or MaxAge if that is less.
	Duplicates time.Duration
}

func (o StreamOptions) complete() (_ StreamOptions, err error) {
	if o.Subject, err = completeSubject(o.Subject); err != nil {
		return o, err
	}
	setDefault(&o.Name, defaultStream)
	setDefault(&o.Replicas, 1)
	setDefault(&o.Duplicates, defaultDuplicates)
	if o.MaxAge > 0 {
		o.Duplicates = min(o.Duplicates, o.MaxAge)
	}
	switch {
	case !ValidCamera(o.Name) || strings.ContainsAny(o.Name, `/\`):
		return o, optionError("Name", o.Name, "use letters, digits, _ and -")
	case o.MaxAge < 0 || o.MaxBytes < 0 || o.Duplicates < 0:
		return o, optionError("a limit", "negative", "use a positive value, or 0 for the default")
	case o.Replicas < 1 || o.Replicas > 5:
		return o, optionError("Replicas", o.Replicas, "use 1 to 5")
	case o.DiscardNew && o.LatestOnly:
		return o, optionError("DiscardNew", true, "a stream with LatestOnly replaces frames")
	}
	return o, nil
}

// EnsureStream creates a stream for frames, or changes it to these options. It
// needs nats-server 2.12 or newer, which stores all parts of a frame or none. A
// program may also use a stream that was created in another way: it must have
// the subjects SUBJECT.>, and allow_atomic for frames in parts.
func EnsureStream(ctx context.Context, nc *nats.Conn, o StreamOptions) error {
	switch o, err := o.complete(); {
	case err != nil:
		return err
	case nc == nil:
		return optionError("the connection", nil, "connect with nats.Connect")
	case ctx == nil:
		return fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	default:
		return ensureStream(ctx, nc, o)
	}
}

func ensureStream(ctx context.Context, nc *nats.Conn, o StreamOptions) error {
	js, err := newJetStream(nc, o.Domain)
	if err != nil {
		return err
	}
	config := jetstream.StreamConfig{
		Name: o.Name, Subjects: []string{o.Subject + ".>"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		MaxAge: o.MaxAge, MaxBytes: -1, Discard: jetstream.DiscardOld, Replicas: o.Replicas, Duplicates: o.Duplicates,
		AllowDirect: true, AllowAtomicPublish: true,
	}
	if o.MaxBytes > 0 {
		config.MaxBytes = o.MaxBytes
	}
	if o.LatestOnly {
		config.MaxMsgsPerSubject = 1
	}
	if o.DiscardNew {
		config.Discard = jetstream.DiscardNew
	}
	if o.Memory {
		config.Storage = jetstream.MemoryStorage
	}
	s, err := request(ctx, func(ctx context.Context) (jetstream.Stream, error) { return js.CreateOrUpdateStream(ctx, config) })
	if err != nil {
		return fmt.Errorf("natsbridge: stream %s: %w", o.Name, err)
	}
	if !s.CachedInfo().Config.AllowAtomicPublish {
		return fmt.Errorf("natsbridge: stream %s: the server has no atomic publish; it needs nats-server 2.12", o.Name)
	}
	return nil
}

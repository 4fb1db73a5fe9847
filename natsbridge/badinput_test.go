package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
)

// good returns the headers of an array of 12 bytes.
func good() nats.Header {
	return nats.Header{
		hdrVersion: {"1"}, hdrEncoding: {"raw"}, hdrDType: {"uint8"}, hdrShape: {"3,4"}, hdrSeq: {"1"}, hdrEpoch: {"2"},
		hdrTime: {"1764547200000000000"}, hdrSize: {"12"},
	}
}

// lies are headers that are refused, with their counts.
var lies = map[string]struct {
	set  map[string]string // "" removes
	want func(*SubscriberDrops) *uint64
}{
	"no version":        {map[string]string{hdrVersion: ""}, foreign},
	"another version":   {map[string]string{hdrVersion: "2"}, foreign},
	"no encoding":       {map[string]string{hdrEncoding: ""}, badHeader},
	"another encoding":  {map[string]string{hdrEncoding: "h264"}, badHeader},
	"no dtype":          {map[string]string{hdrDType: ""}, badHeader},
	"objects":           {map[string]string{hdrDType: "object"}, badHeader},
	"larger dtype":      {map[string]string{hdrDType: "uint16"}, badSize},
	"no shape":          {map[string]string{hdrShape: ""}, badSize},
	"another shape":     {map[string]string{hdrShape: "3,5"}, badSize},
	"overflowing shape": {map[string]string{hdrShape: "4294967296,4294967296"}, badSize},
	"negative shape":    {map[string]string{hdrShape: "-3,-4"}, badHeader},
	"no number":         {map[string]string{hdrShape: "3,x"}, badHeader},
	"dimensions":        {map[string]string{hdrShape: strings.Repeat("1,", 64) + "12"}, badHeader},
	"no sequence":       {map[string]string{hdrSeq: ""}, badHeader},
	"long sequence":     {map[string]string{hdrSeq: "18446744073709551616"}, badHeader},
	"negative sender":   {map[string]string{hdrSender: "-1"}, badHeader},
	"no epoch":          {map[string]string{hdrEpoch: ""}, badHeader},
	"no time":           {map[string]string{hdrTime: ""}, badHeader},
	"negative time":     {map[string]string{hdrTime: "-1"}, badHeader},
	"no size":           {map[string]string{hdrSize: ""}, badHeader},
	"zero size":         {map[string]string{hdrSize: "0"}, badSize},
	"larger size":       {map[string]string{hdrSize: "13"}, badSize},
	"huge":              {map[string]string{hdrSize: "9223372036854775807"}, tooLarge},
	"many parts":        {map[string]string{hdrParts: "1001", hdrPart: "1"}, badHeader},
	"no parts":          {map[string]string{hdrParts: "0"}, badHeader},
	"part 0":            {map[string]string{hdrParts: "2", hdrPart: "0"}, badHeader},
	"part beyond":       {map[string]string{hdrParts: "2", hdrPart: "3"}, badHeader},
	"whole part":        {map[string]string{hdrParts: "2", hdrPart: "2"}, badSize},
	"only a message":    {map[string]string{hdrMessageSize: "12"}, badSize},
	"long message":      {map[string]string{hdrMessageSize: "9223372036854775807"}, badSize},
	"two messages":      {map[string]string{hdrMessageSize: "2", hdrMessage: "1", hdrShape: "10"}, badSize},
	"message":           {map[string]string{hdrMessage: "{"}, unusable},
	"no JPEG":           {map[string]string{hdrEncoding: "jpeg"}, unusable},
	"no msgpack":        {map[string]string{hdrMessageSize: "2", hdrMessageType: "msgpack", hdrShape: "10"}, unusable},
	"unsendable dtype":  {map[string]string{hdrDType: "nonsense"}, unusable},
}

func foreign(c *SubscriberDrops) *uint64   { return &c.Foreign }
func badHeader(c *SubscriberDrops) *uint64 { return &c.BadHeader }
func badSize(c *SubscriberDrops) *uint64   { return &c.BadSize }
func tooLarge(c *SubscriberDrops) *uint64  { return &c.TooLarge }
func unusable(c *SubscriberDrops) *uint64  { return &c.Unusable }

// Every lie is counted by its name, live and stored, and the next frame arrives.
func TestHeadersThatLie(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{Memory: true}))
	sub := liveSub(t, dial(t, nc.ConnectedUrl()), SubscribeOptions{})
	want := SubscriberDrops{}
	data := []byte("\xC1.:-=+*#%@xy")
	for name, lie := range lies {
		h := good()
		for key, value := range lie.set {
			h.Set(key, value)
			if value == "" {
				h.Del(key)
			}
		}
		before := sub.Stats()
		must(t, nc.PublishMsg(&nats.Msg{Subject: "frames.a", Header: h, Data: data}))
		must(t, nc.PublishMsg(&nats.Msg{Subject: "frames.b", Header: good(), Data: data}))
		d := receive(t, sub)
		if d.Camera != "b" {
			t.Errorf("%s is accepted", name)
		}
		after := sub.Stats()
		*lie.want(&want)++
		if n := *lie.want(&after.Dropped) - *lie.want(&before.Dropped); n != 1 || after.LastError == nil {
			t.Errorf("%s: %+v after %+v", name, after, before)
		}
	}
	if s := sub.Stats(); s.Dropped != want {
		t.Errorf("%+v instead of %+v", s.Dropped, want)
	}
	// The client library may drop a message that arrives together with a
	// heartbeat, on a busy machine. After AckWait it comes again, and then later
	// than the frames behind it.
	work := subscriber(t)(Work(within(t), nc, WorkOptions{StreamSource: source(), Name: "w", AckWait: limit / 3}))
	for range lies {
		must(t, receive(t, work).Ack(within(t)))
	}
	await(t, "every lie to be counted", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if d, err := work.Recv(ctx); err == nil {
			d.Close()
			t.Fatalf("one more frame, of %s", d.Camera)
		}
		return work.Stats().Dropped.Sum() >= want.Sum()
	})
	if s := work.Stats(); s.Dropped != want || s.Frames != uint64(len(lies)) {
		t.Errorf("stored: %+v instead of %+v", s.Dropped, want)
	}
}

// Messages of other programs, parts on wrong subjects, parts of two frames, and
// parts that never come affect no other frame.
func TestForeignMessages(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	sub := liveSub(t, nc, SubscribeOptions{Limits: Limits{PartTimeout: 50 * time.Millisecond}})
	part := func(n int, change map[string]string) nats.Header {
		h := good()
		maps.Copy(h, nats.Header{hdrParts: {"3"}, hdrPart: {fmt.Sprint(n)}})
		for key, value := range change {
			h.Set(key, value)
		}
		return h
	}
	four := []byte("1234")
	for _, m := range []*nats.Msg{
		{Subject: "frames.a", Data: []byte("hello")},
		{Subject: "frames.a.x", Header: good(), Data: []byte("123456789012")},
		{Subject: "frames.a.1.1", Header: good(), Data: []byte("123456789012")},
		{Subject: "frames.a.2", Header: part(1, nil), Data: four},
		{Subject: "frames.a.1", Header: part(1, nil), Data: four},
		{Subject: "frames.a.1", Header: part(1, nil), Data: four},
		{Subject: "frames.a.2", Header: part(2, map[string]string{hdrShape: "2,6"}), Data: four},
		{Subject: "frames.b.1", Header: part(1, nil), Data: four[:1]},
		{Subject: "frames.b.2", Header: part(2, nil), Data: four},
		{Subject: "frames.b", Header: part(3, nil), Data: four},
		{Subject: "frames.c", Header: good(), Data: []byte("123456789012")},
	} {
		must(t, nc.PublishMsg(m))
	}
	if d := receive(t, sub); d.Camera != "c" {
		t.Errorf("a frame of %s", d.Camera)
	}
	await(t, "the frame without its last part is dropped", func() bool { return sub.Stats().Partial == 0 })
	want := SubscriberDrops{Foreign: 3, BadHeader: 1, Repeated: 1, Mixed: 1, BadSize: 1, Incomplete: 1}
	if s := sub.Stats(); s.Dropped != want || s.PartialBytes != 0 {
		t.Errorf("%+v instead of %+v", s.Dropped, want)
	}
}

// Incomplete frames are bounded per camera, in number and in bytes.
func TestPartialLimits(t *testing.T) {
	drops := SubscriberDrops{}
	a := assembler{
		limits:  Limits{PartialFrames: 2, PartialBytes: 1000, PartTimeout: time.Hour},
		dropped: func(c func(*SubscriberDrops) *uint64, _ error) { *c(&drops)++ },
	}
	now := time.Now()
	add := func(camera string, seq, part, parts, size int) *assembled {
		return a.add(camera, description{seq: uint64(seq), part: part, parts: parts, size: int64(parts * size)}, make([]byte, size), now)
	}
	for seq := range 5 {
		add("a", seq, 1, 2, 10)
	}
	if len(a.partials) != 2 || drops.Evicted != 3 || a.bytes != 20 {
		t.Errorf("one camera: %d frames, %d bytes, %+v", len(a.partials), a.bytes, drops)
	}
	if add("a", 4, 2, 2, 10) == nil || add("a", 3, 2, 2, 10) == nil || a.bytes != 0 {
		t.Errorf("the newest are not complete: %d bytes", a.bytes)
	}
	for n := range 20 {
		add(fmt.Sprint("camera", n), 1, 1, 2, 300)
	}
	if len(a.partials) != 3 || a.bytes != 900 {
		t.Errorf("many cameras: %d frames, %d bytes", len(a.partials), a.bytes)
	}
	add("large", 1, 1, 3, 600)
	add("large", 1, 2, 3, 600)
	if a.bytes > 1000 || len(a.partials) != 0 {
		t.Errorf("one large frame: %d bytes", a.bytes)
	}
	a.limits.PartialBytes = 1 << 20
	for n := range 3000 {
		add(fmt.Sprint("camera", n), 1, 1, 2, 1)
	}
	if len(a.partials) != maxPartials {
		t.Errorf("%d incomplete frames", len(a.partials))
	}
	if next := a.expire(now); !next.Equal(now.Add(time.Hour)) {
		t.Errorf("the next is due at %v", next)
	}
	if next := a.expire(now.Add(time.Hour)); !next.IsZero() || a.bytes != 0 || drops.Incomplete != maxPartials {
		t.Errorf("after an hour: %d bytes, %+v", a.bytes, drops)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "front-door_1": true, "Küche": true, "5555": true, "": false, "a.b": false, "*": false, ">": false, "a b": false,
		"a\n": false, "\xFF": false, strings.Repeat("x", 129): false,
	} {
		if ValidCamera(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	nc := dial(t, startServer(t, nil).ClientURL())
	pub := publisher(t, nc, PublisherOptions{Subject: "site.7.frames"})
	sub := liveSub(t, nc, SubscribeOptions{Subject: "site.7.frames"})
	if err := pub.Publish(within(t), "a.b", jpegFrame(t, 1)); !errors.Is(err, ErrCamera) {
		t.Errorf("%v", err)
	}
	if err := pub.Publish(within(t), "a", nil); !errors.Is(err, netgear.ErrFrame) {
		t.Errorf("%v", err)
	}
	frame := jpegFrame(t, 1)
	for n := range maxCameras + 1 {
		err := pub.Publish(within(t), fmt.Sprint("c", n), frame)
		if want := n == maxCameras; errors.Is(err, ErrCamera) != want || !want && err != nil {
			t.Fatalf("camera %d: %v", n, err)
		}
	}
	if d := receive(t, sub); d.Camera == "" {
		t.Error("no camera")
	}
	if s := pub.Stats().Dropped; s.Camera != 2 || s.Unusable != 1 {
		t.Errorf("%+v", s)
	}
}

func TestOptions(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	open := func(s *Subscriber, err error) error {
		if s != nil {
			s.Close()
		}
		return err
	}
	for name, err := range map[string]error{
		"no connection":  second(NewPublisher(nil, PublisherOptions{})),
		"subject":        second(NewPublisher(nc, PublisherOptions{Subject: "a.*"})),
		"system subject": second(NewPublisher(nc, PublisherOptions{Subject: "$SYS"})),
		"in flight":      second(NewPublisher(nc, PublisherOptions{InFlight: 257})),
		"part bytes":     second(NewPublisher(nc, PublisherOptions{PartBytes: 10})),
		"backpressure":   second(NewPublisher(nc, PublisherOptions{Backpressure: 4})),
		"negative":       second(NewPublisher(nc, PublisherOptions{RetryFor: -1})),
		"camera":         open(Subscribe(nc, SubscribeOptions{Cameras: []string{"a.b"}})),
		"queue":          open(Subscribe(nc, SubscribeOptions{QueueFrames: 1025})),
		"partial frames": open(Subscribe(nc, SubscribeOptions{Limits: Limits{PartialFrames: 65}})),
		"no stream":      open(Watch(t.Context(), nc, WatchOptions{})),
		"speed":          open(Replay(t.Context(), nc, ReplayOptions{StreamSource: source(), Speed: -1})),
		"no name":        open(Work(t.Context(), nc, WorkOptions{StreamSource: source()})),
		"prefetch":       open(Work(t.Context(), nc, WorkOptions{StreamSource: source(), Name: "w", Prefetch: 300})),
		"replicas":       EnsureStream(t.Context(), nc, StreamOptions{Replicas: 6}),
		"discard latest": EnsureStream(t.Context(), nc, StreamOptions{LatestOnly: true, DiscardNew: true}),
		"backpressure's": new(Backpressure).UnmarshalText([]byte("drop")),
	} {
		if !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var b Backpressure
	if err := b.UnmarshalText([]byte("keep-latest")); err != nil || b != KeepLatest {
		t.Errorf("%v, %v", b, err)
	}
	if err := open(Watch(within(t), nc, WatchOptions{source()})); err == nil {
		t.Error("a stream that does not exist")
	}
	var none context.Context
	if err := open(Watch(none, nc, WatchOptions{source()})); !errors.Is(err, netgear.ErrContext) {
		t.Errorf("no context: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

package natsbridge

import "reflect"

// PublisherStats holds the counts of a Publisher.
type PublisherStats struct {
	Frames     uint64 // confirmed by the stream, or with core NATS by the server
	Bytes      uint64 // of their pictures and messages
	Parts      uint64 // messages sent, with those of frames that were sent again
	Duplicates uint64 // of Frames, those that the stream had already
	Retries    uint64 // tries after the first
	InFlight   int    // accepted, and not confirmed yet
	Waiting    int    // with KeepLatest, the frames that wait for room in flight

	Dropped PublisherDrops
	// LastError is why a frame was dropped last, or could not be confirmed at
	// once. It is nil if that has not happened.
	LastError error
}

// PublisherDrops holds the frames that were not published, by their reasons.
type PublisherDrops struct {
	NoRoom     uint64 // InFlight frames were on their way (DropNewest), until the context ended (Block)
	Replaced   uint64 // KeepLatest: by a newer frame of the camera
	TooLarge   uint64 // larger than MaxFrameBytes, than 1000 parts, or than the stream permits
	Unusable   uint64 // closed, empty or damaged
	Camera     uint64 // the name is no token of a subject, or there are too many cameras
	Expired    uint64 // not confirmed within RetryFor
	Unknown    uint64 // core NATS: sent, but the connection was lost before the confirmation
	StreamFull uint64 // the stream or the account has no room
	Rejected   uint64 // the server refused it, for another reason
	Closed     uint64 // still in flight or waiting when Close ended
}

// Sum returns the number of all dropped frames.
func (d PublisherDrops) Sum() uint64 { return sum(d) }

// SubscriberStats holds the counts of a Subscriber.
type SubscriberStats struct {
	Frames      uint64 // returned by Recv
	Bytes       uint64 // of their pictures and messages
	Messages    uint64 // received from NATS
	Redelivered uint64 // Work: of Frames, those that a worker had before
	Restarts    uint64 // JetStream: the server did not answer, and receiving began again
	Queue       int    // Subscribe: frames that wait for Recv

	Partial      int   // incomplete frames at this moment
	PartialBytes int64 // and their bytes

	Dropped SubscriberDrops
	// LastError is why a message or a frame was dropped last, or why receiving
	// began again. It is nil if that has not happened.
	LastError error
}

// SubscriberDrops holds what was not returned by Recv, by its reasons. Some
// reasons count messages, which may be parts of a frame.
type SubscriberDrops struct {
	NoRoom     uint64 // frames: DropNewest, the queue was full
	Replaced   uint64 // frames: KeepLatest, by a newer one
	Incomplete uint64 // frames: a part did not come within PartTimeout, or has been deleted
	Evicted    uint64 // frames: incomplete, dropped for PartialFrames or PartialBytes
	Unusable   uint64 // frames: complete, but no picture of what the headers describe
	SlowClient uint64 // messages: dropped by the client library, whose queue was full
	Foreign    uint64 // messages: without this format's headers
	BadHeader  uint64 // messages: a header cannot be read
	BadSize    uint64 // messages: dtype, shape and sizes contradict each other
	TooLarge   uint64 // messages: of a frame larger than MaxFrameBytes; frames: a JPEG whose pixels are
	Repeated   uint64 // messages: parts that had come before
	Mixed      uint64 // messages: parts whose headers differ from the other parts of the frame
}

// Sum returns the number of all dropped frames and messages.
func (d SubscriberDrops) Sum() uint64 { return sum(d) }

// sum adds the fields of a struct of counts.
func sum(counts any) (n uint64) {
	for v, i := reflect.ValueOf(counts), 0; i < v.NumField(); i++ {
		n += v.Field(i).Uint()
	}
	return n
}

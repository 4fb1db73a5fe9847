package netem

import "time"

// The addresses of the two hosts of every Network, and their device's name.
const (
	SenderAddress   = "10.78.0.1"
	ReceiverAddress = "10.78.0.2"
	DeviceName      = "weak0"
)

// defaultQueue is the bottleneck's queue unless Settings have one: 40
// full-sized packets.
const defaultQueue = 60000

// Settings are what one direction of a network does to its packets. The zero
// value delivers each at once.
type Settings struct {
	// Rate is the bottleneck's rate in bits per second, with all headers from
	// IP on. 0 is no limit.
	Rate int64
	// Queue is how many bytes wait for the bottleneck at most. A packet beyond
	// that is dropped, as in a router without active queue management. Default
	// 60000.
	Queue int
	// Delay is the time from the bottleneck to the other end.
	Delay time.Duration
	// Jitter delays each packet by up to that much more, uniformly. It does not
	// change their order.
	Jitter time.Duration
	// Loss drops packets behind the bottleneck, so they have used its rate.
	Loss Loss
	// Reorder is the share of packets that skip Delay and Jitter, so that they
	// overtake others.
	Reorder float64
	// Duplicate is the share of packets that arrive twice.
	Duplicate float64
	// Down drops every packet, also those that wait in the queue.
	Down bool
}

func (s *Settings) queue() int {
	if s.Queue > 0 {
		return s.Queue
	}
	return defaultQueue
}

// Loss is the model of Gilbert and Elliott: a good and a bad state, each with
// its share of lost packets, which change with a probability at each packet.
// With Enter 0 it is independent loss of the share Good.
type Loss struct {
	Good, Bad   float64 // shares of packets lost in the two states
	Enter, Exit float64 // probabilities of good to bad, and of bad to good
}

// Random returns a loss of independent packets.
func Random(share float64) Loss { return Loss{Good: share} }

// Runs returns a loss of packets that follow each other: a share of all packets is
// lost, in runs of a mean length, which is at least one packet.
func Runs(share, length float64) Loss {
	exit := 1 / max(length, 1)
	return Loss{Bad: 1, Enter: exit * share / (1 - share), Exit: exit}
}

// Share returns the share of packets that is lost in the long run.
func (l *Loss) Share() float64 {
	if l.Enter == 0 {
		return l.Good
	}
	bad := l.Enter / (l.Enter + l.Exit)
	return (1-bad)*l.Good + bad*l.Bad
}

// Counts are what one direction did since it was created.
type Counts struct {
	Offered        int64 // packets that came in
	Overflowed     int64 // dropped because the queue was full
	Lost           int64 // dropped by Loss
	Blocked        int64 // dropped because the direction was down
	Duplicated     int64
	Reordered      int64
	Delivered      int64 // packets that came out, duplicates included
	DeliveredBytes int64
	PassedBytes    int64 // bytes that passed the bottleneck, lost ones included
	// Late is the sum, over all delivered packets, of the time from when one was
	// due to when it was taken: how busy the machine was.
	Late time.Duration
}

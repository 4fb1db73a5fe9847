package netgear

import (
	"slices"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// socket is what an end requires of its socket; *transport.Socket documents the
// methods. Its owner calls them. Wake, Peers, Pending, Handshaking, Spoiled, Outgoing
// and Written may be called from any goroutine.
type socket interface {
	// Waiting.
	Wait(deadline time.Time, stop, try func() error) error
	WaitReleased(t *zmsg.MessageTracker, deadline time.Time, stop func() error) error
	Wake()

	// Messages.
	TryRecv(part *zmsg.Msg) error
	TrySend(part []byte, place zmsg.Place) error
	TrySendBuffer(part *zmsg.Buffer, place zmsg.Place) error
	TrySendTracked(t *zmsg.MessageTracker, part []byte, place zmsg.Place) error
	Source() int
	Peer() string
	NoteMessage(source int, readable bool)

	// Connections.
	Dial(endpoint string) error
	Redial(endpoint string)
	Part(endpoint string)
	Parted(endpoint string) bool
	Disconnect(endpoint string)
	ProcessCommands() (zmq4.State, error)
	SettlePeers() (again bool)
	ReleaseSlot() (again time.Time)
	Peers() int
	Pending() int
	Handshaking() bool
	Spoiled() bool
	Outgoing(all []transport.Outgoing) []transport.Outgoing
	Written(all []transport.Written) ([]transport.Written, bool)

	SetImmediate(value bool) error
	SetXpubNodrop(value bool) error
	Shut(linger time.Duration)
}

// socketOpener opens a socket and returns what it is bound or connected to, with
// real port numbers.
type socketOpener func(c transport.Config, endpoints []string, report func(transport.Event)) (socket, []string, error)

// openTransport opens a ZeroMQ socket.
func openTransport(c transport.Config, endpoints []string, report func(transport.Event)) (socket, []string, error) {
	s, err := transport.Open(c, endpoints, report)
	if err != nil {
		return nil, nil, err
	}
	return s, slices.Clone(s.Endpoints), nil
}

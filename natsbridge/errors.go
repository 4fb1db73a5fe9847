package natsbridge

import (
	"errors"
	"fmt"

	"github.com/vidgear-go/netgear"
)

// Errors to test for with errors.Is. Errors of nats.go are wrapped as they are.
var (
	// ErrOption reports options that cannot be used.
	ErrOption = errors.New("natsbridge: invalid option")
	// ErrClosed reports a call after Close. It is a netgear.ErrClosed.
	ErrClosed = fmt.Errorf("natsbridge: %w", netgear.ErrClosed)
	// ErrCamera reports a name that cannot be a token of a subject, or a
	// camera more than a Publisher has room for.
	ErrCamera = errors.New("natsbridge: unusable camera name")
	// ErrDropped reports a frame that Publish dropped because of
	// PublisherOptions.Backpressure.
	ErrDropped = errors.New("natsbridge: the frame is dropped, as too many are in flight")
	// ErrTooLarge reports a frame larger than the limit.
	ErrTooLarge = errors.New("natsbridge: the frame is larger than the limit")
	// ErrNoFrame reports that the stream has no frame of the camera.
	ErrNoFrame = errors.New("natsbridge: no frame of this camera")
	// ErrLost reports frames that were accepted by Publish but not confirmed
	// by the server. PublisherStats has their number and the reason.
	ErrLost = errors.New("natsbridge: frames were lost")
	// ErrNotWork reports Nak, InProgress or Term of a frame that no Work has
	// returned.
	ErrNotWork = errors.New("natsbridge: only frames of Work are acknowledged")
)

// optionError returns an ErrOption with the field, its value and the rule.
func optionError(field string, value any, rule string) error {
	return fmt.Errorf("%w: %s is %v; %s", ErrOption, field, value, rule)
}

package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// requestTimeout is how long the server may take to answer a request, until it
// is sent again. A server that stops takes the requests with it that it has.
const requestTimeout = 3 * time.Second

// request calls a function until it succeeds, or fails for another reason than a
// server that does not answer, or the context ends.
func request[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		try, cancel := context.WithTimeout(ctx, requestTimeout)
		result, err := call(try)
		cancel()
		if err == nil || !passes(err) {
			return result, err
		}
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return result, fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
	}
}

// passes reports whether the same request may succeed later.
func passes(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode >= codeNoCluster && api.ErrorCode <= codeNotLeader
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrDisconnected)
}

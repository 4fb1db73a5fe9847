package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/source/pace"
)

// clientCounts is what a process of clients answers.
type clientCounts struct {
	Served int     // clients that are connected, and have had an exchange
	Made   uint64  // ends that were opened, used and closed
	Failed uint64  // calls that returned an error
	Last   string  // the last error
	Wait   float64 // the longest time from New to the first frame, in seconds
}

// clients are ends that connect to one end, and exchange frames. If they do not
// stay, each closes after some frames, and another one is opened.
type clients struct {
	role *role

	mu     sync.Mutex
	counts clientCounts
}

func runClients(r *role, c *commands) error {
	v := &clients{role: r}
	var running sync.WaitGroup
	for range r.Count {
		running.Go(func() {
			for c.ctx.Err() == nil {
				v.note(c.ctx, v.visit(c.ctx))
			}
		})
	}
	err := c.answer(func() (any, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.counts, nil
	})
	running.Wait()
	return err
}

func (v *clients) note(ctx context.Context, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil:
		v.counts.Made++
	case ctx.Err() == nil:
		v.counts.Failed++
		v.counts.Last = err.Error()
	}
}

// visit is one end. One that stays exchanges a frame each second.
func (v *clients) visit(ctx context.Context) (err error) {
	begun := time.Now()
	end, err := netgear.New(v.role.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end.Close()) }()
	fps := 0.0
	if v.role.Stay == 0 {
		fps = 1
	}
	p := pace.New(fps)
	for n := 0; v.role.Stay == 0 || n < v.role.Stay; n++ {
		if v.role.Options.ReceiveMode {
			f, err := end.Recv(ctx)
			if err != nil {
				return err
			}
			f.Close()
		} else if p.Wait(ctx) != nil {
			return ctx.Err()
		} else if _, err := end.SendJPEG(ctx, picture(), nil); err != nil {
			return err
		}
		if n == 0 {
			gone := v.served(time.Since(begun))
			defer gone()
		}
	}
	return nil
}

// served counts a client that has had its first exchange, until the returned
// function is called.
func (v *clients) served(after time.Duration) (gone func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counts.Served++
	v.counts.Wait = max(v.counts.Wait, after.Seconds())
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.counts.Served--
	}
}

package netgear

import (
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
)

// close sends what was queued and the terminate message, and closes the socket.
func (s *sendEnd) close() error {
	s.drain()
	err := wrap("close", s.queue.finish())
	s.cancel()
	s.wake()
	s.settler.await()
	s.sendMu <- struct{}{} // a send call that waits has been woken
	defer s.unlock()
	s.awaitReading()
	linger := s.terminate()
	s.awaitDisconnects(min(linger, s.lingerTimeout()))
	over := time.Now().Add(linger)
	s.shut(linger)
	s.release()
	s.link.close(time.Until(over))
	return err
}

// noteReceiver notes that a receive end has the frame, and whether that end is
// one of this library.
func (s *sendEnd) noteReceiver(own bool) {
	if !own && s.opts.Wire == NetGearWire {
		s.queuedAt = time.Now()
	}
}

// awaitReading waits until TerminateDelay has passed since the last frame, for
// applications that read from a VidGear receive end. VidGear answers a frame,
// then decodes it, then queues it. Its recv returns None as soon as its receive
// thread has read the terminate message, whatever the queue holds. NetGear_Async
// has no queue. The wait ends when no peer is connected any more.
func (s *sendEnd) awaitReading() {
	left := time.Until(s.queuedAt.Add(s.opts.TerminateDelay))
	if s.conn == nil || left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	for {
		changed := s.change()
		if s.deserted() != nil || !s.spec.answers && s.peers() == 0 { // a publisher may never have had one
			return
		}
		select {
		case <-changed:
		case <-s.settler.pending(): // its goroutine has ended
			time.Sleep(min(transport.AdmissionStep, left))
			s.settle()
		case <-timer.C:
			return
		}
	}
}

// terminate sends the terminate message if there is a peer, and returns how
// long the socket may linger for it. Both together take at most lingerTimeout,
// and end when no peer is connected. A REQ socket serves several clients in
// turn, so each client that has answered gets its own message.
func (s *sendEnd) terminate() time.Duration {
	timeout := s.lingerTimeout()
	if timeout == 0 {
		return 0
	}
	end := time.Now().Add(timeout)
	s.leaveLost()
	text := s.wire.appendTerminate(nil, s.port)
	if len(text) == 0 { // the wire has none
		return s.lingering(end)
	}
	send := func(deadline time.Time) error {
		return s.countTerminate(s.conn.Wait(deadline, s.deserted, func() error { return s.conn.TrySend(text, false) }))
	}
	switch s.opts.Pattern {
	case PubSub:
		// It must not be dropped for a subscriber whose queue is full. If one
		// accepts nothing for half of the time, it is sent only to the others.
		s.conn.SetXpubNodrop(true)
		if send(time.Now().Add(timeout/2)) != nil {
			s.conn.SetXpubNodrop(false)
			s.countTerminate(s.conn.TrySend(text, false))
		}
		return s.lingering(end)
	case PushPull:
		// Messages still in transfer to the receivers have the time limit of a
		// frame.
		end = time.Now().Add(s.opts.RequestTimeout)
		s.terminateAll(func() error { return send(end) }, timeout)
		return s.lingering(end)
	}
	if !s.wire.answersTerminate(s.opts.Pattern) {
		send(end)
		return s.lingering(end)
	}
	if s.terminateAnswered(send, end) {
		return 0
	}
	return s.lingering(end)
}

// terminateAnswered sends the terminate message to each client, and reports
// whether all have answered.
func (s *sendEnd) terminateAnswered(send func(time.Time) error, end time.Time) bool {
	answered := true
	for range max(1, min(len(s.clients), s.peers())) {
		var m message
		if send(end) != nil || m.read(s.conn.socket, end, s.deserted) != nil {
			answered = false // this one has not answered; the next must still get its own
		}
		m.close()
	}
	return answered
}

// deserted ends a wait for a peer if none is connected.
func (s *sendEnd) deserted() error {
	if s.peers() == 0 && (s.departed.Load() || s.counters.lost.Load() > 0) {
		return errPeerLost
	}
	return nil
}

// lingering returns how long a socket may linger so that it is closed by end.
// It returns 0 if no peer takes what it still holds.
func (s *sendEnd) lingering(end time.Time) time.Duration {
	if s.deserted() != nil {
		return 0
	}
	return max(0, time.Until(end))
}

// terminateAll sends the terminate message to every receiver of a PushPull
// stream. Each message goes to a receiver that has room. So one may get two of
// them, and a busy one none. Receivers that have read it disconnect; it is sent
// again for the others.
func (s *sendEnd) terminateAll(send func() error, timeout time.Duration) {
	for peers := max(1, s.peers()); peers > 0; {
		for range peers {
			if send() != nil {
				return
			}
		}
		before := peers
		if !s.awaitPeers(func(now int) bool { peers = now; return now < before }, time.Now().Add(timeout)) {
			return // they stay connected, and wait for the next sender
		}
	}
}

// awaitDisconnects waits for the peers of an end that listens to read the
// terminate message and disconnect. So the next end at the port does not meet
// them.
func (s *sendEnd) awaitDisconnects(timeout time.Duration) {
	if s.opts.binds() {
		s.awaitPeers(func(now int) bool { return now == 0 }, time.Now().Add(timeout))
	}
}

// awaitPeers waits until enough returns true for the number of peers. It
// reports whether that was before the deadline.
func (s *sendEnd) awaitPeers(enough func(peers int) bool, deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		changed := s.change()
		if enough(s.peers()) {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		}
	}
}

package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// A backlog is noticed, and what returns its memory to the system is called.
func TestBacklogIsReleased(t *testing.T) {
	released := make(chan struct{}, 1)
	backlog.Lock()
	after, release := backlog.after, backlog.release
	backlog.timer, backlog.after = nil, time.Millisecond
	backlog.release = func() {
		select {
		case released <- struct{}{}:
		default:
		}
	}
	backlog.Unlock()
	defer func() {
		backlog.Lock()
		defer backlog.Unlock()
		if backlog.timer != nil {
			backlog.timer.Stop()
		}
		backlog.timer, backlog.after, backlog.release = nil, after, release
	}()

	s, err := Open(Config{Kind: zmq4.SUB, Bind: true, MaxMessage: 256 << 20, Logger: slog.New(slog.DiscardHandler), Setup: func(s *zmq4.Socket) error {
		return errors.Join(s.SetRcvhwm(0), s.SetSubscribe(""))
	}}, []string{"tcp://127.0.0.1:0"}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shut(0)
	peer, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoints[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	peer.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := peer.Write(greetingOf("PUB")); err != nil {
		t.Fatal(err)
	}
	// Before libzmq's READY has come, it takes no message.
	if _, err := io.ReadFull(peer, make([]byte, len(greetingOf("SUB")))); err != nil {
		t.Fatal(err)
	}
	const size, number = 64 << 10, 2 * muchWaiting / (64 << 10)
	message := append(binary.BigEndian.AppendUint64([]byte{2}, size), make([]byte, size)...)
	if _, err := peer.Write(bytes.Repeat(message, number)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-released:
	case <-time.After(60 * time.Second):
		t.Fatal("a backlog was not noticed")
	}
	for range number {
		var m zmsg.Msg
		err := s.Wait(time.Now().Add(60*time.Second), func() error { return nil }, func() error { return s.TryRecv(&m) })
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	if err := s.TryRecv(new(zmsg.Msg)); !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("got %v, after all was read", err)
	}
}

package zmsg

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkSendRecv measures what a frame is made of: one part sent without a
// copy and answered by an empty one.
func BenchmarkSendRecv(b *testing.B) {
	for _, protocol := range []string{"inproc", "ipc", "tcp"} {
		for _, size := range []int{200, 6 << 20} {
			b.Run(fmt.Sprintf("%s/%d", protocol, size), func(b *testing.B) {
				send, recv := pair(b)
				bindAndConnect(b, protocol, send, recv)
				lockstep(b, send, recv, make([]byte, size))
			})
		}
	}
}

func bindAndConnect(b *testing.B, protocol string, send, recv *Socket) {
	if protocol == "tcp" {
		connect(b, send, recv)
		return
	}
	ep := "inproc://bench"
	if protocol == "ipc" {
		ep = "ipc://" + filepath.Join(b.TempDir(), "s")
	}
	if err := recv.Bind(ep); err != nil {
		b.Fatal(err)
	}
	if err := send.Connect(ep); err != nil {
		b.Fatal(err)
	}
}

func lockstep(b *testing.B, send, recv *Socket, part []byte) {
	tracker, err := NewMessageTracker()
	if err != nil {
		b.Fatal(err)
	}
	defer tracker.Close()
	var m Msg
	wait := func(s *Socket, try func() error) {
		if err := s.Wait(time.Time{}, never, try); err != nil {
			b.Fatal(err)
		}
	}
	// The closures are created once: one for each frame would count as an
	// allocation of the sockets.
	sendPart := func() error { return send.TrySendTracked(tracker, part, Last) }
	recvPart := func() error { return recv.TryRecv(&m) }
	answer := func() error { return recv.TrySend(nil, Last) }
	recvAnswer := func() error { return send.TryRecv(&m) }
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		wait(send, sendPart)
		wait(recv, recvPart)
		m.Close()
		wait(recv, answer)
		wait(send, recvAnswer)
		m.Close()
		tracker.Wait()
	}
}

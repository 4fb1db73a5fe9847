package transport

import (
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// muchWaiting is how much memory the unread messages of a socket must take to be
// a backlog.
const muchWaiting = 64 << 20

// backlog returns the memory of messages that waited to be read to the system,
// once a time has passed since there was a backlog: the next one would need it
// again. malloc by itself keeps it (see ng_release_freed).
var backlog = struct {
	sync.Mutex
	timer   *time.Timer
	after   time.Duration
	release func()
}{after: 5 * time.Second, release: zmsg.ReleaseFreed}

// noteWaiting notes how much memory the unread messages of a socket take.
func noteWaiting(memory int64) {
	if memory < muchWaiting {
		return
	}
	backlog.Lock()
	defer backlog.Unlock()
	if backlog.timer == nil {
		backlog.timer = time.AfterFunc(backlog.after, backlog.release)
		return
	}
	backlog.timer.Reset(backlog.after)
}

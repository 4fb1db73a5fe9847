package netgear

import (
	"net"
	"slices"
	"sync"
	"testing"
)

// tap is a TCP proxy that keeps every byte that crosses it, each way by itself.
// It can hold back what goes to the server, at any byte, and cut what is open.
type tap struct {
	port string
	to   string

	mu       sync.Mutex
	changed  *sync.Cond
	up, down []byte // as they came
	passed   int    // bytes that have gone to the server
	limit    int    // after how many it holds back; negative: never
	holding  bool
	cuts     int
	open     []net.Conn
	from     []string // where connections were made from, all that there were
}

// newTap listens on address, for instance 127.0.0.1:0, and leads to another.
func newTap(t *testing.T, address, to string) *tap {
	t.Helper()
	p := &tap{to: to, limit: -1}
	p.changed = sync.NewCond(&p.mu)
	var l net.Listener
	await(t, "the port "+address, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	var running sync.WaitGroup
	running.Add(1)
	go func() {
		defer running.Done()
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			p.lead(&running, in)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		p.cut()
		running.Wait()
	})
	_, p.port, _ = net.SplitHostPort(l.Addr().String())
	return p
}

func (p *tap) lead(running *sync.WaitGroup, in net.Conn) {
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		in.Close()
		return
	}
	p.mu.Lock()
	p.open = append(p.open, in, out)
	p.from = append(p.from, in.RemoteAddr().String())
	cuts := p.cuts
	p.mu.Unlock()
	running.Add(2)
	go func() {
		defer running.Done()
		defer out.Close()
		copyChunks(in, &p.mu, &p.up, func(b []byte) bool {
			for len(b) > 0 {
				n := p.awaitRoom(len(b), cuts)
				if n == 0 {
					return false
				}
				if _, err := out.Write(b[:n]); err != nil {
					return false
				}
				b = b[n:]
			}
			return true
		})
	}()
	go func() {
		defer running.Done()
		defer in.Close()
		copyChunks(out, &p.mu, &p.down, func(b []byte) bool {
			_, err := in.Write(b)
			return err == nil
		})
	}()
}

// copyChunks records what comes and passes it on.
func copyChunks(src net.Conn, mu *sync.Mutex, record *[]byte, write func([]byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := src.Read(b)
		mu.Lock()
		*record = append(*record, b[:n]...)
		mu.Unlock()
		if n > 0 && !write(b[:n]) || err != nil {
			return
		}
	}
}

// awaitRoom waits until some of n bytes may pass, and says how many; none when
// the connection was cut.
func (p *tap) awaitRoom(n, cuts int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.limit == p.passed && p.cuts == cuts {
		p.holding = true
		p.changed.Wait()
	}
	if p.cuts != cuts {
		return 0
	}
	if p.limit >= 0 {
		n = min(n, p.limit-p.passed)
	}
	p.passed += n
	return n
}

// hold holds back what comes for the server after n more bytes.
func (p *tap) hold(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, p.holding = p.passed+n, false
}

// held tells whether something is held back.
func (p *tap) held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holding
}

func (p *tap) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, p.holding = -1, false
	p.changed.Broadcast()
}

// cut ends every connection; new ones are led on.
func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts++
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
	p.changed.Broadcast()
}

// reset is cut with a reset, after which no system remembers a connection.
func (p *tap) reset() {
	p.mu.Lock()
	for _, c := range p.open {
		c.(*net.TCPConn).SetLinger(0)
	}
	p.mu.Unlock()
	p.cut()
}

// froms are where connections were made from, all that there were.
func (p *tap) froms() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.from)
}

// said is what clients have said to the server, heard what it has said to them.
func (p *tap) said() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.up)
}

func (p *tap) heard() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.down)
}

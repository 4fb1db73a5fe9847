// Package tcpproxy disturbs the TCP connections of a test or a measurement.
package tcpproxy

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"time"
)

// Proxy is a TCP proxy between clients and a server. It can hold back what goes
// to the server, at any byte, pass everything on slowly, and end the connections.
// Its methods may be called from several goroutines.
type Proxy struct {
	Addr string // where it listens
	Port string // the port of Addr

	to       string
	records  bool
	listener net.Listener
	running  sync.WaitGroup
	done     chan struct{} // closed by Close

	mu       sync.Mutex
	changed  *sync.Cond
	up, down []byte        // as they came
	passed   int           // bytes that have gone to the server
	limit    int           // after how many it holds back; negative: never
	held     chan struct{} // closed when something is held back
	slow     time.Duration // for each kilobyte
	cuts     int
	open     []net.Conn
	sources  []string
}

// New leads the connections that l accepts to a server, until Close. With records
// it records every byte, each direction by itself.
func New(l net.Listener, to string, records bool) *Proxy {
	p := &Proxy{Addr: l.Addr().String(), to: to, records: records, listener: l, limit: -1, held: make(chan struct{}), done: make(chan struct{})}
	_, p.Port, _ = net.SplitHostPort(p.Addr)
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			p.lead(in)
		}
	})
	return p
}

// Close closes the listener, ends every connection, and waits until nothing of
// the proxy runs. It must be called once.
func (p *Proxy) Close() {
	close(p.done)
	p.listener.Close()
	p.Cut()
	p.running.Wait()
}

// lead connects a client to the server.
func (p *Proxy) lead(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done: // nothing would close these
		client.Close()
		server.Close()
		return
	default:
	}
	p.open = append(p.open, client, server)
	if p.records {
		p.sources = append(p.sources, client.RemoteAddr().String())
	}
	cuts := p.cuts
	p.running.Go(func() {
		defer server.Close()
		p.copy(client, server, &p.up, func(n int) int { return p.awaitRoom(n, cuts) })
	})
	p.running.Go(func() {
		defer client.Close()
		p.copy(server, client, &p.down, func(n int) int { return n })
	})
}

// copy passes on what comes. The function room returns how many
// of n bytes may pass, and none when the connection was cut.
func (p *Proxy) copy(from, to net.Conn, record *[]byte, room func(n int) int) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if p.records {
			p.mu.Lock()
			*record = append(*record, b[:n]...)
			p.mu.Unlock()
		}
		for rest := b[:n]; len(rest) > 0; {
			k := room(p.pace(len(rest)))
			if k == 0 {
				return
			}
			if _, err := to.Write(rest[:k]); err != nil {
				return
			}
			rest = rest[k:]
		}
		if err != nil {
			return
		}
	}
}

// pace waits as long as the next bytes of n take on a slow line, and returns how
// many those are.
func (p *Proxy) pace(n int) int {
	p.mu.Lock()
	slow := p.slow
	p.mu.Unlock()
	if slow == 0 {
		return n
	}
	n = min(n, 1024)
	select {
	case <-p.done:
	case <-time.After(slow * time.Duration(n) / 1024):
	}
	return n
}

// awaitRoom waits until some of n bytes may pass, and returns how many. It
// returns 0 when the connection was cut.
func (p *Proxy) awaitRoom(n, cuts int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.limit == p.passed && p.cuts == cuts {
		select {
		case <-p.held:
		default:
			close(p.held)
		}
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

// Hold holds back what clients send after n more bytes, on all connections
// together.
func (p *Proxy) Hold(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, p.held = p.passed+n, make(chan struct{})
}

// Held returns what is closed when something is held back. Hold must have been
// called.
func (p *Proxy) Held() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// Holds reports whether something is held back.
func (p *Proxy) Holds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.held:
		return p.limit >= 0
	default:
		return false
	}
}

// Release passes on what is held back, and what follows.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = -1
	p.changed.Broadcast()
}

// Slow makes each kilobyte take so long, in both directions.
func (p *Proxy) Slow(perKilobyte time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = perKilobyte
}

// Cut ends every connection. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Reset ends every connection with a reset, after which neither system remembers
// it. New ones are accepted.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.(*net.TCPConn).SetLinger(0)
	}
	p.cut()
}

// cut ends every connection. p.mu must be held.
func (p *Proxy) cut() {
	p.cuts++
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
	p.changed.Broadcast()
}

// Sources returns the addresses of all clients there were, in order, if it
// records.
func (p *Proxy) Sources() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sources)
}

// FromClients returns what clients have sent, whether it was passed on or not.
func (p *Proxy) FromClients() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.up)
}

// FromServer returns what the server has sent, whether it was passed on or not.
func (p *Proxy) FromServer() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.down)
}

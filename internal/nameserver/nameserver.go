// Package nameserver is a DNS server inside the process, for tests of what happens
// when a name changes.
package nameserver

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
)

// Server resolves one name.
type Server struct {
	Name string

	mu        sync.Mutex
	addresses []string
	fails     bool
	hangs     bool
	asked     int
	gone      chan struct{} // closed by Close
}

// servers are those that are open, by name.
var servers sync.Map

// Install makes the process's resolver ask the open servers. A name that none of
// them has, and that is not in the system's hosts file, does not exist.
func Install() {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serveNames(server)
		return client, nil
	}}
}

// New returns a server for a name. It must be closed.
func New(name string, addresses ...string) *Server {
	s := &Server{Name: name, addresses: addresses, gone: make(chan struct{})}
	servers.Store(name, s)
	return s
}

// Close removes the name. Lookups that hang end.
func (s *Server) Close() {
	servers.Delete(s.Name)
	close(s.gone)
}

// serveNames answers questions as a name server does over TCP (RFC 1035).
func serveNames(c net.Conn) {
	defer c.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer, gone := answerName(query)
		if answer == nil {
			<-gone
			return
		}
		c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer))))
		c.Write(answer)
	}
}

const (
	dnsServFail = 2
	dnsNXDomain = 3
	dnsA        = 1
	dnsAAAA     = 28
)

// answerName returns the answer to a question. For none it returns nil, and what
// is closed when the name server ends.
func answerName(query []byte) (answer []byte, gone <-chan struct{}) {
	labels, at := []string{}, 12
	for query[at] != 0 {
		end := at + 1 + int(query[at])
		labels, at = append(labels, string(query[at+1:end])), end
	}
	question := query[12 : at+5]
	kind := binary.BigEndian.Uint16(query[at+1:])
	status, addresses := uint16(dnsNXDomain), []net.IP{}
	if s, ok := servers.Load(strings.Join(labels, ".")); ok {
		if status, addresses, ok = s.(*Server).lookup(kind); !ok {
			return nil, s.(*Server).gone
		}
	}
	answer = append(answer, query[:2]...)
	for _, n := range []uint16{0x8180 | status, 1, uint16(len(addresses)), 0, 0} {
		answer = binary.BigEndian.AppendUint16(answer, n)
	}
	answer = append(answer, question...)
	for _, ip := range addresses {
		answer = append(answer, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
		answer = append(answer, ip...)
	}
	return answer, nil
}

// lookup returns the addresses of one kind. ok is false if there is no answer.
func (s *Server) lookup(kind uint16) (status uint16, all []net.IP, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == dnsA { // each lookup asks for both kinds
		s.asked++
	}
	switch {
	case s.hangs:
		return 0, nil, false
	case s.fails:
		return dnsServFail, nil, true
	}
	for _, text := range s.addresses {
		ip := net.ParseIP(text)
		if four := ip.To4(); four != nil && kind == dnsA {
			all = append(all, four)
		} else if four == nil && kind == dnsAAAA {
			all = append(all, ip)
		}
	}
	return 0, all, true
}

// Move changes the addresses of the name, which is answered from now on.
func (s *Server) Move(addresses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses, s.fails, s.hangs = addresses, false, false
}

// Fail makes the server answer with an error.
func (s *Server) Fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = true
}

// Hang makes the server answer nothing.
func (s *Server) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = true
}

// Count returns how many lookups there were.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

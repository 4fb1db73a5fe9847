package sshtunnel

import (
	"net"
	"testing"
)

// Server is a real OpenSSH server for tests of the package's users.
type Server struct{ s *sshd }

// NewServer starts a server. conf are lines for its configuration.
func NewServer(t *testing.T, conf ...string) Server { return Server{newSSHD(t, conf...)} }

// NewServerAt starts a server that listens on an address and a port.
func NewServerAt(t *testing.T, host string, port int, conf ...string) Server {
	return Server{newSSHDAt(t, host, port, conf...)}
}

// HostKey returns the server's key as known_hosts has it after the host.
func (s Server) HostKey() string { return readFile(s.s.t, s.s.file("host_ed25519.pub")) }

// Config returns a configuration for a tunnel through the server to a port.
func (s Server) Config(remote string) Config { return s.s.config(remote) }

func (s Server) Kill()  { s.s.kill() }
func (s Server) Start() { s.s.start() }

// Password returns the account's password, for "PasswordAuthentication yes".
const Password = password

// Serve calls handle for each connection to a port of the loopback.
func Serve(t *testing.T, handle func(*net.TCPConn)) (addr string) {
	return serve(t, "127.0.0.1:0", handle)
}

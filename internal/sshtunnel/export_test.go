package sshtunnel

import "testing"

// Server is a real OpenSSH server for the tests of whoever uses this package.
type Server struct{ s *sshd }

func NewServer(t *testing.T) Server { return Server{newSSHD(t)} }

// Config leads through the server to a port.
func (s Server) Config(remote string) Config { return s.s.config(remote) }

func (s Server) Kill()  { s.s.kill() }
func (s Server) Start() { s.s.start() }

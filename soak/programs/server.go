package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// serverVariable is set in the environment of the process that is the NATS
// server: to its port.
const serverVariable = "NETGEAR_SOAK_NATS"

// serverLimit is how long the server may take until it listens.
const serverLimit = time.Minute

// runServer runs a NATS server until the process is killed, and reports whether
// this is that process. It ends with status 1 if it cannot listen. It ignores
// the signals that interrupt a run, which may be sent to all processes of this
// name: the cameras are still to be shown after that.
func runServer() bool {
	text := os.Getenv(serverVariable)
	if text == "" {
		return false
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	port, err := strconv.Atoi(text)
	if err == nil {
		var s *natsd.Server
		if s, err = natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: port, NoSigs: true}); err == nil {
			s.SetLogger(serverLog{}, false, false)
			s.Start()
			s.WaitForShutdown()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// serverLog prints what the server reports. Without a logger, a server that
// cannot listen would neither end nor report anything.
type serverLog struct{}

func (serverLog) print(format string, v ...any) {
	fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), fmt.Sprintf(format, v...))
}
func (l serverLog) Noticef(format string, v ...any) { l.print(format, v...) }
func (l serverLog) Warnf(format string, v ...any)   { l.print(format, v...) }
func (l serverLog) Errorf(format string, v ...any)  { l.print(format, v...) }
func (l serverLog) Debugf(string, ...any)           {}
func (l serverLog) Tracef(string, ...any)           {}
func (l serverLog) Fatalf(format string, v ...any) {
	l.print(format, v...)
	os.Exit(1)
}

// startServer starts the server and waits until it listens. While another
// process has its port, it is started again.
func (p *plant) startServer(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var s *process
	err = until(ctx, serverLimit, "the NATS server", func() (_ bool, err error) {
		if s == nil || s.hasEnded() {
			if s, err = startProcess(p.folder, "nats-server", self, []string{serverVariable + "=" + p.nats}); err != nil {
				return false, err
			}
		}
		return s.listens(p.nats), nil
	})
	if err != nil && s != nil {
		s.kill()
		return fmt.Errorf("%w: %s", err, s.lastLines())
	}
	p.server.Store(s)
	return err
}

// checkServer returns an error if the server has ended by itself.
func (p *plant) checkServer() error {
	if s := p.server.Load(); s != nil && s.hasEnded() && !s.planned.Load() {
		return fmt.Errorf("the NATS server has ended: %v: %s", s.cmd.ProcessState, s.lastLines())
	}
	return nil
}

// listens reports whether something listens on the port while the process runs.
func (p *process) listens(port string) bool {
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	defer c.Close()
	// Its first line, which the server sends at once.
	c.SetReadDeadline(time.Now().Add(time.Second)) //nolint:errcheck // the read fails, too
	info := make([]byte, 5)
	n, _ := c.Read(info)
	return string(info[:n]) == "INFO " && !p.hasEnded()
}

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/tcpproxy"
)

func TestMain(m *testing.M) {
	switch {
	case runServer():
	case peertest.IsMain():
		main()
	default:
		os.Exit(m.Run())
	}
}

// The end of the terminal ends a run as an interrupt does. The program netgear does
// nothing here.
func TestHangUp(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	idle := filepath.Join(folder, "idle")
	if err := os.WriteFile(idle, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	peertest.HangUp(t, peertest.AsMain("-netgear", idle, "-o", folder), func(output string) bool { return strings.Contains(output, "seed ") })
}

// A server whose port another process has taken ends, and is started again until
// the port is free.
func TestServerWithoutPort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	port, err := tcpproxy.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	first, err := startProcess(t.TempDir(), "nats-server", self, []string{serverVariable + "=" + port})
	if err != nil {
		t.Fatal(err)
	}
	defer first.kill()
	select {
	case <-first.ended:
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	if first.cmd.ProcessState.Success() {
		t.Errorf("it ends with %v: %s", first.cmd.ProcessState, first.lastLines())
	}
	p := &plant{settings: &settings{folder: t.TempDir()}, nats: port}
	started := make(chan error, 1)
	go func() { started <- p.startServer(ctx) }()
	// The other process is reached until it ends.
	c, err := other.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	other.Close()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	s := p.server.Load()
	defer s.kill()
	// It survives the signals that end a run.
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(status), "SigIgn:")
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	ignored, err := strconv.ParseUint(text, 16, 64)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err != nil || ignored>>(signal-1)&1 == 0 {
			t.Errorf("it does not ignore %v: %q, %v", signal, text, err)
		}
	}
	if err := p.checkServer(); err != nil {
		t.Error(err)
	}
	s.signal(syscall.SIGABRT) // it ends by itself
	<-s.ended
	if p.checkServer() == nil {
		t.Error("the end of the server is not noticed")
	}
}

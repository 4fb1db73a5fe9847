package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	natsd "github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// noDescriptors matches the errors of a program that needs more descriptors.
var noDescriptors = regexp.MustCompile(`ulimit -n|too many open files`)

// A program that has too few descriptors to start fails with an error that names
// them, and ends well if it has enough.
func TestProgramsWithFewDescriptors(t *testing.T) {
	t.Parallel()
	url := natsServerWith(t, &natsd.Options{Host: "127.0.0.1"})
	for name, args := range map[string][]string{
		"view":             {"view", "--listen", "127.0.0.1:0", "--input", "tcp://127.0.0.1:0?name=gate"},
		"record":           {"record", "--dir", t.TempDir(), "--input", "tcp://127.0.0.1:0?name=gate"},
		"relay":            {"relay", "--input", "tcp://127.0.0.1:0?name=gate", "--output", "tcp://127.0.0.1:0?attach=bind&pattern=2"},
		"bridge":           {"bridge", "--nats", url, "--input", "tcp://127.0.0.1:0?name=gate"},
		"bridge from NATS": {"bridge", "--nats", url, "--from-nats", "--address", "127.0.0.1", "--port", "0", "--attach", "bind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused, opened := 0, 0
			for _, n := range []int{8, 10, 14, 24, 40, 64, 256} {
				cmd := command(args...)
				peertest.LimitDescriptors(cmd, n)
				p := startCommand(t, cmd)
				peertest.Await(t, timeLimit, "its start", func() bool {
					select {
					case <-p.done:
						return true
					default:
						return strings.Contains(p.stderr.String(), "endpoint")
					}
				})
				p.signal(syscall.SIGTERM)
				switch status := p.status(); {
				case status == 0:
					opened++
				case status == exitFailure && noDescriptors.MatchString(p.stderr.String()):
					refused++
				default:
					t.Errorf("%d descriptors: status %d: %s", n, status, &p.stderr)
				}
			}
			if refused < 3 || opened < 1 {
				t.Errorf("%d refused, %d opened", refused, opened)
			}
		})
	}
}

// While connections take every descriptor of a program, it serves the camera that
// is connected. When there are some again, it serves another one.
func TestProgramsWithoutDescriptors(t *testing.T) {
	t.Parallel()
	url := natsServerWith(t, &natsd.Options{Host: "127.0.0.1"})
	dir := t.TempDir()
	receiver := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--pattern", "1")
	for name, args := range map[string][]string{
		"view":   {"view", "--listen", "127.0.0.1:0"},
		"record": {"record", "--dir", dir},
		"relay":  {"relay", "--output", "tcp://127.0.0.1:" + receiver.port() + "?pattern=1"},
		"bridge": {"bridge", "--nats", url},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, append(args, "--input", "tcp://127.0.0.1:0?pattern=1&name=gate", "--metrics", "127.0.0.1:0", "--log-level", "info")...)
			metrics := p.await(&p.stderr, `url=(http://127\.0\.0\.1:\d+/metrics)`)
			pattern := `endpoint tcp://\S+:(\d+)\n`
			if name == "relay" { // its output has one, too
				pattern = `(?s)endpoint .*` + pattern
			}
			port := p.await(&p.stderr, pattern)
			first := cameraAt(t, port)
			sendSmall(t, first, 3)
			awaitMetric(t, metrics, `netgear_frames_total\{direction="receive",end="(?:input )?gate",port=""\} 3`)

			p.limitDescriptors(20)
			var silent []net.Conn
			for range 60 {
				if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil { // it may have been ended by now
					defer conn.Close()
					silent = append(silent, conn)
				}
			}
			p.await(&p.stderr, `ulimit -n`)
			sendSmall(t, first, 20)

			for _, conn := range silent {
				conn.Close()
			}
			p.limitDescriptors(1000)
			second := cameraAt(t, port)
			sendSmall(t, second, 20)
			awaitMetric(t, metrics, `netgear_frames_total\{direction="receive",end="(?:input )?gate",port=""\} 43`)
			p.signal(syscall.SIGTERM)
			p.succeed()
			for _, c := range []*netgear.NetGear{first, second} {
				if s := c.Stats(); s.Failed > 0 {
					t.Errorf("%d frames failed", s.Failed)
				}
			}
			if name == "record" {
				files, _ := filepath.Glob(filepath.Join(dir, "*.mkv"))
				if len(files) != 1 || !strings.Contains(p.stderr.String(), "recorded 43 frames in 1 file,") {
					t.Errorf("%q, %s", files, &p.stderr)
				}
			}
		})
	}
}

// cameraAt returns a send end for a port, which waits for long.
func cameraAt(t *testing.T, port string) *netgear.NetGear {
	t.Helper()
	end, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, Pattern: netgear.ReqRep, TerminateDelay: -1, MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	return end
}

// sendSmall sends small frames, each of which is answered.
func sendSmall(t *testing.T, end *netgear.NetGear, n int) {
	t.Helper()
	for i := range n {
		if _, err := end.SendArray(t.Context(), netgear.Array{DType: "uint8", Shape: []int{16, 16, 3}, Data: make([]byte, 16*16*3)}, i); err != nil {
			t.Fatal(err)
		}
	}
}

// limitDescriptors sets the limit of the program to so many more than it has open.
func (p *process) limitDescriptors(free int) {
	p.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	var now unix.Rlimit
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &now); err != nil {
		p.t.Fatal(err)
	}
	now.Cur = min(uint64(len(open)+free), now.Max) //nolint:gosec // small
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &now, nil); err != nil {
		p.t.Fatal(err)
	}
}

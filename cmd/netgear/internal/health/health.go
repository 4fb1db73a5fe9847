// Package health checks what this library needs from a system: libraries, keys,
// ports, limits. Each check has a remedy.
package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/certs"
)

// Status is the result of a check.
type Status string

// The results.
const (
	OK   Status = "ok"
	Note Status = "note" // works, but could be better
	Fail Status = "fail" // something does not work
)

// Check is one line of the report.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do, mostly a command
}

// Versions are the versions of a build that only the program itself has.
type Versions struct{ OpenCV, GoCV string }

// Libraries checks the libraries that this program uses.
func Libraries(v Versions) []Check {
	major, minor, patch := zmq4.Version()
	zmq := Check{"libzmq", OK, fmt.Sprintf("%d.%d.%d", major, minor, patch), ""}
	if major < 4 || major == 4 && minor < 3 {
		zmq.Status, zmq.Fix = Fail, "install libzmq 4.3 or newer: "+installCommand("zmq")
	}
	opencv := Check{"OpenCV", OK, fmt.Sprintf("%s, gocv %s", v.OpenCV, v.GoCV), ""}
	if v.OpenCV == "" {
		opencv = Check{"OpenCV", Note, "this program was built without it (-tags nogocv): no video files but MJPEG AVI, no cameras but MJPEG ones, no --show, --size and --gray",
			installCommand("opencv") + ", then build without -tags nogocv"}
	}
	return []Check{zmq, {"libjpeg-turbo", OK, jpegVersion(), ""}, opencv, curve()}
}

// curve checks with which library libzmq does CURVE.
func curve() Check {
	c := Check{"CURVE", OK, "libsodium", ""}
	loaded, err := os.ReadFile("/proc/self/maps")
	switch {
	case !zmq4.HasCurve():
		return Check{"CURVE", Fail, "this libzmq has no CURVE: the secure modes do not work", "install a libzmq with libsodium: " + installCommand("zmq")}
	case err != nil:
		c.Detail = "available (libsodium or tweetnacl)"
	case !strings.Contains(string(loaded), "libsodium"):
		return Check{"CURVE", Note, "tweetnacl, which takes ten times as long as libsodium", "install a libzmq that uses libsodium: " + installCommand("zmq")}
	}
	return c
}

// Development checks what building programs needs.
func Development(ctx context.Context) []Check {
	var checks []Check
	for _, n := range needs {
		if n.check == nil {
			continue
		}
		c := Check{n.title, OK, "", ""}
		detail, err := n.check(ctx)
		if c.Detail = detail; err != nil {
			c.Status, c.Detail, c.Fix = Note, "missing, for building programs: "+err.Error(), installCommand(n.id)
		}
		checks = append(checks, c)
	}
	return checks
}

// Ports checks whether the ports are free on an address.
func Ports(address string, ports []string) []Check {
	if address == "*" || address == "" {
		address = ""
	}
	var checks []Check
	for _, port := range ports {
		c := Check{"port " + port, OK, "free", ""}
		l, err := net.Listen("tcp", net.JoinHostPort(address, port))
		switch {
		case err == nil:
			l.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			c.Status, c.Detail, c.Fix = Note, "in use: a receive end cannot listen there", "stop the other program (ss -ltnp 'sport = :"+port+"' shows it), or use another --port"
			if owner := owner(port); owner != "" {
				c.Detail = "in use by " + owner + ": another receive end cannot listen there"
			}
		case errors.Is(err, syscall.EACCES):
			c.Status, c.Detail, c.Fix = Fail, "this user may not listen there", "use a port above 1023"
		default:
			c.Status, c.Detail, c.Fix = Fail, err.Error(), "check --address: it must be one of this machine"
		}
		checks = append(checks, c)
	}
	return checks
}

// Keys checks the certificate folder of a location. needed is false if no secure
// mode is set.
func Keys(location string, needed bool) []Check {
	dir, err := certs.Dir(location)
	if err != nil {
		return []Check{{"keys", Fail, err.Error(), "set --cert-location"}}
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		c := Check{"keys", OK, "none in " + dir + "; only the secure modes need them", ""}
		if needed {
			c.Status, c.Fix = Fail, "netgear keys, then copy the public keys to the other machines"
		}
		return []Check{c}
	}
	files, err := certs.List(dir)
	if err != nil {
		return []Check{{"keys", Fail, err.Error(), "check the owner and the mode of " + dir}}
	}
	checks := []Check{{"keys", OK, fmt.Sprintf("%d files in %s", len(files), dir), ""}}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if f.Exposed() {
			checks = append(checks, Check{"keys", Fail, fmt.Sprintf("%s has mode %04o: others can read the secret key", f.Name, f.Mode.Perm()), "chmod 600 " + path})
		}
		if strings.HasPrefix(f.PublicKey, "none") {
			checks = append(checks, Check{"keys", Fail, f.Name + ": " + f.PublicKey, "copy it again, or netgear keys --replace"})
		}
	}
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o022 != 0 {
		checks = append(checks, Check{"keys", Fail, fmt.Sprintf("%s has mode %04o: others can add keys", dir, info.Mode().Perm()), "chmod 700 " + dir})
	}
	return checks
}

// Limits checks limits of the kernel. root is "/" outside tests.
func Limits(root string) []Check {
	checks := []Check{files()}
	// TCP grows its buffers up to these; the core limits bound what a program
	// asks for.
	for _, l := range []struct{ name, path string }{
		{"net.ipv4.tcp_rmem", "proc/sys/net/ipv4/tcp_rmem"}, {"net.ipv4.tcp_wmem", "proc/sys/net/ipv4/tcp_wmem"},
		{"net.core.rmem_max", "proc/sys/net/core/rmem_max"}, {"net.core.wmem_max", "proc/sys/net/core/wmem_max"},
	} {
		content, err := os.ReadFile(filepath.Join(root, l.path))
		if err != nil {
			continue // another system
		}
		checks = append(checks, buffer(l.name, string(content)))
	}
	return checks
}

// enoughBuffer is the size of a socket's buffer at which a raw 1080p frame
// (6.2 MB) crosses a gigabit network of 10 ms without a pause: 1.25 MB.
const enoughBuffer = 1250000

// buffer checks the largest size of a socket's buffer.
func buffer(name, content string) Check {
	fields := strings.Fields(content)
	var size int
	if len(fields) > 0 {
		fmt.Sscan(fields[len(fields)-1], &size) //nolint:errcheck // 0 then
	}
	c := Check{name, OK, fmt.Sprintf("at most %d bytes", size), ""}
	switch {
	case size >= enoughBuffer:
	case strings.HasPrefix(name, "net.core."):
		c.Detail += ", for programs that set their own size; TCP's own limit is the other one"
	default:
		c.Status = Note
		c.Detail += ": large frames wait for the network at long distances"
		c.Fix = "sysctl -w " + name + "='4096 131072 6291456'"
	}
	return c
}

// files checks how many descriptors this process may have.
func files() Check {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return Check{"open files", Note, err.Error(), ""}
	}
	c := Check{"open files", OK, fmt.Sprintf("at most %d", limit.Cur), ""}
	if limit.Cur < 256 {
		c.Status, c.Fix = Note, "ulimit -n 1024 (each connection takes one)"
	}
	return c
}

// Failed reports whether a check failed.
func Failed(checks []Check) bool {
	for _, c := range checks {
		if c.Status == Fail {
			return true
		}
	}
	return false
}

// timeLimit bounds the run of another program.
const timeLimit = 10 * time.Second

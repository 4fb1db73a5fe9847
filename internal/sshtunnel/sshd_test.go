package sshtunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// waitLimit limits each wait for something that must happen.
const waitLimit = time.Minute

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// --- an OpenSSH server for tests
// -------------------------------------------------

// sshd is a real OpenSSH server on a free port of the loopback. It runs as the
// current user, and everything it reads is in the test's own folder.
type sshd struct {
	t    *testing.T
	dir  string
	host string // the address that it listens on
	port int
	bin  string
	env  []string
	cmd  *exec.Cmd // nil while it does not run
	log  peertest.Text
}

// need returns the path of a program, or fails the test with how to install it.
func need(t *testing.T, program, pkg string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	// sshd is in a folder that only root's PATH contains.
	if path := "/usr/sbin/" + program; exists(path) {
		return path
	}
	t.Fatalf("%s is missing, and this test is against the real one: apt-get install -y %s", program, pkg)
	return ""
}

// The account's password, and its hash: openssl passwd -6.
const (
	password     = "camera-Passw0rd"
	passwordHash = "$6$netgear$2pSl1fle07NwFt2uX7h.Qa8udKDP.GmrjO62S/FkU8Zcyhs1nBO.CqcRWd9/TRKFIR2hMaZo7kL9y3YxsBd/W1"
)

// ownAccount creates an account for sshd with the current user's name and id,
// and the password above, whatever the machine's account is. nss_wrapper
// provides it to sshd alone. It is for Linux; other systems use the machine's
// account.
func (s *sshd) ownAccount() {
	s.t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	const library = "libnss_wrapper.so"
	// The loader prints what it cannot preload, and continues without it.
	probe := exec.Command(s.bin, "-V")
	probe.Env = append(os.Environ(), "LD_PRELOAD="+library)
	if out, _ := probe.CombinedOutput(); strings.Contains(string(out), library) {
		s.t.Fatalf("%s is missing, and sshd needs it for an account of the test's own: apt-get install -y libnss-wrapper", library)
	}
	uid, gid := strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	name := userName(s.t)
	writeFile(s.t, s.file("passwd"), name+":x:"+uid+":"+gid+"::"+s.dir+":/bin/sh\n"+
		"sshd:x:65533:65533::/:/bin/false\n") // the user for unprivileged work, if it runs as root
	writeFile(s.t, s.file("shadow"), name+":"+passwordHash+":19000:0:99999:7:::\n")
	writeFile(s.t, s.file("group"), name+":x:"+gid+":\n")
	s.env = []string{"LD_PRELOAD=" + library, "NSS_WRAPPER_PASSWD=" + s.file("passwd"),
		"NSS_WRAPPER_SHADOW=" + s.file("shadow"), "NSS_WRAPPER_GROUP=" + s.file("group")}
}

func userName(t *testing.T) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return me.Username
}

// newSSHD starts a server that accepts dir/user_key, with one ed25519 host key.
// conf are more lines for its configuration.
func newSSHD(t *testing.T, conf ...string) *sshd {
	t.Helper()
	return newSSHDAt(t, "127.0.0.1", freePort(t), conf...)
}

// newSSHDAt starts a server that listens on an address and a port.
func newSSHDAt(t *testing.T, host string, port int, conf ...string) *sshd {
	t.Helper()
	alone(t)
	s := &sshd{t: t, host: host, port: port, dir: t.TempDir(), bin: need(t, "sshd", "openssh-server")}
	keygen(t, "ed25519", "", s.file("host_ed25519"))
	keygen(t, "ed25519", "", s.file("user_key"))
	copyFile(t, s.file("user_key.pub"), s.file("authorized_keys"))
	s.ownAccount()
	s.configure(append([]string{"HostKey " + s.file("host_ed25519")}, conf...)...)
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("sshd says:\n%s", s.log.String())
		}
	})
	return s
}

func (s *sshd) file(name string) string { return filepath.Join(s.dir, name) }

// configure writes the configuration, which takes effect at the next start. The
// first of two lines for the same setting counts, so conf is first.
func (s *sshd) configure(conf ...string) {
	s.t.Helper()
	conf = append(conf,
		"ListenAddress "+s.addr(),
		"AuthorizedKeysFile "+s.file("authorized_keys"),
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"PermitRootLogin yes",
		"UsePAM no",      // PAM's configuration is the machine's
		"StrictModes no", // the folder's parents may have any owner
		"PidFile none",
		"LogLevel VERBOSE",
	)
	writeFile(s.t, s.file("sshd_config"), strings.Join(conf, "\n")+"\n")
}

// start starts the server and returns when it accepts connections.
func (s *sshd) start() {
	s.t.Helper()
	check := exec.Command(s.bin, "-t", "-f", s.file("sshd_config"))
	check.Env = append(os.Environ(), s.env...)
	if out, err := check.CombinedOutput(); err != nil {
		// As root it needs an empty folder, which the system service creates.
		_, dir, found := strings.Cut(string(out), "Missing privilege separation directory: ")
		if !found {
			s.t.Fatalf("sshd does not take its configuration: %v\n%s", err, out)
		}
		if err := os.MkdirAll(strings.TrimSpace(dir), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	s.cmd = exec.Command(s.bin, "-D", "-e", "-f", s.file("sshd_config"))
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stderr = &s.log
	// Its sessions hold stderr too. kill ends them, and waits at most for this
	// time.
	s.cmd.WaitDelay = waitLimit
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "sshd answers", func() bool {
		c, err := net.Dial("tcp", s.addr())
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(waitLimit))
		hello := make([]byte, 4)
		_, err = io.ReadFull(c, hello)
		return err == nil && string(hello) == "SSH-"
	})
}

// kill kills the server and its sessions at once.
func (s *sshd) kill() {
	if s.cmd == nil {
		return
	}
	// During authentication sessions fork, so they are stopped first, until no
	// new one appears.
	s.cmd.Process.Signal(syscall.SIGSTOP)
	stopped := map[int]bool{}
	for found := true; found; {
		found = false
		for _, pid := range s.sessions() {
			if !stopped[pid] {
				stopped[pid], found = true, true
				syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
	}
	for pid := range stopped {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.cmd = nil
}

// sessions are the processes that serve connections.
func (s *sshd) sessions() (pids []int) {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	if stats == nil {
		s.t.Skip("no /proc to find sshd's sessions in")
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		var state string
		var parent int
		rest := string(text[bytes.LastIndexByte(text, ')')+1:]) // the name may contain any character
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			parents[pid] = parent
		}
	}
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == s.cmd.Process.Pid {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

func (s *sshd) addr() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// known writes a known_hosts file with the server's public keys and returns it.
func (s *sshd) known(keys ...string) string {
	s.t.Helper()
	if keys == nil {
		keys = []string{"host_ed25519"}
	}
	var lines strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&lines, "[%s]:%d %s", s.host, s.port, readFile(s.t, s.file(key+".pub")))
	}
	file := filepath.Join(s.t.TempDir(), "known_hosts")
	writeFile(s.t, file, lines.String())
	return file
}

// config returns a working configuration.
func (s *sshd) config(remote string) Config {
	s.t.Helper()
	return Config{
		Target:     userName(s.t) + "@" + s.addr(),
		Keyfile:    s.file("user_key"),
		KnownHosts: []string{s.known()},
		Remote:     remote,
	}
}

// --- helpers
// ------------------------------------------------------------------------

// alone hides the user's own keys, known hosts and agent from the test.
func alone(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
}

func keygen(t *testing.T, kind, passphrase, file string, more ...string) {
	t.Helper()
	run(t, need(t, "ssh-keygen", "openssh-client"), append([]string{"-q", "-t", kind, "-N", passphrase, "-f", file, "-C", ""}, more...)...)
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func open(t *testing.T, c Config) *Tunnel {
	t.Helper()
	tunnel, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, tunnel) })
	return tunnel
}

// refused fails unless opening returns this error, with these words in it.
func refused(t *testing.T, c Config, want error, words ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	tunnel, err := Open(ctx, c)
	if err == nil {
		tunnel.Close(0)
		t.Fatalf("opened, want %v", want)
	}
	if want != nil && !errors.Is(err, want) {
		t.Fatalf("%v\nis not: %v", err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in: %v", word, err)
		}
	}
	return err
}

// closed closes the tunnel and checks that nothing is left of it.
func closed(t *testing.T, tunnel *Tunnel) {
	t.Helper()
	over := make(chan error, 1)
	go func() { over <- tunnel.Close(0) }()
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(waitLimit):
		t.Fatal("Close does not end")
	}
	if exists(filepath.Dir(tunnel.Path())) {
		t.Errorf("%s is still there", filepath.Dir(tunnel.Path()))
	}
	if err := tunnel.Close(0); err != nil {
		t.Error("second Close:", err)
	}
}

func connect(t *testing.T, tunnel *Tunnel) *net.UnixConn {
	t.Helper()
	c, err := net.Dial("unix", tunnel.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(waitLimit))
	return c.(*net.UnixConn)
}

// talk sends a line through c to an echo server, and fails unless it is echoed.
func talk(c net.Conn) error {
	const line = "are you there?"
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	answer := make([]byte, len(line))
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if string(answer) != line {
		return fmt.Errorf("%q came back as %q", line, answer)
	}
	return nil
}

// talks fails unless a new connection through the tunnel works.
func talks(t *testing.T, tunnel *Tunnel) *net.UnixConn {
	t.Helper()
	c := connect(t, tunnel)
	if err := talk(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// ends fails unless the other side closes c.
func ends(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(waitLimit))
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection stays open")
	}
}

// serve calls handle for each connection to a port of the loopback, until the
// test ends.
func serve(t *testing.T, addr string, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// echo sends everything back, and then closes its side.
func echo(c *net.TCPConn) { io.Copy(c, c) }

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	peertest.Await(t, waitLimit, what, is)
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := strconv.Atoi(peertest.FreePort(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	writeFile(t, to, readFile(t, from))
}

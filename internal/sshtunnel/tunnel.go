// Package sshtunnel forwards a local unix socket over SSH to a TCP port that
// the SSH host can reach. It does what ssh -L does, inside this process. It
// forwards the bytes unchanged. So libzmq connects to ipc://PATH, and the
// remote end has an ordinary ZMTP peer on TCP.
//
// The local end is a unix socket in a folder that only this user can access. So
// other users of the machine cannot use the tunnel, as they could a port on
// localhost.
package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vidgear-go/netgear/internal/loglimit"
	"github.com/vidgear-go/netgear/internal/secret"
)

// Errors of Open and Err wrap one of these, and add details.
var (
	// ErrAuth is returned if the host refuses the user, or if a key file cannot
	// be used.
	ErrAuth = errors.New("ssh authentication failed")
	// ErrHostKey is returned if known_hosts does not have the host's key.
	ErrHostKey = errors.New("ssh host key refused")
	// ErrHostKeyChanged is an ErrHostKey: known_hosts has another key for this
	// host, or the key is revoked. Another machine may be impersonating the
	// host.
	ErrHostKeyChanged = fmt.Errorf("%w: IT IS NOT THE KNOWN ONE", ErrHostKey)
	// ErrUnreachable is returned if no SSH connection to the host is possible.
	ErrUnreachable = errors.New("ssh host unreachable")
	// ErrRemote is returned, by Err only, if the SSH host does not connect to
	// Config.Remote.
	ErrRemote = errors.New("ssh host does not reach the far end")
)

const (
	defaultKeepAlive = 5 * time.Second
	dialTimeout      = 20 * time.Second // TCP connection, host key and authentication together
	linkWait         = 10 * time.Second // how long a local connection waits for a lost link
	firstBackoff     = 100 * time.Millisecond
	lastBackoff      = 5 * time.Second
	// After a refusal: trying more often cannot help, and may lock the account.
	refusedBackoff = 30 * time.Second
	maxSocketPath  = 103 // sun_path is 104 bytes on the BSDs and macOS, 108 on Linux
)

// Config configures a tunnel.
type Config struct {
	// Target is the SSH host: [user@]host[:port]. Port 22 by default, IPv6 in
	// brackets, the current user by default. VidGear: ssh_tunnel_mode.
	Target string
	// Password is the account's password. If Keyfile is an encrypted key, it is
	// the passphrase instead, which is never sent. VidGear: ssh_tunnel_pwd.
	Password secret.Text
	// Keyfile is a private key's file. By default ssh's own key files in ~/.ssh
	// are tried. VidGear: ssh_tunnel_keyfile.
	Keyfile string
	// KnownHosts are the files with accepted host keys. Default:
	// ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts. Files that do not exist
	// count as empty.
	KnownHosts []string
	// InsecureIgnoreHostKey accepts any host key. A machine on the path can
	// then read and change everything, including Password.
	InsecureIgnoreHostKey bool
	// Remote is the host:port that the SSH host connects to.
	Remote string
	// KeepAlive is how often a silent host is probed (default 5 s). After three
	// times that without a byte the connection is closed and dialed again.
	KeepAlive time.Duration
	// Logger logs lost, restored and refused connections. Default: none.
	Logger *slog.Logger
}

// Tunnel is an open tunnel. Its methods are safe for concurrent use.
type Tunnel struct {
	conf   Config
	to     target
	log    *slog.Logger
	retry  *loglimit.Limiter // limits the lines of what is tried again and again
	path   string
	listen net.Listener // owned by the Tunnel; Close ends it

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of this Tunnel but forwards
	closer sync.Once
	closed error // what Close returns

	forwards sync.WaitGroup // one for each local connection; accept's
	quiet    chan struct{}  // closed when the listener is closed and the last connection has ended

	mu        sync.Mutex
	link      *link         // nil while redialing
	linkUp    chan struct{} // closed when link is set; a new one when it is lost
	linkErr   error         // why there is no link
	remoteErr error         // why the last local connection failed
}

// Open dials the SSH host, so it returns an error for a wrong password, an
// unknown host key or an unreachable host. Then it forwards every connection to
// the socket. It redials a lost SSH connection without limit, with the same
// checks. ctx limits only Open; the tunnel stays open until Close.
func Open(ctx context.Context, c Config) (*Tunnel, error) {
	if c.KeepAlive < 0 {
		return nil, fmt.Errorf("negative KeepAlive %v", c.KeepAlive)
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = defaultKeepAlive
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	to, err := parseTarget(c.Target)
	if err != nil {
		return nil, err
	}
	if err := checkRemote(c.Remote); err != nil {
		return nil, err
	}

	t := &Tunnel{conf: c, to: to, retry: loglimit.Retries(), linkUp: make(chan struct{}), quiet: make(chan struct{})}
	t.log = c.Logger.With("ssh", to.String(), "remote", c.Remote)
	first, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.makeSocket(); err != nil {
		first.end(err)
		return nil, err
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.setLink(first)
	t.wg.Add(2)
	go t.supervise(first)
	go t.accept()
	return t, nil
}

// Path returns the unix socket's path: libzmq connects to "ipc://" + Path().
func (t *Tunnel) Path() string { return t.path }

// Close accepts no more connections. It waits up to grace for open ones to end,
// so that bytes written by their local side still arrive, and then closes them.
// It waits for every goroutine, and removes socket and folder. A second call
// does nothing.
func (t *Tunnel) Close(grace time.Duration) error {
	t.closer.Do(func() {
		t.listen.Close() // removes the socket file
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-t.quiet:
		case <-timer.C:
		}
		t.cancel()
		t.wg.Wait()
		t.closed = os.RemoveAll(filepath.Dir(t.path))
	})
	return t.closed
}

// Err returns why the tunnel does not work at the moment: no connection to the
// SSH host, or none from there to Remote. It returns nil if the tunnel works.
func (t *Tunnel) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.link == nil {
		return t.linkErr
	}
	return t.remoteErr
}

// makeSocket listens on a socket in a new folder of its own (mode 0700).
// Without an error, the Tunnel owns both.
func (t *Tunnel) makeSocket() error {
	dir, err := os.MkdirTemp("", "ng-ssh-")
	if err != nil {
		return fmt.Errorf("SSH tunnel: no folder for the socket: %w", err)
	}
	t.path = filepath.Join(dir, "s")
	if len(t.path) > maxSocketPath {
		err = fmt.Errorf("SSH tunnel: the socket's path %s is longer than the %d bytes a unix socket may have: point TMPDIR at a folder with a shorter name", t.path, maxSocketPath)
	} else if t.listen, err = net.Listen("unix", t.path); err != nil {
		err = fmt.Errorf("SSH tunnel: no local socket: %w", err)
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return err
}

func checkRemote(remote string) error {
	host, port, err := net.SplitHostPort(remote)
	if err != nil {
		return fmt.Errorf("SSH tunnel: the far end %q is not host:port: %w", remote, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
		return fmt.Errorf("SSH tunnel: the far end %q is not host:port with a port from 1 to 65535", remote)
	}
	return nil
}

// --- the link to the SSH host ------------------------------------------------

// link is one SSH connection. supervise owns and ends it; other goroutines open
// channels on it.
type link struct {
	client *ssh.Client
	conn   *stampedConn
	once   sync.Once
	lost   chan struct{} // closed when the connection has ended
	why    error         // set before lost is closed
	gone   chan struct{} // closed when x/crypto/ssh has released it too
}

// newLink starts two goroutines, which end with the connection. end waits for
// them.
func newLink(client *ssh.Client, conn *stampedConn, keepAlive time.Duration) *link {
	l := &link{client: client, conn: conn, lost: make(chan struct{}), gone: make(chan struct{})}
	var asking sync.WaitGroup
	asking.Go(func() {
		l.keepAsking(keepAlive)
	})
	go func() {
		l.hangUp(client.Wait())
		asking.Wait()
		close(l.gone)
	}()
	return l
}

// hangUp closes the connection and so all its channels. A second call does
// nothing. It does not call client.Close, which can wait for the host.
func (l *link) hangUp(why error) {
	l.once.Do(func() {
		l.conn.Close()
		l.why = why
		close(l.lost)
	})
}

// end hangs up and waits until the connection's goroutines have ended. Only a
// host that violates the protocol can keep x/crypto/ssh from ending them.
func (l *link) end(why error) {
	l.hangUp(why)
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-l.gone:
	case <-timer.C:
	}
}

// stampedConn stores when the host last sent a byte.
type stampedConn struct {
	net.Conn
	mu   sync.Mutex
	last time.Time
}

func (c *stampedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		// Before x/crypto/ssh receives the error: a channel that it opens after
		// its clean-up blocks forever, unless the request cannot be written.
		c.Conn.Close()
	}
	if n > 0 {
		c.mu.Lock()
		c.last = time.Now()
		c.mu.Unlock()
	}
	return n, err
}

func (c *stampedConn) silence() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.last)
}

// supervise watches the link and replaces it when it is lost, until Close.
func (t *Tunnel) supervise(l *link) {
	defer t.wg.Done()
	backoff := firstBackoff
	for l != nil {
		up := time.Now()
		why := t.watch(l)
		if t.ctx.Err() != nil {
			return
		}
		t.retry.Log(t.log, slog.LevelWarn, "ssh connection lost, dialing again", "cause", why)
		t.dropLink(l, fmt.Errorf("%w: %s: connection lost: %w", ErrUnreachable, t.to, why))
		if time.Since(up) > lastBackoff { // otherwise the host hangs up after authentication
			backoff = firstBackoff
		}
		if l = t.redial(&backoff); l != nil {
			t.setLink(l)
			t.retry.Log(t.log, slog.LevelInfo, "ssh connection is back")
		}
	}
}

// watch returns when the link has ended: by itself, because the host was
// silent, or because the tunnel is closing.
func (t *Tunnel) watch(l *link) error {
	tick := time.NewTicker(t.conf.KeepAlive)
	defer tick.Stop()
	var why error
	for why == nil {
		select {
		case <-l.lost:
			why = l.why
		case <-t.ctx.Done():
			why = t.ctx.Err()
		case <-tick.C:
			// Any byte shows that the host is alive, not only the answers to
			// keepAsking. On a slow line those queue up behind frames.
			if s := l.conn.silence(); s > 3*t.conf.KeepAlive {
				why = fmt.Errorf("no sign of life for %v", s.Round(time.Millisecond))
			}
		}
	}
	l.end(why)
	return why
}

// keepAsking sends a request every KeepAlive, until the link ends.
func (l *link) keepAsking(keepAlive time.Duration) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-l.lost:
			return
		case <-tick.C:
			// Hosts that do not support the request answer too, with a failure.
			if _, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
				l.hangUp(err)
				return
			}
		}
	}
}

// redial dials until it succeeds. It returns nil when the tunnel is closed.
func (t *Tunnel) redial(backoff *time.Duration) *link {
	var log dialLog
	for wait := *backoff; t.sleep(wait); {
		*backoff = min(2**backoff, lastBackoff)
		l, err := t.dial(t.ctx)
		if err == nil {
			return l // supervise checks whether the tunnel was closed
		}
		if t.ctx.Err() != nil {
			return nil
		}
		t.dropLink(nil, err)
		wait = *backoff
		if errors.Is(err, ErrAuth) || errors.Is(err, ErrHostKey) {
			wait, log.next = refusedBackoff, time.Time{}
		}
		t.log.Log(t.ctx, log.level(time.Now()), "ssh dial failed", "error", err, "next_in", wait)
	}
	return nil
}

// dialLog limits the warnings about dials that fail: the first one, and then one
// after 10 s, after 20 s and so on, up to five minutes. The others have a lower
// level.
type dialLog struct {
	next  time.Time
	pause time.Duration
}

func (d *dialLog) level(now time.Time) slog.Level {
	if now.Before(d.next) {
		return slog.LevelDebug
	}
	d.pause = min(max(10*time.Second, 2*d.pause), 5*time.Minute)
	d.next = now.Add(d.pause)
	return slog.LevelWarn
}

// sleep waits, and reports whether the tunnel is still open.
func (t *Tunnel) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.ctx.Done():
		return false
	}
}

func (t *Tunnel) setLink(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.link, t.linkErr, t.remoteErr = l, nil, nil
	close(t.linkUp)
}

// dropLink makes connections wait for the next link if l, which is lost, is
// still the current one. why is for Err.
func (t *Tunnel) dropLink(l *link, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l != nil && t.link == l {
		t.link, t.linkUp = nil, make(chan struct{})
	}
	t.linkErr = why
}

// waitLink waits for a link and returns it. It returns nil at the deadline or
// when the tunnel is closed.
func (t *Tunnel) waitLink(deadline <-chan time.Time) *link {
	for {
		t.mu.Lock()
		l, up := t.link, t.linkUp
		t.mu.Unlock()
		if l != nil {
			return l
		}
		select {
		case <-up:
		case <-t.ctx.Done():
			return nil
		case <-deadline:
			return nil
		}
	}
}

// --- local connections
// ---------------------------------------------------------

// accept starts a goroutine for every local connection, until Close.
func (t *Tunnel) accept() {
	defer t.wg.Done()
	defer close(t.quiet)
	defer t.forwards.Wait()
	for {
		local, err := t.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // probably out of file descriptors, which is temporary
			t.retry.Log(t.log, slog.LevelWarn, "ssh tunnel cannot take a connection", "error", err)
			if !t.sleep(firstBackoff) {
				return
			}
			continue
		}
		t.forwards.Add(1)
		go t.forward(local.(*net.UnixConn))
	}
}

// forward connects one local connection, which it owns, with the remote end.
func (t *Tunnel) forward(local *net.UnixConn) {
	defer t.forwards.Done()
	defer local.Close()
	l, remote := t.openRemote()
	if remote == nil {
		return // closing makes libzmq try again
	}
	defer remote.Close()

	// Each direction ends by itself and forwards its end (half-close). What a
	// local side wrote before it stopped reading is still forwarded.
	ended := make(chan error, 2)
	go func() {
		io.Copy(remote, local)
		ended <- remote.CloseWrite()
	}()
	go func() {
		_, err := io.Copy(local, remote)
		if err != nil {
			_, err = io.Copy(io.Discard, remote)
		}
		local.CloseWrite()
		ended <- err
	}()
	for running := 2; running > 0; {
		select {
		case err := <-ended:
			running--
			if err == nil {
				continue
			}
			t.log.Debug("ssh tunnel: a forwarded connection broke", "error", err)
		case <-l.lost: // a channel that ends with its link looks like a regular end
		case <-t.ctx.Done():
		}
		local.Close() // both, so that the other direction ends too
		remote.Close()
		for ; running > 0; running-- {
			<-ended
		}
	}
}

// openRemote opens a channel to the remote end, on the next link if the current
// one is lost meanwhile. It returns nil if no channel can be opened. The caller
// owns the channel.
func (t *Tunnel) openRemote() (*link, ssh.Channel) {
	timer := time.NewTimer(linkWait)
	defer timer.Stop()
	for {
		l := t.waitLink(timer.C)
		if l == nil {
			return nil, nil
		}
		remote, err := l.openChannel(t.conf.Remote)
		if err == nil {
			t.noteRemote(nil)
			return l, remote
		}
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			answer := t.withoutPassword(fmt.Errorf("%s (%s)", refused.Message, refused.Reason))
			t.noteRemote(fmt.Errorf("%w: %s says about %s: %w", ErrRemote, t.to, t.conf.Remote, answer))
			return nil, nil
		}
		// The link is lost or invalid. Nothing was forwarded yet, so the next
		// one can be used.
		l.hangUp(err)
		t.dropLink(l, fmt.Errorf("%w: %s: connection lost: %w", ErrUnreachable, t.to, err))
	}
}

// openChannel requests that the SSH host connect to remote (RFC 4254, 7.2). It
// blocks until the host answers or the link is lost.
func (l *link) openChannel(remote string) (ssh.Channel, error) {
	host, port, _ := net.SplitHostPort(remote) // checked by Open
	n, _ := strconv.ParseUint(port, 10, 16)
	request := ssh.Marshal(&struct {
		Host       string
		Port       uint32
		Originator string
		OriginPort uint32
	}{host, uint32(n), "127.0.0.1", 0})

	type answer struct {
		ch  ssh.Channel
		err error
	}
	answers := make(chan answer) // unbuffered: an answer that is not received is closed
	go func() {                  // ends with the link, usually before
		ch, requests, err := l.client.OpenChannel("direct-tcpip", request)
		if err == nil {
			go ssh.DiscardRequests(requests) // ends with the channel
		}
		select {
		case answers <- answer{ch, err}:
		case <-l.lost:
			if err == nil {
				ch.Close()
			}
		}
	}()
	select {
	case a := <-answers:
		return a.ch, a.err
	case <-l.lost:
		return nil, l.why
	}
}

// noteRemote stores why the remote end is not reached. It logs the change, not
// each of libzmq's attempts.
func (t *Tunnel) noteRemote(err error) {
	t.mu.Lock()
	before := t.remoteErr
	t.remoteErr = err
	t.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		t.log.Warn("ssh tunnel leads nowhere", "error", err)
	case err == nil && before != nil:
		t.log.Info("ssh tunnel reaches the far end")
	}
}

// Package sshtunnel leads a local unix socket over SSH to a TCP port that the
// SSH host can reach, as ssh -L does, inside this process. What is written to
// the socket arrives there byte for byte, so libzmq connects to ipc://PATH and
// the far end sees an ordinary ZMTP peer on TCP.
//
// The local end is a unix socket in a folder that only this user can enter:
// unlike a port on localhost, other users of the machine cannot use the tunnel.
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

	"github.com/vidgear-go/netgear/internal/secret"
)

// What can go wrong on the way to the SSH host. Open's errors and Err wrap one
// of them and say what and where.
var (
	// ErrAuth: the host does not let the user in, or a key file cannot be used.
	ErrAuth = errors.New("ssh authentication failed")
	// ErrHostKey: the host's key is not one that known_hosts vouches for.
	ErrHostKey = errors.New("ssh host key refused")
	// ErrHostKeyChanged is an ErrHostKey: known_hosts has another key for this
	// host, or the key is revoked. Someone may be pretending to be the host.
	ErrHostKeyChanged = fmt.Errorf("%w: IT IS NOT THE KNOWN ONE", ErrHostKey)
	// ErrUnreachable: no SSH connection to the host.
	ErrUnreachable = errors.New("ssh host unreachable")
	// ErrRemote: the SSH host does not lead on to Config.Remote. Only from Err.
	ErrRemote = errors.New("ssh host does not reach the far end")
)

const (
	defaultKeepAlive = 5 * time.Second
	dialTimeout      = 20 * time.Second // TCP connection, host key and authentication together
	linkWait         = 10 * time.Second // how long a local connection waits for a lost link
	firstBackoff     = 100 * time.Millisecond
	lastBackoff      = 5 * time.Second
	// After a refusal: asking more often cannot help, and may lock the account.
	refusedBackoff = 30 * time.Second
	maxSocketPath  = 103 // sun_path is 104 bytes on the BSDs and macOS, 108 on Linux
)

// Config says where the tunnel leads and how to get in.
type Config struct {
	// Target is the SSH host: [user@]host[:port]. Port 22 by default, IPv6 in
	// brackets, the current user by default. VidGear: ssh_tunnel_mode.
	Target string
	// Password for the account; the passphrase instead if Keyfile is an
	// encrypted key, and then it is never sent. VidGear: ssh_tunnel_pwd.
	Password secret.Text
	// Keyfile is a private key. Without it the usual ones in ~/.ssh are tried,
	// as ssh does. VidGear: ssh_tunnel_keyfile.
	Keyfile string
	// KnownHosts are the files that vouch for host keys. Default:
	// ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts. Files that do not exist
	// vouch for nothing.
	KnownHosts []string
	// InsecureIgnoreHostKey accepts any host key: whoever sits on the way can
	// then read and change everything, and learns Password.
	InsecureIgnoreHostKey bool
	// Remote is host:port, as seen from the SSH host, where the tunnel leads.
	Remote string
	// KeepAlive is how often a silent host is asked for a sign of life (default
	// 5 s). After three times that in silence the connection is given up and
	// dialled again.
	KeepAlive time.Duration
	// Logger gets connections lost, regained and refused. Default: none.
	Logger *slog.Logger
}

// Tunnel is an open tunnel. Its methods may be called from any goroutine.
type Tunnel struct {
	conf   Config
	to     target
	log    *slog.Logger
	path   string
	listen net.Listener // owned by the Tunnel; Close ends it

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of this Tunnel but forwards
	closer sync.Once
	closed error // what Close returns

	forwards sync.WaitGroup // one for each local connection; accept's
	quiet    chan struct{}  // closed when no connection is taken any more and the last has ended

	mu        sync.Mutex
	link      *link         // nil while redialling
	linkUp    chan struct{} // closed when link is set; a new one when it is lost
	linkErr   error         // why there is no link
	remoteErr error         // why the last local connection led nowhere
}

// Open dials the SSH host, so that a wrong password, an unknown host key or a
// host that is not there are errors now, and then forwards every connection
// made to the socket. When the SSH connection is lost it is dialled again, for
// ever, with the same checks. ctx bounds Open alone; the tunnel stays until Close.
func Open(ctx context.Context, c Config) (*Tunnel, error) {
	if c.KeepAlive < 0 {
		return nil, fmt.Errorf("sshtunnel: negative KeepAlive %v", c.KeepAlive)
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

	t := &Tunnel{conf: c, to: to, linkUp: make(chan struct{}), quiet: make(chan struct{})}
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

// Path is the unix socket's path: libzmq connects to "ipc://" + Path().
func (t *Tunnel) Path() string { return t.path }

// Close takes no connection any more and lets those that are open end by
// themselves, for at most grace: what their local side has written before its
// end still arrives. What is open then is cut. It waits for every goroutine;
// socket and folder are gone when it returns. Calling it again does nothing.
func (t *Tunnel) Close(grace time.Duration) error {
	t.closer.Do(func() {
		t.listen.Close() // takes the socket file away
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

// Err tells why nothing gets through at the moment: no connection to the SSH
// host, or one that does not lead on to Remote. It is nil when all is well.
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
		return fmt.Errorf("sshtunnel: no folder for the socket: %w", err)
	}
	t.path = filepath.Join(dir, "s")
	if len(t.path) > maxSocketPath {
		err = fmt.Errorf("sshtunnel: the socket's path %s is longer than the %d bytes a unix socket may have: point TMPDIR at a folder with a shorter name", t.path, maxSocketPath)
	} else if t.listen, err = net.Listen("unix", t.path); err != nil {
		err = fmt.Errorf("sshtunnel: no local socket: %w", err)
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return err
}

func checkRemote(remote string) error {
	host, port, err := net.SplitHostPort(remote)
	if err != nil {
		return fmt.Errorf("sshtunnel: Remote %q is not host:port: %w", remote, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
		return fmt.Errorf("sshtunnel: Remote %q is not host:port with a port from 1 to 65535", remote)
	}
	return nil
}

// --- the link to the SSH host ------------------------------------------------

// link is one SSH connection. supervise owns it and sees it to its end; the
// others open channels on it.
type link struct {
	client *ssh.Client
	conn   *stampedConn
	once   sync.Once
	lost   chan struct{} // closed when the connection has ended
	why    error         // set before that
	gone   chan struct{} // closed when x/crypto/ssh has let go of it too
}

// newLink starts two goroutines, which end with the connection; end waits for them.
func newLink(client *ssh.Client, conn *stampedConn, keepAlive time.Duration) *link {
	l := &link{client: client, conn: conn, lost: make(chan struct{}), gone: make(chan struct{})}
	var asking sync.WaitGroup
	asking.Add(1)
	go func() {
		defer asking.Done()
		l.keepAsking(keepAlive)
	}()
	go func() {
		l.hangUp(client.Wait())
		asking.Wait()
		close(l.gone)
	}()
	return l
}

// hangUp ends the connection and with it all its channels; again does nothing.
// It does not go through client.Close, which can wait for the host.
func (l *link) hangUp(why error) {
	l.once.Do(func() {
		l.conn.Close()
		l.why = why
		close(l.lost)
	})
}

// end hangs up and waits until the connection's goroutines are gone. Only a
// host that breaks the protocol can make x/crypto/ssh hold on to them.
func (l *link) end(why error) {
	l.hangUp(why)
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-l.gone:
	case <-timer.C:
	}
}

// stampedConn remembers when the host was last heard.
type stampedConn struct {
	net.Conn
	mu   sync.Mutex
	last time.Time
}

func (c *stampedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		// Before x/crypto/ssh hears of it: a channel that it opens after its
		// clean-up waits for ever, unless the request cannot be written.
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
		t.log.Warn("ssh connection lost, dialling again", "cause", why)
		t.dropLink(l, fmt.Errorf("%w: %s: connection lost: %w", ErrUnreachable, t.to, why))
		if time.Since(up) > lastBackoff { // else the host lets us in only to hang up
			backoff = firstBackoff
		}
		if l = t.redial(&backoff); l != nil {
			t.setLink(l)
			t.log.Info("ssh connection is back")
		}
	}
}

// watch returns when the link has ended: by itself, for lack of a sign of life,
// or because the tunnel is closing.
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
			// Any byte is a sign of life, not only the answers to keepAsking: on
			// a slow line those queue up behind frames.
			if s := l.conn.silence(); s > 3*t.conf.KeepAlive {
				why = fmt.Errorf("no sign of life for %v", s.Round(time.Millisecond))
			}
		}
	}
	l.end(why)
	return why
}

// keepAsking makes the host say something every KeepAlive, until the link ends.
func (l *link) keepAsking(keepAlive time.Duration) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-l.lost:
			return
		case <-tick.C:
			// Hosts that do not know the request answer too: with "no".
			if _, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
				l.hangUp(err)
				return
			}
		}
	}
}

// redial dials until it succeeds; nil when the tunnel is closed.
func (t *Tunnel) redial(backoff *time.Duration) *link {
	level := slog.LevelWarn // the first failure is news, the others are for those who look
	for wait := *backoff; t.sleep(wait); {
		*backoff = min(2**backoff, lastBackoff)
		l, err := t.dial(t.ctx)
		if err == nil {
			return l // supervise's, which sees for itself whether the tunnel was closed
		}
		if t.ctx.Err() != nil {
			return nil
		}
		t.dropLink(nil, err)
		wait = *backoff
		if errors.Is(err, ErrAuth) || errors.Is(err, ErrHostKey) {
			wait, level = refusedBackoff, slog.LevelWarn
		}
		t.log.Log(t.ctx, level, "ssh dial failed", "error", err, "next_in", wait)
		level = slog.LevelDebug
	}
	return nil
}

// sleep waits, and tells whether the tunnel is still open.
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
// still the present one. why is for Err.
func (t *Tunnel) dropLink(l *link, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l != nil && t.link == l {
		t.link, t.linkUp = nil, make(chan struct{})
	}
	t.linkErr = why
}

// waitLink returns the link, once there is one; nil at the deadline or when the
// tunnel is closed.
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

// --- local connections ---------------------------------------------------------

// accept hands every local connection to a goroutine of its own, until Close.
func (t *Tunnel) accept() {
	defer t.wg.Done()
	defer close(t.quiet)
	defer t.forwards.Wait()
	for {
		local, err := t.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, most likely: that passes
			t.log.Warn("ssh tunnel cannot take a connection", "error", err)
			if !t.sleep(firstBackoff) {
				return
			}
			continue
		}
		t.forwards.Add(1)
		go t.forward(local.(*net.UnixConn))
	}
}

// forward leads one local connection, which it owns, to the far end.
func (t *Tunnel) forward(local *net.UnixConn) {
	defer t.forwards.Done()
	defer local.Close()
	l, remote := t.openRemote()
	if remote == nil {
		return // closing tells libzmq to try again
	}
	defer remote.Close()

	// Each direction ends by itself and passes its end on (half-close). A local
	// side that reads no more may have written something before: that still goes.
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
		case <-l.lost: // a channel that dies with its link looks as if it had ended well
		case <-t.ctx.Done():
		}
		local.Close() // both, so that the other direction ends too
		remote.Close()
		for ; running > 0; running-- {
			<-ended
		}
	}
}

// openRemote opens a channel to the far end, on the next link if the present
// one is lost meanwhile; a nil channel means that there is none to be had. The
// caller owns the channel.
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
		// The link is lost, or makes no sense. Nothing was forwarded yet, so the
		// next one will do.
		l.hangUp(err)
		t.dropLink(l, fmt.Errorf("%w: %s: connection lost: %w", ErrUnreachable, t.to, err))
	}
}

// openChannel asks the SSH host to connect to remote (RFC 4254, 7.2). It blocks
// until the host answers or the link is lost.
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
	answers := make(chan answer) // unbuffered: what is not taken is closed
	go func() {                  // ends with the link, and mostly before
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

// noteRemote keeps why the far end is not reached and logs the change, not each
// of libzmq's attempts.
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

package sshtunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/secret"
)

// noise returns n bytes that are the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(b)
	return b
}

func TestForward(t *testing.T) {
	s := newSSHD(t)
	data := noise(10 << 20)

	t.Run("10 MB there and back, on four connections at once", func(t *testing.T) {
		tunnel := open(t, s.config(serve(t, "127.0.0.1:0", echo)))
		var wg sync.WaitGroup
		for range 4 {
			c := connect(t, tunnel)
			wg.Add(2)
			go func() {
				defer wg.Done()
				if _, err := c.Write(data); err != nil {
					t.Error(err)
				}
				c.CloseWrite() // the echo ends when it has received this, and not before
			}()
			go func() {
				defer wg.Done()
				if back, err := io.ReadAll(c); err != nil || !bytes.Equal(back, data) {
					t.Errorf("%d of %d bytes came back right or wrong, %v", len(back), len(data), err)
				}
			}()
		}
		wg.Wait()
	})
	t.Run("the far end stops writing first", func(t *testing.T) {
		got := make(chan []byte, 1)
		tunnel := open(t, s.config(serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
			io.WriteString(c, "hello")
			c.CloseWrite()
			all, _ := io.ReadAll(c)
			got <- all
		})))
		c := connect(t, tunnel)
		if all, err := io.ReadAll(c); string(all) != "hello" || err != nil {
			t.Fatalf("%q, %v", all, err)
		}
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		if !bytes.Equal(<-got, data) {
			t.Error("not what was written after the far end's last word")
		}
	})
	t.Run("the far end hangs up", func(t *testing.T) {
		tunnel := open(t, s.config(serve(t, "127.0.0.1:0", func(*net.TCPConn) {})))
		ends(t, connect(t, tunnel))
	})
	t.Run("the local end hangs up", func(t *testing.T) {
		over := make(chan struct{})
		tunnel := open(t, s.config(serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
			echo(c)
			close(over)
		})))
		talks(t, tunnel).Close()
		select {
		case <-over:
		case <-time.After(waitLimit):
			t.Error("the far end does not notice")
		}
	})
	t.Run("a far end that is named", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(serve(t, "127.0.0.1:0", echo))
		talks(t, open(t, s.config("localhost:"+port)))
	})
}

// Only the user may access the socket, and its path must be short enough for
// libzmq.
func TestSocketIsPrivate(t *testing.T) {
	s := newSSHD(t)
	c := s.config("127.0.0.1:1")
	tunnel := open(t, c)
	info, err := os.Stat(filepath.Dir(tunnel.Path()))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v", info.Mode())
	}

	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	refused(t, c, nil, "TMPDIR")
	if left, _ := os.ReadDir(long); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnreachable(t *testing.T) {
	alone(t)
	c := Config{Target: fmt.Sprintf("joe@127.0.0.1:%d", freePort(t)), Password: secret.New("x"), Remote: "127.0.0.1:1"}
	t.Run("nobody listens", func(t *testing.T) {
		err := refused(t, c, ErrUnreachable, c.Target)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
	t.Run("not an SSH server", func(t *testing.T) {
		c := c
		c.Target = "joe@" + serve(t, "127.0.0.1:0", func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n") })
		refused(t, c, ErrUnreachable, c.Target)
	})
	t.Run("silence, until the context ends", func(t *testing.T) {
		c := c
		c.Target = "joe@" + serve(t, "127.0.0.1:0", func(c *net.TCPConn) { io.Copy(io.Discard, c) })
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := Open(ctx, c)
		if !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := Open(ctx, c); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// The remote end does not exist, or the SSH host does not connect to it.
func TestRemoteRefused(t *testing.T) {
	s := newSSHD(t)
	far := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	tunnel := open(t, s.config(far))
	if err := tunnel.Err(); err != nil {
		t.Error(err)
	}
	ends(t, connect(t, tunnel))
	if err := tunnel.Err(); !errors.Is(err, ErrRemote) || !strings.Contains(err.Error(), far) {
		t.Errorf("Err: %v", err)
	}
	serve(t, far, echo) // it starts later
	talks(t, tunnel)
	if err := tunnel.Err(); err != nil {
		t.Error(err)
	}

	forbidding := newSSHD(t, "AllowTcpForwarding no")
	tunnel = open(t, forbidding.config(far))
	ends(t, connect(t, tunnel))
	if err := tunnel.Err(); !errors.Is(err, ErrRemote) || !strings.Contains(err.Error(), "prohibited") {
		t.Errorf("Err: %v", err)
	}
}

// The server is killed during a transfer, and restarted.
func TestRedial(t *testing.T) {
	s := newSSHD(t)
	tunnel := open(t, s.config(serve(t, "127.0.0.1:0", echo)))
	for range 3 {
		old := talks(t, tunnel)
		flowing := make(chan struct{})
		stopped := make(chan struct{})
		go func() { // a stream without an end
			defer close(stopped)
			chunk := noise(64 << 10)
			for i := 0; ; i++ {
				if _, err := old.Write(chunk); err != nil {
					return
				}
				if i == 10 {
					close(flowing)
				}
			}
		}()
		read := make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(io.Discard, old)
		}()
		<-flowing
		s.kill()
		<-stopped // both directions of the old connection end
		<-read
		eventually(t, "Err tells", func() bool { return errors.Is(tunnel.Err(), ErrUnreachable) })

		waiting := connect(t, tunnel) // created meanwhile: waits
		s.start()
		if err := talk(waiting); err != nil {
			t.Fatal(err)
		}
		talks(t, tunnel)
		if err := tunnel.Err(); err != nil {
			t.Error(err)
		}
	}
}

// Another server replaces the one that was killed: the tunnel stays closed.
func TestRedialChecksTheHostKey(t *testing.T) {
	s := newSSHD(t)
	tunnel := open(t, s.config(serve(t, "127.0.0.1:0", echo)))
	talks(t, tunnel)
	s.kill()
	keygen(t, "ed25519", "", s.file("imposter"))
	s.configure("HostKey " + s.file("imposter"))
	s.start()
	c := connect(t, tunnel)
	eventually(t, "the imposter is noticed", func() bool { return errors.Is(tunnel.Err(), ErrHostKeyChanged) })
	closed(t, tunnel)
	ends(t, c)
	if log := s.log.String(); strings.Count(log, "Accepted publickey") != 1 {
		t.Errorf("more than one login:\n%s", log)
	}
}

// The session freezes: no data, no answer, and the TCP connection stays open.
func TestFrozenServer(t *testing.T) {
	s := newSSHD(t)
	c := s.config(serve(t, "127.0.0.1:0", echo))
	c.KeepAlive = 500 * time.Millisecond // a busy machine answers in that time
	tunnel := open(t, c)
	old := talks(t, tunnel)
	frozen := s.sessions()
	for _, pid := range frozen {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	began := time.Now()
	ends(t, old)
	if took := time.Since(began); took < 2*c.KeepAlive || took > waitLimit/2 {
		t.Errorf("given up after %v", took)
	}
	talks(t, tunnel) // the server itself still accepts connections
	for _, pid := range frozen {
		syscall.Kill(pid, syscall.SIGCONT)
	}
}

// An idle tunnel is not a dead one.
func TestIdle(t *testing.T) {
	s := newSSHD(t)
	c := s.config(serve(t, "127.0.0.1:0", echo))
	c.KeepAlive = 20 * time.Millisecond
	tunnel := open(t, c)
	conn := talks(t, tunnel)
	time.Sleep(20 * c.KeepAlive) // the time that passes is what is tested
	if err := talk(conn); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	s := newSSHD(t)
	far := serve(t, "127.0.0.1:0", echo)
	c := s.config(far)
	before := leaktest.IgnoreCurrent()

	check := func(name string, do func(t *testing.T, tunnel *Tunnel)) {
		t.Run(name, func(t *testing.T) {
			tunnel, err := Open(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			do(t, tunnel)
			closed(t, tunnel)
			if _, err := net.Dial("unix", tunnel.Path()); err == nil {
				t.Error("somebody still listens")
			}
		})
		if err := leaktest.Find(before, ignoreEcho); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("idle", func(*testing.T, *Tunnel) {})
	check("with connections", func(t *testing.T, tunnel *Tunnel) {
		c := talks(t, tunnel)
		talks(t, tunnel)
		closed(t, tunnel)
		ends(t, c)
	})
	check("with a peer that does not read", func(t *testing.T, tunnel *Tunnel) {
		c := talks(t, tunnel)
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Write(make([]byte, 64<<20)); err == nil {
			t.Fatal("everything went through, so nothing is stuck")
		}
	})
	check("from several goroutines", func(t *testing.T, tunnel *Tunnel) {
		talks(t, tunnel)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				tunnel.Close(0)
			})
		}
		wg.Wait()
	})
	check("while redialling", func(t *testing.T, tunnel *Tunnel) {
		talks(t, tunnel)
		s.kill()
		eventually(t, "the loss is noticed", func() bool { return tunnel.Err() != nil })
		connect(t, tunnel) // and with a connection that waits
	})
	t.Run("while the server says nothing to a redial", func(t *testing.T) {
		s.start()
		tunnel, err := Open(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		s.kill()
		called := make(chan struct{}, 100)
		serve(t, s.addr(), func(c *net.TCPConn) {
			called <- struct{}{}
			io.Copy(io.Discard, c)
		})
		<-called
		closed(t, tunnel)
	})
}

// ignoreEcho handles the remote side of a connection that ends a moment later.
var ignoreEcho = leaktest.IgnoreFunction("github.com/vidgear-go/netgear/internal/sshtunnel.echo")

// libzmq uses the local socket, libzmq listens on a TCP port at the remote end,
// and the server in between is killed.
func TestZMQ(t *testing.T) {
	s := newSSHD(t)
	bind, connect := zmqPair(t), zmqPair(t)
	if err := bind.Bind("tcp://127.0.0.1:*"); err != nil {
		t.Fatal(err)
	}
	endpoint, err := bind.GetLastEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	tunnel := open(t, s.config(strings.TrimPrefix(endpoint, "tcp://")))
	if err := connect.Connect("ipc://" + tunnel.Path()); err != nil {
		t.Fatal(err)
	}
	frame := noise(1 << 20)
	exchange := func() {
		t.Helper()
		if _, err := connect.SendBytes(frame, 0); err != nil {
			t.Fatal(err)
		}
		got, err := bind.RecvBytes(0)
		if err != nil || !bytes.Equal(got, frame) {
			t.Fatalf("%d of %d bytes arrived, %v", len(got), len(frame), err)
		}
		if _, err := bind.Send("thanks", 0); err != nil {
			t.Fatal(err)
		}
		if got, err := connect.Recv(0); err != nil || got != "thanks" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	exchange()
	s.kill()
	eventually(t, "the loss is noticed", func() bool { return tunnel.Err() != nil })
	s.start()
	exchange()
}

func zmqPair(t *testing.T) *zmq4.Socket {
	t.Helper()
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	sock, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sock.Close()
		ctx.Term()
	})
	sock.SetLinger(0)
	sock.SetSndtimeo(waitLimit)
	sock.SetRcvtimeo(waitLimit)
	sock.SetReconnectIvl(50 * time.Millisecond)
	return sock
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
)

// shutdownTime is how long a server waits for requests at its end.
const shutdownTime = 2 * time.Second

// writeTime is how long a client may take for an answer. A Viewer's own time holds for
// what is long.
const writeTime = time.Minute

// server is a running HTTP server.
type server struct {
	http    *http.Server
	address net.Addr
	secure  bool
	done    chan error
}

// listenHTTP starts a server at the address of a flag, for so many viewers. config
// may be nil.
func listenHTTP(flag, address string, handler http.Handler, viewers int, config *tls.Config, logger *slog.Logger) (*server, error) {
	if err := checkListen(flag, address); err != nil {
		return nil, err
	}
	listener, err := listenTCP(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	s := &server{address: listener.Addr(), secure: config != nil, done: make(chan error, 1)}
	s.http = &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: writeTime, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelInfo),
	}
	limitConnections(s.http, viewers)
	go func() {
		if config != nil {
			s.done <- s.http.ServeTLS(listener, "", "")
		} else {
			s.done <- s.http.Serve(listener)
		}
	}()
	return s, nil
}

// maxWaiting is how many connections may be without a request that is being
// answered. Each may have sent most of a request's header, which takes half a
// megabyte. As many more may be answered at once, beside viewers.
const maxWaiting = 256

// connections are those of a server that are not hijacked.
type connections struct {
	most int // that may be answered at once

	mu       sync.Mutex
	waiting  []net.Conn        // without a request that is being answered, the oldest first
	answered map[net.Conn]bool // the others
}

// limitConnections limits the connections of a server that has not started.
func limitConnections(s *http.Server, viewers int) {
	c := connections{most: maxWaiting + viewers, answered: map[net.Conn]bool{}}
	s.Handler, s.ConnContext, s.ConnState = c.serve(s.Handler), c.note, c.changed
}

// connectionKey is the key of a request's connection in its context.
type connectionKey struct{}

func (c *connections) note(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// serve returns a handler during which the connection does not wait. If too many
// are being answered, the connection is closed.
func (c *connections) serve(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connectionKey{}).(net.Conn); ok && !c.begin(conn) {
			panic(http.ErrAbortHandler)
		}
		if r.ContentLength != 0 {
			// No request needs a body. The server would wait for it, without limit.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		}
		handler.ServeHTTP(w, r)
	})
}

// begin reports whether a request of a connection may be answered.
func (c *connections) begin(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(conn)
	if len(c.answered) >= c.most {
		return false
	}
	c.answered[conn] = true
	return true
}

// changed adds a connection that begins to wait, and closes the oldest if there
// are too many.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state == http.StateActive {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(conn)
	if state == http.StateClosed || state == http.StateHijacked {
		return
	}
	c.waiting = append(c.waiting, conn)
	if len(c.waiting) > maxWaiting {
		go c.waiting[0].Close() // with TLS it may take time
		c.waiting = slices.Delete(c.waiting, 0, 1)
	}
}

// remove forgets a connection. c.mu must be held.
func (c *connections) remove(conn net.Conn) {
	delete(c.answered, conn)
	c.waiting = slices.DeleteFunc(c.waiting, func(other net.Conn) bool { return other == conn })
}

// checkListen returns an error if the address of a flag is none.
func checkListen(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	switch {
	case err == nil:
		if _, err := net.LookupPort("tcp", port); err != nil {
			return settings.Wrong("%s %s: there is no such port", flag, address)
		}
		return nil
	case address != "" && strings.Trim(address, "0123456789") == "":
		return settings.Wrong("%s %s: must be HOST:PORT: write :%s, or 127.0.0.1:%s for this machine alone", flag, address, address, address)
	}
	return settings.Wrong("%s %s: must be HOST:PORT, such as 127.0.0.1:8080", flag, address)
}

// listenTCP listens at an address. Without a host, and at "::", that is every
// interface of both families. 0.0.0.0 is IPv4 alone, as in
// netgear.Options.Address; to Go it is both families. Of a name's addresses it is
// one of IPv4's, or of IPv6's if this machine has none of those.
func listenTCP(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return net.Listen("tcp", address)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.Is4():
		return net.Listen("tcp4", address)
	case host == "", err == nil && ip.IsUnspecified():
		if l, err := listenBoth(port); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		if l, err := net.Listen("tcp6", address); err == nil {
			return l, nil
		}
	}
	return l, err
}

// listenBoth listens on every interface of both families with one socket. On a
// machine without 127.0.0.1 Go would listen on IPv4 alone, which no client
// reaches.
func listenBoth(port string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var err error
		failed := conn.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
		})
		return errors.Join(failed, err)
	}}
	return config.Listen(context.Background(), "tcp6", net.JoinHostPort("::", port))
}

// url returns the address for a browser.
func (s *server) url() string {
	scheme := "http"
	if s.secure {
		scheme = "https"
	}
	return scheme + "://" + s.address.String()
}

// wait waits until the server fails or the context ends.
func (s *server) wait(ctx context.Context) error {
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the server. disconnect ends the requests that have no end.
func (s *server) close(disconnect func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.http.Shutdown(ctx) }()
	err := disconnect()
	if shutdown := <-done; shutdown != nil {
		return errors.Join(err, s.http.Close())
	}
	return err
}

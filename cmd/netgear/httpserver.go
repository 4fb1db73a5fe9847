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
	"strings"
	"time"
)

// shutdownTime is how long a server waits for requests at its end.
const shutdownTime = 2 * time.Second

// server is a running HTTP server.
type server struct {
	http    *http.Server
	address net.Addr
	secure  bool
	done    chan error
}

// listenHTTP starts a server at the address of a flag. tls may be nil.
func listenHTTP(flag, address string, handler http.Handler, config *tls.Config, logger *slog.Logger) (*server, error) {
	listener, err := listenTCP(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	s := &server{address: listener.Addr(), secure: config != nil, done: make(chan error, 1)}
	s.http = &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelInfo),
	}
	go func() {
		if config != nil {
			s.done <- s.http.ServeTLS(listener, "", "")
		} else {
			s.done <- s.http.Serve(listener)
		}
	}()
	return s, nil
}

// listenTCP listens at an address. Without a host that is every interface of
// both families. On a machine without 127.0.0.1 Go would listen on IPv4 alone,
// which no client reaches. 0.0.0.0 is IPv4 alone, as in netgear.Options.Address;
// to Go it is both families.
func listenTCP(address string) (net.Listener, error) {
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			return net.Listen("tcp4", address)
		}
	}
	if port, ok := strings.CutPrefix(address, ":"); ok {
		if l, err := net.Listen("tcp", "[::]:"+port); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", address)
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

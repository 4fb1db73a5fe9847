package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serveLimited starts a server with the limits of connections, for so many viewers.
// It returns a function that sends it the beginning of a request.
func serveLimited(t *testing.T, server *http.Server, viewers int) (dial func(text string) net.Conn) {
	t.Helper()
	limitConnections(server, viewers)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })
	return func(text string) net.Conn {
		t.Helper()
		return request(t, listener.Addr(), text)
	}
}

// startHTTP starts a server as the commands do. It has no pages.
func startHTTP(t *testing.T) *server {
	t.Helper()
	s, err := listenHTTP("--metrics", "127.0.0.1:0", http.NotFoundHandler(), 0, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(func() error { return nil }) })
	return s
}

// request connects to a server and sends it a text. What is read is the answer.
func request(t *testing.T, at net.Addr, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(timeLimit))
	io.WriteString(conn, text)
	return conn
}

// Of too many connections that have sent no complete request the oldest are
// closed. Requests that are being answered go on, and new ones are answered.
func TestWaitingConnections(t *testing.T) {
	t.Parallel()
	begun, answer := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			close(begun)
			<-answer
		}
		io.WriteString(w, "answered")
	})}
	dial := serveLimited(t, server, 0)
	long := dial("GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	<-begun
	const beyond = 40
	var silent []net.Conn
	for n := range maxWaiting + beyond {
		silent = append(silent, dial(fmt.Sprintf("GET / HTTP/1.1\r\nHost: localhost\r\nX-%d: ", n)))
	}
	for _, conn := range silent[:beyond] {
		if text, err := io.ReadAll(conn); len(text) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("%q, %v", text, err)
		}
	}
	io.WriteString(silent[len(silent)-1], "x\r\nConnection: close\r\n\r\n")
	close(answer)
	for _, conn := range []net.Conn{long, silent[len(silent)-1], dial("GET / HTTP/1.0\r\n\r\n")} {
		if text, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(text), "answered") {
			t.Errorf("%q, %v", text, err)
		}
	}
}

// A client that takes no answer does not keep its connection for ever: those whose
// request is being answered are not limited.
func TestAnswersHaveATimeLimit(t *testing.T) {
	t.Parallel()
	s := startHTTP(t)
	if s.http.WriteTimeout <= 0 {
		t.Error("there is none")
	}
}

// Nor does a client that announces a body and does not send it.
func TestAMissingBody(t *testing.T) {
	t.Parallel()
	s := startHTTP(t)
	conn := request(t, s.address, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
	if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 404") {
		t.Errorf("%q, %v", text, err)
	}
}

// While too many requests are being answered, as those of clients that take no
// answer, the connections of others are closed.
func TestTooManyAnswers(t *testing.T) {
	t.Parallel()
	const viewers = 2
	begun, answer := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-answer
		io.WriteString(w, "answered")
	})}
	dial := serveLimited(t, server, viewers)
	request := func() net.Conn { return dial("GET / HTTP/1.0\r\n\r\n") }
	var all []net.Conn
	for range maxWaiting + viewers {
		all = append(all, request())
		<-begun
	}
	if text, err := io.ReadAll(request()); len(text) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("one too many: %q, %v", text, err)
	}
	close(answer)
	for _, conn := range all {
		if text, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(text), "answered") {
			t.Fatalf("%q, %v", text, err)
		}
	}
	conn := request()
	<-begun
	if text, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(text), "answered") {
		t.Errorf("afterwards: %q, %v", text, err)
	}
}

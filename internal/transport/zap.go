package transport

import (
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// zapHandler replies to libzmq's requests whether a peer may connect (ZeroMQ
// RFC 27). A context has one handler, because the endpoint is fixed. Sockets are
// distinguished by their domain. The handler's goroutine owns its socket, which
// stays bound whatever fails: without a handler libzmq admits every peer.
type zapHandler struct {
	sock    *zmsg.Socket
	receive func(*zmsg.Msg) error // reads one part, or returns EAGAIN
	stopped atomic.Bool
	recheck atomic.Bool   // pending peers must be checked
	quit    chan struct{} // closed with stopped
	done    chan struct{}

	mu    sync.Mutex
	gates map[string]*gate // by domain; also by process's lock
}

const zapEndpoint = "inproc://zeromq.zap.01"

// openZAP opens the handler's socket.
func openZAP(ctx *zmq4.Context) (*zapHandler, error) {
	plain, err := zmsg.NewSocket(ctx, zmq4.ROUTER) // which, unlike REP, may reply in any order
	if err != nil {
		return nil, err
	}
	sock, err := zmsg.Wrap(plain)
	if err != nil {
		plain.Close()
		return nil, err
	}
	err = errors.Join(
		// No limit: a reply that finds no room would leave a handshake pending.
		sock.SetRcvhwm(0), sock.SetSndhwm(0),
		sock.SetLinger(0),
		// A peer that has gone when it is admitted must not keep a slot.
		sock.SetRouterMandatory(1),
	)
	if err == nil {
		err = sock.Bind(zapEndpoint)
	}
	if err != nil {
		sock.Close()
		return nil, err
	}
	return &zapHandler{sock: sock, receive: sock.TryRecv, quit: make(chan struct{}), done: make(chan struct{}), gates: map[string]*gate{}}, nil
}

func (z *zapHandler) run() {
	defer close(z.done)
	defer z.sock.Close()
	defer z.sock.Unbind(zapEndpoint) // at once; Close alone does it some time later
	for {
		parts, err := z.read()
		switch err {
		case nil:
			err = z.answer(parts)
		case errRecheck:
			err = z.admitPending()
		}
		if err != nil {
			return
		}
	}
}

// answer replies to a request, unless the peer has to wait.
func (z *zapHandler) answer(parts [][]byte) error {
	reply, g := z.evaluate(parts)
	if g == nil || g.admit(reply) {
		return z.reply(reply, g)
	}
	return nil
}

// admitPending admits the peers that wait for a slot which is free.
func (z *zapHandler) admitPending() error {
	z.mu.Lock()
	gates := slices.Collect(maps.Values(z.gates))
	z.mu.Unlock()
	for _, g := range gates {
		for reply, ok := g.next(); ok; reply, ok = g.next() {
			if err := z.reply(reply, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// reply sends a reply. Where the peer has gone meanwhile, the next one gets the
// slot.
func (z *zapHandler) reply(reply zapReply, g *gate) error {
	err := z.send(&reply)
	if errors.Is(err, syscall.EHOSTUNREACH) {
		g.admittedGone()
		return nil
	}
	return err
}

// send returns EHOSTUNREACH if the peer has gone.
func (z *zapHandler) send(r *zapReply) error {
	parts := [...][]byte{r.from, nil, []byte("1.0"), r.id, []byte(r.code), []byte(r.text), []byte(r.user), nil}
	for i, part := range parts {
		if err := z.retry(func() error { return z.sock.TrySend(part, i < len(parts)-1) }); err != nil {
			return err
		}
	}
	return nil
}

// retry repeats a call until it succeeds or the handler is stopped: without a
// reply no handshake in the process ever ends.
func (z *zapHandler) retry(call func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := retryEINTR(call)
		if err == nil || err == errRecheck || errors.Is(err, syscall.EHOSTUNREACH) || z.stopped.Load() {
			return err
		}
		z.logError(err)
		select {
		case <-z.quit:
			return errStopped
		case <-time.After(pause):
		}
	}
}

// logError logs an error at every end whose peers are kept waiting.
func (z *zapHandler) logError(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, g := range z.gates {
		g.retryLog.Log(g.log, slog.LevelError, "the authentication handler has trouble, trying again", "err", err)
	}
}

func (z *zapHandler) stop() {
	z.stopped.Store(true)
	close(z.quit)
	z.sock.Wake()
	<-z.done
}

// errRecheck ends the wait for a request: pending peers must be checked.
var errRecheck = errors.New("a slot is free")

// checkPending makes the handler check the peers that wait.
func (z *zapHandler) checkPending() {
	z.recheck.Store(true)
	z.sock.Wake()
}

// interrupted returns why the wait for a request must end when there is none.
func (z *zapHandler) interrupted() error {
	switch {
	case z.stopped.Load():
		return errStopped
	case z.recheck.Swap(false):
		return errRecheck
	}
	return nil
}

// maxZAPParts bounds what is kept of a request; libzmq's have nine, or eight
// without security.
const maxZAPParts = 10

// read reads one request. libzmq returns one only when it is complete, so there
// is no waiting between its parts.
func (z *zapHandler) read() ([][]byte, error) {
	var parts [][]byte
	for {
		var m zmsg.Msg
		err := z.retry(func() error {
			return z.sock.Wait(time.Time{}, z.interrupted, func() error { return z.receive(&m) })
		})
		if err != nil {
			return nil, err
		}
		if len(parts) < maxZAPParts {
			parts = append(parts, append([]byte(nil), m.Bytes()...))
		}
		more := m.More()
		m.Close()
		if !more {
			return parts, nil
		}
	}
}

// zapRequest is libzmq's request.
type zapRequest struct {
	from, id        []byte // ROUTER's identity of the requester; the number of the request
	domain, address string
	key             []byte // CURVE; nil without security
}

// zapReply is the reply: RFC 27's status code and text, and the name of the
// peer's key.
type zapReply struct {
	from, id         []byte
	code, text, user string
}

// parseZAP reads a request: envelope, delimiter, version, request id, domain,
// address, identity, mechanism, credentials. What cannot be read has no more than
// an envelope and an id.
func parseZAP(parts [][]byte) (r zapRequest, ok bool) {
	const envelope, id, domain, address, mechanism, credentials = 0, 3, 4, 5, 7, 8
	part := func(i int) []byte {
		if i < len(parts) {
			return parts[i]
		}
		return nil
	}
	r = zapRequest{from: part(envelope), id: part(id), domain: string(part(domain)), address: string(part(address)), key: part(credentials)}
	if string(part(2)) != "1.0" {
		return r, false
	}
	switch string(part(mechanism)) {
	case "NULL":
		return r, len(parts) == credentials
	case "CURVE":
		return r, len(parts) == credentials+1 && len(r.key) == 32
	}
	return r, false
}

// evaluate returns the reply to a request, and the gate that admits the peer. The
// gate is nil if the peer is rejected.
func (z *zapHandler) evaluate(parts [][]byte) (zapReply, *gate) {
	r, ok := parseZAP(parts)
	reply := zapReply{from: r.from, id: r.id, code: "400"}
	z.mu.Lock()
	g := z.gates[r.domain]
	z.mu.Unlock()
	switch {
	case !ok, g != nil && (g.access != nil) != (r.key != nil):
		reply.code, reply.text = "500", "a request that libzmq does not make"
	case g == nil:
		reply.text = "unknown domain"
	default:
		if ok, reply.text = g.check(&r); ok {
			reply.code, reply.user = "200", hex.EncodeToString(r.key)
			return reply, g
		}
	}
	return reply, nil
}

// registerZAP makes the handler of the context, which must be held, ask at a
// gate. The first gate starts the handler.
func registerZAP(ctx *zmq4.Context, g *gate) (*zapHandler, error) {
	process.Lock()
	defer process.Unlock()
	if process.zap == nil {
		z, err := openZAP(ctx)
		if err != nil {
			return nil, err
		}
		process.zap = z
		go z.run()
	}
	z := process.zap
	z.mu.Lock()
	defer z.mu.Unlock()
	z.gates[g.domain] = g
	return z, nil
}

// unregisterZAP ends the handler with its last gate, before the context ends.
// The lock is held until the handler has ended, so that the next one finds the
// endpoint free.
func unregisterZAP(g *gate) {
	process.Lock()
	defer process.Unlock()
	z := g.handler
	z.mu.Lock()
	delete(z.gates, g.domain)
	last := len(z.gates) == 0
	z.mu.Unlock()
	if last {
		process.zap = nil
		z.stop()
	}
}

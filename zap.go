package netgear

import (
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// zapHandler answers libzmq's questions about who may connect (ZeroMQ RFC 27).
// There is one for each context, because its endpoint is; sockets are told apart
// by their domain. Its goroutine owns its socket, which stays bound whatever
// goes wrong: where nobody is there to ask, libzmq lets everybody in.
type zapHandler struct {
	sock    *zmsg.Socket
	stopped atomic.Bool
	vacated atomic.Bool   // somewhere a place is free, and somebody waits for it
	quit    chan struct{} // closed with stopped
	done    chan struct{}

	mu    sync.Mutex
	doors map[string]*door // by domain; also by shared's lock
}

const zapEndpoint = "inproc://zeromq.zap.01"

func startZAP(ctx *zmq4.Context) (*zapHandler, error) {
	plain, err := ctx.NewSocket(zmq4.ROUTER) // which, unlike REP, may answer in any order
	if err != nil {
		return nil, err
	}
	sock, err := zmsg.Wrap(plain)
	if err != nil {
		plain.Close()
		return nil, err
	}
	err = errors.Join(
		// No limit: a reply that finds no room would leave a handshake hanging.
		sock.SetRcvhwm(0), sock.SetSndhwm(0),
		sock.SetLinger(0),
		// Who has gone already when it is let in must not keep a place.
		sock.SetRouterMandatory(1),
	)
	if err == nil {
		err = sock.Bind(zapEndpoint)
	}
	if err != nil {
		sock.Close()
		return nil, err
	}
	z := &zapHandler{sock: sock, quit: make(chan struct{}), done: make(chan struct{}), doors: map[string]*door{}}
	go z.run()
	return z, nil
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
		case errVacated:
			err = z.callIn()
		}
		if err != nil {
			return
		}
	}
}

// answer answers a request, unless who asks has to wait.
func (z *zapHandler) answer(parts [][]byte) error {
	reply, d := z.judge(parts)
	if d == nil || d.letIn(reply) {
		return z.give(reply, d)
	}
	return nil
}

// callIn lets in those who have waited for a place that is free now.
func (z *zapHandler) callIn() error {
	z.mu.Lock()
	doors := slices.Collect(maps.Values(z.doors))
	z.mu.Unlock()
	for _, d := range doors {
		for yes, ok := d.next(); ok; yes, ok = d.next() {
			if err := z.give(yes, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// give sends an answer. Where a yes comes too late for the one who asked, the
// next gets the place.
func (z *zapHandler) give(reply zapReply, d *door) error {
	err := z.send(&reply)
	if errors.Is(err, syscall.EHOSTUNREACH) {
		d.turnedBack()
		return nil
	}
	return err
}

// send returns EHOSTUNREACH if who asked has gone.
func (z *zapHandler) send(r *zapReply) error {
	parts := [...][]byte{r.from, nil, []byte("1.0"), r.id, []byte(r.code), []byte(r.text), []byte(r.user), nil}
	for i, part := range parts {
		if err := z.insist(func() error { return z.sock.TrySend(part, i < len(parts)-1) }); err != nil {
			return err
		}
	}
	return nil
}

// insist repeats a call until it works or the handler is stopped: without an
// answer no handshake in the process ever ends.
func (z *zapHandler) insist(call func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := retryEINTR(call)
		if err == nil || err == errVacated || errors.Is(err, syscall.EHOSTUNREACH) || z.stopped.Load() {
			return err
		}
		z.complain(err)
		select {
		case <-z.quit:
			return ErrClosed
		case <-time.After(pause):
		}
	}
}

// complain tells every end whose peers are kept waiting.
func (z *zapHandler) complain(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, d := range z.doors {
		d.log.Error("the authentication handler has trouble, trying again", "err", err)
	}
}

func (z *zapHandler) stop() {
	z.stopped.Store(true)
	close(z.quit)
	z.sock.Wake()
	<-z.done
}

// errVacated ends the wait for a request.
var errVacated = errors.New("a place is free")

// recall makes the handler look who waits for a place that is free.
func (z *zapHandler) recall() {
	z.vacated.Store(true)
	z.sock.Wake()
}

// idle is asked when there is nothing to read.
func (z *zapHandler) idle() error {
	switch {
	case z.stopped.Load():
		return ErrClosed
	case z.vacated.Swap(false):
		return errVacated
	}
	return nil
}

// zapFault is where the tests make the handler's socket fail.
var zapFault = func() error { return nil }

// maxZAPParts bounds what is kept of a request; libzmq's have nine, or eight
// without security.
const maxZAPParts = 10

// read reads one request. libzmq hands one out only when it is all there, so
// there is no waiting between its parts.
func (z *zapHandler) read() ([][]byte, error) {
	var parts [][]byte
	for {
		var m zmsg.Msg
		err := z.insist(func() error {
			if err := zapFault(); err != nil {
				return err
			}
			return z.sock.Wait(time.Time{}, z.idle, func() error { return z.sock.TryRecv(&m) })
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

// zapRequest is libzmq's question.
type zapRequest struct {
	from, id        []byte // ROUTER's name for the connection that asks; its number for the question
	domain, address string
	key             []byte // CURVE; nil without security
}

// zapReply is the answer: RFC 27's status code and text, and the name of the
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

// judge says what to answer, and at whose door who asks may come in; none if it is
// a no.
func (z *zapHandler) judge(parts [][]byte) (zapReply, *door) {
	r, ok := parseZAP(parts)
	reply := zapReply{from: r.from, id: r.id, code: "400"}
	z.mu.Lock()
	d := z.doors[r.domain]
	z.mu.Unlock()
	switch {
	case !ok, d != nil && (d.access != nil) != (r.key != nil):
		reply.code, reply.text = "500", "a request that libzmq does not make"
	case d == nil:
		reply.text = "unknown domain"
	default:
		if ok, reply.text = d.admits(&r); ok {
			reply.code, reply.user = "200", hex.EncodeToString(r.key)
			return reply, d
		}
	}
	return reply, nil
}

// registerZAP makes the shared context ask at a door. The context must be held.
func registerZAP(ctx *zmq4.Context, d *door) (*zapHandler, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.zap == nil {
		z, err := startZAP(ctx)
		if err != nil {
			return nil, err
		}
		shared.zap = z
	}
	z := shared.zap
	z.mu.Lock()
	defer z.mu.Unlock()
	z.doors[d.domain] = d
	return z, nil
}

// unregisterZAP ends the handler with its last door; before the context ends.
// The lock is held until it is gone, so that the next one finds its endpoint
// free.
func unregisterZAP(d *door) {
	shared.Lock()
	defer shared.Unlock()
	z := d.handler
	z.mu.Lock()
	delete(z.doors, d.domain)
	last := len(z.doors) == 0
	z.mu.Unlock()
	if last {
		shared.zap = nil
		z.stop()
	}
}

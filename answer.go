package netgear

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"reflect"
	"runtime"
	"sync"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// SetReturnData sets the data that the answers carry from now on, until it is
// replaced. The data is any value that JSON can hold, a Tuple, or an array.
// Arrays are an Array, a *Frame, a picture of package image, a gocv.Mat, or a
// pointer to one; they are copied. On ImageZMQWire the data is the reply: a text
// or bytes as they are, any other value as JSON, and no array.
//
// It corresponds to VidGear's recv(return_data=…), so the data goes with the
// answer to a later frame than the last one received. After an error the
// previous data stays. It may be called from any goroutine. An end other than a
// receive end in bidirectional or multi-client mode returns ErrMode. It has no
// effect where Options.Respond is set. Other errors are ErrMessage, ErrFrame and
// ErrClosed.
func (n *NetGear) SetReturnData(data any) error {
	if err := n.opened(); err != nil {
		return wrap("return data", err)
	}
	if n.recv == nil || !n.link.structured() || !n.link.spec.answers {
		return wrap("return data", fmt.Errorf("%w: it needs ReceiveMode with BidirectionalMode (Pair, ReqRep) or MulticlientMode (ReqRep)", ErrMode))
	}
	return wrap("return data", n.recv.setReturnData(data))
}

// returning holds what every answer carries until it is replaced.
type returning struct {
	sync.Mutex
	prepared
	other prepared // for a sender that requests the other kind of answer
}

// prepared is an answer that is encoded once and sent for every frame.
type prepared struct {
	head  []byte
	array *zmsg.Buffer // nil unless an array is returned
}

func (r *receiveEnd) setReturnData(data any) error {
	p, err := r.prepare(data)
	if err != nil {
		return err
	}
	r.returning.Lock()
	defer r.returning.Unlock()
	if r.closing() != nil {
		p.array.Release()
		return ErrClosed
	}
	r.returning.array.Release()
	r.returning.prepared = p
	return nil
}

// nothing returns an answer without data.
func (r *receiveEnd) nothing(structured bool) prepared {
	if !structured {
		return prepared{head: []byte(r.wire.received(r.id))}
	}
	return prepared{head: r.wire.appendAnswer(nil, &answer{port: r.port, device: r.id, returnType: "NoneType"})}
}

// prepare encodes the answer, and the array's JPEG, once for all frames.
func (r *receiveEnd) prepare(data any) (prepared, error) {
	if tuple, ok := data.(Tuple); ok {
		return r.prepareData([]any(tuple), "tuple")
	}
	p, isArray, err := r.returnedArray(data)
	defer p.release() // the answer has a copy
	switch {
	case err != nil:
		return prepared{}, err
	case !isArray:
		return r.prepareData(data, "")
	case !r.opts.Wire.returnsArrays():
		return prepared{}, fmt.Errorf("%w: imagezmq's reply is a text or bytes, and carries no array", ErrMessage)
	}
	defer runtime.KeepAlive(data) // keeps the memory of an unreferenced frame
	return r.prepareArray(&p)
}

// prepareResponse calls Respond and encodes what it returned as an answer.
func (r *receiveEnd) prepareResponse(f *Frame) (prepared, error) {
	var data any
	var err error
	f.borrowed = true
	f.responding.Store(true)
	returned := false
	defer func() {
		if !returned { // Respond has ended the goroutine
			f.borrowed = false
			f.responding.Store(false)
			f.Close()
		}
	}()
	r.calls.call(respondCallback, func() { data, err = r.opts.Respond(r.ctx, f) })
	f.borrowed, returned = false, true
	f.responding.Store(false)
	if f.decodes() {
		r.responses.note(f.read.Load())
	}
	if err != nil {
		return prepared{}, fmt.Errorf("Respond returned an error: %w", err)
	}
	p, err := r.prepare(data)
	if err != nil {
		return prepared{}, fmt.Errorf("Respond returned what cannot be sent: %w", err)
	}
	return p, nil
}

// returnedArray returns data as an array if it is an Array, a frame, a picture,
// a Mat, or a pointer to one.
func (r *receiveEnd) returnedArray(data any) (p payload, isArray bool, err error) {
	if data == nil {
		return p, false, nil
	}
	kind := kindOf(reflect.TypeOf(data))
	switch v := data.(type) {
	case *Frame:
		p, err = r.framePayload(v, turbojpeg.Stop{r.ctx.Done()})
		return p, true, closedIfStopped(err)
	case image.Image:
		if kind == imageValue {
			p, err = r.imagePayload(v)
			return p, true, err
		}
	}
	if !kind.isArray() {
		return p, false, nil
	}
	a, err := asArray(data, kind)
	if err == nil {
		p, err = r.arrayPayload(a)
	}
	return p, true, err
}

// prepareData encodes the answer for data other than arrays. Without a type
// name it uses that of the data.
func (r *receiveEnd) prepareData(data any, typeName string) (prepared, error) {
	m, err := r.wire.encodeMessage(data)
	if err != nil {
		return prepared{}, err
	}
	a := answer{port: r.port, device: r.id, returnType: cmp.Or(typeName, r.wire.typeName(m)), data: m}
	return prepared{head: r.wire.appendAnswer(nil, &a)}, nil
}

// closedIfStopped returns ErrClosed for an error of work that Close has ended.
func closedIfStopped(err error) error {
	if errors.Is(err, turbojpeg.ErrStopped) {
		return ErrClosed
	}
	return err
}

func (r *receiveEnd) prepareArray(p *payload) (prepared, error) {
	enc, err := turbojpeg.NewEncoder()
	if err != nil {
		return prepared{}, err
	}
	defer enc.Close()
	enc.Stop[0] = r.ctx.Done()
	if err := r.mend(p, enc); err != nil {
		return prepared{}, closedIfStopped(err)
	}
	part, err := r.makePart(p, enc, false)
	if err != nil {
		return prepared{}, closedIfStopped(err)
	}
	head := r.wire.appendAnswer(nil, &answer{port: r.port, device: r.id, returnType: "ndarray", array: true, coding: p.coding})
	return prepared{head: head, array: part.buf}, nil
}

// ---- the answer to a frame ----

// respond answers a frame with what Respond returns, decoded before if Respond
// reads pixels. An error means that the frame could not be decoded; the frame is
// then closed and not answered.
func (r *receiveEnd) respond(h *header, f *Frame) error {
	if r.responses.ahead() {
		if _, err := f.decodeAhead(decodeHow{dec: r.dec, settings: &r.settings, cores: cores()}); err != nil {
			f.Close()
			return err
		}
	}
	p, err := r.prepareResponse(f)
	if err != nil {
		// The frame is good; only the application's data is not.
		r.counters.noData.Add(1)
		r.messageLog.Log(r.opts.Logger, slog.LevelWarn, "a frame is answered without data", "endpoint", r.where(), "peer", f.Peer, "port", f.Port, "err", err)
		r.answer(h)
		return nil
	}
	if h.bidirectional {
		r.reply(&p)
	} else {
		r.answer(h)
	}
	p.array.Release()
	return nil
}

// reject drops a message: it counts and logs it, and answers with the reason,
// on the sender's wire if that is not this end's.
func (r *receiveEnd) reject(h *header, m *message, err error) {
	w := r.wire
	if other, ok := r.opts.Wire.ofHeader(m.parts[0].Bytes()); ok {
		// The form with fields is accepted by every send end of that wire.
		w, h.bidirectional = other.wire(), true
		err = because(malformedWire, malformed("the sender uses %v's wire and this end %v's; set Options.Wire to the same at both", other, r.opts.Wire))
	}
	r.malformed(m.peer, h.from, err) // before the answer, after which the sender may look at the counts
	if r.spec.answers {
		r.reply(&prepared{head: w.appendAnswer(nil, r.rejection(w, h, err))})
	}
}

// isHeader reports whether raw is part 1 of a message on a wire.
func isHeader(w wire, raw []byte) bool {
	_, err := w.parseHeader(raw, nil)
	return err == nil
}

// rejection returns the answer to a message that was dropped.
func (r *receiveEnd) rejection(w wire, h *header, why error) *answer {
	reason := reasonText(why)
	if !h.bidirectional {
		return &answer{text: w.rejected(r.id, reason)}
	}
	return &answer{port: r.port, device: r.id, returnType: "NoneType", rejected: reason}
}

// answer sends the answer that the mode requires.
func (r *receiveEnd) answer(h *header) {
	if !r.spec.answers {
		return
	}
	r.returning.Lock()
	defer r.returning.Unlock()
	if h.bidirectional != r.structured() {
		r.reply(&r.returning.other)
		return
	}
	r.reply(&r.returning.prepared)
}

// reply sends an answer without waiting. If there is no room or no peer for it,
// the peer is gone or does not read its answers.
func (r *receiveEnd) reply(p *prepared) {
	err := errPeerLost
	if !r.mute {
		err = retryEINTR(func() error { return r.conn.TrySend(p.head, p.array != nil) })
	}
	if err == nil && p.array != nil {
		err = retryEINTR(func() error { return r.conn.TrySendBuffer(p.array, false) })
	}
	if err != nil {
		r.counters.unsent.Add(1)
		r.messageLog.Log(r.opts.Logger, slog.LevelWarn, "an answer found no peer", "endpoint", r.where(), "peer", r.asker, "err", err)
	}
}

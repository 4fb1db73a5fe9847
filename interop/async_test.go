//go:build !nogocv

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestAsync streams frames of several dtypes between this library and VidGear's
// NetGear_Async, in every pattern, each way. The sender's terminate message
// ends the stream.
func TestAsync(t *testing.T) {
	t.Parallel()
	for _, pattern := range append(allPatterns[:3:3], netgear.PushPull) {
		asyncCell(t, pattern, "plain", asyncToPython, asyncToGo)
	}
	for _, pattern := range lockstep {
		asyncCell(t, pattern, "bidirectional", asyncDataToPython, asyncDataToGo)
	}
}

func asyncCell(t *testing.T, pattern netgear.Pattern, mode string, toPython, toGo func(*testing.T, netgear.Options)) {
	o := asyncOptions(t, pattern)
	o.BidirectionalMode = mode == "bidirectional"
	for direction, test := range map[string]func(*testing.T, netgear.Options){"go-to-python": toPython, "python-to-go": toGo} {
		t.Run(fmt.Sprintf("%s/%s/%s", patternNames[pattern], mode, direction), func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

// asyncOptions returns options with a longer time-out. By default both ends
// have one of 15 s. Unless it is tested, the test's own limit is shorter.
func asyncOptions(t *testing.T, pattern netgear.Pattern) netgear.Options {
	return netgear.Options{Wire: netgear.AsyncWire, Pattern: pattern, Address: address(t, "tcp"), SubscriberTimeout: -1, RequestTimeout: longTimeout}
}

var asyncPatience = []string{"--timeout", fmt.Sprint(2 * waitLimit.Seconds())}

// asyncFrame is a frame in peer.py's form (--source cases).
type asyncFrame struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

var asyncFrames = []asyncFrame{
	{"uint8", []int{480, 640, 3}}, {"uint8", []int{16, 24}}, {"uint8", []int{16, 24, 3}}, {"uint16", []int{16, 24}}, {"float32", []int{16, 24, 3}},
	{"bool", []int{16, 24}}, {"int64", []int{4, 5, 6}}, {">u2", []int{16, 24}}, {">u2", []int{16, 24, 3}},
}

func (f asyncFrame) name() string { return strings.Replace(f.DType, ">u2", "uint16", 1) }

// array returns frame i as Go sends it.
func (f asyncFrame) array(i int) netgear.Array {
	a := synthetic(f.name(), f.Shape, i)
	if a.DType = f.DType; f.DType == ">u2" {
		for k := 0; k < len(a.Data); k += 2 {
			a.Data[k], a.Data[k+1] = a.Data[k+1], a.Data[k]
		}
	}
	return a
}

// asyncRound returns the frame at place i of the repeated list, as it is sent
// and as it arrives: little-endian.
func asyncRound(i int) (netgear.Array, string) {
	i %= len(asyncFrames)
	return asyncFrames[i].array(i), picture(synthetic(asyncFrames[i].name(), asyncFrames[i].Shape, i))
}

// asyncSource returns the same frames for peer.py.
func asyncSource() []string {
	list, err := json.Marshal(asyncFrames)
	if err != nil {
		panic(err)
	}
	return append([]string{"--source", "cases", string(list)}, asyncPatience...)
}

func asyncToPython(t *testing.T, o netgear.Options) {
	p, o := startReceiver(t, o, asyncPatience...)
	sender := open(t, o)
	if o.Pattern == netgear.PubSub {
		place := 0
		asyncPublish(t, func(n int) []string {
			sent := make([]string, n)
			for i := range sent {
				var a netgear.Array
				a, sent[i] = asyncRound(place)
				send(t, sender, a, nil)
				place++
			}
			return sent
		}, func(within time.Duration) (string, bool) {
			e, ok := p.poll(within)
			return e.picture(), ok
		})
	} else {
		for i := range asyncFrames {
			a, _ := asyncRound(i)
			send(t, sender, a, nil)
		}
		for i := range asyncFrames {
			_, want := asyncRound(i)
			equal(t, fmt.Sprintf("frame %d", i), p.expect("frame").picture(), want)
		}
	}
	sender.Close()
	if o.Pattern == netgear.PubSub {
		asyncSayGoodbye(t, p, o)
		return
	}
	p.end("terminated")
}

// asyncSayGoodbye sends the terminate message until it is received: with
// PUB/SUB it can be lost, as any frame.
func asyncSayGoodbye(t *testing.T, p *peer, o netgear.Options) {
	t.Helper()
	for range 20 {
		if e, ok := p.poll(2 * time.Second); ok && e.text("event") == "end" {
			equal(t, "the Python end's reason", e.text("reason"), "terminated")
			return
		} else if ok {
			continue
		}
		another := open(t, o)
		awaitConnection(t, another)
		another.Close()
	}
	t.Error("the Python end heard no goodbye")
}

func asyncToGo(t *testing.T, o netgear.Options) {
	receiver, o := openReceiver(t, o)
	switch o.Pattern {
	case netgear.PubSub:
		// VidGear closes its socket without linger right after the terminate
		// message, which then is mostly lost. At its high-water mark of 1 a
		// frame that follows another within a millisecond is lost as well.
		p := startSender(t, o, append(asyncSource(), "--wait-ready", "--n", "1000000", "--fps", "100", "--linger", "10000")...)
		asyncPublish(t, func(n int) []string {
			p.Tell(fmt.Sprintf("go %d", n))
			return p.pictures(n)
		}, func(within time.Duration) (string, bool) {
			a, ok := goReceiver{receiver}.next(t, within)
			return a.picture, ok
		})
		p.Tell("close")
		receiveEnd(t, receiver)
		p.end("closed")
	case netgear.PushPull:
		// The same here, also for the frames before it.
		p := startSender(t, o, append(asyncSource(), "--stay", "--linger", "10000")...)
		asyncReceiveAll(t, receiver)
		p.until("sent")
		p.Tell("close")
		receiveEnd(t, receiver)
		p.end("count")
	default:
		p := startSender(t, o, asyncSource()...)
		asyncReceiveAll(t, receiver)
		receiveEnd(t, receiver)
		p.end("count")
	}
}

func asyncReceiveAll(t *testing.T, receiver *netgear.NetGear) {
	t.Helper()
	for i := range asyncFrames {
		_, want := asyncRound(i)
		equal(t, fmt.Sprintf("frame %d", i), receivePicture(t, receiver), want)
	}
}

// asyncPublish repeats the round, because frames are lost before the subscriber
// is connected, and if they are too fast for it. Those that arrive must be
// unchanged and in order, and each of the round must arrive. It returns when
// the last one has, so that the terminate message does not have to queue.
//
// publish sends the next n of the round and returns what should arrive. poll
// returns what arrives next, if anything does.
func asyncPublish(t *testing.T, publish func(n int) []string, poll func(within time.Duration) (string, bool)) {
	t.Helper()
	var sent, arrived []string
	missing := map[string]bool{}
	for i := range asyncFrames {
		_, want := asyncRound(i)
		missing[want] = true
	}
	look := func() bool {
		a, ok := poll(100 * time.Millisecond)
		if ok {
			arrived = append(arrived, a)
			delete(missing, a)
		}
		return ok
	}
	deadline := time.Now().Add(waitLimit)
	for streamed := false; len(missing) > 0 || arrived[len(arrived)-1] != sent[len(sent)-1]; {
		if len(arrived) > 0 && !streamed { // the subscriber is connected: a stream
			sent = append(sent, publish(3*len(asyncFrames))...)
			for streamed = true; look(); {
			}
		}
		sent = append(sent, publish(1)...)
		for look() && arrived[len(arrived)-1] != sent[len(sent)-1] {
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d frames %d arrived, never %v", len(sent), len(arrived), missing)
		}
	}
	inOrder(t, arrived, sent)
}

// ---- bidirectional mode ----

// asyncValues are values that msgpack has. NetGear_Async writes None as the
// empty text, so here that is None.
func asyncValues() []value {
	list := slices.DeleteFunc(slices.Clone(allValues), func(v value) bool { return strings.HasSuffix(v.name, "2**70") })
	for i, v := range list {
		if v.value == "" {
			list[i].value = nil
		}
	}
	return append(list, value{"int greatest of 64 bits", "18446744073709551615", "int", uint64(math.MaxUint64), false})
}

// packedValues are values that only msgpack has. Only a Python end sends them,
// because it refuses their content when it receives.
var packedValues = []struct {
	python string // in peer.py's words
	kind   string // Python's name of its type
	value  any
}{
	{`{"$dict": [[1, "one"], [-2, {"$dict": [[3, null]]}]]}`, "dict", map[any]any{int64(1): "one", int64(-2): map[any]any{int64(3): nil}}},
	{`{"$dict": [[1, "one"], ["k", 2.5]]}`, "dict", map[any]any{int64(1): "one", "k": 2.5}},
	{`{"$dict": [[{"$tuple": [1, "a"]}, 3]]}`, "dict", map[string]any{"[1 a]": int64(3)}},
	{`{"$dict": [[{"$bytes": "6e64"}, true]]}`, "dict", map[string]any{"nd": true}},
	{`{"nd": true, "complex": 1}`, "dict", map[string]any{"nd": true, "complex": int64(1)}},
	{`{"$timestamp": [1700000000, 0]}`, "Timestamp", time.Unix(1700000000, 0).UTC()},
	{`{"$timestamp": [-5, 999999999]}`, "Timestamp", time.Unix(-5, 999999999).UTC()},
	{`{"$ext": [5, "00ff"]}`, "ExtType", netgear.Ext{Type: 5, Data: []byte{0, 255}}},
	{`[{"$ext": [127, ""]}]`, "list", []any{netgear.Ext{Type: 127, Data: []byte{}}}},
}

// packedArrived checks one of them, read in each way.
func packedArrived(t *testing.T, python string, m netgear.Message, want any) {
	t.Helper()
	var decoded any
	if err := m.Decode(&decoded); err != nil {
		t.Errorf("%s: %v", python, err)
	}
	var inMap map[any]any
	if err := m.Decode(&inMap); strings.HasPrefix(python, "{") && strings.Contains(python, "dict") && (err != nil || len(inMap) == 0) {
		t.Errorf("%s: a map %v, %v", python, inMap, err)
	}
	for _, got := range []any{m.Value(), decoded} {
		if at, ok := got.(time.Time); ok {
			got = at.UTC()
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s arrived as %#v, want %#v", python, got, want)
		}
	}
}

// asyncBeside has a VidGear send end send a frame with a message.
func asyncBeside(t *testing.T, message string) (*netgear.NetGear, *peer) {
	o := asyncOptions(t, netgear.Pair)
	o.BidirectionalMode = true
	receiver, o := openReceiver(t, o)
	p := startSender(t, o, append(asyncSource(), "--wait-ready")...)
	p.Tell("messages [" + message + "]")
	p.Tell("go 1")
	return receiver, p
}

// TestAsyncRefusals checks messages that VidGear cannot send or read.
func TestAsyncRefusals(t *testing.T) {
	t.Parallel()
	t.Run("python-sends/complex", func(t *testing.T) {
		t.Parallel()
		_, p := asyncBeside(t, `{"$complex": [1, 2]}`)
		e := p.until("error")["error"]
		equal(t, e+": cannot be sent", strings.Contains(e, "can not serialize 'complex' object"), true)
	})
	t.Run("python-sends/array", func(t *testing.T) {
		t.Parallel()
		receiver, p := asyncBeside(t, `{"$array": {"shape": [2, 3]}}`)
		f := receive(t, receiver) // with a warning in VidGear's log, and without the array
		defer f.Close()
		equal(t, "no message", f.Message.IsNone(), true)
		p.expect("frame")
		p.Tell("close")
		p.end("closed")
		for range p.Lines { // until it has ended, and all of its log has arrived
		}
		equal(t, "VidGear warns", strings.Contains(p.Stderr.String(), "Skipped unsupported `data` of datatype: ndarray!"), true)
	})
	t.Run("python-sends/array in a list", func(t *testing.T) {
		t.Parallel()
		_, p := asyncBeside(t, `[{"$array": {"shape": [2, 3]}}]`)
		e := p.until("error")["error"]
		equal(t, e+": cannot be sent", strings.Contains(e, "can not serialize 'numpy.ndarray' object"), true)
	})
	t.Run("python-receives/integer keys", func(t *testing.T) {
		t.Parallel()
		o := asyncOptions(t, netgear.Pair)
		o.BidirectionalMode = true
		p, o := startReceiver(t, o, asyncPatience...)
		sender := open(t, o)
		ctx, giveUp := context.WithCancel(context.Background())
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			sender.SendArray(ctx, small(), map[int]string{1: "one"}) // no peer answers
		}()
		e := p.until("error")["error"]
		equal(t, e+": cannot be read", strings.Contains(e, "int is not allowed for map key"), true)
		giveUp()
		<-sent
	})
	t.Run("python-sends/integer keys returned", func(t *testing.T) {
		t.Parallel()
		receiver, p := asyncBeside(t, `"a", "b"`)
		receive(t, receiver).Close()
		p.expect("frame")
		if err := receiver.SetReturnData(map[int]string{1: "one"}); err != nil {
			t.Fatal(err)
		}
		p.Tell("go 1")
		e := p.until("error")["error"]
		equal(t, e+": cannot be read", strings.Contains(e, "int is not allowed for map key"), true)
	})
	t.Run("python-receives/numpy", func(t *testing.T) {
		t.Parallel()
		o := asyncOptions(t, netgear.Pair)
		o.BidirectionalMode = true
		p, o := startReceiver(t, o, asyncPatience...)
		sender := open(t, o)
		send(t, sender, small(), 1+2i)
		equal(t, "a complex number", p.expect("frame")["message"], `{"$dict": [[{"$bytes": "636f6d706c6578"}, true], [{"$bytes": "64617461"}, "(1+2j)"]]}`)
		sender.Close()
		p.end("terminated")
	})
}

// asyncArrived checks a value at a Go end.
func (v value) asyncArrived(t *testing.T, m netgear.Message) {
	t.Helper()
	equal(t, v.name+": IsNone", m.IsNone(), v.value == nil)
	if v.value == nil {
		v.python = "null"
	}
	v.arrived(t, m)
}

// asyncShown checks VidGear's value of it. VidGear treats all that is false in
// Python as None, and its receive end does not show a message of None.
func (v value) asyncShown(t *testing.T, got string) {
	t.Helper()
	want := v.python
	if v.falsy {
		want = "null"
	}
	if got == "" {
		got = "null"
	}
	equal(t, v.name, got, want)
}

// asyncDataToPython checks that frames have their messages, and that each
// answer carries what the VidGear receive end has queued for it.
func asyncDataToPython(t *testing.T, o netgear.Options) {
	p, o := startReceiver(t, o, asyncPatience...)
	sender := open(t, o)
	i := 0
	exchange := func(returned string, message any) (netgear.Reply, event) {
		t.Helper()
		p.Tell("return " + returned)
		p.expect("return")
		a, want := asyncRound(i)
		i++
		reply := send(t, sender, a, message)
		e := p.expect("frame")
		equal(t, "frame", e.picture(), want)
		return reply, e
	}
	for _, v := range asyncValues() {
		reply, e := exchange(v.forPython(), v.forGo())
		v.asyncShown(t, e["message"])
		equal(t, v.name+": type", reply.PythonType, v.kind)
		equal(t, v.name+": comes with an array", reply.Array != nil, false)
		v.asyncArrived(t, reply.Data)
	}
	for k, f := range asyncFrames {
		spec, _ := json.Marshal(map[string]any{"shape": f.Shape, "dtype": f.DType, "index": k}) // always encodes
		reply, _ := exchange(fmt.Sprintf(`{"$array": %s}`, spec), nil)
		equal(t, "array: type", reply.PythonType, "ndarray")
		if reply.Array == nil {
			t.Fatal("no array came")
		}
		_, want := asyncRound(k)
		equal(t, "array", picture(*reply.Array), want)
	}
	reply, e := exchange(`{"$bytes": "00ff80"}`, []byte{0, 255, 128})
	equal(t, "bytes", e["message"], `{"$bytes": "00ff80"}`)
	equal(t, "bytes returned", fmt.Sprintf("%s %x", reply.PythonType, reply.Data.Value()), "bytes 00ff80")
	for _, v := range packedValues {
		reply, _ := exchange(v.python, nil)
		equal(t, v.python+": type", reply.PythonType, v.kind)
		packedArrived(t, v.python, reply.Data, v.value)
	}
	// Nothing queued, nothing returned.
	reply = send(t, sender, small(), nil)
	equal(t, "nothing", fmt.Sprint(reply.PythonType, reply.Data.IsNone(), reply.Array), fmt.Sprint("NoneType", true, (*netgear.Array)(nil)))
	p.expect("frame")
	sender.Close()
	p.end("terminated")
}

// asyncDataToGo is the same in the other direction.
func asyncDataToGo(t *testing.T, o netgear.Options) {
	receiver, o := openReceiver(t, o)
	p := startSender(t, o, append(asyncSource(), "--wait-ready", "--n", "1000000")...)
	list := make([]string, 0, len(asyncValues()))
	for _, v := range asyncValues() {
		list = append(list, v.forPython())
	}
	list = append(list, `{"$bytes": "00ff80"}`)
	for _, v := range packedValues {
		list = append(list, v.python)
	}
	p.Tell("messages [" + strings.Join(list, ", ") + "]")
	i := 0
	exchange := func(data any) (netgear.Message, event) {
		t.Helper()
		if err := receiver.SetReturnData(data); err != nil {
			t.Fatal(err)
		}
		p.Tell("go 1")
		f := receive(t, receiver)
		defer f.Close()
		_, want := asyncRound(i)
		i++
		equal(t, "frame", framePicture(t, f), want)
		return f.Message, p.expect("frame")
	}
	for _, v := range asyncValues() {
		message, e := exchange(v.forGo())
		v.asyncArrived(t, message)
		v.asyncShown(t, e["reply"])
	}
	message, e := exchange([]byte{0, 255, 128})
	equal(t, "bytes", fmt.Sprintf("%x", message.Value()), "00ff80")
	equal(t, "bytes returned", e["reply"], `{"$bytes": "00ff80"}`)
	for _, v := range packedValues {
		message, _ := exchange(nil)
		packedArrived(t, v.python, message, v.value)
	}
	for k := range asyncFrames {
		a, want := asyncRound(k)
		_, e := exchange(a)
		equal(t, "array", e.inner("reply").picture(), want)
	}
	if err := receiver.SetReturnMat(footage[3].mats[0]); err != nil {
		t.Fatal(err)
	}
	p.Tell("go 1")
	receive(t, receiver).Close()
	equal(t, "Mat", p.expect("frame").inner("reply").picture(), footage[3].pictures[0])
	i++
	_, e = exchange(nil)
	equal(t, "nothing", e["reply"], "null")
	p.Tell("close")
	receiveEnd(t, receiver)
	p.end("closed")
}

// ---- time-outs ----

// TestAsyncTimeouts checks receive ends to which nothing is sent.
func TestAsyncTimeouts(t *testing.T) {
	t.Parallel()
	for pattern := range netgear.PushPull + 1 {
		name := patternNames[pattern]
		t.Run(name+"/python-receives", func(t *testing.T) {
			t.Parallel()
			p, _ := startReceiver(t, asyncOptions(t, pattern), "--timeout", "0.1")
			p.end("timeout")
		})
		t.Run(name+"/go-receives", func(t *testing.T) {
			t.Parallel()
			asyncTimeoutOfGo(t, asyncOptions(t, pattern))
		})
		if slices.Contains(lockstep, pattern) {
			t.Run(name+"/python-sends", func(t *testing.T) {
				t.Parallel()
				o := asyncOptions(t, pattern)
				o.Port = peertest.FreePort(t)
				startSender(t, o, "--timeout", "0.1").end("timeout")
			})
		}
	}
}

// asyncTimeoutOfGo checks that Recv returns ErrTimeout, and then receives from
// a later sender.
func asyncTimeoutOfGo(t *testing.T, o netgear.Options) {
	o.SubscriberTimeout = 100 * time.Millisecond
	receiver, o := openReceiver(t, o)
	for range 2 {
		if f, err := tryReceive(receiver); !errors.Is(err, netgear.ErrTimeout) {
			t.Fatalf("%v, %v", f, err)
		}
	}
	p := startSender(t, o, append(asyncSource(), "--n", "1000000", "--fps", "100", "--linger", "10000")...)
	// upTo skips so many frames, and time-outs.
	upTo := func(frames int, end error) {
		t.Helper()
		for {
			f, err := tryReceive(receiver)
			switch {
			case err == nil:
				frames--
				f.Close()
			case frames <= 0 && errors.Is(err, end):
				return
			case !errors.Is(err, netgear.ErrTimeout):
				t.Fatal(err)
			}
			if frames == 0 && end == nil {
				return
			}
		}
	}
	upTo(3, nil)
	p.Tell("pause")
	p.until("paused")
	upTo(0, netgear.ErrTimeout) // nothing is in transit
	p.Tell("close")
	upTo(0, io.EOF)
	p.end("closed")
}

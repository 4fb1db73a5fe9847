package faults

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numbered"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// endEnv makes a process of this test binary one end of a stream: it holds the
// spec as JSON. peer.py takes the same as its argument.
const endEnv = "NETGEAR_FAULTS_END"

// spec configures an end.
type spec struct {
	mode
	Receive bool     `json:"receive"`
	Pattern int      `json:"pattern"`
	Address string   `json:"address"`
	Ports   []string `json:"ports"`   // one, unless this end has several peers
	Keys    string   `json:"keys"`    // secure modes: where the certificates are
	Timeout int      `json:"timeout"` // RequestTimeout in seconds
	FPS     int      `json:"fps"`     // send end
	Life    int64    `json:"life"`    // the number of this end's process, which its frames contain
	VidGear bool     `json:"vidgear"` // send end: a receive end is VidGear's
}

func (s *spec) options() netgear.Options {
	o := netgear.Options{
		ReceiveMode:        s.Receive,
		Address:            s.Address,
		Ports:              s.Ports,
		Pattern:            netgear.Pattern(s.Pattern),
		Wire:               s.wire(),
		SecureMode:         netgear.SecureMode(s.Secure),
		CustomCertLocation: s.Keys,
		BidirectionalMode:  s.Bidirectional,
		MultiserverMode:    s.Multiserver,
		MulticlientMode:    s.Multiclient,
		JPEGCompression:    netgear.JPEGOff, // the time of capture is in the pixels
		RequestTimeout:     time.Duration(s.Timeout) * time.Second,
		MaxRetries:         -1,
		TerminatePolicy:    netgear.KeepWaiting,
		Logger:             slog.New(slog.NewTextHandler(os.Stderr, nil)),
		OnEvent: func(st netgear.Event) {
			fmt.Fprintln(os.Stderr, st.Time.Format("04:05.000"), "state:", st.Kind, st.Endpoint, st.Err)
		},
	}
	if s.Receive && s.returns() {
		o.Respond = func(_ context.Context, f *netgear.Frame) (any, error) {
			life, index, _ := stampOf(f)
			return []int64{life, index}, nil
		}
	}
	return o
}

func (s *spec) wire() netgear.Wire {
	if s.ImageZMQ {
		return netgear.ImageZMQWire
	}
	return netgear.NetGearWire
}

// returns reports whether answers carry data. A Go end returns the numbers of
// the frame, VidGear's a text.
func (s *spec) returns() bool {
	return (s.Bidirectional || s.Multiclient) && s.Pattern != int(netgear.PubSub)
}

// An end prints these lines on stdout:
//
//	ready NOW
//	frame LIFE INDEX CAPTURED PORT   (receive end; 0 if frames have no port)
//	report GOROUTINES FDS BUFFERS MESSAGES MATS THREADS
//	error TEXT
//	wrong: TEXT                      an error that fails the test
//
// and reads commands on stdin: pause, resume (send end), report, close. Times
// are in microseconds since 1970; both ends have the same clock.
var speaking sync.Mutex

func say(format string, args ...any) {
	speaking.Lock()
	defer speaking.Unlock()
	fmt.Printf(format+"\n", args...)
}

// beEnd is the main function of such a process.
func beEnd(text string) int {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		say("error %v", err)
		return 1
	}
	n, err := netgear.New(s.options())
	if err != nil {
		say("error %v", err)
		return 1
	}
	paused := make(chan bool)
	go listen(n, paused)
	say("ready %d", time.Now().UnixMicro())
	if s.Receive {
		receiveAll(n)
	} else {
		sendAll(n, &s, paused)
	}
	n.Close() // wait for the Close that ended the loop
	return 0
}

// listen runs the commands on stdin. The end of stdin, for instance when the
// test is killed, ends the process.
func listen(n *netgear.NetGear, paused chan<- bool) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "pause":
			paused <- true
		case "resume":
			paused <- false
		case "report":
			report()
		case "close":
			n.Close()
			os.Exit(0)
		}
	}
	os.Exit(1)
}

// report prints what this process holds at the moment.
func report() {
	runtime.GC()
	fds, _ := os.ReadDir("/proc/self/fd")
	threads, _ := os.ReadDir("/proc/self/task")
	buffers, messages := zmsg.Live()
	say("report %d %d %d %d %d %d", runtime.NumGoroutine(), len(fds), buffers, messages, mats(), len(threads))
}

// mats returns how many Mats are not closed, if gocv counts them (-tags
// matprofile).
var mats = func() int { return 0 }

// ---- the application: a loop that sends, a loop that receives ----

// A frame has less than 8 KB, as larger ones end VidGear's PAIR receive end in
// secure mode.
const frameRows, frameCols = 40, 64

func sendAll(n *netgear.NetGear, s *spec, paused <-chan bool) {
	tick := time.NewTicker(time.Second / time.Duration(s.FPS))
	defer tick.Stop()
	for i := int64(0); ; i++ {
		select {
		case on := <-paused:
			for on {
				on = <-paused
			}
		case <-tick.C:
		}
		reply, err := sendFrame(n, i, func(pixels []byte) { stamp(pixels, s.Life, i) })
		if err != nil {
			say("error %v", err)
		} else if s.returns() {
			checkReply(&reply, s, i)
		}
	}
}

// checkReply fails unless an answer is for this frame. VidGear's is a text, and
// no data if the frame has arrived before its process calls recv.
func checkReply(reply *netgear.Reply, s *spec, index int64) {
	var text string
	var numbers []int64
	if s.VidGear && (reply.Data.IsNone() || reply.Data.Decode(&text) == nil && text == "VidGear") {
		return
	}
	if err := reply.Data.Decode(&numbers); err != nil || !slices.Equal(numbers, []int64{s.Life, index}) {
		say("wrong: the answer to frame %d of life %d says %v", index, s.Life, reply.Data)
	}
}

func receiveAll(n *netgear.NetGear) {
	for f, err := range n.Frames(context.Background()) {
		if err != nil {
			say("error %v", err)
			continue
		}
		life, index, captured := stampOf(f)
		port := cmp.Or(f.Port, "0")
		f.Close()
		say("frame %d %d %d %s", life, index, captured, port)
	}
}

// stamp fills a frame. Its numbers are in the pixels, as a receive end of VidGear
// in plain mode drops messages.
func stamp(pixels []byte, life, index int64) {
	numbered.Write(pixels, numbered.Numbers{Life: life, Index: index, Captured: time.Now().UnixMicro()})
}

// stampOf returns the numbers that stamp wrote.
func stampOf(f *netgear.Frame) (life, index, captured int64) {
	err := look(f, func(pixels []byte) {
		n, err := numbered.Read(pixels)
		if err != nil {
			say("wrong: %v", err)
		}
		life, index, captured = n.Life, n.Index, n.Captured
	})
	if err != nil {
		say("wrong: a frame that cannot be read: %v", err)
	}
	return life, index, captured
}

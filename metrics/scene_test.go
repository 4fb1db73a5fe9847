package metrics

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// scene is a relay with four ends that are counted: two cameras send to in, out
// publishes what the relay takes from in, and viewer receives that. The second
// camera is a process that can be killed.
type scene struct {
	t                       *testing.T
	all                     *Collector
	in, out, camera, viewer *netgear.NetGear
	frame                   chan netgear.Array // for the camera to send
	stop                    func()
	killed                  *peertest.Process[string]
}

const side = 64

func picture(side int) netgear.Array {
	return netgear.Array{DType: "uint8", Shape: []int{side, side, 3}, Data: make([]byte, side*side*3)}
}

func startScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, all: NewCollector(), frame: make(chan netgear.Array)}
	open := func(name string, o netgear.Options) *netgear.NetGear {
		o.Address, o.Stamp = "127.0.0.1", true
		n, err := netgear.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		if err := s.all.Add(name, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.in = open("in", netgear.Options{ReceiveMode: true, Ports: []string{"0", "0"}, Pattern: netgear.ReqRep, MultiserverMode: true, Latest: true, MaxFrameBytes: 1 << 20, TerminatePolicy: netgear.KeepWaiting})
	s.out = open("out", netgear.Options{Port: "0", Pattern: netgear.PubSub, Attach: netgear.AttachBind, HighWaterMark: 10})
	s.viewer = open("viewer", netgear.Options{ReceiveMode: true, Port: s.out.Port(), Pattern: netgear.PubSub, Attach: netgear.AttachConnect, TerminatePolicy: netgear.KeepWaiting})
	if err := s.all.AddStage("disk", "record", s.recorded); err != nil {
		t.Fatal(err)
	}
	s.camera = open("camera", cameraOptions(s.in.Ports()[0]))
	s.startCamera()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.relay(ctx) })
	running.Go(func() { film(ctx.Done(), s.camera, s.frame) })
	running.Go(func() {
		for f := range s.viewer.Frames(ctx) {
			f.Bytes() // decodes it
			f.Close()
		}
	})
	s.stop = sync.OnceFunc(func() {
		s.killed.Kill()
		cancel()
		running.Wait()
		s.camera.Close()
		s.out.Close()
		await(t, "the last terminate message", func() bool { return s.viewer.Stats().TerminatesReceived > 0 && s.in.Stats().TerminatesReceived > 0 })
	})
	t.Cleanup(s.stop)
	return s
}

// recorded returns the counts of a stage that fails, as if the disk were full:
// it takes what the relay does.
func (s *scene) recorded() Counts {
	return Counts{Dropped: map[string]uint64{"no_room": 0}, Failed: map[string]uint64{"write": s.in.Stats().Delivered}}
}

// relay publishes what it receives, at a slower pace than the cameras'.
func (s *scene) relay(ctx context.Context) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for f, err := range s.in.Frames(ctx) {
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			_, err = s.out.SendFrame(ctx, f, f.Message)
		}
		f.Close()
		if err != nil && ctx.Err() == nil {
			s.t.Error(err)
		}
		<-pace.C
	}
}

// ---- the cameras ----

func cameraOptions(port string) netgear.Options {
	return netgear.Options{Address: "127.0.0.1", Port: port, Pattern: netgear.ReqRep, MultiserverMode: true, Stamp: true, MaxRetries: -1}
}

// film sends a frame every few milliseconds, or one of the channel. It ends
// between two frames: after an exchange that was broken off, Close could send no
// terminate message.
func film(done <-chan struct{}, n *netgear.NetGear, frames <-chan netgear.Array) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for {
		a := picture(side)
		select {
		case <-done:
			return
		case a = <-frames:
		case <-pace.C:
		}
		n.SendArray(context.Background(), a, nil)
	}
}

// cameraPort names the environment variable that makes this program the second
// camera.
const cameraPort = "NETGEAR_TEST_CAMERA"

func TestMain(m *testing.M) {
	if port := os.Getenv(cameraPort); port != "" {
		n, err := netgear.New(cameraOptions(port))
		if err != nil {
			panic(err)
		}
		go film(nil, n, nil)
		io.Copy(io.Discard, bufio.NewReader(os.Stdin)) // until the test ends
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startCamera starts the second camera, and waits for a frame of it.
func (s *scene) startCamera() {
	s.t.Helper()
	port := s.in.Ports()[1]
	before := s.in.Stats().Ports[port].Frames
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), cameraPort+"="+port)
	s.killed = peertest.Start(s.t, "camera", cmd, func(line []byte) string { return string(line) })
	await(s.t, "a frame of the second camera", func() bool { return s.in.Stats().Ports[port].Frames > before })
}

// ---- the faults ----

// strike causes each fault, and returns when it is counted.
func (s *scene) strike() {
	s.t.Helper()
	await(s.t, "frames to be dropped", func() bool { return s.in.Stats().Dropped > 0 })
	s.killed.Kill()
	await(s.t, "the loss of a camera", func() bool { return s.in.Stats().Lost > 0 })
	s.startCamera()

	s.frame <- picture(1000) // more than MaxFrameBytes
	await(s.t, "the rejection", func() bool { return s.camera.Stats().Rejected == 1 })

	other, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: s.in.Ports()[0], Pattern: netgear.ReqRep, Wire: netgear.AsyncWire})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if _, err := other.SendArray(ctx, picture(side), nil); !errors.Is(err, netgear.ErrRejected) {
		s.t.Errorf("a sender with another wire: %v", err)
	}
	other.Close()

	c, err := net.Dial("tcp", "127.0.0.1:"+s.in.Ports()[0])
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: camera\r\n\r\n")
	await(s.t, "the refusal", func() bool { return s.in.Stats().Refused > 0 })
}

// counts returns queries with the counts of Stats that they must return.
func (s *scene) counts() map[string]uint64 {
	in, out, camera, viewer := s.in.Stats(), s.out.Stats(), s.camera.Stats(), s.viewer.Stats()
	left, right := s.in.Ports()[0], s.in.Ports()[1]
	return map[string]uint64{
		`sum(netgear_frames_total{end="in"})`:                       in.Frames,
		`netgear_frames_total{end="in",port="` + left + `"}`:        in.Ports[left].Frames,
		`netgear_frames_total{end="in",port="` + right + `"}`:       in.Ports[right].Frames,
		`sum(netgear_bytes_total{end="in",direction="receive"})`:    in.Bytes,
		`sum(netgear_dropped_total{end="in"})`:                      in.Dropped,
		`netgear_delivered_total{end="in"}`:                         in.Delivered,
		`netgear_stage_failed_total{stage="disk",kind="record"}`:    in.Delivered,
		`sum(netgear_malformed_total{end="in"})`:                    in.Malformed,
		`netgear_malformed_total{end="in",reason="wire"}`:           in.MalformedBy.Wire,
		`netgear_malformed_total{end="in",reason="limit"}`:          in.MalformedBy.Limit,
		`netgear_connections_total{end="in"}`:                       in.Connections,
		`netgear_connections_lost_total{end="in"}`:                  in.Lost,
		`netgear_connections_refused_total{end="in"}`:               in.Refused,
		`netgear_terminates_total{end="camera"}`:                    camera.TerminatesSent,
		`sum(netgear_latency_seconds_count{end="in"})`:              in.Latency.Frames,
		`netgear_decode_seconds_count{end="viewer"}`:                viewer.Decode.Frames,
		`netgear_frames_total{end="camera",direction="send"}`:       camera.Frames,
		`netgear_rejected_total{end="camera"}`:                      camera.Rejected,
		`netgear_encode_seconds_bucket{end="camera",le="+Inf"}`:     camera.Encode.Frames,
		`netgear_round_trip_seconds_count{end="camera"}`:            camera.RoundTrip.Frames,
		`netgear_frames_total{end="out"}`:                           out.Frames,
		`netgear_send_seconds_count{end="out"}`:                     out.Send.Frames,
		`netgear_frames_total{end="viewer"}`:                        viewer.Frames,
		`sum(netgear_latency_seconds_bucket{end="viewer",le="10"})`: viewer.Latency.Frames,
	}
}

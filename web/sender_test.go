package web

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/netgeartest"
)

// portVariable is the environment variable that makes the test binary a sender
// to that port.
const portVariable = "NETGEAR_WEB_TEST_SENDER"

func TestMain(m *testing.M) {
	for variable, program := range map[string]func(string) error{
		portVariable: sendForever, cameraVariable: sendCamera, viewVariable: func(string) error { return viewForever() },
	} {
		if value := os.Getenv(variable); value != "" {
			if err := program(value); err != nil {
				os.Stderr.WriteString(err.Error() + "\n")
			}
			os.Exit(1)
		}
	}
	leaktest.VerifyTestMain(m)
}

// sendForever sends pictures of the numbers from 1, until the process is killed.
func sendForever(port string) error {
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, JPEGCompression: netgear.JPEGBGR, Stamp: true, MaxRetries: -1})
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if _, err := send.SendImage(context.Background(), blocks(n%0xfff, 320, 180), map[string]int{"n": n}); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond) // the rate of the camera
	}
}

// startSender starts a sender in a process of its own, and returns what kills it
// without a terminate message.
func startSender(t *testing.T, port string) (kill func()) {
	t.Helper()
	return startProcess(t, portVariable+"="+port)
}

// startProcess starts the test binary with an environment variable, and returns
// what kills it.
func startProcess(t *testing.T, variable string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Cleanup(kill)
	return kill
}

// receive serves a receive end in a source, and returns its port. The test's
// cleanup ends it.
func receive(t *testing.T, s *Source) (port string) {
	t.Helper()
	end, err := netgear.New(netgear.Options{
		ReceiveMode: true, Address: "127.0.0.1", Port: "0", Latest: true, Stamp: true, OnEvent: s.Event,
		TerminatePolicy: netgear.KeepWaiting,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, end) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; !errors.Is(err, context.Canceled) && !errors.Is(err, netgear.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
		end.Close()
	})
	return end.Port()
}

func TestServe(t *testing.T) {
	v, url := newViewer(t, Options{})
	s := v.Source("gate")
	send, recv := netgeartest.Pipe(t, netgear.Options{Stamp: true}, netgear.Options{Stamp: true, OnEvent: s.Event})
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), recv) }()
	c := dial(t, url)
	for n := range 3 {
		want := jpegOf(t, blocks(n, 320, 180))
		if _, err := send.SendJPEG(t.Context(), want, n); err != nil {
			t.Fatal(err)
		}
		h, got := c.frame()
		if string(got) != string(want) {
			t.Errorf("frame %d is not the JPEG that was sent", n)
		}
		if h.Captured == 0 || h.Captured > h.Received {
			t.Errorf("captured %f, received %f", h.Captured, h.Received)
		}
		c.acknowledge(h.ID)
	}
	if got := v.Streams()[0]; got.Latency == nil || got.Dropped == nil || got.Peer == "" {
		t.Errorf("%+v", got)
	}
	send.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v after the terminate message", err)
	}
	if got := names(v); got != "gate=ended" {
		t.Error(got)
	}
}

func TestServeEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*Viewer, context.CancelFunc, *netgear.NetGear)
		want error
	}{
		{"context", func(_ *Viewer, cancel context.CancelFunc, _ *netgear.NetGear) { cancel() }, context.Canceled},
		{"viewer", func(v *Viewer, _ context.CancelFunc, _ *netgear.NetGear) { v.Close() }, netgear.ErrClosed},
		{"end", func(_ *Viewer, _ context.CancelFunc, end *netgear.NetGear) { end.Close() }, netgear.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _ := newViewer(t, Options{})
			_, recv := netgeartest.Pipe(t, netgear.Options{}, netgear.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := v.Source("")
			served := make(chan error, 1)
			go func() { served <- s.Serve(ctx, recv) }()
			c.end(v, cancel, recv)
			if err := <-served; !errors.Is(err, c.want) || errors.Is(err, io.EOF) {
				t.Errorf("Serve returned %v, not %v", err, c.want)
			}
		})
	}
	v, _ := newViewer(t, Options{})
	v.Close()
	if err := v.Source("x").Serve(t.Context(), nil); !errors.Is(err, netgear.ErrClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
}

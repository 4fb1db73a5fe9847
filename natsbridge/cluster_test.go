package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// cluster is three servers in this process.
type cluster struct {
	t       testing.TB
	options [3]*server.Options
	servers [3]*server.Server
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	ports := [6]int{}
	var routes []*url.URL
	for i := range ports {
		ports[i], _ = strconv.Atoi(peertest.FreePort(t))
	}
	for i := range 3 {
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprint("127.0.0.1:", ports[3+i])})
	}
	for i := range 3 {
		c.options[i] = &server.Options{
			ServerName: fmt.Sprint("s", i), Host: "127.0.0.1", Port: ports[i], NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[3+i]}, Routes: routes,
		}
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range 3 {
			stop(c.servers[i])
		}
	})
	await(t, "the cluster has a leader", func() bool {
		return slices.ContainsFunc(c.servers[:], func(s *server.Server) bool { return s.JetStreamIsLeader() })
	})
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	o := *c.options[i] // the server keeps it
	s, err := server.NewServer(&o)
	must(c.t, err)
	s.Start()
	c.servers[i] = s
}

func (c *cluster) urls() string {
	urls := make([]string, 3)
	for i, o := range c.options {
		urls[i] = fmt.Sprintf("nats://127.0.0.1:%d", o.Port)
	}
	return strings.Join(urls, ",")
}

// awaitCurrent waits until all replicas of the streams are current.
func (c *cluster) awaitCurrent(nc *nats.Conn, streams ...string) {
	c.t.Helper()
	for _, name := range streams {
		await(c.t, "the replicas of "+name+" are current", func() bool {
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			defer cancel()
			js, err := newJetStream(nc, "")
			must(c.t, err)
			s, err := js.Stream(ctx, name)
			if err != nil {
				return false
			}
			info := s.CachedInfo().Cluster
			current := 0
			for _, r := range info.Replicas {
				if r.Current && !r.Offline {
					current++
				}
			}
			return info.Leader != "" && current == 2
		})
	}
}

// worker publishes a result for each frame. It ends with the context, or when its
// connection is closed.
func worker(ctx context.Context, urls string, name int, after func(*nats.Conn)) error {
	nc, err := nats.Connect(urls, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return err
	}
	defer nc.Close()
	o := WorkOptions{StreamSource: source(), Name: "detectors", AckWait: 2 * time.Second, MaxDeliver: 100}
	jobs, err := Work(ctx, nc, o)
	if err != nil {
		return err
	}
	defer jobs.Close()
	results, err := NewPublisher(nc, PublisherOptions{Subject: "results", Stream: "RESULTS", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer results.Close()
	for job, err := range jobs.Deliveries(ctx) {
		if err != nil {
			return err
		}
		result, err := netgear.NewFrame(netgear.Array{DType: "uint8", Shape: []int{1}, Data: []byte{byte(name)}}, job.Frame.Message)
		if err == nil {
			result.Stamp = job.Frame.Stamp
			err = errors.Join(results.Publish(ctx, job.Camera, result), results.Flush(ctx), result.Close())
		}
		after(nc)
		if err == nil {
			err = job.Ack(ctx)
		}
		job.Close()
		if nc.IsClosed() || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// Frames go through a cluster to eight workers while each server is stopped and
// started again, and one worker ends with a frame. No result is missing, and none
// is stored twice.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers are stopped and started, which takes seconds")
	}
	c := startCluster(t)
	nc := dial(t, c.urls())
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	for _, o := range []StreamOptions{{Replicas: 3}, {Replicas: 3, Name: "RESULTS", Subject: "results"}} {
		await(t, "three servers store "+o.Subject, func() bool { return EnsureStream(ctx, nc, o) == nil })
	}
	var sent atomic.Int64
	var running sync.WaitGroup
	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var killed atomic.Bool
	for i := range 8 {
		running.Go(func() {
			ends := false
			after := func(nc *nats.Conn) { // the first of all ends before it has acknowledged its frame
				if killed.CompareAndSwap(false, true) {
					ends = true
					nc.Close()
				}
			}
			if err := worker(working, c.urls(), i, after); err != nil && working.Err() == nil && !ends {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	stopped := make(chan struct{})
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 4000, InFlight: 8, AckTimeout: time.Second, RetryFor: limit, Logger: slog.New(slog.DiscardHandler)})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := 1; ; n++ {
			size := 1000
			if n%3 == 0 {
				size = 15_000
			}
			if err := pub.Publish(ctx, "a", rawFrame(t, n, size)); err != nil {
				t.Errorf("frame %d: %v", n, err)
				return
			}
			sent.Store(int64(n))
			select {
			case <-stopped:
				return
			case <-time.After(3 * time.Millisecond):
			}
		}
	})
	begin := time.Now()
	for i := range 3 {
		c.awaitCurrent(nc, "FRAMES", "RESULTS")
		t.Logf("%v: server %d is stopped", time.Since(begin), i)
		stop(c.servers[i])
		before := pub.Stats().Frames
		await(t, "frames are stored without a server", func() bool { return pub.Stats().Frames >= before+20 })
		t.Logf("%v: server %d is started", time.Since(begin), i)
		c.start(i)
	}
	close(stopped)
	publishing.Wait()
	must(t, pub.Flush(ctx))
	t.Logf("%v: %d frames are stored", time.Since(begin), pub.Stats().Frames)
	n := int(sent.Load())
	if s := pub.Stats(); s.Frames != uint64(n) || s.Dropped.Sum() != 0 {
		t.Errorf("of %d frames: %+v", n, s)
	}
	c.checkResults(ctx, n)
	t.Logf("%v: all results are stored", time.Since(begin))
	stopWork()
	running.Wait()
	t.Logf("%v: the workers have ended", time.Since(begin))
	if !killed.Load() {
		t.Error("no worker has ended")
	}
	t.Logf("%d frames, %+v", n, pub.Stats())
}

// checkResults reads the results until there are n, and compares their order.
func (c *cluster) checkResults(ctx context.Context, n int) {
	c.t.Helper()
	o := ReplayOptions{StreamSource: StreamSource{Stream: "RESULTS", Subject: "results"}, Speed: math.Inf(1), Follow: true}
	results := subscriber(c.t)(Replay(ctx, dial(c.t, c.urls()), o))
	count := 0
	seen := map[uint64]bool{}
	for f, err := range netgear.InOrder(results.Frames(ctx), n) {
		if err != nil {
			c.t.Fatalf("after %d of %d results: %v; %+v", count, n, err, results.Stats())
		}
		count++
		if seen[f.Stamp.Seq] || f.Stamp.Seq != uint64(count) || f.Message.String() != strconv.Itoa(count) {
			c.t.Errorf("result %d is of frame %d, %v", count, f.Stamp.Seq, f.Message)
		}
		seen[f.Stamp.Seq] = true
		f.Close()
		if count == n {
			break
		}
	}
	if s := results.Stats(); s.Dropped.Sum() != 0 {
		c.t.Errorf("%+v", s)
	}
	info := inStream(c.t, dial(c.t, c.urls()), "RESULTS").CachedInfo()
	if info.State.Msgs != uint64(n) {
		c.t.Errorf("%d results are stored, of %d frames", info.State.Msgs, n)
	}
}

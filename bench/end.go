package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// This file is this library as a contender, in a process of its own. Its steps
// are those of contender.py and vidgear_bench.py for VidGear.

// endFlags are the flags of contender.py.
type endFlags struct {
	role, frames, address, port, protocol, profile, set  string
	width, height, pattern, warm, n, ends, ahead, strips int
	highWaterMark                                        int
	jpeg, async, multiserver, times, transfer, fresh     bool
	idle, fps, seconds                                   float64
}

// runEnd is the main function of such a process.
func runEnd(args []string) error {
	var f endFlags
	fs := flag.NewFlagSet("end", flag.ExitOnError)
	fs.StringVar(&f.frames, "frames", "", "file of raw BGR frames")
	fs.IntVar(&f.width, "width", 0, "")
	fs.IntVar(&f.height, "height", 0, "")
	fs.StringVar(&f.address, "address", "", "")
	fs.StringVar(&f.port, "port", "", "one, or several with commas between")
	fs.StringVar(&f.protocol, "protocol", "tcp", "")
	fs.IntVar(&f.pattern, "pattern", 0, "")
	fs.BoolVar(&f.jpeg, "jpeg", false, "")
	fs.BoolVar(&f.async, "async", false, "the wire of NetGear_Async")
	fs.BoolVar(&f.multiserver, "multiserver", false, "many send ends, one receive end on all ports")
	fs.IntVar(&f.ends, "ends", 1, "receive ends in this process, one a port")
	fs.IntVar(&f.warm, "warm", 0, "frames before the measured ones")
	fs.IntVar(&f.n, "n", 0, "measured frames")
	fs.Float64Var(&f.fps, "fps", 0, "frames per second, 0: as fast as it goes")
	fs.Float64Var(&f.seconds, "seconds", 0, "send end: send for so long instead of n frames")
	fs.BoolVar(&f.times, "times", false, "note when each frame was sent or received")
	fs.Float64Var(&f.idle, "idle", 0, "receive end: measure so many seconds of waiting instead")
	fs.StringVar(&f.profile, "profile", "", "folder for profiles of the measured part")
	fs.IntVar(&f.ahead, "ahead", 0, "frames that may wait at the send end")
	fs.IntVar(&f.strips, "strips", 0, "strips of a JPEG, 0: the default")
	fs.IntVar(&f.highWaterMark, "high-water-mark", 0, "frames kept for a slow subscriber, 0: the default")
	fs.BoolVar(&f.transfer, "transfer", false, "publish memory whose ownership is transferred instead of copied")
	fs.BoolVar(&f.fresh, "fresh", false, "send end: write each frame before it is sent")
	fs.StringVar(&f.set, "set", "", "role ways: which are compared")
	f.role = args[0]
	fs.Parse(args[1:])
	// A context that can end, as programs use.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch f.role {
	case "send":
		return f.send(ctx)
	case "recv":
		return f.recv(ctx, cancel)
	case "codec":
		return f.codec()
	case "ways":
		return f.compareWays(ctx)
	}
	return fmt.Errorf("no role %q", f.role)
}

// say writes one event. "go" is read from in.
func say(e event) { json.NewEncoder(os.Stdout).Encode(e) }

var in = bufio.NewReader(os.Stdin)

func awaitGo() {
	if _, err := in.ReadString('\n'); err != nil {
		os.Exit(0)
	}
}

// now is CLOCK_MONOTONIC, which is the same for every process on the machine.
func now() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

func (f *endFlags) open(receive bool, ports []string) (*netgear.NetGear, error) {
	o := netgear.Options{ReceiveMode: receive, Address: f.address, Ports: ports, Protocol: f.protocol,
		Pattern: netgear.Pattern(f.pattern), MultiserverMode: f.multiserver, JPEGStrips: f.strips}
	if !receive {
		o.SendAhead, o.HighWaterMark = f.ahead, f.highWaterMark
	}
	if f.async {
		o.Wire = netgear.AsyncWire
	}
	if !f.jpeg {
		o.JPEGCompression = netgear.JPEGOff
	}
	return netgear.New(o)
}

func (f *endFlags) load() ([]netgear.Array, error) {
	data, err := readHuge(f.frames)
	if err != nil {
		return nil, err
	}
	size := f.width * f.height * 3
	var frames []netgear.Array
	for ; len(data) >= size; data = data[size:] {
		frames = append(frames, netgear.Array{DType: "uint8", Shape: []int{f.height, f.width, 3}, Data: data[:size]})
	}
	return frames, nil
}

// allocateHuge allocates huge pages if the system has free ones, as numpy does.
// Sending from them is a little faster.
func allocateHuge(size int) ([]byte, error) {
	data, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err == nil {
		adviseHuge(data)
	}
	return data, err
}

// readHuge reads a file into huge pages.
func readHuge(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	data, err := allocateHuge(int(info.Size()))
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(file, data)
	return data, err
}

// camera returns the frames in turn. With -fresh each is written into one
// buffer first, as a camera does.
type camera struct {
	frames []netgear.Array
	fresh  bool
	buffer netgear.Array
	wrote  int64 // ns, for writing
}

func (f *endFlags) newCamera() (*camera, error) {
	frames, err := f.load()
	if err != nil {
		return nil, err
	}
	c := &camera{frames: frames, fresh: f.fresh, buffer: frames[0]}
	c.buffer.Data, err = allocateHuge(len(frames[0].Data))
	return c, err
}

func (c *camera) take(i int) netgear.Array {
	frame := c.frames[i%len(c.frames)]
	if !c.fresh {
		return frame
	}
	begun := now()
	copy(c.buffer.Data, frame.Data)
	c.wrote += now() - begun
	return c.buffer
}

func (f *endFlags) send(ctx context.Context) error {
	camera, err := f.newCamera()
	if err != nil {
		return err
	}
	end, err := f.open(false, []string{f.port})
	if err != nil {
		return err
	}
	defer end.Close()
	say(event{Event: "ready"})
	for i := range f.warm {
		if err := f.sendOne(ctx, end, camera.take(i)); err != nil {
			return err
		}
		if f.pattern == 2 {
			time.Sleep(20 * time.Millisecond) // the first are lost until the subscriber is connected
		}
	}
	say(event{Event: "warm"})
	awaitGo()
	m := f.start()
	count := 0
	camera.wrote = 0
	for f.seconds > 0 && float64(now()-m.begun) < f.seconds*1e9 || f.seconds == 0 && count < f.n {
		if f.fps > 0 {
			time.Sleep(time.Duration(m.begun + int64(float64(count)*1e9/f.fps) - now()))
		}
		frame := camera.take(count)
		m.note(f.times)
		if err := f.sendOne(ctx, end, frame); err != nil {
			return err
		}
		count++
	}
	if err := end.Flush(ctx); err != nil {
		return err
	}
	m.wrote = camera.wrote
	m.done(count)
	return nil
}

// sendOne sends one frame, by the flags.
func (f *endFlags) sendOne(ctx context.Context, end *netgear.NetGear, a netgear.Array) error {
	var err error
	if f.transfer {
		_, err = end.SendArrayOwned(ctx, a, nil, func() {}) // the frames are not changed
	} else {
		_, err = end.SendArray(ctx, a, nil)
	}
	return err
}

func (f *endFlags) recv(ctx context.Context, cancel func()) error {
	ends, err := f.openReceivers()
	if err != nil {
		return err
	}
	for _, end := range ends {
		defer end.Close()
	}
	end := ends[0]
	say(event{Event: "ready"})
	var sum uint32
	for i := range f.warm {
		frame, err := end.Recv(ctx)
		if err != nil {
			return err
		}
		pixels, err := frame.Bytes() // as receiveOne: decoding follows use
		if err != nil {
			return err
		}
		if i == 0 {
			sum = crc32.ChecksumIEEE(pixels)
		}
		frame.Close()
	}
	if f.idle > 0 {
		return f.waitIdle(ctx, ends, sum)
	}
	m := f.start()
	say(event{Event: "warm", Sum: sum})
	if f.pattern == 2 {
		return countFrames(ctx, cancel, end, m)
	}
	for range f.n {
		if err := receiveOne(ctx, end, m, f.times); err != nil {
			return err
		}
	}
	m.done(f.n)
	return nil
}

func (f *endFlags) openReceivers() ([]*netgear.NetGear, error) {
	ports := strings.Split(f.port, ",")
	if f.multiserver {
		end, err := f.open(true, ports)
		return []*netgear.NetGear{end}, err
	}
	var ends []*netgear.NetGear
	for _, port := range ports {
		end, err := f.open(true, []string{port})
		if err != nil {
			return nil, err
		}
		ends = append(ends, end)
	}
	return ends, nil
}

func receiveOne(ctx context.Context, end *netgear.NetGear, m *measure, times bool) error {
	frame, err := end.Recv(ctx)
	if err != nil {
		return err
	}
	m.note(times)
	defer frame.Close()
	_, err = frame.Bytes()
	return err
}

// countFrames receives published frames until "go", then prints the times of
// all.
func countFrames(ctx context.Context, cancel func(), end *netgear.NetGear, m *measure) error {
	var stopped sync.WaitGroup
	stopped.Go(func() {
		awaitGo()
		cancel()
	})
	for {
		if err := receiveOne(ctx, end, m, true); err != nil {
			stopped.Wait()
			m.done(len(m.times))
			return nil
		}
	}
}

func (f *endFlags) waitIdle(ctx context.Context, ends []*netgear.NetGear, sum uint32) error {
	say(event{Event: "warm", Sum: sum})
	for _, end := range ends {
		go end.Recv(ctx) // no frame arrives
	}
	awaitGo()
	m := f.start()
	time.Sleep(time.Duration(f.idle * float64(time.Second)))
	m.done(0)
	return nil
}

// codec encodes and decodes the same JPEGs on one core, without a network.
func (f *endFlags) codec() error {
	frames, err := f.load()
	if err != nil {
		return err
	}
	enc, err := turbojpeg.NewEncoder()
	if err != nil {
		return err
	}
	defer enc.Close()
	dec, err := turbojpeg.NewDecoder()
	if err != nil {
		return err
	}
	defer dec.Close()
	say(event{Event: "ready"})
	awaitGo()

	jpegs := make([][]byte, len(frames))
	for i := range jpegs {
		jpegs[i] = make([]byte, enc.Bound(f.width, f.height, turbojpeg.BGR))
	}
	var pixels [3][]byte // in turn, as a stream's frames have
	for i := range pixels {
		pixels[i] = make([]byte, len(frames[0].Data))
	}
	encode := func(i int) error {
		n, err := enc.EncodeInto(jpegs[i][:cap(jpegs[i])], frames[i].Data, f.width, f.height, 3*f.width, turbojpeg.BGR,
			turbojpeg.EncodeOptions{Quality: 90, FastDCT: true})
		jpegs[i] = jpegs[i][:n]
		return err
	}
	decode := func(i int) error {
		return dec.DecodeInto(pixels[i%len(pixels)], jpegs[i], 3*f.width, turbojpeg.BGR, turbojpeg.DecodeOptions{FastDCT: true})
	}
	spent := func(work func(int) error) float64 {
		for i := range frames {
			if err := work(i); err != nil {
				panic(err)
			}
		}
		before := readUsage()
		for i := range f.n {
			if err := work(i % len(frames)); err != nil {
				panic(err)
			}
		}
		return (readUsage().cpu - before.cpu) / float64(f.n)
	}
	e := event{Event: "done", Encode: spent(encode), Decode: spent(decode)}
	for _, j := range jpegs {
		e.Size += float64(len(j)) / float64(len(jpegs))
	}
	say(e)
	return nil
}

// ---- measuring one stretch of this process ----

type measure struct {
	begun   int64
	usage   usage
	mem     runtime.MemStats
	times   []int64
	wrote   int64
	profile string
}

func (m *measure) note(times bool) {
	if times {
		m.times = append(m.times, now())
	}
}

func (f *endFlags) start() *measure {
	m := &measure{times: make([]int64, 0, 1<<14)}
	if f.profile != "" {
		m.profile = filepath.Join(f.profile, fmt.Sprintf("%s-pattern%d-jpeg=%v", f.role, f.pattern, f.jpeg))
		runtime.MemProfileRate = 1
		if out, err := os.Create(m.profile + ".cpu.prof"); err == nil {
			pprof.StartCPUProfile(out)
		}
	}
	runtime.ReadMemStats(&m.mem)
	m.usage, m.begun = readUsage(), now()
	return m
}

// done prints the results and waits until everything else has been counted.
func (m *measure) done(count int) {
	ended, after := now(), readUsage()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	if m.profile != "" {
		pprof.StopCPUProfile()
		if out, err := os.Create(m.profile + ".allocs.prof"); err == nil {
			pprof.Lookup("allocs").WriteTo(out, 0)
			out.Close()
		}
	}
	say(event{
		Event: "done", Start: m.begun, End: ended, Count: count, Times: m.times, Wrote: m.wrote,
		CPU: after.cpu - m.usage.cpu, Switches: after.switches - m.usage.switches,
		Allocs: float64(mem.Mallocs - m.mem.Mallocs), AllocBytes: float64(mem.TotalAlloc - m.mem.TotalAlloc),
	})
	awaitGo()
}

// usage returns the CPU seconds and voluntary context switches of all threads
// of this process, including libzmq's.
type usage struct {
	cpu      float64
	switches int64
}

func readUsage() usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return usage{}
	}
	return usage{time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), int64(u.Nvcsw)} //nolint:unconvert // an int32 on 32-bit systems
}

package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
)

// size is a size of frames. There are several frames, so that they do not fit
// the processor's cache.
type size struct {
	Name          string
	Width, Height int
	Frames        int
}

var (
	size480  = size{"480p", 640, 480, 20}
	size720  = size{"720p", 1280, 720, 20}
	size1080 = size{"1080p", 1920, 1080, 20}
	size4K   = size{"4K", 3840, 2160, 8}
)

// kind is how a scene is measured.
type kind string

const (
	stream  kind = "stream"  // one or several senders to one receive end, answered
	publish kind = "publish" // PUB/SUB, where frames are dropped
	waiting kind = "waiting" // receive ends that wait
	codec   kind = "codec"   // JPEG without a network
	inside  kind = "inside"  // ways to do something in one process of this library
)

// scene is one thing to measure. All its contenders are adjacent in time.
type scene struct {
	Name       string
	Kind       kind
	Size       size
	Protocol   string
	Pattern    int
	AnyPattern bool // a contender without this pattern uses REQ/REP
	JPEG       bool
	Async      bool    // on the wire of NetGear_Async
	Fresh      bool    // each frame is written just before it is sent, as a camera's
	N          int     // measured frames of each sender
	Seconds    float64 // publish, waiting: for how long
	FPS        float64 // paced, and each frame's latency is noted
	Cores      int     // both ends together have so many; 0: all
	Streams    int     // senders in multi-server mode; 0: one sender in plain mode
	Ends       int     // waiting: receive ends in the process
	Set        string  // inside: which ways are compared
	Peers      int     // inside: VidGear's receive ends that they send to
	Connected  bool    // waiting: with a sender that has sent one frame
	Without    []string
	With       []string // guests
}

// group is a table of the report.
type group struct {
	Name   string
	Rounds int
	Scenes []scene
}

func (g *group) add(s ...scene) { g.Scenes = append(g.Scenes, s...) }

func mode(jpeg bool) string {
	if jpeg {
		return "JPEG"
	}
	return "raw"
}

var patternNames = [...]string{"PAIR", "REQ/REP", "PUB/SUB", "PUSH/PULL"}

// takes reports whether c is measured in s, and with which pattern.
func (c *contender) takes(s scene) (scene, bool) {
	switch {
	case s.Kind == inside:
		return s, c.Name == ours
	case c.guest && !slices.Contains(s.With, c.Name),
		s.Kind == codec && !c.codec,
		s.JPEG && s.Kind != codec && !c.jpeg,
		slices.Contains(s.Without, c.Name):
		return s, false
	case s.Async:
		return s, c.async
	}
	if s.AnyPattern && !slices.Contains(c.patterns, s.Pattern) {
		s.Pattern = 1
	}
	return s, slices.Contains(c.patterns, s.Pattern)
}

// lengths are the lengths of the measurements.
type lengths struct {
	rounds, few          int // of scenes with goals; of the rest
	raw, jpeg            int // 1080p frames
	paced, idle, publish float64
	memory, memoryJPEG   int
	turns                int // of ways
}

var (
	quickLengths = lengths{rounds: 3, few: 1, raw: 300, jpeg: 80, paced: 4, idle: 3, publish: 1, memory: 1000, memoryJPEG: 200, turns: 10}
	fullLengths  = lengths{rounds: 5, few: 2, raw: 600, jpeg: 200, paced: 8, idle: 4, publish: 2, memory: 3000, memoryJPEG: 1000, turns: 40}
)

// The groups, by the names for -only. quick has the first ones.
var (
	quickGroups = []string{"frames", "async", "publish", "latency", "idle"}
	moreGroups  = []string{"fresh", "memory", "sizes", "streams", "cores", "many", "relay", "pictures", "camera"}
)

func (l lengths) group(name string) (group, error) {
	g := group{Name: name, Rounds: l.few}
	switch name {
	case "frames":
		g.Rounds = l.rounds
		for pattern := range 2 {
			for _, protocol := range []string{"tcp", "ipc"} {
				g.add(scene{Name: framesScene(false, pattern, protocol), Kind: stream, Size: size1080, Protocol: protocol, Pattern: pattern, N: l.raw})
			}
		}
		for pattern := range 2 {
			g.add(scene{Name: framesScene(true, pattern, "tcp"), Kind: stream, Size: size1080, Protocol: "tcp", Pattern: pattern, JPEG: true, N: l.jpeg, With: []string{ahead}})
		}
		g.add(scene{Name: codecScene, Kind: codec, Size: size1080, N: l.jpeg / 2, JPEG: true})
	case "async":
		for _, pattern := range []int{0, 1, 3} {
			name := "NetGear_Async, " + framesScene(false, pattern, "tcp")
			g.add(scene{Name: name, Kind: stream, Size: size1080, Protocol: "tcp", Pattern: pattern, Async: true, N: l.raw / 2})
		}
	case "publish":
		g.Rounds = max(l.few, 3)
		for _, protocol := range []string{"tcp", "ipc"} {
			g.add(scene{Name: publishScene(protocol), Kind: publish, Size: size1080, Protocol: protocol, Pattern: 2, Seconds: l.publish, FPS: publishFPS, With: []string{transfers, keepsMany}})
		}
	case "latency":
		for _, jpeg := range []bool{false, true} {
			g.add(scene{Name: latencyScene(jpeg), Kind: stream, Size: size1080, Protocol: "tcp", AnyPattern: true, JPEG: jpeg, FPS: 30, N: int(30 * l.paced), Without: []string{bareZMQ}, With: []string{awake}})
		}
	case "idle":
		idle := scene{Kind: waiting, Size: size480, Protocol: "tcp", AnyPattern: true, Seconds: l.idle, Ends: 1, Without: []string{bareZMQ}, With: []string{awake}}
		alone, pair, rep := idle, idle, idle
		alone.Name, pair.Name, rep.Name = idleScenes[0], idleScenes[1], idleScenes[2]
		pair.Connected, rep.Connected, rep.Pattern = true, true, 1
		pair.AnyPattern = false
		g.add(alone, pair, rep)
	case "fresh":
		for pattern := range 2 {
			for _, protocol := range []string{"tcp", "ipc"} {
				for _, fresh := range []bool{false, true} {
					g.add(scene{Name: freshScene(pattern, protocol, fresh), Kind: stream, Size: size1080, Protocol: protocol, Pattern: pattern, Fresh: fresh, N: l.raw / 2})
				}
			}
		}
	case "memory":
		g.Rounds = 1
		for _, jpeg := range []bool{false, true} {
			n := l.memory
			if jpeg {
				n = l.memoryJPEG
			}
			g.add(scene{Name: fmt.Sprintf("%s, after %d frames", mode(jpeg), n), Kind: stream, Size: size1080, Protocol: "tcp", AnyPattern: true, JPEG: jpeg, N: n, Without: []string{bareZMQ}})
		}
	case "sizes":
		for _, jpeg := range []bool{false, true} {
			for _, s := range []size{size480, size720, size1080, size4K} {
				n := l.raw / 2
				if jpeg {
					n = l.jpeg / 2
				}
				// About as long for each size.
				n = max(10, n*size1080.Width*size1080.Height/(s.Width*s.Height))
				g.add(scene{Name: sizeScene(s, jpeg), Kind: stream, Size: s, Protocol: "tcp", AnyPattern: true, JPEG: jpeg, N: n, Without: []string{bareZMQ}, With: []string{awake}})
			}
		}
	case "streams":
		for _, jpeg := range []bool{false, true} {
			for _, k := range streamCounts {
				n := l.raw * 4
				if jpeg {
					n = l.jpeg * 4
				}
				g.add(scene{Name: streamsScene(k, jpeg), Kind: stream, Size: size480, Protocol: "tcp", Pattern: 1, JPEG: jpeg, Streams: k, N: n / k, Without: []string{bareZMQ}, With: []string{awake}})
			}
		}
	case "cores":
		for _, jpeg := range []bool{false, true} {
			for _, k := range coreCounts() {
				n := l.raw / 2
				if jpeg {
					n = l.jpeg / 2
				}
				g.add(scene{Name: coresScene(k, jpeg), Kind: stream, Size: size1080, Protocol: "tcp", AnyPattern: true, JPEG: jpeg, N: n, Cores: k, Without: []string{bareZMQ}})
			}
		}
	case "many":
		g.Rounds = 1
		for _, ends := range manyEnds {
			g.add(scene{Name: manyScene(ends), Kind: waiting, Size: size480, Protocol: "tcp", AnyPattern: true, Ends: ends, Seconds: l.idle, Without: []string{bareZMQ}})
		}
	case "relay":
		g.add(l.ways(jpegOnlyScene, "jpeg-only"), l.ways(relayScene, "relay"))
	case "pictures":
		g.add(l.ways(encodeScene, "encode"), l.ways("SendImage, raw", "raw"), l.ways(read422Scene, "read-422"), l.ways("reading a JPEG, 4:2:0", "read-420"))
	case "camera":
		for _, quality := range []int{75, 90} {
			s := l.ways(cameraScene(quality), fmt.Sprintf("camera-%d", quality))
			s.Peers = cameraPeers
			g.add(s)
		}
	default:
		return g, fmt.Errorf("no group %q: there are %v and %v", name, quickGroups, moreGroups)
	}
	return g, nil
}

// ways returns a scene of ways within one process.
func (l lengths) ways(name, set string) scene {
	return scene{Name: name, Kind: inside, Size: size1080, Set: set, Protocol: "tcp", JPEG: true, N: l.turns}
}

// The names of the scenes, for the report.

const (
	codecScene    = "the JPEG codec alone"
	jpegOnlyScene = "only JPEG() is read"
	relayScene    = "relay, SendFrame"
	encodeScene   = "SendImage, as JPEG"
	read422Scene  = "reading a JPEG, 4:2:2"

	// publishFPS is more than a connection can carry. Much more would spend a
	// core on frames that are dropped.
	publishFPS = 2000
)

var (
	idleScenes   = [...]string{"nobody connected", "a silent sender connected, PAIR", "a silent sender connected, REQ/REP"}
	streamCounts = [...]int{1, 2, 4, 8}
	manyEnds     = [...]int{1, 100}
)

// coreCounts returns 1, 2, 4, … and all cores, if their number can be set.
func coreCounts() (counts []int) {
	if _, err := exec.LookPath("taskset"); err != nil {
		return []int{0}
	}
	all := runtime.NumCPU()
	for k := 1; k < all; k *= 2 {
		counts = append(counts, k)
	}
	return append(counts, all)
}

func framesScene(jpeg bool, pattern int, protocol string) string {
	return fmt.Sprintf("%s, pattern %d (%s), %s", mode(jpeg), pattern, patternNames[pattern], protocol)
}
func freshScene(pattern int, protocol string, fresh bool) string {
	return framesScene(false, pattern, protocol) + map[bool]string{true: ", fresh", false: ", cold"}[fresh]
}
func cameraScene(quality int) string       { return fmt.Sprintf("a camera's JPEG, quality %d", quality) }
func publishScene(protocol string) string  { return framesScene(false, 2, protocol) }
func latencyScene(jpeg bool) string        { return mode(jpeg) + " at 30 fps" }
func sizeScene(s size, jpeg bool) string   { return mode(jpeg) + ", " + s.Name }
func streamsScene(k int, jpeg bool) string { return fmt.Sprintf("%s, %d × 480p", mode(jpeg), k) }
func coresScene(k int, jpeg bool) string   { return fmt.Sprintf("%s, %d cores", mode(jpeg), k) }
func manyScene(ends int) string            { return fmt.Sprintf("%d waiting", ends) }

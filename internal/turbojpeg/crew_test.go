package turbojpeg

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// large is a picture that the crew makes and reads.
func large(t *testing.T) (pix []byte, width, height int) {
	width, height = 640, 481
	if width*height < stripPixels {
		t.Fatal("too small to be one for the crew")
	}
	return photo(width, height, BGR), width, height
}

func crewRefs() (refs int, there bool) {
	shared.Lock()
	defer shared.Unlock()
	if shared.crew == nil {
		return 0, false
	}
	return shared.crew.refs, true
}

func TestCrewComesWithTheFirstLargePictureAndGoesWithTheLastUser(t *testing.T) {
	pix, width, height := large(t)
	e, d := newEncoder(t), newDecoder(t)
	small := encode(t, e, pix, 64, 64, BGR, EncodeOptions{90, true})
	pixels(t, d, small, BGR, DecodeOptions{}, 1)
	if refs, there := crewRefs(); refs > 0 || there {
		t.Fatalf("a small picture has called the crew: %d", refs)
	}
	jpeg := encode(t, e, pix, width, height, BGR, EncodeOptions{90, true})
	for range 2 {
		pixels(t, d, jpeg, BGR, DecodeOptions{}, 1)
	}
	if refs, _ := crewRefs(); refs != 2 {
		t.Fatalf("%d users of the crew, not 2", refs)
	}
	e.Close()
	e.Close()
	if _, there := crewRefs(); !there {
		t.Fatal("the crew went before its last user")
	}
	d.Close()
	if refs, there := crewRefs(); refs != 0 || there {
		t.Fatalf("the crew stayed: %d users", refs)
	}
}

// TestStripsThreadsStayApart looks in Linux's list of threads which may run on one core only: those
// for strips that come alone, and no others.
func TestStripsThreadsStayApart(t *testing.T) {
	cores := runtime.NumCPU() // those that this process may use
	if cores < 2 || runtime.GOMAXPROCS(0) < cores || cores > 64 {
		t.Skip("no core, or not a thread, for each")
	}
	if files, _ := filepath.Glob("/proc/self/task/*/status"); len(files) == 0 {
		t.Skip("not Linux")
	}
	until := func(what string, ok func(on []string) bool, step func()) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; {
			step()
			on := keptOnOneCore()
			if ok(on) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: threads are kept on cores %v, of %d", what, on, cores)
			}
		}
	}
	none := func(on []string) bool { return len(on) == 0 }
	each := func(on []string) bool { return len(on) == cores && len(slices.Compact(slices.Clone(on))) == cores }
	rest := func() { time.Sleep(10 * time.Millisecond) } // longer than REST in crew.c: what is tested

	// Linux lists a thread for a moment after it was waited for.
	until("before", none, rest)
	pix, width, height := large(t)
	e := newEncoder(t)
	strips := func() { encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{90, true}, 4) }
	whole := func() { encode(t, e, pix, width, height, BGR, EncodeOptions{90, true}) }
	whole()
	until("a whole picture", none, func() {})
	for range 2 {
		until("strips after a rest", each, func() { rest(); strips() })
		until("strips without a rest", none, func() { strips(); strips() })
	}
	until("strips after a rest", each, func() { rest(); strips() })
	rest()
	whole()
	until("a whole picture after strips", none, func() {})
	until("strips after a rest", each, func() { rest(); strips() })
	e.Close()
	until("after", none, rest)

	// With fewer threads than cores the system chooses.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e = newEncoder(t)
	strips() // comes alone: this crew is new
	if on := keptOnOneCore(); !none(on) {
		t.Errorf("one thread for %d cores is kept on core %v", cores, on)
	}
}

// keptOnOneCore lists the cores of those threads that may run on one only.
func keptOnOneCore() (on []string) {
	files, _ := filepath.Glob("/proc/self/task/*/status")
	for _, file := range files {
		status, _ := os.ReadFile(file) // a thread may have gone
		_, rest, _ := strings.Cut(string(status), "Cpus_allowed_list:")
		if list, _, _ := strings.Cut(strings.TrimSpace(rest), "\n"); list != "" && !strings.ContainsAny(list, ",-") {
			on = append(on, list)
		}
	}
	slices.Sort(on)
	return on
}

// TestCrewServesMany has more pictures in hand than the crew has threads.
func TestCrewServesMany(t *testing.T) {
	pix, width, height := large(t)
	e, d := newEncoder(t), newDecoder(t)
	jpeg := encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{90, true}, 5)
	want := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 1)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			// Each its own, and some that come and go.
			for range 3 {
				e, d := newEncoder(t), newDecoder(t)
				if got := encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{90, true}, 5); !bytes.Equal(got, jpeg) {
					t.Error("another JPEG")
				}
				if got := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 5); !bytes.Equal(got, want) {
					t.Error("other pixels")
				}
				e.Close()
				d.Close()
			}
		})
	}
	all.Wait()
}

// noFiles lets this process open no more files, and so no crew start, until the
// function that it returns is called.
func noFiles(t *testing.T) (restore func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	return restore
}

// TestWithoutCrew: where no pipe can be had, pictures are made and read all the same.
func TestWithoutCrew(t *testing.T) {
	pix, width, height := large(t)
	e, d := newEncoder(t), newDecoder(t)
	restore := noFiles(t)
	jpeg := encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{90, true}, 3)
	got := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 3)
	if _, there := crewRefs(); there {
		t.Fatal("there is a crew after all")
	}
	restore()
	if want := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 3); !bytes.Equal(got, want) {
		t.Error("other pixels")
	}
}

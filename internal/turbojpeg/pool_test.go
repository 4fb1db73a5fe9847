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

// large returns a picture that the pool processes.
func large(t *testing.T) (pix []byte, width, height int) {
	width, height = 640, 481
	if width*height < stripPixels {
		t.Fatal("too small for the pool")
	}
	return photo(width, height, BGR), width, height
}

func poolRefs() (refs int, exists bool) {
	shared.Lock()
	defer shared.Unlock()
	if shared.pool == nil {
		return 0, false
	}
	return shared.pool.refs, true
}

func TestPoolStartsWithTheFirstLargePictureAndEndsWithTheLastUser(t *testing.T) {
	pix, width, height := large(t)
	e, d := newEncoder(t), newDecoder(t)
	small := encode(t, e, pix, 64, 64, BGR, EncodeOptions{90, true})
	pixels(t, d, small, BGR, DecodeOptions{}, 1)
	if refs, exists := poolRefs(); refs > 0 || exists {
		t.Fatalf("a small picture has started the pool: %d", refs)
	}
	jpeg := encode(t, e, pix, width, height, BGR, EncodeOptions{90, true})
	for range 2 {
		pixels(t, d, jpeg, BGR, DecodeOptions{}, 1)
	}
	if refs, _ := poolRefs(); refs != 2 {
		t.Fatalf("%d users of the pool, not 2", refs)
	}
	e.Close()
	e.Close()
	if _, exists := poolRefs(); !exists {
		t.Fatal("the pool ended before its last user")
	}
	d.Close()
	if refs, exists := poolRefs(); refs != 0 || exists {
		t.Fatalf("the pool still exists: %d users", refs)
	}
}

// TestStripsThreadsArePinned checks in Linux's list of threads which are pinned
// to a core: those for the strips of a single picture, and no others.
func TestStripsThreadsArePinned(t *testing.T) {
	cores := runtime.NumCPU() // that this process may use
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
	rest := func() { time.Sleep(10 * time.Millisecond) } // longer than IDLE_NS in pool.c: what is tested

	// Linux still lists a thread for a moment after it was joined.
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

	// With fewer threads than cores no thread is pinned.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e = newEncoder(t)
	strips() // a single picture: this pool is new
	if on := keptOnOneCore(); !none(on) {
		t.Errorf("one thread for %d cores is kept on core %v", cores, on)
	}
}

// keptOnOneCore returns the cores of the threads that are pinned to one.
func keptOnOneCore() (on []string) {
	files, _ := filepath.Glob("/proc/self/task/*/status")
	for _, file := range files {
		status, _ := os.ReadFile(file) // the thread may have ended
		_, rest, _ := strings.Cut(string(status), "Cpus_allowed_list:")
		if list, _, _ := strings.Cut(strings.TrimSpace(rest), "\n"); list != "" && !strings.ContainsAny(list, ",-") {
			on = append(on, list)
		}
	}
	slices.Sort(on)
	return on
}

// TestPoolServesMany posts more pictures than the pool has threads.
func TestPoolServesMany(t *testing.T) {
	pix, width, height := large(t)
	e, d := newEncoder(t), newDecoder(t)
	jpeg := encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{90, true}, 5)
	want := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 1)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			// Each goroutine has its own Encoder, and some are closed on the
			// way.
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

// noFiles keeps this process from opening files, and so from starting a pool,
// until the returned function is called.
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

// TestWithoutPool checks that pictures are encoded and decoded if no pipe can
// be opened.
func TestWithoutPool(t *testing.T) {
	pix, width, height := large(t)
	e, d := newEncoder(t), newDecoder(t)
	restore := noFiles(t)
	jpeg := encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{90, true}, 3)
	got := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 3)
	if _, exists := poolRefs(); exists {
		t.Fatal("a pool exists")
	}
	restore()
	if want := pixels(t, d, jpeg, BGR, DecodeOptions{FastDCT: true}, 3); !bytes.Equal(got, want) {
		t.Error("other pixels")
	}
}

//go:build linux

// Package preload makes C allocations fail, and shifts the wall clock that C
// code reads, for tests of what the code does then. A small library, which the
// C compiler builds for the test, goes before glibc in a process of its own.
//
// Go's own allocations and its clock are not affected. Go reads the clock
// without the C library; under QEMU's user-mode emulation it uses system calls,
// which QEMU makes with the C library, so there its clock can be shifted, too.
package preload

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

//go:embed testdata/preload.c
var source string

// variable names the file that controls the library.
const variable = "NETGEAR_TEST_PRELOAD"

// state is the content of that file; preload.c has the same.
type state struct {
	threads      [64]atomic.Int32
	left, all    atomic.Int32
	seen, failed atomic.Int32
	offset       atomic.Int64
}

// Inside reports whether this process has the library. If not, it runs the
// calling test again in a process that has it, and fails the test if that one
// fails. The test must not be a subtest.
func Inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(variable) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^"+regexp.QuoteMeta(t.Name())+"$", "-test.v")
	cmd.Env = append(os.Environ(), Environment(t)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// Environment builds the library and returns the variables for a process that
// is to have it.
func Environment(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	library, control := filepath.Join(dir, "preload.so"), filepath.Join(dir, "control")
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	build := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-Wall", "-x", "c", "-", "-o", library)
	build.Stdin = strings.NewReader(source)
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the library cannot be built: %v\n%s", err, out)
	}
	if err := os.WriteFile(control, make([]byte, unsafe.Sizeof(state{})), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"LD_PRELOAD=" + library, variable + "=" + control}
}

// Control controls the library of a process.
type Control struct{ *state }

// Open returns the Control of this process, for which Inside is true, or of the
// process with that environment.
func Open(t testing.TB, environment ...string) *Control {
	t.Helper()
	path := os.Getenv(variable)
	for _, v := range environment {
		if value, ok := strings.CutPrefix(v, variable+"="); ok {
			path = value
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := unix.Mmap(int(f.Fd()), 0, int(unsafe.Sizeof(state{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(p) })
	return &Control{(*state)(unsafe.Pointer(unsafe.SliceData(p)))}
}

// SetClock shifts the wall clock against the system's.
func (c *Control) SetClock(offset time.Duration) { c.offset.Store(int64(offset)) }

// Fail calls f in a thread whose allocation number n fails, counted from 1, and
// with all also those that follow it. It returns how many failed. The threads
// others take part.
func (c *Control) Fail(n int, all bool, others []int, f func()) (failed int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.failed.Store(0)
	c.seen.Store(0)
	c.left.Store(int32(n - 1))
	c.all.Store(0)
	if all {
		c.all.Store(1)
	}
	for i, id := range others[:min(len(others), len(c.threads)-2)] {
		c.threads[i+1].Store(int32(id))
	}
	c.threads[0].Store(int32(unix.Gettid()))
	f()
	for i := range c.threads {
		c.threads[i].Store(0)
	}
	return int(c.failed.Load())
}

// FailEach calls f again and again, with allocation 1 failing, then 2, and so
// on, until none fails any more: each alone, and with all that follow. After
// each call, when there is memory again, check gets what f returned. failed is
// how many allocations failed. FailEach returns the number of allocations.
func (c *Control) FailEach(t *testing.T, others []int, f func() error, check func(n, failed int, err error)) (allocations int) {
	t.Helper()
	for _, all := range []bool{false, true} {
		for n := 1; ; n++ {
			var err error
			failed := c.Fail(n, all, others, func() { err = f() })
			check(n, failed, err)
			if failed == 0 {
				allocations = max(allocations, n-1)
				break
			}
			if t.Failed() || n == 10000 {
				t.Fatalf("allocation %d (all that follow: %v), %d failed: %v", n, all, failed, err)
			}
		}
	}
	return allocations
}

// CThreads returns the threads of this process that are not Go's: those that
// have all signals blocked.
func CThreads(t testing.TB) (ids []int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(filepath.Join("/proc/self/task", task.Name(), "status"))
		for line := range strings.Lines(string(text)) {
			if mask, ok := strings.CutPrefix(line, "SigBlk:"); ok {
				blocked, _ := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
				if id, err := strconv.Atoi(task.Name()); err == nil && blocked&(1<<(unix.SIGURG-1)) != 0 {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}

// Seen returns how many allocations there were during the last Fail.
func (c *Control) Seen() int { return int(c.seen.Load()) }

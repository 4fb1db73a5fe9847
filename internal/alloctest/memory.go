package alloctest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Memory returns how many bytes of memory the process has of its own: the heaps
// and stacks of Go and C. Pages of files that it maps, such as its program and
// libraries, are not counted: how many of them the system brings into memory
// depends on how it holds the file, and is tens of megabytes more for a program
// that was just linked. Memory returns 0 where the system does not report it.
func Memory() int64 { return status(os.Getpid(), "RssAnon:") }

// PeakMemory returns the most bytes that the process has had, without the pages
// of files that it maps now. PeakMemory returns 0 where the system does not report
// it.
func PeakMemory() int64 { return PeakMemoryOf(os.Getpid()) }

// PeakMemoryOf returns PeakMemory of another process.
func PeakMemoryOf(pid int) int64 { return max(0, status(pid, "VmHWM:")-status(pid, "RssFile:")) }

// SkipRace skips a test of memory under the race detector.
func SkipRace(t testing.TB) {
	if Race {
		t.Helper()
		t.Skip("most of the memory is the race detector's")
	}
}

// AddressSpace returns how many bytes of address space the process has, or 0
// where the system does not report it.
func AddressSpace() int64 { return status(os.Getpid(), "VmSize:") }

// status returns a number of bytes in Linux's account of a process.
func status(pid int, name string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

package alloctest

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Memory that is taken counts, and the pages of a file that is mapped do not.
func TestMemory(t *testing.T) {
	const size = 64 << 20
	touch := func(b []byte) (sum byte) {
		for i := 0; i < len(b); i += os.Getpagesize() {
			sum += b[i]
		}
		return sum
	}
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	before, peak := Memory(), PeakMemory()
	mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	touch(mapped)
	if more := Memory() - before; more > size/2 {
		t.Errorf("%d bytes more, with a file of %d mapped", more, size)
	}
	if more := PeakMemory() - peak; more > size/2 {
		t.Errorf("%d bytes more at the peak, with a file of %d mapped", more, size)
	}
	taken, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(taken)
	for i := 0; i < len(taken); i += os.Getpagesize() {
		taken[i] = 1
	}
	if more := Memory() - before; more < size/2 {
		t.Errorf("%d bytes more, with %d taken", more, size)
	}
	if more := PeakMemory() - before; more < size/2 {
		t.Errorf("%d bytes more at the peak, with %d taken", more, size)
	}
}

package netgear

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// inherited opens ends of every kind, while other goroutines start programs. It
// returns what those programs have inherited, and the descriptors of this
// process that a program would inherit.
func inherited() (results []string) {
	before := inheritable() // of the program that started this one
	home, err := os.MkdirTemp("", "ng")
	if err != nil {
		return []string{err.Error()}
	}
	defer os.RemoveAll(home)
	if _, err := CreateCertificates(home); err != nil {
		return []string{err.Error()}
	}
	var mu sync.Mutex
	found := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		results = append(results, fmt.Sprintf(format, args...))
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	over := make(chan struct{})
	var children sync.WaitGroup
	children.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
			if err != nil {
				found("ls: %v", err)
				return
			}
			for line := range strings.Lines(string(out)) {
				_, link, ok := strings.Cut(line, " -> ")
				fd, _, _ := strings.Cut(link, "\n")
				words := strings.Fields(line)
				if ok && len(words) > 8 && words[8] > "2" && !strings.HasPrefix(fd, "/proc/") && !slices.Contains(before, words[8]+" "+fd) {
					found("a child has %s", strings.TrimSpace(line))
				}
			}
		}
	})
	for _, o := range []Options{
		{Pattern: ReqRep}, {Pattern: Pair, SecureMode: IronHouse, CustomCertLocation: home}, {Pattern: PubSub}, {Pattern: PushPull, Wire: AsyncWire},
		{Pattern: Pair, Protocol: "ipc", Address: filepath.Join(home, "socket")}, {Pattern: ReqRep, SendAhead: 2}, {Pattern: ReqRep, Wire: ImageZMQWire},
	} {
		for range 3 {
			r, s := o, o
			r.ReceiveMode, r.SendAhead, r.Attach, r.TerminateDelay = true, 0, AttachBind, -1
			if r.Protocol == "" {
				r.Address, s.Address, r.Port = "127.0.0.1", "127.0.0.1", "0"
			}
			recv, err := New(r)
			if err != nil {
				found("%v", err)
				continue
			}
			if s.Protocol == "" {
				s.Port = recv.Port()
			}
			s.Attach, s.TerminateDelay, s.RequestTimeout = AttachConnect, -1, testTimeout
			send, err := New(s)
			if err == nil {
				err = send.WaitConnected(ctx, 1)
			}
			if err == nil { // large enough for the threads of JPEGs
				_, err = send.SendArray(ctx, testArray(0, "uint8", 500, 600, 3), nil)
			}
			if err == nil && o.Pattern != PubSub && o.Pattern != PushPull {
				var f *Frame
				if f, err = recv.Recv(ctx); err == nil {
					f.Bytes()
					f.Close()
				}
			}
			if err != nil {
				found("%+v: %v", o, err)
			}
			for _, d := range inheritable() {
				if !slices.Contains(before, d) {
					found("no close-on-exec: %s", d)
				}
			}
			if send != nil {
				send.Close()
			}
			recv.Close()
		}
	}
	close(over)
	children.Wait()
	return results
}

// inheritable returns the descriptors of this process without FD_CLOEXEC, other
// than its standard ones.
func inheritable() (all []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			name, _ := os.Readlink("/proc/self/fd/" + e.Name())
			all = append(all, e.Name()+" "+name)
		}
	}
	return all
}

// No program that the process starts inherits a descriptor of an end's, whatever
// the end does meanwhile.
func TestProgramsInheritNothing(t *testing.T) {
	t.Parallel()
	c := startProcess(t, childSpec{Role: "inherited"})
	for _, r := range c.hear().Results {
		t.Error(r)
	}
}

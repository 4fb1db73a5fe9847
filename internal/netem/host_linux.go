package netem

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Host is one end of a Network: a network namespace with one TUN device. A
// thread of its own is in the namespace.
type Host struct {
	device *os.File
	work   chan func()
	ended  chan struct{}
}

// newHost creates a namespace with a device between the two addresses.
func newHost(here, there string) (*Host, error) {
	h := &Host{work: make(chan func()), ended: make(chan struct{})}
	created := make(chan error)
	go func() {
		defer close(h.ended)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			// A host sends nothing by itself then. A system without IPv6 has no
			// such file.
			os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
			h.device, err = newDevice(here, there)
		} else {
			err = needs("a network namespace", err)
		}
		created <- err
		if err != nil {
			return
		}
		for f := range h.work {
			f()
		}
	}()
	if err := <-created; err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Host) close() error {
	close(h.work)
	<-h.ended
	return h.device.Close()
}

// Do runs a function on the thread that is in the namespace, for instance to
// open a socket there. The function must not start goroutines that do so.
func (h *Host) Do(f func()) {
	done := make(chan struct{})
	h.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Start starts a command in the namespace.
func (h *Host) Start(cmd *exec.Cmd) (err error) {
	h.Do(func() { err = cmd.Start() })
	return err
}

// newDevice creates a TUN device in the calling thread's namespace, and brings
// it and the loopback device up.
func newDevice(here, there string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, needs("/dev/net/tun", err)
	}
	if err := configure(fd, DeviceName, here, there); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

func configure(fd int, name, here, there string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return needs("a TUN device", err)
	}
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return needs("a socket", err)
	}
	defer unix.Close(control)
	for _, address := range []struct {
		request uint
		text    string
	}{{unix.SIOCSIFADDR, here}, {unix.SIOCSIFDSTADDR, there}} {
		if err := setAddress(control, address.request, name, address.text); err != nil {
			return needs("the address "+address.text, err)
		}
	}
	for _, device := range []string{"lo", name} {
		if err := bringUp(control, device); err != nil {
			return needs("bringing "+device+" up", err)
		}
	}
	return nil
}

func setAddress(control int, request uint, name, text string) error {
	ifreq, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	address := netip.MustParseAddr(text).As4()
	if err := ifreq.SetInet4Addr(net.IP(address[:])); err != nil {
		return err
	}
	return unix.IoctlIfreq(control, request, ifreq)
}

func bringUp(control int, name string) error {
	ifreq, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(control, unix.SIOCGIFFLAGS, ifreq); err != nil {
		return err
	}
	ifreq.SetUint16(ifreq.Uint16() | unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(control, unix.SIOCSIFFLAGS, ifreq)
}

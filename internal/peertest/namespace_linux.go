package peertest

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// namespaceEnv is set in a process that is in namespaces of its own.
const namespaceEnv = "NETGEAR_TEST_NETWORK"

// InNamespace reports whether this process is in namespaces of its own, of the
// network and of mounts, after it has run the commands that set it up. If it is
// not, it runs the calling test again in a process that is.
func InNamespace(t *testing.T, commands ...string) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) != "" {
		for _, command := range commands {
			words := strings.Fields(command)
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
		}
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("iproute2 is not installed")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "5m")
	cmd.Env = append(os.Environ(), namespaceEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, os.ErrPermission):
		t.Skip("namespaces need root: ", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// Names of the machine that InIPv6Only sets up, and its link-local address.
const (
	OnlyIPv6  = "camera.ipv6.test" // a name that has only an IPv6 address
	LinkLocal = "fe80::7%lo"
)

// InIPv6Only is InNamespace for a machine without IPv4: not even 127.0.0.1. Its
// name localhost has the address nevertheless, as on most machines.
func InIPv6Only(t *testing.T) bool {
	t.Helper()
	hosts := t.TempDir() + "/hosts"
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n::1 localhost\n::1 "+OnlyIPv6+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !InNamespace(t, "ip link set lo up", "ip addr del 127.0.0.1/8 dev lo", "ip -6 addr add fe80::7/64 dev lo nodad",
		"mount --make-rprivate /", "mount --bind "+hosts+" /etc/hosts") {
		return false
	}
	t.Cleanup(func() { syscall.Unmount("/etc/hosts", 0) })
	return true
}

package faults

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// network is two machines with a router between them, each a network namespace:
// send ends on the one, receive ends on the other. While a line is cut, the
// router silently drops every packet to and from its port. As with a cable
// pulled behind a switch, no end receives a FIN, an RST or a lost carrier.
type network struct {
	sender, router, receiver string
}

// The addresses of the two machines in such a network.
const (
	senderAddress   = "10.77.1.2"
	receiverAddress = "10.77.2.2"
)

var networks atomic.Int32

// newNetwork creates the network, or returns why that is impossible.
func newNetwork(t *testing.T) (*network, error) {
	t.Helper()
	prefix := fmt.Sprintf("ng%d-%d-", os.Getpid(), networks.Add(1))
	w := &network{prefix + "s", prefix + "m", prefix + "r"}
	t.Cleanup(func() {
		for _, name := range []string{w.sender, w.router, w.receiver} {
			exec.Command("ip", "netns", "del", name).Run()
		}
	})
	for _, name := range []string{w.sender, w.router, w.receiver} {
		if err := ip("netns", "add", name); err != nil {
			return nil, err
		}
	}
	for i, name := range []string{w.sender, w.receiver} {
		here, there := fmt.Sprintf("10.77.%d.2", i+1), fmt.Sprintf("10.77.%d.1", i+1)
		port := fmt.Sprintf("port%d", i)
		for _, command := range [][]string{
			{"-n", w.router, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name},
			{"-n", w.router, "addr", "add", there + "/24", "dev", port},
			{"-n", w.router, "link", "set", port, "up"},
			{"-n", name, "addr", "add", here + "/24", "dev", "eth0"},
			{"-n", name, "link", "set", "lo", "up"},
			{"-n", name, "link", "set", "eth0", "up"},
			{"-n", name, "route", "add", "default", "via", there},
		} {
			if err := ip(command...); err != nil {
				return nil, err
			}
		}
	}
	return w, ip("netns", "exec", w.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
}

// cutRules is the router's chain for cut lines, before its other rules.
const cutRules = "10"

// cut cuts the lines of ends that listen on these ports.
func (w *network) cut(ports []string) error {
	for _, port := range ports {
		for _, way := range []string{"dport", "sport"} {
			// TCP by its number: a small system has no list of names.
			if err := ip("-n", w.router, "rule", "add", "pref", cutRules, "blackhole", "ipproto", "6", way, port); err != nil && !strings.Contains(err.Error(), "File exists") {
				return err
			}
		}
	}
	return nil
}

// mend restores every line.
func (w *network) mend() error { return ip("-n", w.router, "rule", "flush", "pref", cutRules) }

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %v: %w: %s (cutting a line needs network namespaces: root, and iproute2)", args, err, bytes.TrimSpace(out))
	}
	return nil
}

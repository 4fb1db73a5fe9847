package health

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each package manager has a command for each thing that may be missing.
func TestInstallCommand(t *testing.T) {
	defer func(before func(string) (string, error)) { lookPath = before }(lookPath)
	for _, m := range append(managers, struct{ program, name, command string }{"none", "", "install it"}) {
		lookPath = func(name string) (string, error) {
			if name == m.program {
				return "/usr/bin/" + name, nil
			}
			return "", errors.New("not found")
		}
		for _, n := range needs {
			got := strings.TrimPrefix(installCommand(n.id), "sudo ")
			if n.id == "cc" && m.name == "brew" {
				if got != "xcode-select --install" {
					t.Errorf("%s: %q", m.program, got)
				}
			} else if !strings.HasPrefix(got, m.command) || !strings.HasSuffix(got, n.packages[m.name]) {
				t.Errorf("%s, %s: %q", m.program, n.id, got)
			}
		}
	}
}

// The limits of the kernel are notes, with the command that raises them.
func TestLimits(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		file := filepath.Join(root, "proc/sys/net", path)
		os.MkdirAll(filepath.Dir(file), 0o777)
		os.WriteFile(file, []byte(text), 0o666)
	}
	write("ipv4/tcp_rmem", "4096 131072 6291456\n")
	write("ipv4/tcp_wmem", "4096 16384 262144\n")
	write("core/rmem_max", "212992\n")
	checks := Limits(root)
	if len(checks) != 4 {
		t.Fatalf("%+v", checks)
	}
	for i, want := range []Check{{"net.ipv4.tcp_rmem", OK, "at most 6291456 bytes", ""}, {Name: "net.ipv4.tcp_wmem", Status: Note}, {Name: "net.core.rmem_max", Status: OK}} {
		got := checks[i+1]
		if got.Name != want.Name || got.Status != want.Status || want.Detail != "" && got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if !strings.HasPrefix(checks[2].Fix, "sysctl -w net.ipv4.tcp_wmem=") {
		t.Errorf("%+v", checks[2])
	}
}

// A port in use names the process, where the system shows it.
func TestPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	used := Ports("127.0.0.1", []string{port})[0]
	l.Close()
	if used.Status != Note || !strings.Contains(used.Detail, "in use") {
		t.Errorf("%+v", used)
	}
	if name, err := os.ReadFile("/proc/self/comm"); err == nil && !strings.Contains(used.Detail, "("+strings.TrimSpace(string(name))+")") {
		t.Errorf("%+v", used)
	}
	if free := Ports("127.0.0.1", []string{port})[0]; free.Status != OK {
		t.Errorf("%+v", free)
	}
	if foreign := Ports("192.0.2.1", []string{"0"})[0]; foreign.Status != Fail {
		t.Errorf("%+v", foreign)
	}
}

// The keys are checked: their modes, and whether they are keys.
func TestKeys(t *testing.T) {
	location := t.TempDir()
	dir := filepath.Join(location, ".vidgear", "keys")
	for _, folder := range []string{"public_keys", "private_keys"} {
		os.MkdirAll(filepath.Join(dir, folder), 0o700)
	}
	os.Chmod(dir, 0o777)
	os.WriteFile(filepath.Join(dir, "private_keys", "server.key_secret"), []byte("public-key = \"x\"\n"), 0o640)
	var failed []string
	for _, c := range Keys(location, true) {
		if c.Status == Fail {
			failed = append(failed, c.Fix)
		}
	}
	want := []string{"chmod 600 " + dir + "/private_keys/server.key_secret", "copy it again, or netgear keys --replace", "chmod 700 " + dir}
	if strings.Join(failed, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", failed, want)
	}
}

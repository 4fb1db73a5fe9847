package health

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// need is something that building programs requires, and its packages.
type need struct {
	id, title string
	check     func(ctx context.Context) (string, error)
	packages  map[string]string // by package manager
}

// needs is the table of scripts/setup.sh.
var needs = []need{
	{"cc", "C++ compiler", program("g++", "c++", "clang++"), map[string]string{"apt": "g++", "dnf": "gcc-c++", "pacman": "gcc", "brew": ""}},
	{"pkgconfig", "pkg-config", program("pkg-config"), map[string]string{"apt": "pkg-config", "dnf": "pkgconf-pkg-config", "pacman": "pkgconf", "brew": "pkg-config"}},
	{"zmq", "libzmq, headers", headers("libzmq"), map[string]string{"apt": "libzmq3-dev", "dnf": "zeromq-devel", "pacman": "zeromq", "brew": "zeromq"}},
	{"turbojpeg", "TurboJPEG, headers", headers("libturbojpeg"), map[string]string{"apt": "libturbojpeg0-dev", "dnf": "turbojpeg-devel", "pacman": "libjpeg-turbo", "brew": "jpeg-turbo"}},
	{"jpeg", "libjpeg, headers", headers("libjpeg"), map[string]string{"apt": "libjpeg-dev", "dnf": "libjpeg-turbo-devel", "pacman": "libjpeg-turbo", "brew": "jpeg-turbo"}},
	{"opencv", "OpenCV, headers", headers("opencv4"), map[string]string{"apt": "libopencv-dev", "dnf": "opencv-devel", "pacman": "opencv", "brew": "opencv"}},
}

// program returns a check for the first of the programs that is installed.
func program(names ...string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		for _, name := range names {
			if path, err := exec.LookPath(name); err == nil {
				return path, nil
			}
		}
		return "", fmt.Errorf("%s is not on the PATH", names[0])
	}
}

// headers returns a check for a library's headers.
func headers(library string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, timeLimit)
		defer cancel()
		out, err := exec.CommandContext(ctx, "pkg-config", "--modversion", library).Output() //nolint:gosec // fixed names
		if err != nil {
			return "", fmt.Errorf("%s.pc is not found", library)
		}
		return strings.TrimSpace(string(out)), nil
	}
}

// managers are the package managers and their commands.
var managers = []struct{ program, name, command string }{
	{"apt-get", "apt", "apt-get install"},
	{"dnf", "dnf", "dnf install"},
	{"pacman", "pacman", "pacman -S"},
	{"brew", "brew", "brew install"},
}

// lookPath finds a program; tests replace it.
var lookPath = exec.LookPath

// installCommand returns the command that installs something on this system.
func installCommand(id string) string {
	for _, m := range managers {
		if _, err := lookPath(m.program); err != nil {
			continue
		}
		for _, n := range needs {
			if n.id != id {
				continue
			}
			if n.packages[m.name] == "" {
				return "xcode-select --install"
			}
			command := m.command + " " + n.packages[m.name]
			if m.name != "brew" && os.Getuid() != 0 {
				command = "sudo " + command
			}
			return command
		}
	}
	return "install it (there is no apt, dnf, pacman or Homebrew here)"
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/pebbe/zmq4"
)

// machine describes the machine and the versions.
type machine struct {
	CPU, OS, Load, Versions, Date string
	Cores                         int
}

func (b *bench) machine() (machine, error) {
	versions, err := b.versions()
	return machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), OS: fmt.Sprintf("%s/%s, kernel %s", runtime.GOOS, runtime.GOARCH, output("uname", "-r")),
		Load: loadAverage(), Versions: versions, Date: time.Now().UTC().Format("2006-01-02"),
	}, err
}

func (b *bench) versions() (string, error) {
	out, err := exec.CommandContext(b.ctx, b.python, program, "versions").Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its versions (scripts/setup.sh --python installs what is missing): %w", b.python, err)
	}
	var v map[string]string
	if err := json.Unmarshal(out, &v); err != nil {
		return "", err
	}
	major, minor, patch := zmq4.Version()
	return fmt.Sprintf("Go and C ends: %s, libzmq %d.%d.%d, libjpeg-turbo %s. Python ends: VidGear %s, imagezmq %s, Python %s, pyzmq %s with its libzmq %s, numpy %s, simplejpeg %s with its own libjpeg-turbo.",
		runtime.Version(), major, minor, patch, output("pkg-config", "--modversion", "libturbojpeg"),
		v["vidgear"], v["imagezmq"], v["python"], v["pyzmq"], v["libzmq"], v["numpy"], v["simplejpeg"]), nil
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// cpuModel and loadAverage read Linux's files; elsewhere they are "unknown".
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}

package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/page"
)

// machine describes the machine and the versions.
type machine struct {
	CPU, OS, Load, Versions, Date string
	Cores                         int
}

func (b *bench) machine() (machine, error) {
	versions, err := b.versions()
	return machine{
		CPU: page.CPUModel(), Cores: runtime.NumCPU(), OS: fmt.Sprintf("%s/%s, kernel %s", runtime.GOOS, runtime.GOARCH, page.Output("uname", "-r")),
		Load: page.LoadAverage(), Versions: versions, Date: time.Now().UTC().Format("2006-01-02"),
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
		runtime.Version(), major, minor, patch, page.Output("pkg-config", "--modversion", "libturbojpeg"),
		v["vidgear"], v["imagezmq"], v["python"], v["pyzmq"], v["libzmq"], v["numpy"], v["simplejpeg"]), nil
}

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vidgear-go/netgear"
)

// imagezmqCameras is a Python program with cameras of a real imagezmq.
//
//go:embed imagezmq_cameras.py
var imagezmqCameras string

// imagezmqEach is how many cameras one process of Python has.
const imagezmqEach = 20

// startImageZMQ starts processes with cameras of a real imagezmq. folder is for
// the JPEG that they send.
func startImageZMQ(ctx context.Context, python, folder string, options []netgear.Options, fps float64) ([]*child, error) {
	jpeg := filepath.Join(folder, "camera.jpg")
	if err := os.WriteFile(jpeg, picture(), 0o600); err != nil {
		return nil, err
	}
	all := make([]*child, (len(options)+imagezmqEach-1)/imagezmqEach)
	return all, together(len(all), func(i int) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		first := i * imagezmqEach
		o := options[first]
		spec, err := json.Marshal(map[string]any{
			"address": fmt.Sprintf("tcp://%s:%s", o.Address, o.Port), "jpeg": jpeg, "fps": fps,
			"first": first, "count": min(imagezmqEach, len(options)-first),
		})
		if err != nil {
			return err
		}
		p := &child{name: fmt.Sprintf("imagezmq %d", i), cmd: exec.Command(python, "-c", imagezmqCameras)}
		p.cmd.Env = append(os.Environ(), "NETGEAR_SOAK_LOAD_IMAGEZMQ="+string(spec))
		var counts cameraCounts
		if err := p.start(&counts); err != nil {
			return err
		}
		all[i] = p
		return nil
	})
}

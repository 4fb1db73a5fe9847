package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
)

const units = "../../packaging/systemd"

// systemd accepts the units, and the commands in them exist.
func TestUnits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	files, _ := filepath.Glob(filepath.Join(units, "*.service"))
	if len(files) != 2 {
		t.Fatalf("units: %v", files)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(t.TempDir(), filepath.Base(file))
		program := filepath.Join(t.TempDir(), "netgear")
		if err := os.Symlink(os.Args[0], program); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/netgear", program)), 0o600)
		if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

// The settings files beside the units have only keys that are read, and values
// that are valid.
func TestUnitSettings(t *testing.T) {
	t.Parallel()
	for name, receive := range map[string]bool{"camera.toml": false, "view.toml": true} {
		file, err := settings.Read(filepath.Join(units, name))
		if err != nil {
			t.Fatal(err)
		}
		a := &app{file: file}
		if err := a.checkFile(a.root()); err != nil {
			t.Error(err)
		}
		layers, err := file.Layers("send")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := settings.Resolve(netgear.Options{ReceiveMode: receive}, layers...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if inputs, err := file.Endpoints("view", "input", "name"); err != nil || receive && len(inputs) != 2 {
			t.Errorf("%s: %v, %v", name, inputs, err)
		}
	}
}

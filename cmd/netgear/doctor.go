package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/health"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
)

// doctorCommand holds the settings of the command doctor.
type doctorCommand struct {
	lines   bool
	frame   bool
	timeout time.Duration

	options netgear.Options
	pattern bool // a pattern was set, so that another one is a mistake
	secure  bool // and a secure mode
	wire    bool // and a wire
}

func (a *app) doctor() *cobra.Command {
	var d doctorCommand
	cmd := &cobra.Command{
		Use: "doctor [ADDRESS:PORT]", Short: "Check this system, or examine a live end",
		Long: `Check what the library needs from this system: versions, the ports and keys of
the settings, limits of the kernel. What is missing comes with the command that
installs it here.

With ADDRESS:PORT it examines what listens there: nothing, a foreign program, or
an end and its pattern, whether it is secure, and its wire if that can be seen.
A set --pattern and --secure-mode are compared with it, the latter with the keys
of --cert-location. The handshake stops before the other end takes it for a
peer, except with a publisher, which has a subscriber for one frame, and with
--secure-mode.

Exit status 1 if something does not work or does not fit.`,
		Example: `  netgear doctor
  netgear doctor --port 5566,5567 --json
  netgear doctor 192.168.1.4:5555 --pattern 1 --secure-mode 1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return settings.Wrong("expected one address at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.read(a, cmd); err != nil {
				return err
			}
			runtime.UnlockOSThread()
			if len(args) == 1 {
				return d.examine(cmd.Context(), args[0])
			}
			return d.check(cmd.Context())
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&d.lines, "json", false, "print JSON")
	cmd.Flags().DurationVar(&d.timeout, "timeout", 4*time.Second, "give up on a live end after this `TIME`")
	cmd.Flags().BoolVar(&d.frame, "send-frame", false, "send one black pixel on the wire of --wire to a live end of PAIR or REQ/REP.\nThe answer shows its wire. On the wrong wire it ends a VidGear receive end")
	addConnection(cmd)
	return cmd
}

// read reads the settings. Both ends are allowed to have them.
func (d *doctorCommand) read(a *app, cmd *cobra.Command) error {
	if d.timeout <= 0 {
		return settings.Wrong("--timeout must be more than 0")
	}
	layers, err := settings.Layers(cmd.Flags(), a.file, cmd.Name())
	if err != nil {
		return err
	}
	d.options, err = settings.Resolve(netgear.Options{ReceiveMode: true}, layers...)
	if err != nil { // settings of a send end, such as a tunnel
		var other error
		if d.options, other = settings.Resolve(netgear.Options{}, layers...); other != nil {
			return err
		}
	}
	for _, l := range layers {
		_, pattern := l.Values["pattern"]
		_, secure := l.Values["secure-mode"]
		_, wire := l.Values["wire"]
		d.pattern, d.secure, d.wire = d.pattern || pattern, d.secure || secure, d.wire || wire
	}
	d.pattern = d.pattern || d.options.Pattern != netgear.Pair // by --options
	d.secure = d.secure || d.options.SecureMode != netgear.Grasslands
	return nil
}

// report is the output of doctor.
type report struct {
	OK     bool           `json:"ok"`
	System string         `json:"system"`
	Checks []health.Check `json:"checks"`
}

// check checks this system.
func (d *doctorCommand) check(ctx context.Context) error {
	opencv, binding := openCVVersions()
	checks := []health.Check{{Name: "netgear", Status: health.OK, Detail: version() + ", " + runtime.Version()}}
	checks = append(checks, health.Libraries(health.Versions{OpenCV: opencv, GoCV: binding})...)
	checks = append(checks, health.Development(ctx)...)
	if d.options.Protocol != "ipc" {
		checks = append(checks, health.Ports(d.options.Address, portsOf(&d.options))...)
	}
	checks = append(checks, health.Keys(d.options.CustomCertLocation, d.options.SecureMode != netgear.Grasslands)...)
	checks = append(checks, health.Limits("/")...)
	return d.print(checks)
}

// print prints the checks, and returns an error if one has failed.
func (d *doctorCommand) print(checks []health.Check) error {
	failed := health.Failed(checks)
	if d.lines {
		out := json.NewEncoder(&stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(report{!failed, runtime.GOOS + "/" + runtime.GOARCH, checks}); err != nil {
			return err
		}
	} else {
		for _, c := range checks {
			fmt.Fprintf(&stdout, "%-4s  %-20s %s\n", c.Status, c.Name, c.Detail)
			if c.Fix != "" {
				fmt.Fprintf(&stdout, "      %-20s → %s\n", "", c.Fix)
			}
		}
	}
	if failed {
		return &reportedError{"a check failed"}
	}
	return nil
}

// hostPort checks the argument ADDRESS:PORT.
func hostPort(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.Contains(host, "/") {
		return settings.Wrong("the address must be HOST:PORT, such as 192.168.1.4:5555 or [::1]:5555")
	}
	return nil
}

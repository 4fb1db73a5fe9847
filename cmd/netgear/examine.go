package main

import (
	"context"
	"fmt"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/health"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/probe"
)

// examine examines a live end.
func (d *doctorCommand) examine(ctx context.Context, address string) error {
	if err := hostPort(address); err != nil {
		return err
	}
	var keys *probe.KeyPair
	if d.options.SecureMode != netgear.Grasslands {
		dir, err := netgear.CertificateDir(d.options.CustomCertLocation)
		if err != nil {
			return err
		}
		if keys, err = probe.ReadKeys(dir); err != nil {
			return fmt.Errorf("the keys of this side: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	o := probe.Options{Keys: keys, Client: sockets[d.options.Pattern].send}
	if d.frame {
		o.Frame = d.options.Wire.String()
	}
	r := probe.Probe(ctx, address, o)
	return d.print(d.diagnose(r))
}

// sockets has the socket types of the two ends of each pattern.
var sockets = map[netgear.Pattern]struct{ send, receive string }{
	netgear.Pair: {"PAIR", "PAIR"}, netgear.ReqRep: {"REQ", "REP"}, netgear.PubSub: {"PUB", "SUB"}, netgear.PushPull: {"PUSH", "PULL"},
}

// end returns the pattern of a socket type, and what the end is.
func end(socket string) (pattern netgear.Pattern, what string, ok bool) {
	switch socket {
	case "PAIR":
		return netgear.Pair, "a send or receive end", true
	case "XPUB":
		socket = "PUB"
	case "XSUB":
		socket = "SUB"
	}
	for p, s := range sockets {
		switch socket {
		case s.receive:
			return p, "a receive end: send to it", true
		case s.send:
			return p, "a send end that listens: receive from it with --attach connect", true
		}
	}
	return 0, "", false
}

// diagnose returns the report about a live end.
func (d *doctorCommand) diagnose(r probe.Result) []health.Check {
	at := health.Check{Name: r.Address, Status: health.OK, Detail: "ZeroMQ listens here, ZMTP " + r.ZMTP}
	switch r.Kind {
	case probe.Nothing:
		at = health.Check{Name: r.Address, Status: health.Fail, Detail: "nothing listens here: " + r.Detail, Fix: "start the end there, and check its --port and --address"}
	case probe.Unreachable:
		at = health.Check{Name: r.Address, Status: health.Fail, Detail: "cannot be reached: " + r.Detail, Fix: "check the address, the network and the firewall"}
	case probe.Foreign:
		at = health.Check{Name: r.Address, Status: health.Fail, Detail: "this is not ZeroMQ: " + r.Detail, Fix: "another program uses this port; check the port"}
	case probe.Silent:
		at = health.Check{Name: r.Address, Status: health.Fail, Detail: "this is not ZeroMQ, or it hangs: " + r.Detail, Fix: "check the port, and whether the program there still runs"}
	}
	checks := []health.Check{at}
	if r.Kind != probe.ZeroMQ {
		return checks
	}
	if r.Detail != "" {
		checks[0].Status, checks[0].Detail = health.Fail, checks[0].Detail+"; "+r.Detail
		return checks
	}
	return append(checks, d.security(r), d.patternOf(r), d.wireOf(r))
}

// security compares the security of a live end with the settings.
func (d *doctorCommand) security(r probe.Result) health.Check {
	c := health.Check{Name: "security", Status: health.OK}
	want := d.options.SecureMode != netgear.Grasslands
	switch {
	case r.Mechanism == "NULL":
		c.Detail = "none: anyone who reaches the port may connect"
		if want {
			c.Status, c.Fix = health.Fail, fmt.Sprintf("set --secure-mode %d there too, or --secure-mode 0 here", int(d.options.SecureMode))
		}
	case r.Mechanism != "CURVE":
		c.Status, c.Detail = health.Fail, r.Mechanism+", which NetGear does not use"
	case !want:
		c.Detail = "CURVE: StoneHouse or IronHouse; --secure-mode 1 or 2 checks the keys of this side"
		if d.secure {
			c.Status, c.Fix = health.Fail, "set --secure-mode 1 or 2 here, with keys from there: netgear keys"
		}
	case r.Keys == probe.KeysAccepted:
		c.Detail = "CURVE, and it accepts the keys of this side"
	default:
		c.Status, c.Detail = health.Fail, "CURVE, but "+string(r.Keys)
		c.Fix = "copy its public_keys/server.key to this side; in IronHouse this side's public_keys/client.key to it"
		if r.Keys == probe.KeysUnknown {
			c.Detail = "CURVE, but the handshake did not end"
		}
	}
	return c
}

// patternOf compares the pattern of a live end with the settings.
func (d *doctorCommand) patternOf(r probe.Result) health.Check {
	c := health.Check{Name: "pattern", Status: health.OK}
	pattern, what, ok := end(r.Socket)
	switch {
	case r.Socket == "" && r.Busy:
		c.Status, c.Detail = health.Note, "not shown: the handshake does not end. A PAIR end that serves another peer behaves so"
		c.Fix = "wait until its peer is gone, or use a pattern for several peers"
	case r.Socket == "" && r.Mechanism == "CURVE":
		c.Status, c.Detail = health.Note, "not shown without keys that it accepts"
	case r.Socket == "":
		c.Status, c.Detail = health.Note, "not shown: it hung up in the handshake. A PAIR end that serves another peer does so after 5 s"
	case !ok:
		c.Status, c.Detail = health.Fail, fmt.Sprintf("a %s socket, which is no end of NetGear", r.Socket)
	default:
		c.Detail = fmt.Sprintf("%d (%v), socket %s: %s", int(pattern), pattern, r.Socket, what)
		if d.pattern && pattern != d.options.Pattern {
			c.Status, c.Fix = health.Fail, fmt.Sprintf("set --pattern %d here, or pattern %d there", int(pattern), int(d.options.Pattern))
		}
	}
	return c
}

// wireOf compares the wire of a live end with the settings.
func (d *doctorCommand) wireOf(r probe.Result) health.Check {
	c := health.Check{Name: "wire", Status: health.OK, Detail: r.Wire}
	switch {
	case r.Asked && r.Answer == "":
		c.Status, c.Detail = health.Fail, "no answer to a frame on the wire of "+d.options.Wire.String()
		c.Fix = "if a VidGear receive end runs there, start it again: its thread has ended if the wire is the other one"
	case r.Wire == "":
		c.Status = health.Note
		c.Detail = "cannot be seen without sending a frame, and a frame on the wrong wire ends a VidGear receive end"
		c.Fix = "ask which class runs there, or try --send-frame with --wire NetGear, NetGear_Async or imagezmq"
	case (d.wire || r.Asked) && r.Wire != d.options.Wire.String():
		c.Status, c.Fix = health.Fail, "set --wire "+r.Wire+" here"
	}
	return c
}

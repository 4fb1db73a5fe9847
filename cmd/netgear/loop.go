package main

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
)

// lookupTime is how long the name of a host is looked up for checkLoops. One that is
// not found then is another machine's.
const lookupTime = 2 * time.Second

// checkLoops refuses outputs and inputs of this relay by which frames would go round
// without end. An output with allow-loop is not checked: an address that an interface
// has may be that of a service elsewhere, as on kube-ipvs0.
func (r *relayCommand) checkLoops(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	var back wayBacks
	for i := range r.outputs {
		if r.outputs[i].mayLoop {
			continue
		}
		for _, in := range r.inputs {
			if port := leads(ctx, &r.outputs[i].options, &in.options); port != "" {
				back = append(back, wayBack{&r.outputs[i], in.name, port})
			}
		}
	}
	for _, w := range back {
		if slices.ContainsFunc(back.from(w.in), w.out.takes) {
			return settings.Wrong("output %s leads back to input %s of this relay, port %s: frames would go round without end; if it leads elsewhere, as to a service in Kubernetes, add allow-loop=on to the output", w.out.name, w.in, w.port)
		}
	}
	return nil
}

// wayBack is an output that leads to the input with a name, through a port.
type wayBack struct {
	out      *output
	in, port string
}

type wayBacks []wayBack

// from returns the names of the inputs to which the frames of an input come, itself
// included. An output may take the frames of some inputs only.
func (b wayBacks) from(in string) []string {
	names := []string{in}
	for i := 0; i < len(names); i++ {
		for _, w := range b {
			if w.out.takes(names[i]) && !slices.Contains(names, w.in) {
				names = append(names, w.in)
			}
		}
	}
	return names
}

// leads returns the port through which frames that are sent by one end come to the
// other, on this machine, or "": one connects to where the other listens.
func leads(ctx context.Context, out, in *netgear.Options) string {
	switch bound := listens(in); {
	case bound == listens(out):
		return ""
	case bound:
		return reaches(ctx, out, in)
	}
	return reaches(ctx, in, out)
}

// listens reports whether an end listens, as netgear.Options.Attach describes it.
func listens(o *netgear.Options) bool {
	if o.Attach != netgear.AttachDefault {
		return o.Attach == netgear.AttachBind
	}
	publisherBinds := o.Wire == netgear.ImageZMQWire && o.Pattern == netgear.PubSub
	return o.ReceiveMode != publisherBinds
}

// portsOf returns the ports of an end.
func portsOf(o *netgear.Options) []string {
	if len(o.Ports) > 0 {
		return o.Ports
	}
	return []string{cmp.Or(o.Port, "5555")}
}

// reaches returns a port at which an end that connects reaches one that listens, on
// this machine, or "".
func reaches(ctx context.Context, dials, listens *netgear.Options) string {
	switch {
	case dials.SSHTunnelMode != "", cmp.Or(dials.Protocol, "tcp") != cmp.Or(listens.Protocol, "tcp"):
		return ""
	case dials.Protocol == "ipc" && dials.Address != listens.Address:
		return ""
	}
	for _, port := range portsOf(dials) {
		same := func(other string) bool { return strings.TrimLeft(other, "0") == strings.TrimLeft(port, "0") }
		if strings.Trim(port, "0") == "" || !slices.ContainsFunc(portsOf(listens), same) {
			continue
		}
		if dials.Protocol == "ipc" || reachesHost(ctx, cmp.Or(dials.Address, "localhost"), cmp.Or(listens.Address, "*")) {
			return port
		}
	}
	return ""
}

// reachesHost reports whether a connection to a host comes to a socket of this
// machine that listens at an address.
func reachesHost(ctx context.Context, host, listens string) bool {
	at := addressesOf(ctx, listens)
	return slices.ContainsFunc(addressesOf(ctx, host), func(to netip.Addr) bool {
		return slices.ContainsFunc(at, func(l netip.Addr) bool {
			return l == to || l.IsUnspecified() && (l.Is6() || to.Is4()) && isLocal(to)
		})
	})
}

// addressesOf returns the addresses of a host, none if it is not found.
func addressesOf(ctx context.Context, host string) []netip.Addr {
	if host == "*" {
		return []netip.Addr{netip.IPv6Unspecified()} // of both families
	}
	found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", strings.Trim(host, "[]"))
	for i, a := range found {
		found[i] = a.Unmap()
	}
	return found
}

// isLocal reports whether an address is one of this machine. That it can be bound
// does not show it: with net.ipv4.ip_nonlocal_bind any address can.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(own, func(o net.Addr) bool {
		prefix, err := netip.ParsePrefix(o.String())
		return err == nil && prefix.Addr().Unmap() == a.WithZone("")
	})
}

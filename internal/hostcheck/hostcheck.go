// Package hostcheck keeps foreign web sites away from HTTP servers without
// authentication. A site can let its own name lead to this machine, and its
// pages then read what a server here returns (DNS rebinding). Such a request
// has the site's name in its Host header.
package hostcheck

import (
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Names are the names of this machine.
type Names []string

// New returns localhost, the machine's name, and more names.
func New(more []string) Names {
	names := append(Names{"localhost"}, more...)
	if name, err := os.Hostname(); err == nil {
		names = append(names, name, name+".local")
	}
	return names
}

// Own reports whether a Host header names this machine in a way that a foreign
// site cannot: by one of the names, a name under localhost, or an IP address.
// Without a name a request is no browser's: HTTP/1.0 demands none.
func (n Names) Own(host string) bool {
	if host == "" {
		return true
	}
	host = Name(host)
	if net.ParseIP(strings.SplitN(host, "%", 2)[0]) != nil || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(n, func(own string) bool { return strings.EqualFold(own, host) })
}

// Name returns a Host header's host without the port.
func Name(host string) string {
	u := url.URL{Host: host}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

package netgear

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/certs"
)

// admission decides who may connect to a secure receive end.
type admission struct {
	dir         string // IronHouse: the folder of public keys; "" admits every key
	allow, deny []netip.Prefix

	mu   sync.Mutex
	keys map[string]bool // Z85 public keys, as of read
	read time.Time
	mod  time.Time
}

func newAdmission(o *Options, k *keys) *admission {
	// Validate has parsed them once already.
	allow, _ := prefixes(o.AllowAddresses)
	deny, _ := prefixes(o.DenyAddresses)
	return &admission{dir: k.publicDir, allow: allow, deny: deny}
}

// prefixes reads addresses and CIDR ranges.
func prefixes(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			if a := p.Addr(); a.Is4In6() { // peers come as plain IPv4
				if p.Bits() < 96 {
					return nil, fmt.Errorf("%q is IPv4 and IPv6 at once: give the IPv4 range as such", text)
				}
				p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
			}
			all = append(all, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		all = append(all, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return all, nil
}

// admits says whether a peer may connect, and if not why.
func (a *admission) admits(address string, publicKey []byte) (bool, string) {
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	ip = ip.Unmap().WithZone("")
	within := func(list []netip.Prefix) bool {
		for _, p := range list {
			// No address (ipc) is in no list.
			if err == nil && p.Contains(ip) {
				return true
			}
		}
		return false
	}
	switch {
	case within(a.deny):
		return false, "address denied"
	case len(a.allow) > 0 && !within(a.allow):
		return false, "address not allowed"
	case a.dir != "" && !a.knows(zmq4.Z85encode(string(publicKey))):
		return false, "unknown key"
	}
	return true, "OK"
}

// knows looks the key up in the folder as it is now: keys may be added and
// removed while the end runs. A burst of handshakes reads it once a moment.
func (a *admission) knows(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	var mod time.Time
	if info, err := os.Stat(a.dir); err == nil {
		mod = info.ModTime()
	}
	if a.keys == nil || !mod.Equal(a.mod) || time.Since(a.read) > time.Second {
		a.keys, a.read, a.mod = certs.ReadPublicKeys(a.dir), time.Now(), mod
	}
	return a.keys[key]
}

package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/secret"
)

// The reasons for which an access list refuses a peer.
var (
	ErrAddressDenied     = errors.New("address denied")
	ErrAddressNotAllowed = errors.New("address not allowed")
	ErrUnknownKey        = errors.New("unknown key")
)

// KeySet is a set of public keys in Z85. It must be safe for concurrent use.
type KeySet interface {
	Contains(publicKey string) bool
}

// AccessList decides which peers may connect to a secure receive end. It is
// safe for concurrent use. The zero value admits every peer.
type AccessList struct {
	// Allow has the addresses that may connect; all may if it is empty.
	Allow []netip.Prefix
	// Deny has addresses that may not, even if Allow has them.
	Deny []netip.Prefix
	// Keys has the keys that may connect; all may if it is nil.
	Keys KeySet
}

// Check returns nil if a peer may connect, and otherwise the reason. address is
// what libzmq reports, and publicKey has 32 bytes.
func (l *AccessList) Check(address string, publicKey []byte) error {
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	ip = ip.Unmap().WithZone("")
	within := func(list []netip.Prefix) bool {
		for _, p := range list {
			// A peer without an address (ipc) is in no list.
			if err == nil && p.Contains(ip) {
				return true
			}
		}
		return false
	}
	switch {
	case within(l.Deny):
		return ErrAddressDenied
	case len(l.Allow) > 0 && !within(l.Allow):
		return ErrAddressNotAllowed
	case l.Keys != nil && !l.Keys.Contains(zmq4.Z85encode(string(publicKey))):
		return ErrUnknownKey
	}
	return nil
}

// ParsePrefixes reads addresses and CIDR ranges. IPv4 in the form of IPv6
// becomes IPv4, as Check has it.
func ParsePrefixes(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			if a := p.Addr(); a.Is4In6() {
				if p.Bits() < 96 {
					return nil, fmt.Errorf("%q is IPv4 and IPv6 at once: give the IPv4 range as such", secret.Hide(text))
				}
				p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
			}
			all = append(all, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", secret.Hide(text))
		}
		all = append(all, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return all, nil
}

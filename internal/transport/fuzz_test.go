package transport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// FuzzZAPRequest evaluates requests to the authentication handler. Each part of
// the input has its length before it, in one byte. No peer is admitted unless
// the request is complete, and the reply goes to the request.
func FuzzZAPRequest(f *testing.F) {
	key := bytes.Repeat([]byte{7}, 32)
	for _, parts := range [][]string{
		{"who", "", "1.0", "1", "plain", "1.2.3.4", "", "NULL"},
		{"who", "", "1.0", "1", "secure", "::1", "", "CURVE", string(key)},
		{"who", "", "1.0", "2", "listed", "10.1.2.3", "", "CURVE", string(key)},
		{"who", "", "1.0", "2", "other", "10.1.2.3", "", "PLAIN", "user", "password"},
		{"who", "", "2.0"}, {"who"}, {},
	} {
		var raw []byte
		for _, p := range parts {
			raw = append(append(raw, byte(len(p))), p...)
		}
		f.Add(raw)
	}
	allowed, err := ParsePrefixes([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	z := &zapHandler{gates: map[string]*gate{"secure": {access: &AccessList{}}, "listed": {access: &AccessList{Allow: allowed}}, "plain": {}}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var parts [][]byte
		for len(raw) > 0 && len(parts) < maxZAPParts {
			n := min(int(raw[0]), len(raw)-1)
			parts = append(parts, raw[1:1+n])
			raw = raw[1+n:]
		}
		part := func(i int) []byte {
			if i < len(parts) {
				return parts[i]
			}
			return nil
		}
		var reply zapReply
		var g *gate
		alloctest.AtMost(t, "a request", 4096, func() { reply, g = z.evaluate(parts) })
		if !bytes.Equal(reply.from, part(0)) || !bytes.Equal(reply.id, part(3)) {
			t.Errorf("%q: a reply to %q, %q", parts, reply.from, reply.id)
		}
		if (g != nil) != (reply.code == "200") || reply.code != "200" && reply.code != "400" && reply.code != "500" {
			t.Errorf("%q: %q, admitted %v", parts, reply.code, g != nil)
		}
		if g == nil {
			return
		}
		secure := g.access != nil
		mechanism, length := "NULL", 8
		if secure {
			mechanism, length = "CURVE", 9
		}
		if len(parts) != length || string(parts[7]) != mechanism || string(parts[2]) != "1.0" || z.gates[string(parts[4])] != g {
			t.Errorf("%q is admitted", parts)
		}
		if secure && (len(parts[8]) != 32 || reply.user != hex.EncodeToString(parts[8])) {
			t.Errorf("%q: admitted as %q", parts, reply.user)
		}
	})
}

// FuzzAccessList reads address ranges and checks addresses against them. A range
// is written as it is read, and what is denied is never admitted.
func FuzzAccessList(f *testing.F) {
	for _, c := range [][2]string{
		{"10.0.0.0/8", "10.1.2.3"}, {"::ffff:10.0.0.0/104", "::ffff:10.0.0.1"}, {"fe80::/10", "[fe80::1%eth0]"},
		{"0.0.0.0/0", ""}, {"10.0.0.1", "10.0.0.1"}, {"10.0.0.1/33", "x"}, {"::/0", "1.2.3.4"}, {"fe80::1%lo", "fe80::1"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, text, address string) {
		list, err := ParsePrefixes([]string{text})
		if err != nil {
			return
		}
		if len(list) != 1 || !list[0].IsValid() {
			t.Fatalf("%q: %v", text, list)
		}
		if again, err := ParsePrefixes([]string{list[0].String()}); err != nil || again[0] != list[0] {
			t.Errorf("%q: %v is read again as %v, %v", text, list, again, err)
		}
		key := make([]byte, 32)
		allow := AccessList{Allow: list}
		deny := AccessList{Deny: list}
		both := AccessList{Allow: list, Deny: list}
		allowErr, denyErr := allow.Check(address, key), deny.Check(address, key)
		if (allowErr == nil) == (denyErr == nil) || both.Check(address, key) == nil {
			t.Errorf("%v, %q: allowed %v, denied %v", list, address, allowErr, denyErr)
		}
		if allowErr != nil && !errors.Is(allowErr, ErrAddressNotAllowed) || denyErr != nil && !errors.Is(denyErr, ErrAddressDenied) {
			t.Errorf("%v, %q: %v, %v", list, address, allowErr, denyErr)
		}
	})
}

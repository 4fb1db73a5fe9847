package transport

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pebbe/zmq4"
)

type keySet map[string]bool

func (s keySet) Contains(key string) bool { return s[key] }

func TestAccessList(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	allow, err := ParsePrefixes([]string{"10.0.0.0/8", "::1", "192.168.1.7", "::ffff:172.16.0.0/108", "::ffff:192.168.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	deny, _ := ParsePrefixes([]string{"10.1.0.0/16"})
	l := &AccessList{Allow: allow, Deny: deny}
	for address, want := range map[string]error{
		"10.9.8.7": nil, "::1": nil, "[::1]": nil, "::1%eth0": nil, "192.168.1.7": nil, "::ffff:192.168.1.7": nil, "172.17.0.1": nil, "::ffff:172.17.0.1": nil, "192.168.2.7": nil,
		"11.0.0.1": ErrAddressNotAllowed, "172.32.0.1": ErrAddressNotAllowed, "": ErrAddressNotAllowed, "rubbish": ErrAddressNotAllowed,
		"10.1.2.3": ErrAddressDenied, "::ffff:10.1.2.3": ErrAddressDenied,
	} {
		if err := l.Check(address, key); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", address, err, want)
		}
	}
	for name, c := range map[string]struct {
		l    AccessList
		want error
	}{
		"zero value":  {AccessList{}, nil},
		"known key":   {AccessList{Keys: keySet{zmq4.Z85encode(string(key)): true}}, nil},
		"unknown key": {AccessList{Keys: keySet{}}, ErrUnknownKey},
	} {
		if err := c.l.Check("", key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestParsePrefixes(t *testing.T) {
	for _, text := range []string{"::ffff:0.0.0.0/90", "", "localhost", "10.0.0.0/33", "10.0.0"} {
		if got, err := ParsePrefixes([]string{"10.0.0.1", text}); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

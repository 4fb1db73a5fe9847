package hostcheck

import (
	"os"
	"testing"
)

func TestOwn(t *testing.T) {
	names := New([]string{"cam.example"})
	for host, want := range map[string]bool{
		"localhost:8080": true, "LOCALHOST.": true, "a.localhost": true, "127.0.0.1:80": true, "[::1]:80": true, "[fe80::1%25eth0]:80": true,
		"Cam.Example:9105": true, "attacker.example": false, "localhost.attacker.example": false, "cam.example.attacker.example": false, ":80": false, ".": false, "": true,
	} {
		if got := names.Own(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	if name, err := os.Hostname(); err == nil && (!names.Own(name+":1") || !names.Own(name+".local")) {
		t.Errorf("the machine's own name %q is foreign", name)
	}
}

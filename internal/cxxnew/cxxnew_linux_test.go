package cxxnew

import (
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
)

// A subscription makes libzmq create an object for each byte of its topic. To fill
// those would cost a publisher a system call for each byte that a peer sends.
func TestSmallObjectsAreNotFilled(t *testing.T) {
	s, err := zmq4.NewSocket(zmq4.SUB)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := Filled()
	if before == 0 {
		t.Fatal("the objects of a socket were not filled")
	}
	const topic = 200
	if err := s.SetSubscribe(strings.Repeat("x", topic)); err != nil {
		t.Fatal(err)
	}
	if n := Filled() - before; n > topic/10 {
		t.Errorf("a subscription of %d bytes has filled %d objects", topic, n)
	}
}

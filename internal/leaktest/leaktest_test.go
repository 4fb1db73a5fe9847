package leaktest

import (
	"strings"
	"testing"
)

func sleeper(started chan<- bool, end <-chan bool) {
	started <- true
	<-end
}

func TestFind(t *testing.T) {
	if err := Find(); err != nil {
		t.Fatal(err)
	}
	before := IgnoreCurrent()
	started, end := make(chan bool), make(chan bool)
	go sleeper(started, end)
	<-started
	if left := find([]Option{before}); len(left) != 1 || !strings.Contains(left[0], "leaktest.sleeper(") {
		t.Errorf("a goroutine that goes on was not found: %q", left)
	}
	name := "github.com/vidgear-go/netgear/internal/leaktest."
	if err := Find(IgnoreFunction(name + "sleeper")); err != nil {
		t.Error(err)
	}
	if left := find([]Option{IgnoreFunction(name + "TestFind")}); len(left) != 1 {
		t.Errorf("its creator's name was taken for its own: %q", left)
	}
	if left := find([]Option{IgnoreCurrent()}); len(left) != 0 {
		t.Errorf("the goroutines of now were not ignored: %q", left)
	}
	close(end)
	if err := Find(); err != nil {
		t.Error(err)
	}
}

//go:build !nogocv

package window

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// screenplay is a window whose keys and closing the test determines.
type screenplay struct {
	keys  chan int
	gone  bool
	shown int
	asked int
}

func (s *screenplay) show(gocv.Mat) { s.shown++ }

func (s *screenplay) key() int {
	s.asked++
	select {
	case key := <-s.keys:
		return key
	default:
		return -1
	}
}

func (s *screenplay) closed() bool { return s.gone }
func (s *screenplay) close()       {}

// Keys are handled also without pictures. The work ends, and its error is
// returned.
func TestKeysCountWithoutPictures(t *testing.T) {
	mine := errors.New("mine")
	for _, key := range []int{27, 'q'} {
		s := &screenplay{keys: make(chan int, 2)}
		s.keys <- 'x' // has no effect
		s.keys <- key
		err := lookAfter(context.Background(), s, func(ctx context.Context, w *Window) error {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Second):
				t.Errorf("key %d does nothing", key)
			}
			if context.Cause(ctx) != ErrEnough {
				t.Errorf("the cause is %v", context.Cause(ctx))
			}
			return mine
		})
		if err != mine || s.shown != 0 || s.asked < 2 {
			t.Errorf("%v, %d shown, asked %d times", err, s.shown, s.asked)
		}
	}
}

// A closed window ends the work, and is not opened again by the next picture.
func TestClosedWindow(t *testing.T) {
	s := &screenplay{gone: true}
	picture := gocv.NewMatWithSize(4, 4, gocv.MatTypeCV8UC3)
	defer picture.Close()
	err := lookAfter(context.Background(), s, func(ctx context.Context, w *Window) error {
		<-ctx.Done()
		w.Show(picture)
		return nil
	})
	if err != ErrEnough || s.shown != 0 {
		t.Errorf("%v, %d shown", err, s.shown)
	}
}

func TestPicturesAreShown(t *testing.T) {
	s := &screenplay{}
	picture := gocv.NewMatWithSize(4, 4, gocv.MatTypeCV8UC3)
	defer picture.Close()
	err := lookAfter(context.Background(), s, func(ctx context.Context, w *Window) error {
		for range 5 {
			w.Show(picture)
		}
		return ctx.Err()
	})
	if err != nil || s.shown != 5 {
		t.Errorf("%v, %d shown, want 5", err, s.shown)
	}
}

// Cases in which OpenCV would end the program.
func TestNoScreen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for _, c := range []struct{ display, wayland, says string }{
		{"", "", "DISPLAY is not set"},
		{"", "wayland-0", ""},
		{"nonsense", "", "not a display such as :0"},
		{":x", "", "not a display such as :0"},
		{":54321", "wayland-0", "nobody answers at DISPLAY :54321"},
		{fmt.Sprintf("127.0.0.1:%d.0", free-6000), "", "nobody answers"},
	} {
		err := reachable(c.display, c.wayland)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q, %q: %v, want %q", c.display, c.wayland, err, c.says)
		}
	}
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := reachable(fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port-6000), ""); err != nil {
		t.Error(err)
	}
}

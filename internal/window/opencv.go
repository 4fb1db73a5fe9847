//go:build !nogocv

package window

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"

	"gocv.io/x/gocv"
)

// opencv is an OpenCV window.
type opencv struct {
	*gocv.Window
	seen  bool // it was visible; not every system reports that
	sized bool // as the first picture
}

// widest is the initial width of the window for larger pictures.
const widest = 1280

// open opens a window if a screen exists. Without one OpenCV would end the
// program.
func open(title string) (screen, error) {
	if runtime.GOOS == "linux" {
		if err := reachable(os.Getenv("DISPLAY"), os.Getenv("WAYLAND_DISPLAY")); err != nil {
			return nil, err
		}
	}
	return &opencv{Window: gocv.NewWindow(title)}, nil
}

// reachable reports whether a server listens at an X display, such as ":0",
// ":0.1" or "host:10".
func reachable(display, wayland string) error {
	if display == "" {
		if wayland == "" {
			return errors.New("DISPLAY is not set")
		}
		return nil
	}
	colon := strings.LastIndex(display, ":")
	host, number := display[:max(colon, 0)], 0
	if _, err := fmt.Sscanf(display[colon+1:], "%d", &number); colon < 0 || err != nil {
		return fmt.Errorf("DISPLAY is %q, which is not a display such as :0", display)
	}
	network, address := "tcp", net.JoinHostPort(host, fmt.Sprint(6000+number))
	if host == "" || host == "unix" {
		network, address = "unix", fmt.Sprint("/tmp/.X11-unix/X", number)
	}
	conn, err := net.Dial(network, address)
	if network == "unix" && err != nil {
		conn, err = net.Dial(network, "@"+address) // without a file
	}
	if err != nil {
		return fmt.Errorf("nobody answers at DISPLAY %s", display)
	}
	return conn.Close()
}

func (w *opencv) show(picture gocv.Mat) {
	w.IMShow(picture)
	if !w.sized {
		w.sized = true
		width := min(picture.Cols(), widest)
		w.ResizeWindow(width, width*picture.Rows()/picture.Cols())
	}
}

func (w *opencv) key() int { return w.WaitKey(1) }

func (w *opencv) closed() bool {
	visible := w.GetWindowProperty(gocv.WindowPropertyVisible) > 0
	w.seen = w.seen || visible
	return w.seen && !visible
}

func (w *opencv) close() { w.Window.Close() }

package natsbridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vidgear-go/netgear"
)

// defaultSubject is the default of the options named Subject.
const defaultSubject = "frames"

// maxName bounds the names of cameras and subjects, in bytes.
const maxName = 128

// ValidCamera reports whether a name can be the camera's token of a subject: 1
// to 128 bytes of UTF-8 without spaces, control characters, ".", "*" and ">".
func ValidCamera(name string) bool {
	return name != "" && len(name) <= maxName && name == strings.ToValidUTF8(name, "") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7F || strings.ContainsRune(".*>", r) })
}

// CameraName returns a function for [Publisher.Forward] that gives every frame
// the same camera name.
func CameraName(name string) func(*netgear.Frame) string {
	return func(*netgear.Frame) string { return name }
}

// CameraPort returns the frame's Port as its camera name, or "camera" if it has
// none. It is for [Publisher.Forward] from a receive end in multi-server mode.
func CameraPort(f *netgear.Frame) string {
	if f.Port == "" {
		return "camera"
	}
	return f.Port
}

// checkCamera returns an ErrCamera for a name that is not valid.
func checkCamera(name string) error {
	if !ValidCamera(name) {
		return fmt.Errorf("%w: %.140q", ErrCamera, name)
	}
	return nil
}

// completeSubject returns the first tokens of the subjects, or an ErrOption.
func completeSubject(subject string) (string, error) {
	if subject == "" {
		return defaultSubject, nil
	}
	for token := range strings.SplitSeq(subject, ".") {
		if !ValidCamera(token) || strings.HasPrefix(token, "$") {
			return "", optionError("Subject", strconv.Quote(subject), "use tokens without spaces, *, > and $, separated by dots")
		}
	}
	return subject, nil
}

// checkCameras returns an ErrOption for a list with an unusable name.
func checkCameras(cameras []string) error {
	for _, c := range cameras {
		if !ValidCamera(c) {
			return optionError("Cameras", strconv.Quote(c), "a camera's name is one token of a subject")
		}
	}
	return nil
}

// partSubject returns the subject of a part. The last part, which a frame of one
// message has alone, is on the camera's own subject.
func partSubject(head string, part, parts int) string {
	if part == parts {
		return head
	}
	return head + "." + strconv.Itoa(part)
}

// splitSubject returns the camera of a message's subject. part is 0 on the
// camera's own subject.
func splitSubject(prefix, subject string) (camera string, part int, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefix+".")
	if !ok {
		return "", 0, false
	}
	camera, number, has := strings.Cut(rest, ".")
	if has {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n >= maxParts || strconv.Itoa(n) != number {
			return "", 0, false
		}
		part = n
	}
	return camera, part, ValidCamera(camera)
}

// heads returns the subjects of the last parts of the cameras' frames: one for
// each frame. A camera that is named twice has one.
func heads(prefix string, cameras []string) []string {
	if len(cameras) == 0 {
		return []string{prefix + ".*"}
	}
	subjects := make([]string, len(cameras))
	for i, c := range cameras {
		subjects[i] = prefix + "." + c
	}
	slices.Sort(subjects)
	return slices.Compact(subjects)
}

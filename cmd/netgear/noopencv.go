//go:build nogocv

package main

import (
	"context"
	"errors"

	"github.com/vidgear-go/netgear"
)

// haveOpenCV reports whether this build has OpenCV.
const haveOpenCV = false

// errNoOpenCV is returned for what only OpenCV can do.
var errNoOpenCV = errors.New("that needs OpenCV, and this program was built without it (-tags nogocv)")

func show(context.Context, func(context.Context, func(*netgear.Frame)) error) error {
	return errNoOpenCV
}

func openCVVersions() (opencv, binding string) { return "", "" }

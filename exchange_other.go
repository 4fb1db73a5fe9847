//go:build !linux && !darwin

package netgear

import "errors"

// exchangeFolders is what this system cannot do.
func exchangeFolders(a, b string) error { return errors.ErrUnsupported }

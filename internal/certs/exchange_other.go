//go:build !linux && !darwin

package certs

import "errors"

// exchangeFolders returns errors.ErrUnsupported: this system has no such call.
func exchangeFolders(a, b string) error { return errors.ErrUnsupported }

//go:build !cgo

package netgear

import _ "embed"

// This file is only for builds without cgo, and makes them fail with one error
// that names the cause. libzmq and libjpeg-turbo are C libraries, and without
// cgo the compiler would list dozens of undefined names. A file that cannot be
// embedded is an error before anything is compiled.
//
//go:embed "netgear needs cgo: set CGO_ENABLED=1 and install a C compiler and the development files of libzmq and libjpeg-turbo (when cross-compiling, those of the target)"
var _ string

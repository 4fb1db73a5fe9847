// Package interop tests this library against the real VidGear, in both
// directions. It has tests only; peer.py is the Python end that they drive.
//
// `make interop` runs it. The Python is the one that `make setup` makes, in
// interop/.venv, or the one that NETGEAR_INTEROP_PYTHON names. Without VidGear
// the tests fail: a suite that skips itself proves nothing.
package interop

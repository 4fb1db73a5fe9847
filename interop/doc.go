// Package interop tests this library against the real VidGear, in both
// directions. It contains only tests; peer.py is the Python end that they
// drive.
//
// `make interop` runs it. It uses the Python in interop/.venv, which `make
// setup` creates, or the one in NETGEAR_INTEROP_PYTHON. Without VidGear the
// tests fail: a suite that skips itself proves nothing.
package interop

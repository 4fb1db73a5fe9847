//go:build !race

package netgear

const raceEnabled = false

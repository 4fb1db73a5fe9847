//go:build race

package netgear

const raceEnabled = true

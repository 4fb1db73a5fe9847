//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package examples

import "testing"

func init() { more = append(more, "./farm") }

func TestFarmBadInput(t *testing.T) {
	t.Parallel()
	refuses(t, "farm", []string{"-detectors", "0"}, []string{"-detectors must be"})
	refuses(t, "farm", []string{"-only", "camera"}, []string{"-only must be detector"})
	refuses(t, "farm", []string{"-only", "detector"}, []string{"-only needs -nats"})
}

// There is one result for every frame, in order, also when a detector is killed.
func TestFarm(t *testing.T) {
	t.Parallel()
	text, _ := start(t, "farm", "-detectors", "2", "-n", "12", "-width", "192").exits(0)
	const result = `frames: 12, each once and in order, in [\d.]+ s: [\d.]+ fps; by process: map\[`
	counts(t, text, map[string]int{
		`(?m)^detectors: 1, ` + result + `\d+:12\]$`: 1, `(?m)^detectors: 2, ` + result: 1,
		`(?m)^detectors: 2, one killed, ` + result: 1, `(?m)^speed-up: [\d.]+ with 2 detectors \(\d+ cores\)$`: 1})
}

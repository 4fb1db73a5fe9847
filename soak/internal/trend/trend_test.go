package trend

import (
	"math"
	"math/rand/v2"
	"testing"
)

// series returns n samples, a second apart.
func series(n int, value func(i int) float64) (x, y []float64) {
	for i := range n {
		x, y = append(x, float64(i)), append(y, value(i))
	}
	return x, y
}

func TestTrend(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		n     int
		value func(i int) float64
		grows bool
	}{
		{"constant", 400, func(int) float64 { return 7 }, false},
		{"noise", 400, func(int) float64 { return 50 + 10*noise.NormFloat64() }, false},
		{"a leak in noise", 400, func(i int) float64 { return 50 + 5*noise.NormFloat64() + float64(i)/20 }, true},
		{"a leak of whole numbers", 400, func(i int) float64 { return 9 + math.Floor(float64(i)/50) }, true},
		{"less than the allowance", 400, func(i int) float64 { return 50 + float64(i)/1000 }, false},
		{"a warm-up", 400, func(i int) float64 { return 50 + 30*math.Min(1, float64(i)/150) }, false},
		{"one step", 400, func(i int) float64 { return 9 + math.Floor(float64(i)/300) }, false},
		{"one large step", 400, func(i int) float64 { return 20 + 8*math.Floor(float64(i)/280) }, false},
		{"outliers at the end", 400, func(i int) float64 { return 50 + 1e6*math.Floor(float64(i)/397) }, false},
		{"a saw, as of a garbage collector", 400, func(i int) float64 { return 50 + float64(i%37) }, false},
		{"it falls", 400, func(i int) float64 { return 500 - float64(i) }, false},
		{"too few samples", 18, func(i int) float64 { return float64(10 * i) }, false},
		{"few samples", 20, func(i int) float64 { return float64(10 * i) }, true},
		{"more than are compared", 9000, func(i int) float64 { return float64(i) / 1000 }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, y := series(c.n, c.value)
			if r := Test(x, y, 1.5); r.Grows != c.grows {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestSlope(t *testing.T) {
	x, y := series(101, func(i int) float64 { return 3*float64(i) + 5 })
	y[17], y[60], y[99] = 1e9, -1e9, 1e9
	if got := Slope(x, y); got != 3 {
		t.Errorf("%v", got)
	}
	if r := Test(x, y, 149); r.Samples != 51 || math.Abs(r.Growth-150) > 1e-9 || !r.Grows {
		t.Errorf("%+v", r)
	}
	for n := range 2 {
		if r := Test(x[:n], y[:n], 0); r.Grows || r.Slope != 0 {
			t.Errorf("of %d samples: %+v", n, r)
		}
	}
}

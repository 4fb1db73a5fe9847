// Package trend finds out whether a series of samples grows.
package trend

import (
	"math"
	"slices"
)

// Result is what Test found.
type Result struct {
	Samples int     // in the half of the series that was tested
	Slope   float64 // of the values, for each unit of x
	Growth  float64 // the slope over the tested half
	Z       float64 // Mann-Kendall: how many standard deviations from a series without a trend
	Grows   bool
}

// MinSamples is how many samples the tested half must have. With fewer, chance
// alone can reach minZ, and nothing grows.
const MinSamples = 10

// minZ is the value of Z above which the order of the samples is not taken for
// chance. A series without a trend exceeds it once in 740 times. Samples that
// depend on those before them do it more often, therefore the growth must exceed
// the allowance, too.
const minZ = 3

// maxSamples bounds the work, which grows with the square of the samples. Of
// more, equally spaced ones are taken.
const maxSamples = 1000

// Test tests the second half of a series, in order of x, as the first half may
// contain what a process allocates once. The series grows if more pairs of
// samples rise than fall, by more than chance (Mann-Kendall), and if the median
// of the slopes of all pairs (Theil-Sen), over the tested half, is more than
// the allowance. A few outliers change neither. Each half of the tested half must
// grow, too, by an eighth of the allowance: a single step is no trend.
func Test(x, y []float64, allowance float64) Result {
	half := len(x) / 2
	x, y = thin(x[half:]), thin(y[half:])
	r := Result{Samples: len(x)}
	if len(x) < 2 {
		return r
	}
	r.Slope = Slope(x, y)
	r.Growth = growth(x, y)
	r.Z = mannKendall(y)
	middle := len(x) / 2
	r.Grows = len(x) >= MinSamples && r.Z > minZ && r.Growth > allowance &&
		growth(x[:middle], y[:middle]) > allowance/8 && growth(x[middle:], y[middle:]) > allowance/8
	return r
}

func growth(x, y []float64) float64 { return Slope(x, y) * (x[len(x)-1] - x[0]) }

func thin(all []float64) []float64 {
	step := (len(all) + maxSamples - 1) / maxSamples
	if step < 2 {
		return all
	}
	var some []float64
	for i := 0; i < len(all); i += step {
		some = append(some, all[i])
	}
	return some
}

// Slope returns the median of the slopes between all pairs of points
// (Theil-Sen), 0 if there is no pair.
func Slope(x, y []float64) float64 {
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	return (slopes[(len(slopes)-1)/2] + slopes[len(slopes)/2]) / 2
}

// mannKendall returns the statistic Z of a series, with the correction for equal
// values.
func mannKendall(y []float64) float64 {
	n, s := float64(len(y)), 0.0
	equal := map[float64]float64{}
	for i := range y {
		equal[y[i]]++
		for j := range i {
			switch {
			case y[i] > y[j]:
				s++
			case y[i] < y[j]:
				s--
			}
		}
	}
	variance := n * (n - 1) * (2*n + 5)
	for _, t := range equal {
		variance -= t * (t - 1) * (2*t + 5)
	}
	if variance <= 0 || s == 0 {
		return 0
	}
	return (s - math.Copysign(1, s)) / math.Sqrt(variance/18)
}

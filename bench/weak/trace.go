package main

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// traceStep is how long a rate of a trace lasts.
const traceStep = 100 * time.Millisecond

// leastRate replaces 0, which means no limit: a packet takes one second.
const leastRate = 12_000

// readMahimahi returns the rates of a trace in Mahimahi's format. Each line is
// the millisecond at which a packet of 1500 bytes may pass. A short trace
// repeats.
func readMahimahi(name string, count int) ([]int64, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []int64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		ms, err := strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 32)
		if err != nil || ms < 0 {
			return nil, fmt.Errorf("%q is no time in milliseconds", lines.Text())
		}
		i := int(time.Duration(ms) * time.Millisecond / traceStep)
		for len(all) <= i {
			all = append(all, 0)
		}
		all[i] += 1500 * 8 * int64(time.Second/traceStep)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("it is empty")
	}
	rates := make([]int64, count)
	for i := range rates {
		rates[i] = max(leastRate, all[i%len(all)])
	}
	return rates, nil
}

// synthesize returns the rates of a network that no one has recorded: a random
// walk of the logarithm between 0.5 and 20 Mbit/s, with fades of 1 to 3 s to a
// tenth. They are always the same.
func synthesize(count int) []int64 {
	random := rand.New(rand.NewPCG(16, 720))
	low, high := math.Log(0.5*mbit), math.Log(20*mbit)
	rates := make([]int64, count)
	level, fade := math.Log(8*mbit), 0
	for i := range rates {
		level += 0.12*random.NormFloat64() + 0.01*((low+high)/2-level)
		level = min(high, max(low, level))
		if fade == 0 && random.Float64() < 0.007 {
			fade = 10 + random.IntN(20)
		}
		rate := math.Exp(level)
		if fade > 0 {
			fade--
			rate /= 10
		}
		rates[i] = max(leastRate, int64(rate))
	}
	return rates
}

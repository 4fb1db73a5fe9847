package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// metricValues are Prometheus' values by name and labels, as they are printed:
// netgear_peers{direction="receive",end="gate"}.
type metricValues map[string]float64

// scrape reads the metrics of a program.
func scrape(ctx context.Context, address string) (metricValues, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	all := metricValues{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 {
			continue
		}
		if all[lines.Text()[:at]], err = strconv.ParseFloat(lines.Text()[at+1:], 64); err != nil {
			return nil, err
		}
	}
	return all, lines.Err()
}

// of returns the sum of an end's values of a metric.
func (m metricValues) of(metric, end string) (sum uint64) {
	for key, n := range m {
		if strings.HasPrefix(key, metric+"{") && strings.Contains(key, fmt.Sprintf("end=%q", end)) {
			sum += uint64(n)
		}
	}
	return sum
}

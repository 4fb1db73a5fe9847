package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// coresUsed returns a function that describes how many cores each group of
// processes has used since.
func coresUsed(groups ...[]*child) func() string {
	begun, before := time.Now(), make([]time.Duration, len(groups))
	for i, group := range groups {
		before[i] = processorTime(group)
	}
	return func() string {
		all := make([]string, len(groups))
		for i, group := range groups {
			all[i] = fmt.Sprintf("%.2f", (processorTime(group)-before[i]).Seconds()/time.Since(begun).Seconds())
		}
		return strings.Join(all, ", ")
	}
}

// processorTime returns the processor time that processes have used, as far as
// it is known: of Linux's files.
func processorTime(group []*child) (sum time.Duration) {
	const tick = time.Second / 100 // USER_HZ
	for _, p := range group {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		// The name, in brackets, may contain anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[min(11, len(fields)):min(13, len(fields))] { // utime, stime
			if n, err := strconv.Atoi(field); err == nil {
				sum += time.Duration(n) * tick
			}
		}
	}
	return sum
}

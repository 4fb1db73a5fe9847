package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
)

// sweep measures with bare libzmq which socket settings are fastest for raw
// 1080p frames: all combinations of send and receive buffers, one and two I/O
// threads, tcp and ipc. Every round measures all of them.
func (b *bench) sweep(w io.Writer, rounds int) error {
	if err := b.makeFrames(size1080); err != nil {
		return err
	}
	bare := b.contender(bareZMQ)
	settings := sweepSettings()
	got := make([][]float64, len(settings))
	base := make([][]float64, len(settings)) // relative to the system's defaults on the same protocol, in the same round
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "sweep, round %d of %d\n", round+1, rounds)
		first := map[string]float64{}
		for i, s := range settings {
			c := *bare
			c.extra = s.flags()
			o, err := b.measure(&c, scene{Name: "sweep", Kind: stream, Size: size1080, Protocol: s.protocol, N: 300})
			if err != nil {
				return err
			}
			if first[s.protocol] == 0 {
				first[s.protocol] = o.FPS
			}
			got[i], base[i] = append(got[i], o.FPS), append(base[i], o.FPS/first[s.protocol])
		}
	}
	order := make([]int, len(settings))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		if spreadOf(got[x]).median > spreadOf(got[y]).median {
			return -1
		}
		return 1
	})
	fmt.Fprintf(w, "Bare libzmq, raw 1920x1080, PAIR, frames per second, median (min–max) of %d rounds; the ratio is to the system's defaults on the same protocol:\n\n", rounds)
	head(w, "protocol", "SNDBUF", "RCVBUF", "I/O threads", "frames per second", "ratio")
	for _, i := range order {
		s := settings[i]
		row(w, s.protocol, bufferName(s.sndbuf), bufferName(s.rcvbuf), strconv.Itoa(s.iothreads), spreadOf(got[i]).format("%.0f"), spreadOf(base[i]).format("%.2f"))
	}
	return nil
}

// setting is one way to set up the sockets; a buffer of 0 is the system's
// default.
type setting struct {
	protocol                  string
	sndbuf, rcvbuf, iothreads int
}

// sweepSettings returns all settings. The first of each protocol is the
// default.
func sweepSettings() (all []setting) {
	buffers := []int{0, 256 << 10, 512 << 10, 1 << 20, 4 << 20}
	for _, protocol := range []string{"tcp", "ipc"} {
		for _, threads := range []int{1, 2} {
			for _, snd := range buffers {
				for _, rcv := range buffers {
					all = append(all, setting{protocol, snd, rcv, threads})
				}
			}
		}
	}
	return all
}

func (s setting) flags() []string {
	return []string{"--sndbuf", strconv.Itoa(s.sndbuf), "--rcvbuf", strconv.Itoa(s.rcvbuf), "--iothreads", strconv.Itoa(s.iothreads)}
}

func bufferName(n int) string {
	if n == 0 {
		return "default"
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

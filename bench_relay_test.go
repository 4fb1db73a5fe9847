package netgear

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// cpuTime returns the CPU time of this process: both ends of a benchmark.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU runs do for each frame, and reports the CPU time and the frames per
// second.
func reportCPU(b *testing.B, do func()) {
	b.Helper()
	for range 20 {
		do()
	}
	b.ReportAllocs()
	began, used := time.Now(), cpuTime(b)
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(cpuTime(b)-used)/float64(b.N)/1e6, "cpu-ms/op")
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "frames/s")
}

// jpeg1080p returns a JPEG of the benchmark's picture, with the default options.
func jpeg1080p(b *testing.B) []byte {
	b.Helper()
	s := newSettingsOf(b, JPEGDefault)
	p, err := s.arrayPayload(scenery(1920, 1080))
	return encoded(b, s, p, err)
}

func mustSendJPEG(b *testing.B, send *NetGear, jpeg []byte) {
	if _, err := send.SendJPEG(b.Context(), jpeg, nil); err != nil {
		b.Fatal(err)
	}
}

func nextFrame(b *testing.B, recv *NetGear) *Frame {
	f, err := recv.Recv(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// A receive end that reads only the JPEG of 1080p frames, by each policy, and
// the same bytes as an opaque array.
func BenchmarkJPEGOnly(b *testing.B) {
	jpeg := jpeg1080p(b)
	for _, policy := range []DecodePolicy{DecodeFollowUse, DecodeOnUse, DecodeAhead} {
		b.Run(policy.String(), func(b *testing.B) {
			recv, send := openPair(b, Options{Decode: policy, JPEGCheck: ToggleOff})
			reportCPU(b, func() {
				mustSendJPEG(b, send, jpeg)
				f := nextFrame(b, recv)
				if len(f.JPEG()) != len(jpeg) {
					b.Fatal("another JPEG")
				}
				f.Close()
			})
		})
	}
	b.Run("opaque array", func(b *testing.B) {
		recv, send := openPair(b, Options{JPEGCompression: JPEGOff})
		a := Array{DType: "uint8", Shape: []int{len(jpeg)}, Data: jpeg}
		reportCPU(b, func() {
			if _, err := send.SendArray(b.Context(), a, nil); err != nil {
				b.Fatal(err)
			}
			nextFrame(b, recv).Close()
		})
	})
}

// A relay of 1080p JPEGs: it receives and sends on. The CPU time is that of
// three ends, source and destination among them.
func BenchmarkRelay(b *testing.B) {
	jpeg := jpeg1080p(b)
	for _, check := range []Toggle{ToggleDefault, ToggleOff, ToggleOn} {
		for _, ahead := range []int{0, 2} {
			b.Run(fmt.Sprintf("check=%v/ahead=%d", check, ahead), func(b *testing.B) {
				recv, send := openPair(b, Options{JPEGCheck: ToggleOff}, func(_, s *Options) { s.SendAhead = ahead })
				last, relay := openPair(b, Options{JPEGCheck: check}, func(_, s *Options) { s.SendAhead = ahead })
				go func() {
					for f := range recv.Frames(b.Context()) {
						if f == nil {
							return
						}
						if _, err := relay.SendFrame(b.Context(), f, nil); err != nil && b.Context().Err() == nil {
							b.Error(err)
						}
						f.Close()
					}
				}()
				go func() {
					for b.Context().Err() == nil {
						send.SendJPEG(b.Context(), jpeg, nil)
					}
				}()
				reportCPU(b, func() {
					f := nextFrame(b, last)
					if len(f.JPEG()) != len(jpeg) {
						b.Fatal("another JPEG")
					}
					f.Close()
				})
			})
		}
	}
}

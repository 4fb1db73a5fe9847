package natsbridge

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// headerBytes returns headers as a NATS server sends them.
func headerBytes(h nats.Header) []byte {
	b := []byte("NATS/1.0\r\n")
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for key := range h {
			if !yield(key) {
				return
			}
		}
	}) {
		b = append(b, key+": "+h.Get(key)+"\r\n"...)
	}
	return append(b, "\r\n"...)
}

// FuzzHeaders reads messages: the headers as they come, and the payload. Errors
// are those that are counted. What can be read is written as it reads.
func FuzzHeaders(f *testing.F) {
	data := []byte("\xC1.:-=+*#%@xy")
	f.Add(headerBytes(good()), data)
	for _, lie := range lies {
		h := good()
		for key, value := range lie.set {
			h.Set(key, value)
		}
		f.Add(headerBytes(h), data)
	}
	jpeg := photo(1)
	d := description{jpeg: true, dtype: "uint8", shape: []int{48, 64, 3}, colorspace: "BGR", seq: 1, time: time.Unix(1, 0), size: int64(len(jpeg)), parts: 1}
	f.Add(headerBytes(d.headers()), jpeg)
	d.sender = 1<<53 - 1
	f.Add(headerBytes(d.headers()), jpeg)
	const limit = 1 << 20
	f.Fuzz(func(t *testing.T, raw, payload []byte) {
		h, err := nats.DecodeHeadersMsg(raw)
		if err != nil {
			return
		}
		var d description
		alloctest.AtMost(t, "the headers", 16*len(raw)+1<<15, func() { d, err = parse(h, len(payload), limit) })
		if err != nil {
			if !errors.Is(err, errForeign) && !errors.Is(err, errHeader) && !errors.Is(err, errSize) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		again := d.headers()
		again.Set(hdrPart, h.Get(hdrPart))
		again.Set(hdrMessage, d.message)
		e, err := parse(again, len(payload), limit)
		if err != nil || !d.same(&e) || e.part != d.part || e.message != d.message {
			t.Errorf("%q: %+v is written as %v, which is %+v, %v", raw, d, again, e, err)
		}
		if d.parts > 1 {
			return
		}
		if fr, err := d.frame(payload, limit); err == nil {
			if fr.Stamp.Seq != d.seq || fr.Stamp.Sender != d.sender || !fr.Stamp.Time.Equal(d.time) || len(fr.JPEG()) > len(payload) {
				t.Errorf("%q: %+v", raw, fr.Stamp)
			}
			fr.Close()
		}
	})
}

// FuzzSubject reads the subjects of messages. A subject that names a camera is
// the one of that camera.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"frames.gate", "frames.gate.1", "frames.gate.999", "frames.gate.1000", "frames.gate.0", "frames.gate.01", "frames.gate.1.2",
		"frames.", "frames", "frames..1", "frames.a b", "frames.*", "other.gate", "frames.ä.+1", "frames.\xff"} {
		f.Add("frames", s)
	}
	f.Add("a.b", "a.b.c.7")
	f.Fuzz(func(t *testing.T, prefix, subject string) {
		camera, part, ok := splitSubject(prefix, subject)
		if !ok {
			return
		}
		if !ValidCamera(camera) || part < 0 || part >= maxParts {
			t.Fatalf("%q: camera %q, part %d", subject, camera, part)
		}
		parts := maxParts
		if part == 0 {
			part = parts
		}
		if again := partSubject(prefix+"."+camera, part, parts); again != subject {
			t.Errorf("%q is written as %q", subject, again)
		}
	})
}

// FuzzAssembler joins parts that come in any order. Four bytes of the input are
// a part: its camera, its frame, its number and its length. A frame that is
// complete has all of its parts in order, and the limits hold at every moment.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 1, 4, 0, 0, 2, 4}, uint8(3))
	f.Add([]byte{0, 0, 2, 4, 1, 0, 1, 4, 0, 0, 0, 4, 0, 1, 0, 4, 0, 2, 0, 4, 0, 3, 0, 4, 0, 0, 1, 4}, uint8(3))
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 1, 200, 255, 0, 0, 0, 3, 0, 1, 4}, uint8(2))
	f.Add(bytes.Repeat([]byte{1, 2, 0, 9, 2, 2, 1, 9}, 20), uint8(2))
	f.Fuzz(func(t *testing.T, steps []byte, n uint8) {
		const length = 8
		parts := int(n%8) + 2
		now, dropped := time.Unix(1, 0), 0
		a := assembler{
			limits:  Limits{PartialFrames: 2, PartialBytes: 100, PartTimeout: time.Minute},
			dropped: func(func(*SubscriberDrops) *uint64, error) { dropped++ },
		}
		for ; len(steps) >= 4; steps = steps[4:] {
			if steps[0] == 255 {
				now = now.Add(time.Duration(steps[1]) * time.Second)
				if next := a.expire(now); !next.IsZero() && !next.After(now) {
					t.Fatalf("the next part is due at %v, now is %v", next, now)
				}
				continue
			}
			camera := string('a' + rune(steps[0]%4))
			d := description{seq: uint64(steps[1] % 8), part: int(steps[2])%parts + 1, parts: parts, size: int64(parts * length), dtype: "uint8"}
			data := bytes.Repeat([]byte{byte(d.part)}, length)
			if steps[3] > 128 { // a part of a wrong length
				data = bytes.Repeat(data[:1], int(steps[3]-128))
			}
			if whole := a.add(camera, d, data, now); whole != nil {
				want := []byte{}
				for i := range parts {
					want = append(want, bytes.Repeat([]byte{byte(i + 1)}, length)...)
				}
				if got := whole.payload(); len(got) != len(want) || whole.camera != camera || whole.seq != d.seq || !slices.IsSorted(got) {
					t.Fatalf("%q, %d: %v instead of %v", whole.camera, whole.seq, got, want)
				}
			}
			checkPartials(t, &a)
		}
		a.expire(now.Add(time.Hour))
		if len(a.partials) != 0 || a.bytes != 0 {
			t.Errorf("%d frames with %d bytes stay", len(a.partials), a.bytes)
		}
	})
}

// checkPartials checks the sums and the limits of an assembler.
func checkPartials(t *testing.T, a *assembler) {
	t.Helper()
	total, cameras := int64(0), map[string]int{}
	for _, p := range a.partials {
		here := int64(0)
		for _, part := range p.parts {
			here += int64(len(part))
		}
		if here != p.bytes || p.missing < 1 {
			t.Fatalf("%v has %d bytes instead of %d, %d parts are missing", p.key, here, p.bytes, p.missing)
		}
		total += here
		cameras[p.camera]++
	}
	for camera, n := range cameras {
		if n > a.limits.PartialFrames {
			t.Fatalf("%q has %d incomplete frames", camera, n)
		}
	}
	if total != a.bytes || total > a.limits.PartialBytes {
		t.Fatalf("%d bytes, counted %d, the limit is %d", total, a.bytes, a.limits.PartialBytes)
	}
}

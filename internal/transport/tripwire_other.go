//go:build !linux

package transport

// tripwire reports the connections that data has come over: on Linux only.
type tripwire struct{}

func newTripwire(func()) *tripwire            { return nil }
func (t *tripwire) watch(uint32)              {}
func (t *tripwire) reported() map[uint32]bool { return nil }
func (t *tripwire) close()                    {}

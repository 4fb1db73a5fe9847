package netgear

import (
	"errors"
	"fmt"
	"testing"
)

// Events, and the changes of Options.Adapt, print as one readable line.
func TestEventText(t *testing.T) {
	best, worse := AdaptSetting{Quality: 90, Scale: 1}, AdaptSetting{Quality: 37, Scale: 1}
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{best, "quality 90"},
		{AdaptSetting{Quality: 30, Scale: 0.5, FPS: 5}, "quality 30, at 50 % of the size, at most 5 frames/s"},
		{AdaptChange{From: best, To: worse, Reason: string(reasonAge)}, "quality 90→37: frames would be older than MaxAge on arrival"},
		{AdaptChange{From: worse, To: AdaptSetting{Quality: 30, Scale: 0.75, FPS: 12.5}}, "quality 37→30, size 100 %→75 %, frames/s unlimited→12.5"},
		{Event{Kind: EventConnected}, "connected"},
		{Event{Kind: EventTerminated, Endpoint: "tcp://*:5555", Peer: "10.0.0.4:41022", Port: "5567"}, "terminated tcp://*:5555, peer 10.0.0.4:41022, port 5567"},
		{Event{Kind: EventRefused, Endpoint: "tcp://*:5555", Err: errors.New("why")}, "refused tcp://*:5555: why"},
		{&Event{Kind: EventAdapted, Adapt: &AdaptChange{From: best, To: worse, Reason: "slow"}}, "adapted: quality 90→37: slow"},
	} {
		if got := fmt.Sprint(c.value); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

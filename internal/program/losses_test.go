package program

import (
	"reflect"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
)

// A summary contains each count of Stats that shows a loss. Fields that are added
// to Stats are among them.
func TestLosses(t *testing.T) {
	kind := reflect.TypeFor[netgear.Stats]()
	found := map[string]bool{}
	for i := range kind.NumField() {
		f := kind.Field(i)
		if f.Type.Kind() != reflect.Uint64 {
			continue
		}
		found[f.Name] = true
		var s netgear.Stats
		reflect.ValueOf(&s).Elem().Field(i).SetUint(461)
		if got := Losses(s); noLosses[f.Name] && got != nil || !noLosses[f.Name] && (len(got) != 1 || !strings.HasPrefix(got[0], "461 ")) {
			t.Errorf("%s: %q", f.Name, got)
		}
	}
	for name := range noLosses {
		if !found[name] {
			t.Errorf("Stats has no field %s", name)
		}
	}
	for name := range lossNames {
		if !found[name] || noLosses[name] {
			t.Errorf("the words for %s are not used", name)
		}
	}
	for name := range lossOne {
		if !found[name] || noLosses[name] {
			t.Errorf("the words for one of %s are not used", name)
		}
	}
	if got := Words("NoData", ' '); got != "no data" {
		t.Error(got)
	}
}

// Only a receive end drops frames.
func TestAccount(t *testing.T) {
	for want, s := range map[string]netgear.Stats{
		"":                                      {},
		", 0 dropped":                           {ReceiveMode: true},
		", 2 dropped, 3 discarded":              {ReceiveMode: true, Dropped: 2, Discarded: 3},
		", 0 dropped, 461 missed":               {ReceiveMode: true, Missed: 461, Lost: 1, Connections: 2},
		", 7 overflows of a subscriber's queue": {Overflows: 7, Frames: 1500},
		", 1 unreadable message, 1 retry":       {Retries: 1, Malformed: 1},
		", 2 retries, 1 rejected":               {Retries: 2, Rejected: 1},
	} {
		if got := Account(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

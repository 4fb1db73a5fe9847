package program

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/vidgear-go/netgear"
)

// noLosses are the counts of Stats that also grow where nothing is lost.
var noLosses = map[string]bool{
	"Frames": true, "Bytes": true, "Delivered": true, "Connections": true, "Lost": true,
	"TerminatesSent": true, "TerminatesReceived": true,
}

// lossNames has the words for counts whose field's name is not enough.
var lossNames = map[string]string{
	"Overflows": "overflows of a subscriber's queue",
	"Malformed": "unreadable messages",
	"Unsent":    "answers unsent",
	"NoData":    "answered without data",
	"Refused":   "refused connections",
	"Flooded":   "connections closed after a flood",
}

// lossOne has the words for counts of one.
var lossOne = map[string]string{
	"Retries":   "retry",
	"Overflows": "overflow of a subscriber's queue",
	"Malformed": "unreadable message",
	"Unsent":    "answer unsent",
	"Refused":   "refused connection",
	"Flooded":   "connection closed after a flood",
}

// Losses returns the counts of Stats that are not zero, and zero where nothing
// is lost, left out, refused or repeated: such as "3 dropped" and "461 missed".
// A field of Stats that is not known here is among them.
func Losses(s netgear.Stats) []string {
	var all []string
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).Kind() != reflect.Uint64 || v.Field(i).Uint() == 0 || noLosses[name] {
			continue
		}
		words, ok := lossNames[name]
		if !ok {
			words = Words(name, ' ')
		}
		all = append(all, Count(v.Field(i).Uint(), cmp.Or(lossOne[name], words), words))
	}
	return all
}

// Account returns the Losses as the end of a summary, such as ", 0 dropped, 461
// missed". That of a receive end contains the dropped frames also if there are
// none. A send end drops none.
func Account(s netgear.Stats) string {
	all := Losses(s)
	if s.ReceiveMode && s.Dropped == 0 {
		all = append([]string{"0 dropped"}, all...)
	}
	if all == nil {
		return ""
	}
	return ", " + strings.Join(all, ", ")
}

// Words returns the words of a Go name in small letters with a character between
// them, such as "no data" for NoData.
func Words(name string, between byte) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(between)
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Count returns a number with the word for what it counts.
func Count[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

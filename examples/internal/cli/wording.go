package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vidgear-go/netgear"
)

// asFlags are the fields of Options that have a flag.
var asFlags = map[string]string{
	"Address": "-address", "Port": "-port", "Ports": "-port", "Protocol": "-protocol", "Pattern": "-pattern",
}

// asKeys are the fields that only -options can set, and what they are called there.
var asKeys = map[string]string{
	"JPEGCompression": "jpeg_compression", "BidirectionalMode": "bidirectional_mode", "MultiserverMode": "multiserver_mode",
	"MulticlientMode": "multiclient_mode", "SSHTunnelMode": "ssh_tunnel_mode", "Flag": "flag",
}

// words turns what the library tells a Go program to do into what to type. At
// each place the first that fits counts.
var words = strings.NewReplacer(
	"set Wire: netgear.AsyncWire", "add -async",
	"with Wire: netgear.AsyncWire", "with -async",
	"use netgear.Pair or netgear.ReqRep", "use -pattern 0 or -pattern 1",
	"use netgear.ReqRep or netgear.PubSub", "use -pattern 1 or -pattern 2",
	"several ports need MultiserverMode at a receive end or MulticlientMode at a send end",
	`several ports need "multiserver_mode": true in -options to receive, "multiclient_mode": true to send`,
	"leave Flag at 0", "leave it out",
	"use a context with a deadline", "use -timeout, which receive has",
	"use Pattern: netgear.PubSub", "use -pattern 2",
	"leave Protocol at tcp", "use -protocol tcp",
	"Copy and Track", `"copy" and "track"`,
	"MultiserverMode", `"multiserver_mode"`,
	"MulticlientMode", `"multiclient_mode"`,
)

// InFlags words an *[netgear.OptionError] for the command line. It leaves other
// errors as they are.
func InFlags(err error) error {
	var wrong *netgear.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	var subject string
	if name, ok := asFlags[wrong.Field]; ok {
		value := wrong.Value
		if list, ok := value.([]string); ok {
			value = strings.Join(list, ",")
		}
		subject = strings.TrimSpace(fmt.Sprint(name, " ", value))
	} else if key, ok := asKeys[wrong.Field]; ok {
		subject = fmt.Sprintf("-options: %q", key)
	} else {
		subject = fmt.Sprintf("-options: %q", wrong.Field) // a key already, as it was written
	}
	return fmt.Errorf("%s: %s", subject, words.Replace(wrong.Reason))
}

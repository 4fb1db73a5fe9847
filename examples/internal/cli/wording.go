package cli

import (
	"fmt"
	"strings"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/program"
)

// InFlags returns an error about options as an error about the examples'
// flags.
func InFlags(err error) error { return flags.Reword(err) }

// flags are the flags of the examples.
var flags = program.Wording{Dictionary: "-options", Flag: asFlag}

// asFlag returns the flag for a setting, or "" if it has none.
func asFlag(s netgear.Setting) string {
	switch v := s.Value.(type) {
	case netgear.Pattern:
		return fmt.Sprint("-pattern ", int(v))
	case netgear.Wire:
		if v == netgear.AsyncWire {
			return "-async"
		}
	case []string:
		if s.Field == "Ports" {
			return "-port " + strings.Join(v, ",")
		}
	case string:
		switch s.Field {
		case "Address", "Port", "Protocol":
			return strings.TrimSpace("-" + strings.ToLower(s.Field) + " " + v)
		}
	}
	return ""
}

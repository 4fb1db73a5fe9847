package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vidgear-go/netgear"
)

// InFlags rewords an *[netgear.OptionError] for the command line, from its
// parts. It returns other errors unchanged.
func InFlags(err error) error {
	var wrong *netgear.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	subject := asFlag(netgear.Setting{Field: wrong.Field, Value: wrong.Value})
	if subject == "" {
		subject = inDictionary(wrong.Key)
	}
	return fmt.Errorf("%s: %s", subject, advice(wrong))
}

// inOptions does the same for an error about the value of -options.
func inOptions(err error) error {
	var wrong *netgear.OptionError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("-options: %w", err) // not a dictionary
	}
	return fmt.Errorf("%s: %s", inDictionary(wrong.Key), advice(wrong))
}

func inDictionary(key string) string { return fmt.Sprintf("-options: %q", key) }

// advice returns the rule, and the flags with which to follow it.
func advice(wrong *netgear.OptionError) string {
	var fixes []string
	for _, fix := range wrong.Fixes {
		text := asFlag(fix)
		if text == "" {
			text = fmt.Sprintf("-options '{%q: %v}'", fix.Key, fix.Value)
		}
		fixes = append(fixes, text)
	}
	if fixes == nil {
		return wrong.Reason
	}
	return wrong.Reason + "; use " + strings.Join(fixes, " or ")
}

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

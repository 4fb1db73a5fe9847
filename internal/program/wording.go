package program

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/vidgear-go/netgear"
)

// Wording describes a command line to which errors about options refer.
type Wording struct {
	// Dictionary is the flag that takes VidGear's option dictionary.
	Dictionary string
	// Flag returns the flag that makes a setting, or "" if there is none.
	Flag func(netgear.Setting) string
}

// Reword returns an *[netgear.OptionError] as an error about flags. It returns
// other errors unchanged.
func (w Wording) Reword(err error) error {
	var wrong *netgear.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	subject := w.Flag(netgear.Setting{Field: wrong.Field, Value: wrong.Value})
	if subject == "" {
		subject = w.key(cmp.Or(wrong.Key, wrong.Field))
	}
	return w.At(subject, wrong)
}

// At returns an error about an option under the name that its origin has.
func (w Wording) At(subject string, wrong *netgear.OptionError) error {
	return fmt.Errorf("%s: %s", subject, w.advice(wrong))
}

// InDictionary does the same for an error about the option dictionary.
func (w Wording) InDictionary(err error) error {
	var wrong *netgear.OptionError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("%s: %w", w.Dictionary, err) // not a dictionary
	}
	return fmt.Errorf("%s: %s", w.key(wrong.Key), w.advice(wrong))
}

func (w Wording) key(key string) string { return fmt.Sprintf("%s: %q", w.Dictionary, key) }

// entry returns a setting as the dictionary has it.
func entry(s netgear.Setting) string {
	if name, own := strings.CutPrefix(s.Key, "go."); own {
		return fmt.Sprintf(`"go": {%q: %v}`, name, s.Value)
	}
	return fmt.Sprintf("%q: %v", s.Key, s.Value)
}

// advice returns the rule, and the flags with which to follow it.
func (w Wording) advice(wrong *netgear.OptionError) string {
	var fixes []string
	for _, fix := range wrong.Fixes {
		text := w.Flag(fix)
		if text == "" {
			text = fmt.Sprintf("%s '{%s}'", w.Dictionary, entry(fix))
		}
		fixes = append(fixes, text)
	}
	if fixes == nil {
		return wrong.Reason
	}
	return wrong.Reason + "; use " + strings.Join(fixes, " or ")
}

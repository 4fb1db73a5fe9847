package settings

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/levenshtein"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/internal/pyjson"
)

// Layer holds the connection settings of one origin, as texts.
type Layer struct {
	// Origin returns how an error names a setting of this layer, such as
	// "--port" or "NETGEAR_PORT".
	Origin func(name string) string
	Values map[string]string
}

// A WrongError is an error about a setting: a mistake of the program's caller.
type WrongError struct{ Err error }

func (e *WrongError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *WrongError) Unwrap() error { return e.Err }

// Wrong returns an error about a setting.
func Wrong(format string, args ...any) error {
	return &WrongError{fmt.Errorf(format, args...)}
}

// Resolve adds the layers to the options, the lowest first, and checks them.
// Within a layer a setting takes precedence over the same key of the option
// dictionary. Errors are WrongErrors, and contain no secret.
func Resolve(o netgear.Options, layers ...Layer) (netgear.Options, error) {
	receive := o.ReceiveMode
	// The wire comes first: it determines which keys the dictionary may have. It
	// is set again with the other settings, as a dictionary may contain it, too.
	for _, layer := range layers {
		if err := layer.apply(&o, "wire"); err != nil {
			return o, err
		}
	}
	if o.Wire == netgear.ImageZMQWire && o.Pattern == netgear.Pair {
		o.Pattern = netgear.ReqRep // imagezmq's default; it has no PAIR
	}
	for _, layer := range layers {
		if err := layer.apply(&o, "options"); err != nil {
			return o, err
		}
		for _, c := range Connections {
			if c.Name == "options" {
				continue
			}
			if err := layer.apply(&o, c.Name); err != nil {
				return o, err
			}
		}
	}
	if o.ReceiveMode && !receive {
		return o, Wrong("--options: receive_mode is true, but this end sends")
	}
	if o.Wire == netgear.ImageZMQWire && o.Pattern == netgear.Pair { // it was asked for
		return o, Wrong("--pattern: imagezmq has no PAIR; use --pattern 1 or --pattern 2")
	}
	o.ReceiveMode = receive
	if err := o.Validate(); err != nil {
		return o, Reword(err, layers...)
	}
	return o, nil
}

// Reword returns an error about options in the words of the layer that has set
// the option, or in those of the flags. It returns other errors unchanged.
func Reword(err error, layers ...Layer) error {
	var wrong *netgear.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	for _, layer := range slices.Backward(layers) {
		if _, ok := layer.Values[name(wrong.Field)]; ok {
			return &WrongError{flags.At(layer.named(wrong), wrong)}
		}
		if key := keyIn(layer.Values["options"], wrong); key != "" {
			return &WrongError{flags.At(fmt.Sprintf("%s: %q", layer.Origin("options"), key), wrong)}
		}
	}
	return &WrongError{flags.Reword(err)}
}

// InFlags returns an error about options of another package as a WrongError: with
// the flags for the names of its options, and without the text of the error that
// it wraps, kind. It returns errors of other kinds unchanged.
func InFlags(err, kind error, flags map[string]string) error {
	if err == nil || !errors.Is(err, kind) {
		return err
	}
	parts := strings.Split(strings.TrimPrefix(err.Error(), kind.Error()+": "), `"`)
	for i := 0; i < len(parts); i += 2 { // the others are quoted values
		parts[i] = word.ReplaceAllStringFunc(parts[i], func(w string) string { return cmp.Or(flags[w], w) })
	}
	return Wrong("%s", strings.Join(parts, `"`))
}

var word = regexp.MustCompile(`\w+`)

// name returns the name of the setting for a field of netgear.Options, or "".
func name(field string) string {
	if field == "Ports" {
		field = "Port"
	}
	i := slices.IndexFunc(Connections, func(c Connection) bool { return c.Field == field })
	if i < 0 || field == "" {
		return ""
	}
	return Connections[i].Name
}

// named returns how an error names the setting of this layer, with its value.
func (l Layer) named(wrong *netgear.OptionError) string {
	origin := l.Origin(name(wrong.Field))
	if strings.HasPrefix(origin, "--") && !strings.Contains(origin, ":") {
		return asFlag(netgear.Setting{Field: wrong.Field, Value: wrong.Value})
	}
	if wrong.Value == nil {
		return origin
	}
	return fmt.Sprintf("%s: %v", origin, wrong.Value)
}

// keyIn returns the key under which a dictionary has a wrong option, as it is
// spelled there, or "". Under "go" the names of options may be spelled in
// several ways, and times that VidGear has take precedence.
func keyIn(dictionary string, wrong *netgear.OptionError) (found string) {
	text, err := readDictionary(dictionary)
	if err != nil {
		return ""
	}
	_ = pyjson.Fields(text, func(key string, v pyjson.Raw) error { // it has been read before
		key = strings.TrimSpace(key)
		if key != "go" {
			if key == wrong.Key && found == "" {
				found = key
			}
			return nil
		}
		return pyjson.Fields(v, func(name string, _ pyjson.Raw) error {
			if levenshtein.Fold(name) == levenshtein.Fold(wrong.Field) {
				found = "go." + strings.TrimSpace(name)
			}
			return nil
		})
	})
	return strings.Clone(found)
}

func (l Layer) apply(o *netgear.Options, name string) error {
	value, ok := l.Values[name]
	if !ok {
		return nil
	}
	err := find(name).set(o, value)
	if err == nil {
		return nil
	}
	origin := l.Origin(name)
	if name == "options" {
		w := flags
		w.Dictionary = origin
		return &WrongError{w.InDictionary(err)}
	}
	if wrong, ok := errors.AsType[*netgear.OptionError](err); ok {
		return Wrong("%s: %s", origin, wrong.Reason)
	}
	if errors.Is(err, netgear.ErrOption) { // a text that is none of an enum's
		return Wrong("%s: %s", origin, strings.TrimPrefix(err.Error(), "netgear: "+netgear.ErrOption.Error()+": "))
	}
	return Wrong("%s: %w", origin, err)
}

// flags is the wording of errors about the options of a connection.
var flags = program.Wording{Dictionary: "--options", Flag: asFlag}

// asFlag returns the flag for a setting, or "" if it has none.
func asFlag(s netgear.Setting) string {
	flag := name(s.Field)
	if flag == "" {
		return ""
	}
	flag = "--" + flag
	switch v := s.Value.(type) {
	case nil, netgear.Secret:
		return flag
	case netgear.Pattern:
		return fmt.Sprint(flag, " ", int(v))
	case netgear.SecureMode:
		return fmt.Sprint(flag, " ", int(v))
	case []string:
		return flag + " " + strings.Join(v, ",")
	case bool:
		return flag + " " + map[bool]string{true: "on", false: "off"}[v]
	}
	return strings.TrimSpace(fmt.Sprintf("%s %v", flag, s.Value))
}

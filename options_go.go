package netgear

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/vidgear-go/netgear/internal/levenshtein"
	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/secret"
)

// goKey is the key of the option dictionary under which options stand that
// VidGear does not have. VidGear ignores it.
const goKey = "go"

// goOptions has the index in Options of each option that may stand under goKey,
// by its folded name: those that VidGear does not have, and those whose values
// VidGear's dictionary cannot all hold.
var goOptions = func() map[string]int {
	t := reflect.TypeFor[Options]()
	all := map[string]int{}
	for i := range t.NumField() {
		f := t.Field(i)
		_, isTime := reflect.TypeAssert[time.Duration](reflect.Zero(f.Type))
		isFunction := f.Type.Kind() == reflect.Func
		if keyOf(f.Name) == "" && !isFunction || isTime {
			all[levenshtein.Fold(f.Name)] = i
		}
	}
	return all
}()

// goName returns the name of a field of Options under goKey: QueueFrames is
// queue_frames.
func goName(field string) string {
	if key := keyOf(field); key != "" {
		return key
	}
	var b strings.Builder
	runes := []rune(field)
	for i, r := range runes {
		word := i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if word {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// goSetting is one entry under goKey.
type goSetting struct {
	key   string
	field int
	raw   pyjson.Raw
}

// readGo returns the entries of the object under goKey.
func readGo(raw pyjson.Raw) (all []goSetting, err error) {
	err = pyjson.Fields(raw, func(key string, v pyjson.Raw) error {
		key = strings.Clone(strings.TrimSpace(key))
		field, known := goOptions[levenshtein.Fold(key)]
		if !known {
			return &OptionError{Key: goKey + "." + key, Reason: unknownGo(key), Err: ErrOption, inDictionary: true}
		}
		all = append(all, goSetting{key, field, v})
		return nil
	})
	if wrong := (*OptionError)(nil); err != nil && !errors.As(err, &wrong) {
		err = &OptionError{Key: goKey, Reason: `must be an object, such as {"queue_frames": 10, "latest": true}`, Err: ErrOption, inDictionary: true}
	}
	return all, err
}

// unknownGo returns why a key may not stand under goKey.
func unknownGo(key string) string {
	if _, ok := dictionary[key]; ok {
		return "it is VidGear's: write it outside of \"go\""
	}
	return "there is no such option" + suggestion(key, goNames())
}

func goNames() []string {
	var names []string
	for _, i := range goOptions {
		names = append(names, goName(reflect.TypeFor[Options]().Field(i).Name))
	}
	slices.Sort(names)
	return names
}

// set reads the entry into o.
func (s *goSetting) set(o *Options) error {
	value, err := pyjson.Decode(s.raw)
	if err != nil {
		return err
	}
	if value == nil { // None: the default
		reflect.ValueOf(o).Elem().Field(s.field).SetZero()
		return nil
	}
	if err := setGo(reflect.ValueOf(o).Elem().Field(s.field), value, s.raw); err != nil {
		return &OptionError{Field: reflect.TypeFor[Options]().Field(s.field).Name, Key: goKey + "." + s.key, Value: shown(value),
			Reason: err.Error(), Err: ErrOption, inDictionary: true}
	}
	return nil
}

// setGo sets a field to a value in Go's own form.
func setGo(field reflect.Value, value any, raw pyjson.Raw) error {
	switch to := field.Addr().Interface().(type) {
	case *time.Duration:
		text, _ := value.(string)
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf(`must be a time such as "500ms" or "4s"`)
		}
		*to = d
		return nil
	case *Toggle:
		if on, ok := value.(bool); ok {
			*to = toggle(on)
			return nil
		}
		return setText(to, value)
	case encoding.TextUnmarshaler:
		return setText(to, value)
	case *bool:
		on, ok := value.(bool)
		if !ok {
			return fmt.Errorf("must be true or false")
		}
		*to = on
		return nil
	case *[]string:
		var texts []string
		if pyjson.Unmarshal(raw, &texts) != nil {
			return fmt.Errorf("must be a list of texts")
		}
		*to = texts
		return nil
	case *float64:
		switch n := value.(type) {
		case float64:
			*to = n
		case int64:
			*to = float64(n)
		default:
			return fmt.Errorf("must be a number")
		}
		return nil
	}
	if field.Kind() == reflect.Struct {
		return setFields(field, raw)
	}
	n, ok := value.(int64)
	if !ok || field.OverflowInt(n) {
		return fmt.Errorf("must be a whole number")
	}
	field.SetInt(n)
	return nil
}

// setFields sets the fields of a struct, such as Adapt, to the values of an
// object. Those that it does not have stay as they are.
func setFields(to reflect.Value, raw pyjson.Raw) error {
	fields := map[string]int{}
	var names []string
	for i := range to.NumField() {
		name := to.Type().Field(i).Name
		fields[levenshtein.Fold(name)] = i
		names = append(names, goName(name))
	}
	var wrong error
	err := pyjson.Fields(raw, func(key string, v pyjson.Raw) error {
		i, known := fields[levenshtein.Fold(key)]
		if !known {
			wrong = fmt.Errorf("has no %q, only %s", key, strings.Join(names, ", "))
			return wrong
		}
		value, err := pyjson.Decode(v)
		if err != nil {
			return err
		}
		if value == nil {
			to.Field(i).SetZero()
			return nil
		}
		if err = setGo(to.Field(i), value, v); err != nil {
			wrong = fmt.Errorf("%s %w", goName(to.Type().Field(i).Name), err)
		}
		return err
	})
	if err != nil && wrong == nil {
		wrong = fmt.Errorf("must be an object with %s", strings.Join(names, ", "))
	}
	return wrong
}

func setText(to encoding.TextUnmarshaler, value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be a text")
	}
	err := to.UnmarshalText([]byte(text))
	if err != nil {
		return fmt.Errorf("must be %s", allTexts(to))
	}
	return nil
}

// allTexts lists the texts of an enum.
func allTexts(to any) string {
	switch to.(type) {
	case *Toggle:
		return toggles.all()
	case *Wire:
		return wires.all()
	case *Attachment:
		return attachments.all()
	case *TerminatePolicy:
		return terminatePolicies.all()
	}
	return decodePolicies.all()
}

// MarshalJSON returns the options that are set as VidGear's option dictionary,
// which UnmarshalJSON reads again into zero Options. VidGear's own keys come
// first. What VidGear's dictionary cannot hold stands in an object under the
// key "go", which VidGear ignores.
//
// The password (SSHTunnelPwd) is left out, and so are the functions (OnEvent,
// OnReply, Respond). A Logger is "logging": true, for which UnmarshalJSON sets
// slog.Default. MarshalJSON returns an ErrOption for a value that is no constant
// of its type, and for a text with a password where none belongs, such as
// "joe:password@host".
func (o Options) MarshalJSON() ([]byte, error) {
	var own, more []entry
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() || v.Field(i).Kind() == reflect.Func || name == "SSHTunnelPwd" {
			continue
		}
		if o.holdsPassword(name) {
			return nil, invalid(name, v.Field(i).Interface(), "it may contain a password, which is not written")
		}
		if constant, ok := reflect.TypeAssert[encoding.TextMarshaler](v.Field(i)); ok {
			if _, err := constant.MarshalText(); err != nil { // also of what is written as a number or a bool
				return nil, err
			}
		}
		if value, ok := o.vidGearValue(name); ok {
			if value != nil {
				own = append(own, entry{keyOf(name), value})
			}
			continue
		}
		value, err := goValue(v.Field(i))
		if err != nil {
			return nil, err
		}
		more = append(more, entry{goName(name), value})
	}
	if more != nil {
		inner, err := object(more)
		if err != nil {
			return nil, err
		}
		own = append(own, entry{goKey, json.RawMessage(inner)})
	}
	return object(own)
}

// goValue returns the value that setGo reads. Of a struct it has the fields that
// are set.
func goValue(v reflect.Value) (any, error) {
	if d, ok := reflect.TypeAssert[time.Duration](v); ok {
		return d.String(), nil
	}
	if v.Kind() != reflect.Struct {
		return v.Interface(), nil
	}
	var fields []entry
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		value, err := goValue(v.Field(i))
		if err != nil {
			return nil, err
		}
		fields = append(fields, entry{goName(v.Type().Field(i).Name), value})
	}
	text, err := object(fields)
	return json.RawMessage(text), err
}

// holdsPassword reports whether a text, or one of several, may contain a
// password where none belongs. A path may look like that.
func (o *Options) holdsPassword(field string) bool {
	if field == "CustomCertLocation" || field == "Address" && o.protocol() == "ipc" {
		return false
	}
	hidden := func(text string) bool { return secret.Hide(text) != text }
	switch value := reflect.ValueOf(o).Elem().FieldByName(field).Interface().(type) {
	case string:
		return hidden(value)
	case []string:
		return slices.ContainsFunc(value, hidden)
	}
	return false
}

// entry is one entry of a JSON object.
type entry struct {
	key   string
	value any
}

// object returns entries as a JSON object, in their order.
func object(entries []entry) ([]byte, error) {
	text := []byte{'{'}
	for i, e := range entries {
		if i > 0 {
			text = append(text, ", "...)
		}
		value, err := json.Marshal(e.value)
		if err != nil {
			if wrong := (*json.MarshalerError)(nil); errors.As(err, &wrong) {
				err = wrong.Err // it has this package's prefix
			}
			return nil, err
		}
		text = append(append(append(append(text, '"'), e.key...), `": `...), value...)
	}
	return append(text, '}'), nil
}

// vidGearValue returns the value of a field in VidGear's dictionary, or nil if
// another field's is written for it. It reports whether the dictionary can hold
// it.
func (o *Options) vidGearValue(field string) (value any, ok bool) {
	seconds := func(d, least time.Duration) (any, bool) {
		return int64(d / time.Second), d >= least && d%time.Second == 0 && d <= (1<<31/1000)*time.Second
	}
	switch field {
	case "Port":
		if len(o.Ports) > 0 {
			return nil, true
		}
		return o.Port, true
	case "Pattern":
		return int(o.Pattern), true
	case "SecureMode":
		return int(o.SecureMode), true
	case "JPEGCompression":
		if o.JPEGCompression == JPEGOff {
			return false, true
		}
		return string(o.JPEGCompression), true
	case "JPEGCompressionFastDCT":
		return o.JPEGCompressionFastDCT.or(true), true
	case "MaxRetries":
		return max(o.MaxRetries, 0), true
	case "RequestTimeout":
		return seconds(o.RequestTimeout, 4*time.Second)
	case "SubscriberTimeout":
		return seconds(o.SubscriberTimeout, time.Second)
	case "Logger":
		return true, true
	}
	if keyOf(field) == "" {
		return nil, false
	}
	f := reflect.ValueOf(o).Elem().FieldByName(field)
	return f.Interface(), true
}

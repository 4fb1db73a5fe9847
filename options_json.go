package netgear

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/levenshtein"
	"github.com/vidgear-go/netgear/internal/pyjson"
)

// dictionary has every key of VidGear 0.3.6: those of its option dictionary,
// and the arguments of NetGear itself and of NetGear_Async. Each function reads
// a decoded JSON value, or returns an error with the values that it accepts.
var dictionary = map[string]func(o *Options, v any) error{
	"address":      exactText(func(o *Options) *string { return &o.Address }), // see trimAddress
	"port":         readPort,
	"protocol":     text(func(o *Options) *string { return &o.Protocol }),
	"pattern":      whole(0, 3, func(o *Options, n int64) { o.Pattern = Pattern(n) }),
	"receive_mode": truth(func(o *Options, on bool) { o.ReceiveMode = on }),
	"logging": truth(func(o *Options, on bool) {
		if on && o.Logger == nil {
			o.Logger = slog.Default()
		}
	}),

	"jpeg_compression":              readCompression,
	"jpeg_compression_quality":      readQuality,
	"jpeg_compression_fastdct":      truth(func(o *Options, on bool) { o.JPEGCompressionFastDCT = toggle(on) }),
	"jpeg_compression_fastupsample": truth(func(o *Options, on bool) { o.JPEGCompressionFastUpsample = on }),

	"max_retries":        readRetries,
	"request_timeout":    whole(4, 1<<31/1000, func(o *Options, n int64) { o.RequestTimeout = time.Duration(n) * time.Second }),
	"subscriber_timeout": whole(1, 1<<31/1000, func(o *Options, n int64) { o.SubscriberTimeout = time.Duration(n) * time.Second }),

	"timeout": readTimeout, // NetGear_Async's

	"flag":  readFlag,
	"copy":  truth(func(o *Options, on bool) { o.Copy = on }),
	"track": truth(func(o *Options, on bool) { o.Track = on }),

	"bidirectional_mode": truth(func(o *Options, on bool) { o.BidirectionalMode = on }),
	"multiserver_mode":   truth(func(o *Options, on bool) { o.MultiserverMode = on }),
	"multiclient_mode":   truth(func(o *Options, on bool) { o.MulticlientMode = on }),

	"secure_mode":          whole(0, 2, func(o *Options, n int64) { o.SecureMode = SecureMode(n) }),
	"custom_cert_location": exactText(func(o *Options) *string { return &o.CustomCertLocation }),
	"overwrite_cert":       truth(func(o *Options, on bool) { o.OverwriteCert = on }),
	"ssh_tunnel_mode":      text(func(o *Options) *string { return &o.SSHTunnelMode }),
	"ssh_tunnel_pwd":       readPassword,
	"ssh_tunnel_keyfile":   exactText(func(o *Options) *string { return &o.SSHTunnelKeyfile }),
}

// UnmarshalJSON reads VidGear's option dictionary, written as a JSON object,
// into o. Fields without a key in it keep their values. On an error o stays as
// it was. Besides the
// dictionary's keys it reads the arguments of VidGear's NetGear (address, port,
// protocol, pattern, receive_mode, logging) and NetGear_Async's timeout. o.Wire
// selects the class: NetGear has no timeout.
//
// Options that VidGear does not have stand in an object under the key "go",
// which VidGear ignores. Their names are those of the fields, as queue_frames
// or QueueFrames:
//
//	{"pattern": 2, "go": {"wire": "NetGear_Async", "latest": true, "request_timeout": "500ms"}}
//
// Times are texts such as "500ms", and enums have the texts of their String
// methods. Reading and Adapt are objects with the names of their fields. The
// times that VidGear has may also stand there, and then replace VidGear's.
// Functions and the Logger cannot.
//
// VidGear ignores unknown keys, and values of the wrong type or out of range.
// Here each is an [*OptionError] that names the key. A flag other than 0 is
// already refused here.
func (o *Options) UnmarshalJSON(raw []byte) error {
	if o == nil {
		return fmt.Errorf("netgear: %w: the option dictionary is to be read into Options that are nil", ErrOption)
	}
	read := *o
	own, err := read.readWire(raw)
	if err == nil {
		err = read.readDictionary(raw)
	}
	for i := range own {
		if err == nil {
			err = own[i].set(&read)
		}
	}
	if err != nil {
		if wrong := (*OptionError)(nil); errors.As(err, &wrong) {
			return err
		}
		return fmt.Errorf("netgear: %w: the option dictionary must be a JSON object: %w", ErrOption, err)
	}
	read.trimAddress()
	if read.protocol() != "ipc" {
		if err := checkAddressParts(&read); err != nil {
			return inDictionary(err)
		}
	}
	if err := checkFlag(&read); err != nil {
		return inDictionary(err)
	}
	*o = read
	return nil
}

// inDictionary returns an error of Validate as one about the dictionary, whose
// text has its keys.
func inDictionary(err error) error {
	if e := (*OptionError)(nil); errors.As(err, &e) {
		e.inDictionary = true
	}
	return err
}

// readWire returns the entries under goKey, and sets the wire if it is one of
// them, because it determines which keys the dictionary may have.
func (o *Options) readWire(raw []byte) (own []goSetting, err error) {
	err = pyjson.Fields(raw, func(key string, v pyjson.Raw) (err error) {
		if strings.TrimSpace(key) == goKey {
			own, err = readGo(v)
		}
		return err
	})
	for i := range own {
		if err == nil && reflect.TypeFor[Options]().Field(own[i].field).Name == "Wire" {
			err = own[i].set(o)
		}
	}
	return own, err
}

// readDictionary reads the keys of VidGear.
func (o *Options) readDictionary(raw []byte) error {
	return pyjson.Fields(raw, func(key string, v pyjson.Raw) error {
		// As in VidGear, spaces around a key do not count.
		key = strings.Clone(strings.TrimSpace(key))
		if key == goKey {
			return nil
		}
		set, known := dictionary[key]
		if !known {
			// It may be a password under a misspelled key.
			return &OptionError{Key: key, Reason: unknownKey(key), Err: ErrOption, inDictionary: true}
		}
		value, err := pyjson.Decode(v)
		if err != nil {
			return err
		}
		if err := set(o, value); err != nil {
			return asKey(key, value, err)
		}
		return nil
	})
}

// asKey returns err as an error about the value of a dictionary's key.
func asKey(key string, value any, err error) error {
	var e *OptionError
	if !errors.As(err, &e) {
		e = &OptionError{Reason: err.Error(), Err: ErrOption}
	}
	e.Field, e.Key, e.Value, e.inDictionary = fieldOf(key), key, shown(value), true
	if value == nil {
		e.Value = describedAs("null")
	}
	if key == "ssh_tunnel_pwd" {
		e.Value = nil
	}
	return e
}

// vidGearKeys has VidGear's key for each field of Options that VidGear has.
var vidGearKeys = map[string]string{
	"Address": "address", "Port": "port", "Ports": "port", "Protocol": "protocol", "Pattern": "pattern", "ReceiveMode": "receive_mode",
	"Logger": "logging", "JPEGCompression": "jpeg_compression", "JPEGCompressionQuality": "jpeg_compression_quality",
	"JPEGCompressionFastDCT": "jpeg_compression_fastdct", "JPEGCompressionFastUpsample": "jpeg_compression_fastupsample",
	"MaxRetries": "max_retries", "RequestTimeout": "request_timeout", "SubscriberTimeout": "subscriber_timeout",
	"Flag": "flag", "Copy": "copy", "Track": "track", "BidirectionalMode": "bidirectional_mode",
	"MultiserverMode": "multiserver_mode", "MulticlientMode": "multiclient_mode", "SecureMode": "secure_mode",
	"CustomCertLocation": "custom_cert_location", "OverwriteCert": "overwrite_cert", "SSHTunnelMode": "ssh_tunnel_mode",
	"SSHTunnelPwd": "ssh_tunnel_pwd", "SSHTunnelKeyfile": "ssh_tunnel_keyfile",
}

// keyOf returns VidGear's key for a field of Options, or "".
func keyOf(field string) string { return vidGearKeys[field] }

// dictionaryKey returns where the dictionary has a field of Options, such as
// "port" or "go.queue_frames", or "" if it cannot have it.
func dictionaryKey(field string) string {
	if key := keyOf(field); key != "" {
		return key
	}
	if _, ok := goOptions[levenshtein.Fold(field)]; ok {
		return goKey + "." + goName(field)
	}
	return ""
}

// fieldOf returns the field of Options that a key of the dictionary sets.
func fieldOf(key string) string {
	switch key {
	case "port":
		return "Port" // and Ports
	case "timeout":
		return "RequestTimeout" // and SubscriberTimeout
	}
	for field, k := range vidGearKeys {
		if k == key {
			return field
		}
	}
	return ""
}

// readPassword reads a text unchanged. Its errors do not quote it.
func readPassword(o *Options, v any) error {
	var text string
	if err := exactText(func(*Options) *string { return &text })(o, v); err != nil {
		return err
	}
	o.SSHTunnelPwd = NewSecret(text)
	return nil
}

// trimAddress removes the outer spaces of address and port. With ipc they are a
// path, in which spaces count.
func (o *Options) trimAddress() {
	if o.protocol() == "ipc" {
		return
	}
	o.Address, o.Port = strings.TrimSpace(o.Address), strings.TrimSpace(o.Port)
	o.Ports = slices.Clone(o.Ports) // the caller's, if the dictionary has none
	for i, p := range o.Ports {
		o.Ports[i] = strings.TrimSpace(p)
	}
}

// text reads a text whose outer spaces do not count.
func text(field func(*Options) *string) func(*Options, any) error {
	exact := exactText(field)
	return func(o *Options, v any) error {
		if s, ok := v.(string); ok {
			v = strings.TrimSpace(s)
		}
		return exact(o, v)
	}
}

// exactText reads a text unchanged, as VidGear does: a password and a path may
// begin or end with a space.
func exactText(field func(*Options) *string) func(*Options, any) error {
	return func(o *Options, v any) error {
		switch v := v.(type) {
		case string:
			*field(o) = v
			return nil
		case nil: // Python's None: the default
			*field(o) = ""
			return nil
		}
		return fmt.Errorf("must be a text")
	}
}

func truth(set func(*Options, bool)) func(*Options, any) error {
	return func(o *Options, v any) error {
		on, ok := v.(bool)
		if !ok {
			return fmt.Errorf("must be true or false")
		}
		set(o, on)
		return nil
	}
}

func whole(low, high int64, set func(*Options, int64)) func(*Options, any) error {
	return func(o *Options, v any) error {
		n, ok := v.(int64)
		if !ok || n < low || n > high {
			return fmt.Errorf("must be a whole number from %d to %d", low, high)
		}
		set(o, n)
		return nil
	}
}

// readRetries sets no limit for 0, because VidGear counts down before it
// compares, so 0 never reaches the end.
func readRetries(o *Options, v any) error {
	n, ok := v.(int64)
	if !ok || n < 0 || n > 1<<31-1 {
		return fmt.Errorf("must be a whole number from 1 to %d, or 0 for no limit", 1<<31-1)
	}
	if n == 0 {
		n = -1
	}
	o.MaxRetries = int(n)
	return nil
}

func readPort(o *Options, v any) error {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	var ports []string
	for _, p := range list {
		switch p := p.(type) {
		case string:
			ports = append(ports, p)
		case int64:
			ports = append(ports, strconv.FormatInt(p, 10))
		case nil:
			if isList {
				return fmt.Errorf("must be a port or a list of ports")
			}
		default:
			return fmt.Errorf("must be a port or a list of ports")
		}
	}
	o.Port, o.Ports = "", nil
	if isList {
		o.Ports = ports
	} else if len(ports) == 1 {
		o.Port = ports[0]
	}
	return nil
}

func readCompression(o *Options, v any) error {
	switch v := v.(type) {
	case bool:
		o.JPEGCompression = JPEGDefault
		if !v {
			o.JPEGCompression = JPEGOff
		}
		return nil
	case string:
		// VidGear treats any other text as "on".
		c := Colorspace(strings.ToUpper(strings.TrimSpace(v)))
		if c != "" && c != "OFF" && checkFrames(&Options{JPEGCompression: c}) == nil {
			o.JPEGCompression = c
			return nil
		}
	}
	return fmt.Errorf("must be true, false or one of %s", colorspaces)
}

// readQuality reads an integer or a fraction, which it truncates as VidGear
// does.
func readQuality(o *Options, v any) error {
	q := -1.0
	switch v := v.(type) {
	case int64:
		q = float64(v)
	case float64:
		q = v
	}
	if !(q >= 10 && q <= 100) {
		return fmt.Errorf("must be a number from 10 to 100")
	}
	o.JPEGCompressionQuality = int(q)
	return nil
}

// readTimeout reads NetGear_Async's timeout, which applies to every wait, in
// seconds. 0 is its default.
func readTimeout(o *Options, v any) error {
	if o.Wire != AsyncWire {
		return fixed(invalid("RequestTimeout", nil, "NetGear_Async has this argument; NetGear has request_timeout and subscriber_timeout. The wire must be set before the dictionary is read"),
			set("Wire", AsyncWire))
	}
	seconds, ok := v.(float64)
	if n, whole := v.(int64); whole {
		seconds, ok = float64(n), true
	}
	if !ok || !(seconds == 0 || seconds >= 0.01 && seconds <= 1<<31/1000) {
		return fmt.Errorf("must be a number of seconds")
	}
	o.RequestTimeout = time.Duration(seconds * float64(time.Second))
	o.SubscriberTimeout = o.RequestTimeout
	return nil
}

// readFlag reads an integer, or a bool: to Python True is 1.
func readFlag(o *Options, v any) error {
	switch v := v.(type) {
	case bool:
		o.Flag = 0
		if v {
			o.Flag = 1
		}
		return nil
	case int64:
		o.Flag = int(max(math.MinInt32, min(v, math.MaxInt32))) // int may have 32 bits
		return nil
	}
	return fmt.Errorf("must be 0")
}

// unknownKey returns why the dictionary may not have a key.
func unknownKey(key string) string {
	if i, ok := goOptions[levenshtein.Fold(key)]; ok && keyOf(reflect.TypeFor[Options]().Field(i).Name) == "" {
		name := goName(reflect.TypeFor[Options]().Field(i).Name)
		return fmt.Sprintf(`VidGear has no such option; write it as {"go": {%q: …}}`, name)
	}
	return "VidGear has no such option" + suggestion(key, slices.Sorted(maps.Keys(dictionary)))
}

// suggestion returns a text with the names that are like one, or with all of
// them if none is.
func suggestion(name string, known []string) string {
	if near := levenshtein.Like(name, known); near != nil {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return "; it has " + strings.Join(known, ", ")
}

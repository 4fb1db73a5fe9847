package settings

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/levenshtein"
)

// Endpoint is an input or an output of a command: the settings of its
// connection, and further ones.
type Endpoint struct{ Layer }

// endpointKeys returns the keys of an endpoint.
func endpointKeys(more []string) []string {
	keys := slices.Clone(more)
	for _, c := range Connections {
		keys = append(keys, c.Name)
	}
	return keys
}

// ParseEndpoint reads an endpoint from a flag, such as
// "tcp://10.0.0.4:5555?pattern=2&attach=connect", "tcp://*:5566" or
// "ipc:///run/camera". known are the keys besides those of a connection.
func ParseEndpoint(flag, s string, known ...string) (Endpoint, error) {
	e := Endpoint{Layer{Origin: func(name string) string { return flag + ": " + name }, Values: map[string]string{}}}
	rest, query, _ := strings.Cut(s, "?")
	protocol, rest, ok := strings.Cut(rest, "://")
	if !ok || protocol != "tcp" && protocol != "ipc" {
		return e, Wrong(`%s: must be such as "tcp://10.0.0.4:5555?pattern=2" or "ipc:///run/camera"`, flag)
	}
	e.Values["protocol"] = protocol
	if protocol == "ipc" {
		e.Values["address"] = rest
	} else {
		i := strings.LastIndex(rest, ":")
		if i >= 0 && !strings.HasSuffix(rest, "]") {
			e.Values["port"] = rest[i+1:]
			rest = rest[:i]
		}
		if strings.Contains(rest, ":") && !(strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]")) {
			return e, Wrong(`%s: put an IPv6 address in brackets, as in "tcp://[::1]:5555"`, flag)
		}
		if rest = strings.Trim(rest, "[]"); rest != "" {
			e.Values["address"] = rest
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return e, Wrong("%s: %w", flag, err)
	}
	keys := endpointKeys(known)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(keys, key) {
			return e, Wrong("%s: unknown parameter %q%s", flag, key, suggestion(key, keys))
		}
		if c := find(key); c != nil && c.Secret {
			return e, Wrong("%s: %s: command lines are visible to other users; put it into the settings file or %s", flag, key, Variable(key))
		}
		e.Values[key] = values.Get(key)
	}
	return e, nil
}

// Take removes a further setting of the endpoint and returns it, or def.
func (e Endpoint) Take(key, def string) string {
	v, ok := e.Values[key]
	if !ok {
		return def
	}
	delete(e.Values, key)
	return v
}

// Resolve adds the common layers and the endpoint's own, which counts most.
func (e Endpoint) Resolve(o netgear.Options, common []Layer) (netgear.Options, error) {
	return Resolve(o, append(slices.Clone(common), e.Layer)...)
}

// CheckEnvironment returns an error for a variable of the environment that is
// mistyped: none of the known ones, but like one of them.
func CheckEnvironment(environ, known []string) error {
	for _, entry := range environ {
		variable, _, _ := strings.Cut(entry, "=")
		short, ours := strings.CutPrefix(variable, "NETGEAR_")
		if !ours || slices.Contains(known, variable) {
			continue
		}
		// The prefix would make short names alike.
		var names []string
		for _, k := range known {
			names = append(names, strings.TrimPrefix(k, "NETGEAR_"))
		}
		if near := levenshtein.Near(short, names); near != "" {
			return Wrong("%s: no setting has this variable; did you mean NETGEAR_%s?", variable, near)
		}
	}
	return nil
}

// Variable returns the name of the variable of the environment for a setting.
func Variable(name string) string {
	return "NETGEAR_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

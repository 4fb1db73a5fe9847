package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/vidgear-go/netgear/internal/levenshtein"
)

// File is a settings file in TOML. Keys at the top are for every command, those
// in a table with a command's name are for that command. A nil *File is an
// empty one.
type File struct {
	path string
	top  map[string]any
}

// Read reads a settings file. Its errors name the line.
func Read(path string) (*File, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, &WrongError{fmt.Errorf("--config: %w", err)}
	}
	f := &File{path: path}
	err = toml.NewDecoder(bytes.NewReader(content)).Decode(&f.top)
	if decoding, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := decoding.Position()
		return nil, Wrong("%s:%d:%d: %s", path, line, column, strings.TrimPrefix(decoding.Error(), "toml: "))
	}
	if err != nil {
		return nil, Wrong("%s: %w", path, err)
	}
	return f, nil
}

// maxFile is the size of the largest file with settings, in bytes.
const maxFile = 1 << 20

// readFile returns the content of a file with settings. Not every file has an
// end: /dev/zero and /dev/full would take all memory.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the caller's
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s: it has more than %d bytes", path, maxFile)
	}
	return content, err
}

// Check returns an error for keys that nothing reads. common are the keys at
// the top, and commands has those of each command.
func (f *File) Check(common []string, commands map[string][]string) error {
	if f == nil {
		return nil
	}
	names := slices.Collect(maps.Keys(commands))
	for _, key := range slices.Sorted(maps.Keys(f.top)) {
		table, isTable := f.top[key].(map[string]any)
		own, isCommand := commands[key]
		switch {
		case isCommand && isTable:
			if err := f.check(table, "["+key+"] ", append(slices.Clone(common), own...)); err != nil {
				return err
			}
		case isCommand:
			return Wrong("%s: %s must be a table: [%s]", f.path, key, key)
		case !slices.Contains(common, key):
			return f.unknown("", key, append(slices.Clone(common), names...), commands)
		}
	}
	return nil
}

func (f *File) check(table map[string]any, where string, known []string) error {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(known, key) {
			return f.unknown(where, key, known, nil)
		}
	}
	return nil
}

// unknown returns the error about a key. Its value may be a password.
func (f *File) unknown(where, key string, known []string, commands map[string][]string) error {
	var owners []string
	for command, keys := range commands {
		if slices.Contains(keys, key) {
			owners = append(owners, "["+command+"]")
		}
	}
	slices.Sort(owners)
	hint := suggestion(key, known)
	if owners != nil {
		hint = "; it belongs into the table " + strings.Join(owners, " or ")
	}
	return Wrong("%s: %sunknown key %q%s", f.path, where, key, hint)
}

// suggestion returns a text with the names that are like one, or "" if none is.
func suggestion(name string, known []string) string {
	near := levenshtein.Like(name, known)
	if near == nil {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// Value returns a key of a command, or of the top, as the text of a flag. Lists
// have commas between their elements.
func (f *File) Value(command, key string) (string, bool, error) {
	for _, table := range []map[string]any{f.table(command), f.table("")} {
		if v, ok := table[key]; ok {
			s, err := asText(v)
			if err != nil {
				return "", false, Wrong("%s: %s: %w", f.path, key, err)
			}
			return s, true, nil
		}
	}
	return "", false, nil
}

// Layers returns the connection settings at the top and those of a command.
func (f *File) Layers(command string) ([]Layer, error) {
	var layers []Layer
	for _, name := range []string{"", command} {
		layer, err := f.layer(f.table(name), f.where(name))
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	return layers, nil
}

func (f *File) where(command string) string {
	switch {
	case f == nil:
		return ""
	case command == "":
		return f.path + ": "
	}
	return f.path + ": [" + command + "] "
}

// layer returns the connection settings of a table. Other keys are left out.
func (f *File) layer(table map[string]any, where string) (Layer, error) {
	layer := Layer{Origin: func(name string) string { return where + name }, Values: map[string]string{}}
	for key, v := range table {
		if find(key) == nil {
			continue
		}
		s, err := asText(v)
		if err != nil {
			return layer, Wrong("%s%s: %w", where, key, err)
		}
		layer.Values[key] = s
	}
	return layer, nil
}

func (f *File) table(command string) map[string]any {
	if f == nil {
		return nil
	}
	if command == "" {
		return f.top
	}
	table, _ := f.top[command].(map[string]any)
	return table
}

// Endpoints returns the tables [[kind]] of a command, or of the top: its inputs
// or its outputs. known are the keys besides those of a connection.
func (f *File) Endpoints(command, kind string, known ...string) ([]Endpoint, error) {
	raw, ok := f.table(command)[kind]
	if !ok {
		raw, ok = f.table("")[kind]
	}
	if !ok {
		return nil, nil
	}
	list, ok := raw.([]any)
	if !ok {
		return nil, Wrong("%s: %s must be a list of tables: [[%s]]", f.path, kind, kind)
	}
	var all []Endpoint
	for i, item := range list {
		where := fmt.Sprintf("%s: %s %d: ", f.path, kind, i+1)
		table, ok := item.(map[string]any)
		if !ok {
			return nil, Wrong("%smust be a table: [[%s]]", where, kind)
		}
		if err := f.check(table, fmt.Sprintf("%s %d: ", kind, i+1), endpointKeys(known)); err != nil {
			return nil, err
		}
		e := Endpoint{Layer: Layer{Origin: func(name string) string { return where + name }, Values: map[string]string{}}}
		for key, v := range table {
			s, err := asText(v)
			if err != nil {
				return nil, Wrong("%s%s: %w", where, key, err)
			}
			e.Values[key] = s
		}
		all = append(all, e)
	}
	return all, nil
}

// asText returns a value of a file as the text of a flag.
func asText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int64, float64:
		return fmt.Sprint(v), nil
	case map[string]any:
		return asJSON(v)
	case []any:
		var texts []string
		for _, item := range v {
			s, err := asText(item)
			if err != nil || strings.Contains(s, ",") {
				return "", fmt.Errorf("must be a list of plain values")
			}
			texts = append(texts, s)
		}
		return strings.Join(texts, ","), nil
	}
	return "", fmt.Errorf("must be a text, a number, true, false or a list of these")
}

package settings

import (
	"os"

	"github.com/spf13/pflag"
)

// AddConnection adds the flags of a connection to a set.
func AddConnection(fs *pflag.FlagSet) {
	for _, c := range Connections {
		if c.Secret {
			continue
		}
		fs.Var(&value{kind: c.Value}, c.Name, c.Usage)
	}
}

// value is the text of a flag that is read later.
type value struct{ kind, text string }

func (v *value) String() string     { return v.text }
func (v *value) Set(s string) error { v.text = s; return nil }
func (v *value) Type() string       { return v.kind }

// Fill sets the flags that are not on the command line from the environment or
// from the file. Flags of the connection are left to Layers.
func Fill(fs *pflag.FlagSet, file *File, command string) error {
	var failed error
	fs.VisitAll(func(f *pflag.Flag) {
		if failed != nil || f.Changed || find(f.Name) != nil || f.Name == "help" {
			return
		}
		if text, ok := os.LookupEnv(Variable(f.Name)); ok {
			if err := fs.Set(f.Name, text); err != nil {
				failed = Wrong("%s: %w", Variable(f.Name), cause(f, err))
			}
			return
		}
		if f.Name == "input" || f.Name == "output" { // tables of the file
			return
		}
		text, ok, err := file.Value(command, f.Name)
		if err == nil && ok {
			if err = fs.Set(f.Name, text); err != nil {
				err = Wrong("%s%s: %w", file.where(command), f.Name, cause(f, err))
			}
		}
		failed = err
	})
	return failed
}

// Layers returns the connection settings of a command, the lowest origin first:
// the file, the environment, the flags.
func Layers(fs *pflag.FlagSet, file *File, command string) ([]Layer, error) {
	layers, err := file.Layers(command)
	if err != nil {
		return nil, err
	}
	env := Layer{Origin: Variable, Values: map[string]string{}}
	set := Layer{Origin: func(name string) string { return "--" + name }, Values: map[string]string{}}
	for _, c := range Connections {
		if text, ok := os.LookupEnv(Variable(c.Name)); ok {
			env.Values[c.Name] = text
		}
		if f := fs.Lookup(c.Name); f != nil && f.Changed {
			set.Values[c.Name] = f.Value.String()
		}
	}
	return append(layers, env, set), nil
}

// ReadFile reads the settings file that the flag --config or NETGEAR_CONFIG
// names, or returns nil.
func ReadFile(fs *pflag.FlagSet) (*File, error) {
	path := os.Getenv(Variable("config"))
	if f := fs.Lookup("config"); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path == "" {
		return nil, nil
	}
	return Read(path)
}

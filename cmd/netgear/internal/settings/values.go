package settings

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// What is wrong with the text of a value.
var (
	errTime    = errors.New("must be a time such as 500ms or 4s")
	errInteger = errors.New("must be a whole number")
	errNumber  = errors.New("must be a number")
	errBool    = errors.New("must be true or false")
	errNames   = errors.New("must be names with commas between")
	errSize    = errors.New("must be a size such as 500MB or 2GiB")
)

// flagErrors are the reasons why pflag refuses a value, by the types of its flags.
var flagErrors = map[string]error{"duration": errTime, "int": errInteger, "float64": errNumber, "bool": errBool, "stringSlice": errNames}

// BadValue returns the error about the value of a flag, if err is one: in words of
// these packages instead of Go's.
func BadValue(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return nil
	}
	value := bad.GetValue()
	if value == "" {
		value = `""`
	}
	return Wrong("--%s %s: %w", bad.GetFlag().Name, value, cause(bad.GetFlag(), err))
}

// cause returns what is wrong with a flag's value, without pflag's text about the
// command line.
func cause(f *pflag.Flag, err error) error {
	if why := flagErrors[f.Value.Type()]; why != nil {
		return why
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return bad.Unwrap()
	}
	return err
}

// units are the ends of a size, with their bytes.
var units = []struct {
	name  string
	bytes float64
}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// Size returns the bytes of a size such as 500MB, 2GiB or 8388608.
func Size(text string) (int64, error) {
	number, unit := strings.ToUpper(strings.TrimSpace(text)), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n*unit >= 1 && n*unit < math.MaxInt64/2) {
		return 0, errSize
	}
	return int64(n * unit), nil
}

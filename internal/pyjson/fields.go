package pyjson

import (
	"cmp"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// field is one struct field that takes part in JSON.
type field struct {
	name      string
	tagged    bool  // the name is from a tag, so it takes precedence over an equal untagged one
	index     []int // its path through embedded structs
	omitEmpty bool
	omitZero  bool
	quoted    bool
}

// StructFields iterates over the fields of the struct v with encoding/json's
// names and order, without those that omitempty and omitzero leave out.
func StructFields(v reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for _, f := range fieldsOf(v.Type()) {
			if fv, ok := f.shown(v); ok && !yield(f.name, fv) {
				return
			}
		}
	}
}

// Opaque reports whether a struct has fields, but none that JSON could contain:
// a lock, a builder, an error's text. A struct whose tags omit its fields, or
// that has none, is not opaque.
func Opaque(t reflect.Type) bool {
	if t.NumField() == 0 || len(fieldsOf(t)) > 0 {
		return false
	}
	return !slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		base := f.Type
		if base.Kind() == reflect.Pointer {
			base = base.Elem()
		}
		return f.IsExported() && !(f.Anonymous && base.Kind() == reflect.Struct)
	})
}

// StructField returns the field of the struct v, which must be settable, that
// encoding/json would set for name.
func StructField(v reflect.Value, name string) (field reflect.Value, ok bool, err error) {
	f := findField(fieldsOf(v.Type()), name)
	if f == nil {
		return v, false, nil
	}
	field, err = f.reach(v)
	return field, err == nil, err
}

var fieldCache sync.Map // reflect.Type to []field

// fieldsOf returns the fields of struct type t that encoding/json would use, in
// its order.
func fieldsOf(t reflect.Type) []field {
	if f, ok := fieldCache.Load(t); ok {
		return f.([]field)
	}
	f, _ := fieldCache.LoadOrStore(t, dominant(collect(t)))
	return f.([]field)
}

// embedded is a struct whose fields collect has not visited.
type embedded struct {
	typ   reflect.Type
	index []int
}

// collect visits t and its embedded structs level by level, the outermost
// first, each type once.
func collect(t reflect.Type) []field {
	var all []field
	visited := map[reflect.Type]bool{}
	level, count := []embedded{{typ: t}}, map[reflect.Type]int{}
	for len(level) > 0 {
		var next []embedded
		nextCount := map[reflect.Type]int{}
		for _, e := range level {
			if visited[e.typ] {
				continue
			}
			visited[e.typ] = true
			for i := range e.typ.NumField() {
				f, inner, ok := readField(e, i)
				switch {
				case !ok:
				case inner == nil:
					all = append(all, f)
					if count[e.typ] > 1 {
						all = append(all, f) // embedded twice at this level: its fields hide each other
					}
				default:
					if nextCount[inner]++; nextCount[inner] == 1 {
						next = append(next, embedded{inner, f.index})
					}
				}
			}
		}
		level, count = next, nextCount
	}
	return all
}

// readField describes field i of a struct. inner is its struct type if the
// fields of that type take its place.
func readField(e embedded, i int) (f field, inner reflect.Type, ok bool) {
	sf := e.typ.Field(i)
	tag := sf.Tag.Get("json")
	if tag == "-" || !usable(sf) {
		return f, nil, false
	}
	name, options, _ := strings.Cut(tag, ",")
	if !validName(name) {
		name = ""
	}
	base := sf.Type
	if base.Name() == "" && base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	f = field{
		name:   cmp.Or(name, sf.Name),
		tagged: name != "",
		index:  append(slices.Clone(e.index), i),
	}
	if name == "" && sf.Anonymous && base.Kind() == reflect.Struct {
		return f, base, true
	}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			f.quoted = quotable(base.Kind())
		}
	}
	return f, nil, true
}

// usable reports whether encoding/json uses a field: an unexported one only if
// it embeds a struct.
func usable(sf reflect.StructField) bool {
	if sf.IsExported() {
		return true
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return sf.Anonymous && t.Kind() == reflect.Struct
}

// quotable reports whether the tag option "string" applies to a kind.
func quotable(k reflect.Kind) bool {
	return k == reflect.Bool || k == reflect.String || k == reflect.Float32 || k == reflect.Float64 ||
		reflect.Int <= k && k <= reflect.Uintptr
}

// validName reports whether encoding/json would accept a tag's name.
func validName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}

// dominant returns, of fields of the same name, the least deep one, of those
// the tagged one, and none if two remain.
func dominant(all []field) []field {
	slices.SortStableFunc(all, func(a, b field) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(len(a.index), len(b.index)), untaggedLast(a, b))
	})
	var out []field
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && all[n].name == all[i].name {
			n++
		}
		if n == i+1 || len(all[i].index) != len(all[i+1].index) || all[i].tagged != all[i+1].tagged {
			out = append(out, all[i])
		}
		i = n
	}
	slices.SortFunc(out, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return out
}

func untaggedLast(a, b field) int {
	switch {
	case a.tagged == b.tagged:
		return 0
	case a.tagged:
		return -1
	}
	return 1
}

package netgear

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// enumTexts holds the constants of every exported enum, and their texts.
var enumTexts = map[string]map[any]string{
	"Pattern":         {Pair: "PAIR", ReqRep: "REQ/REP", PubSub: "PUB/SUB", PushPull: "PUSH/PULL"},
	"Wire":            {NetGearWire: "NetGear", AsyncWire: "NetGear_Async", ImageZMQWire: "imagezmq"},
	"Toggle":          {ToggleDefault: "default", ToggleOn: "on", ToggleOff: "off"},
	"Attachment":      {AttachDefault: "default", AttachBind: "bind", AttachConnect: "connect"},
	"TerminatePolicy": {StopOnTerminate: "stop", KeepWaiting: "keep waiting"},
	"DecodePolicy":    {DecodeFollowUse: "follow use", DecodeAhead: "ahead", DecodeOnUse: "on use"},
	"SecureMode":      {Grasslands: "Grasslands", StoneHouse: "StoneHouse", IronHouse: "IronHouse"},
	"Colorspace":      {JPEGDefault: "default", JPEGOff: "off", JPEGBGR: "BGR", JPEGRGB: "RGB", JPEGGray: "GRAY", Colorspace("RGBX"): "RGBX"},
	"EventKind": {EventConnected: "connected", EventLost: "lost", EventReconnecting: "reconnecting", EventStalled: "stalled", EventResumed: "resumed",
		EventRefused: "refused", EventTerminated: "terminated", EventAdapted: "adapted"},
}

// notInEnum holds values that no constant has.
var notInEnum = []any{Pattern(-1), Pattern(9), Wire(-1), Wire(3), Toggle(-1), Toggle(3), Attachment(3), TerminatePolicy(2), SecureMode(3), DecodePolicy(3), Colorspace("YUV"),
	EventKind(0), EventKind(-1), EventKind(99)}

func TestEnumTexts(t *testing.T) {
	for name, texts := range enumTexts {
		for value, text := range texts {
			if got := fmt.Sprint(value); got != text {
				t.Errorf("%s: %s, want %s", name, got, text)
			}
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
			if !strings.Contains(strings.ReplaceAll(log.String(), `"`, ""), "value="+text) {
				t.Errorf("%s: slog prints %s", name, &log)
			}
			raw, err := json.Marshal(value)
			if want, _ := json.Marshal(text); err != nil || string(raw) != string(want) {
				t.Errorf("%s: %s, %v", name, raw, err)
			}
			for _, from := range []string{string(raw), strings.ToUpper(string(raw)), strings.ToLower(string(raw))} {
				read := reflect.New(reflect.TypeOf(value))
				if err := json.Unmarshal([]byte(from), read.Interface()); err != nil || read.Elem().Interface() != value {
					t.Errorf("%s: %s is read as %v, %v", name, from, read.Elem(), err)
				}
			}
			if got := fmt.Sprintf("%#v", value); !strings.HasPrefix(got, "netgear.") {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	var numbers struct {
		P Pattern
		M SecureMode
	}
	if err := json.Unmarshal([]byte(`{"P": 2, "M": 1}`), &numbers); err != nil || numbers.P != PubSub || numbers.M != StoneHouse {
		t.Errorf("VidGear's numbers in JSON: %+v, %v", numbers, err)
	}
	if err := json.Unmarshal([]byte(`{"P": 9}`), &numbers); !errors.Is(err, ErrOption) {
		t.Errorf("a number that VidGear does not have: %v", err)
	}
	var p Pattern
	if err := p.UnmarshalText([]byte(" 2 ")); err != nil || p != PubSub {
		t.Errorf("VidGear's number: %v, %v", p, err)
	}
	for _, value := range notInEnum {
		name := reflect.TypeOf(value).Name()
		if text := fmt.Sprint(value); name != "Colorspace" && text != fmt.Sprintf("%s(%d)", name, reflect.ValueOf(value).Int()) {
			t.Errorf("%s: %s", name, text)
		}
		if raw, err := value.(encoding.TextMarshaler).MarshalText(); !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %s, %v", value, raw, err)
		}
		read := reflect.New(reflect.TypeOf(value))
		if err := read.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte("nonsense")); !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), name) || !read.Elem().IsZero() {
			t.Errorf("%s: %v, %v", name, read.Elem(), err)
		}
	}
}

// Every exported type that is a number or a text is in the table, with all its
// constants and methods.
func TestEnumTextsAreComplete(t *testing.T) {
	types, constants := map[string]bool{}, map[string][]string{}
	for _, tree := range sourceFiles(t) {
		for _, d := range tree.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				readSpecs(g, types, constants)
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(types)), slices.Sorted(maps.Keys(enumTexts)); !slices.Equal(got, want) {
		t.Fatalf("exported types that are numbers or texts: %v\nin the table: %v", got, want)
	}
	for name, texts := range enumTexts {
		var want, got []string
		for value := range texts {
			if text := fmt.Sprintf("%#v", value); !strings.Contains(text, "(") {
				got = append(got, strings.TrimPrefix(text, "netgear."))
			}
			for what, ok := range map[string]bool{
				"String":      implements[fmt.Stringer](value),
				"MarshalText": implements[encoding.TextMarshaler](value),
				"GoString":    implements[fmt.GoStringer](value),
			} {
				if !ok {
					t.Errorf("%s has no %s", name, what)
				}
			}
			if !implements[encoding.TextUnmarshaler](reflect.New(reflect.TypeOf(value)).Interface()) {
				t.Errorf("%s has no UnmarshalText", name)
			}
		}
		want = slices.Sorted(slices.Values(constants[name]))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s has %v, the table %v", name, want, got)
		}
	}
}

func implements[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// readSpecs notes exported types whose underlying type is a number or a text, and
// exported constants of such types.
func readSpecs(g *ast.GenDecl, types map[string]bool, constants map[string][]string) {
	var last string // constants without a type have the one before
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if base, ok := s.Type.(*ast.Ident); ok && s.Name.IsExported() && types != nil && token.Lookup(base.Name) == token.IDENT && isBasic(base.Name) {
				types[s.Name.Name] = true
			}
		case *ast.ValueSpec:
			if id, ok := s.Type.(*ast.Ident); ok {
				last = id.Name
			} else if len(s.Values) > 0 {
				last = ""
			}
			for _, name := range s.Names {
				if g.Tok == token.CONST && last != "" && name.IsExported() {
					constants[last] = append(constants[last], name.Name)
				}
			}
		}
	}
}

func isBasic(name string) bool {
	return name == "string" || strings.HasPrefix(name, "int") || strings.HasPrefix(name, "uint") || name == "byte" || name == "rune"
}

// The errors are the standard library's, too, also as what an end returns.
func TestErrorsOfTheStandardLibrary(t *testing.T) {
	for _, c := range []struct{ ours, theirs, other error }{
		{ErrClosed, net.ErrClosed, os.ErrDeadlineExceeded}, {ErrTimeout, os.ErrDeadlineExceeded, net.ErrClosed},
	} {
		for _, err := range []error{c.ours, wrap("recv", c.ours), wrap("recv", fmt.Errorf("%w: %w", ErrPeerGone, c.ours))} {
			if !errors.Is(err, c.ours) || !errors.Is(err, c.theirs) || errors.Is(err, c.other) {
				t.Errorf("%v", err)
			}
		}
		if errors.Is(c.theirs, c.ours) || strings.Contains(c.ours.Error(), "netgear") || errors.Is(ErrClosed, ErrTimeout) {
			t.Errorf("%v is %v", c.theirs, c.ours)
		}
	}
	var late net.Error
	if !errors.As(wrap("recv", ErrTimeout), &late) || !late.Timeout() {
		t.Error("ErrTimeout is no time-out to package net")
	}
	end := mustNew(t, Options{})
	end.Close()
	if _, err := end.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); !errors.Is(err, net.ErrClosed) || !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The keys in the dictionary, in errors and in the comments of Options agree.
func TestKeysOfOptions(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	fields := 0
	ast.Inspect(tree, func(n ast.Node) bool {
		s, ok := n.(*ast.TypeSpec)
		if !ok || s.Name.Name != "Options" {
			return true
		}
		for _, f := range s.Type.(*ast.StructType).Fields.List {
			fields++
			key := keyOf(f.Names[0].Name)
			comment := strings.Join(strings.Fields(f.Doc.Text()), " ")
			if key != "" && !strings.Contains(comment, "["+key) || key == "" && !strings.Contains(comment, "[no counterpart") && !strings.Contains(comment, "[the class]") {
				t.Errorf("%s has the key %q: %s", f.Names[0].Name, key, comment)
			}
		}
		return false
	})
	if fields != reflect.TypeFor[Options]().NumField() {
		t.Errorf("%d fields found", fields)
	}
	for key := range dictionary {
		if _, ok := reflect.TypeFor[Options]().FieldByName(fieldOf(key)); !ok {
			t.Errorf("%s sets %q", key, fieldOf(key))
		}
	}
	for field, key := range vidGearKeys {
		if _, ok := dictionary[key]; !ok {
			t.Errorf("%s: there is no %s", field, key)
		}
	}
}

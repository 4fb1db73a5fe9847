package pyjson

import (
	"strconv"
	"unicode/utf8"
)

// scanner scans one JSON text. Its methods check the grammar and advance pos;
// none of them decodes.
type scanner struct {
	data []byte
	pos  int
}

// open returns a scanner at the first value. The whole text must be UTF-8, as
// Python decodes it first.
func open(raw []byte) (scanner, error) {
	s := scanner{data: raw}
	if !utf8.Valid(raw) {
		return s, s.failAt(invalidUTF8(raw), "expected UTF-8")
	}
	s.space()
	return s, nil
}

func invalidUTF8(raw []byte) int {
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(raw)
}

func (s *scanner) fail(problem string) error { return s.failAt(s.pos, problem) }

func (s *scanner) failAt(offset int, problem string) error {
	return &SyntaxError{Offset: offset, Problem: problem}
}

// peek returns the next byte, or 0 at the end. No JSON token starts with a NUL.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// end returns an error unless only white space is left.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.data) {
		return s.fail("expected the end of the text")
	}
	return nil
}

// value skips one value. depth counts the arrays and objects around it.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		_, _, err := s.str()
		return err
	case c == '{':
		return s.object(depth, func(scannedKey) error { return s.value(depth + 1) })
	case c == '[':
		return s.array(depth, func() error { return s.value(depth + 1) })
	case c == '-' || isDigit(c):
		_, _, err := s.number()
		return err
	default:
		_, err := s.literal()
		return err
	}
}

// scannedKey is the text of an object's key, without its quotes.
type scannedKey struct {
	text    []byte
	escaped bool
}

// object scans one object. member must scan the value at pos.
func (s *scanner) object(depth int, member func(scannedKey) error) error {
	if err := s.enter(depth); err != nil || s.closes('}') {
		return err
	}
	for {
		if s.peek() != '"' {
			return s.fail("expected a key in double quotes")
		}
		text, escaped, err := s.str()
		if err != nil {
			return err
		}
		s.space()
		if s.peek() != ':' {
			return s.fail("expected ':'")
		}
		s.pos++
		s.space()
		if err := member(scannedKey{text, escaped}); err != nil {
			return err
		}
		if s.space(); s.closes('}') {
			return nil
		}
		if s.peek() != ',' {
			return s.fail("expected ',' or '}'")
		}
		s.pos++
		s.space()
	}
}

// array scans one array. element must scan the value at pos.
func (s *scanner) array(depth int, element func() error) error {
	if err := s.enter(depth); err != nil || s.closes(']') {
		return err
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.space(); s.closes(']') {
			return nil
		}
		if s.peek() != ',' {
			return s.fail("expected ',' or ']'")
		}
		s.pos++
		s.space()
	}
}

// enter skips an opening bracket.
func (s *scanner) enter(depth int) error {
	if depth >= maxDepth {
		return s.fail("nested deeper than " + strconv.Itoa(maxDepth))
	}
	s.pos++
	s.space()
	return nil
}

// closes skips the bracket c if it is next.
func (s *scanner) closes(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// str skips a string and returns the bytes between its quotes.
func (s *scanner) str() (text []byte, escaped bool, err error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			text = s.data[start:s.pos]
			s.pos++
			return text, escaped, nil
		case c < ' ':
			return nil, false, s.fail("control character in a string, expected an escape")
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		default:
			s.pos++
		}
	}
	return nil, false, s.fail("expected the closing quote of a string")
}

// escape skips one backslash sequence.
func (s *scanner) escape() error {
	if s.pos+1 >= len(s.data) {
		return s.fail("expected the closing quote of a string")
	}
	switch s.data[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
		if _, ok := hex4(s.data[s.pos+2:]); !ok {
			return s.fail(`expected \u and four hexadecimal digits`)
		}
		s.pos += 6
		return nil
	}
	return s.fail("expected a known escape")
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// digits skips digits and returns their number.
func (s *scanner) digits() int {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos - start
}

// number skips a number or -Infinity and returns its text.
func (s *scanner) number() (text []byte, float bool, err error) {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
		if s.word("Infinity") {
			return s.data[start:s.pos], true, nil
		}
	}
	n := 1
	if s.peek() == '0' {
		s.pos++ // only a fraction or an exponent may follow; the caller rejects another digit as a separator
	} else if n = s.digits(); n == 0 {
		return nil, false, s.failAt(start, "expected a value")
	}
	frac, err := s.fraction()
	if err != nil {
		return nil, false, err
	}
	exp, err := s.exponent()
	if err != nil {
		return nil, false, err
	}
	float = frac || exp
	if !float && n > maxDigits {
		return nil, false, s.failAt(start, "integer of more than "+strconv.Itoa(maxDigits)+" digits")
	}
	return s.data[start:s.pos], float, nil
}

func (s *scanner) fraction() (bool, error) {
	if s.peek() != '.' {
		return false, nil
	}
	s.pos++
	if s.digits() == 0 {
		return false, s.fail("expected a digit")
	}
	return true, nil
}

func (s *scanner) exponent() (bool, error) {
	if c := s.peek(); c != 'e' && c != 'E' {
		return false, nil
	}
	s.pos++
	if c := s.peek(); c == '+' || c == '-' {
		s.pos++
	}
	if s.digits() == 0 {
		return false, s.fail("expected a digit")
	}
	return true, nil
}

// word skips w if it is next.
func (s *scanner) word(w string) bool {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

// literals are the words for values, except -Infinity, which starts like a
// number.
var literals = [...]string{"null", "true", "false", "NaN", "Infinity"}

// literal skips one of the literals.
func (s *scanner) literal() (string, error) {
	for _, w := range literals {
		if s.word(w) {
			return w, nil
		}
	}
	return "", s.fail("expected a value")
}

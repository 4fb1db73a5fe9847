package source

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// verb is a number in the name of a series of files, as OpenCV and FFmpeg write
// it: frame_%03d.png.
var verb = regexp.MustCompile(`%0?(\d*)d`)

// isSeries reports whether a name stands for a series of files.
func isSeries(name string) bool {
	if _, err := os.Lstat(name); err == nil {
		return false // a file with a percent sign
	}
	return len(verb.FindAllString(filepath.Base(name), -1)) == 1
}

// series reads picture files, one after the other.
type series struct {
	files []string
}

// openSeries finds the files of a series, in the order of their numbers. The
// first has the lowest number, and the series ends where a number is missing.
func openSeries(name string) (reader, error) {
	folder, base := filepath.Split(name)
	at := verb.FindStringSubmatchIndex(base)
	before, after := base[:at[0]], base[at[1]:]
	digits, _ := strconv.Atoi(base[at[2]:at[3]])
	entries, err := os.ReadDir(cmp.Or(folder, "."))
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w (source \"test\" needs no file)", err)
	}
	var numbers []int
	for _, e := range entries {
		text := strings.TrimSuffix(strings.TrimPrefix(e.Name(), before), after)
		n, err := strconv.Atoi(text)
		if err == nil && n >= 0 && e.Name() == numbered(before, n, digits, after) {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s: no such file: there is no %s (source \"test\" needs no file)", name, numbered(before, 0, digits, after))
	}
	slices.Sort(numbers)
	s := &series{}
	for i, n := range numbers {
		if n != numbers[0]+i {
			break
		}
		s.files = append(s.files, filepath.Join(folder, numbered(before, n, digits, after)))
	}
	return s, nil
}

func numbered(before string, n, digits int, after string) string {
	return fmt.Sprintf("%s%0*d%s", before, digits, n, after)
}

func (s *series) next(context.Context) (Frame, error) {
	if len(s.files) == 0 {
		return Frame{}, io.EOF
	}
	file := s.files[0]
	s.files = s.files[1:]
	head := make([]byte, 3)
	f, err := os.Open(file)
	if err != nil {
		return Frame{}, fmt.Errorf("cannot read it: %w", err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, head); err != nil {
		return Frame{}, fmt.Errorf("%s: it is no picture: %w", file, err)
	}
	if !isJPEG(head) {
		a, err := readPicture(file)
		if err != nil {
			return Frame{}, fmt.Errorf("%s: %w", file, err)
		}
		return Frame{Array: a}, nil
	}
	rest, err := io.ReadAll(io.LimitReader(f, maxPicture+1))
	if err != nil {
		return Frame{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(rest) > maxPicture {
		return Frame{}, fmt.Errorf("%s: it has more than %d bytes", file, maxPicture)
	}
	return Frame{JPEG: append(head, rest...)}, nil
}

func (s *series) close() {}

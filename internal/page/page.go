// Package page contains what the programs that measure share: charts, the
// description of the machine, and the page in a document.
package page

import (
	"fmt"
	"os"
	"strings"
)

// Replace replaces what is between two marks in a document: "<!-- NAME: begin
// -->" and "<!-- NAME: end -->".
func Replace(file, name, page string) error {
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(data), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return fmt.Errorf("%s has not the marks %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+page+"\n"+end+after), 0o644)
}

// Package doctest returns the code blocks of the repository's Markdown files,
// so that tests compile and run what the documents show.
package doctest

import (
	"os"
	"strings"
)

// Block is one fenced code block.
type Block struct {
	File     string // as given to Blocks
	Line     int    // the number of its first line of code
	Heading  string // the text of the heading above it
	Language string // the word after the fence, such as "go"; may be empty
	Text     string // the code
}

// Blocks returns the fenced code blocks of a Markdown file, in order.
func Blocks(file string) ([]Block, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var blocks []Block
	var open *Block
	heading := ""
	for i, line := range strings.Split(string(text), "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &Block{File: file, Line: i + 2, Heading: heading, Language: language}
		case fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += line + "\n"
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		}
	}
	return blocks, nil
}

// IsProgram reports whether a block of Go is a whole program.
func (b Block) IsProgram() bool {
	return b.Language == "go" && strings.HasPrefix(b.Text, "package main\n")
}

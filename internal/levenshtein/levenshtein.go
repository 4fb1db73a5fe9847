// Package levenshtein counts the edits between two names, so that an error can
// suggest a similar name.
package levenshtein

import (
	"slices"
	"strings"
)

// maxLength is the length in bytes up to which names are compared.
const maxLength = 64

// Distance returns the Levenshtein distance of two names: how many bytes must
// be inserted, deleted or replaced. It returns 64 if a name is longer than
// that.
func Distance(a, b string) int {
	if max(len(a), len(b)) > maxLength {
		return maxLength
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// Like returns the known names that a mistyped name may stand for: the one that
// Near returns, or else those of which it is a part, at most three. It returns
// nil if there are none.
func Like(name string, known []string) []string {
	if near := Near(name, known); near != "" {
		return []string{near}
	}
	short := Fold(name)
	var parts []string
	for _, k := range known {
		if len(short) > 2 && strings.Contains(Fold(k), short) {
			parts = append(parts, k)
		}
	}
	slices.SortStableFunc(parts, func(a, b string) int { return len(a) - len(b) })
	return parts[:min(len(parts), 3)]
}

// Near returns the known name that differs in case, hyphens and underscores
// only, or else the nearest one: up to three edits, and up to half of a short
// name. It returns "" if there is none.
func Near(name string, known []string) string {
	short := Fold(name)
	best, near := "", min(4, (len(short)+1)/2+1)
	for _, k := range known {
		if d := Distance(short, Fold(k)); d < near {
			best, near = k, d
		}
	}
	return best
}

// Fold returns a name without case, hyphens and underscores.
func Fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

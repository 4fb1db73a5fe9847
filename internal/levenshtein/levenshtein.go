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
// differs in case, hyphens and underscores only, or else the nearest one, or
// else those of which it is a part, at most three. It returns nil if there are
// none. The result is in the order of known.
func Like(name string, known []string) []string {
	short := Fold(name)
	if short == "" {
		return nil
	}
	best, near := "", min(4, len(short)/2+1)
	var parts []string
	for _, k := range known {
		d := Distance(short, Fold(k))
		if d == 0 {
			return []string{k}
		}
		if d < near {
			best, near = k, d
		}
		if len(short) > 2 && strings.Contains(Fold(k), short) {
			parts = append(parts, k)
		}
	}
	switch {
	case best != "":
		return []string{best}
	case len(parts) > 3:
		slices.SortStableFunc(parts, func(a, b string) int { return len(a) - len(b) })
		return parts[:3]
	}
	return parts
}

// Fold returns a name without case, hyphens and underscores.
func Fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

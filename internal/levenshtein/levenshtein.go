// Package levenshtein counts the edits between two names, so that an error can
// suggest a similar name.
package levenshtein

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

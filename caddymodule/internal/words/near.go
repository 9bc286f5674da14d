package words

import (
	"slices"
	"strings"
)

// Near returns the one or two known words that are spelled most like a word, the
// nearest first. It returns nil if none is near.
func Near(word string, known []string) []string {
	word = strings.ToLower(word)
	best, found := allowed(word)+1, []string(nil)
	for _, other := range slices.Compact(slices.Sorted(slices.Values(known))) {
		switch d := distance(word, other); {
		case d < best:
			best, found = d, []string{other}
		case d == best && best <= allowed(word):
			found = append(found, other)
		}
	}
	return found[:min(len(found), 2)]
}

// allowed is how many letters may be wrong in a word.
func allowed(word string) int {
	switch n := len(word); {
	case n <= 5:
		return 1
	case n <= 8:
		return 2
	default:
		return 3
	}
}

// distance counts the letters that are wrong, missing, additional or swapped with
// the next one. The beginning of a word is near it, however long the rest is.
func distance(word, other string) int {
	if len(word) >= 4 && strings.HasPrefix(other, word) {
		return 1
	}
	var before, last, row []int // of the words' beginnings
	for i := 0; i <= len(word); i++ {
		before, last, row = last, row, make([]int, len(other)+1)
		for j := range row {
			switch {
			case i == 0 || j == 0:
				row[j] = i + j
				continue
			case word[i-1] == other[j-1]:
				row[j] = last[j-1]
			default:
				row[j] = 1 + min(last[j-1], last[j], row[j-1])
			}
			if i > 1 && j > 1 && word[i-1] == other[j-2] && word[i-2] == other[j-1] {
				row[j] = min(row[j], 1+before[j-2])
			}
		}
	}
	return row[len(other)]
}

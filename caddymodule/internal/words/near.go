package words

import (
	"slices"
	"strings"
)

// Near returns the one or two known words with the spelling nearest to a word, nearest
// first. It returns nil if no word is near.
func Near(word string, known []string) []string {
	word = strings.ToLower(word)
	limit := allowed(word)
	best := limit + 1
	var found []string
	for _, other := range slices.Compact(slices.Sorted(slices.Values(known))) {
		if len(word) > len(other)+limit {
			continue // each further letter is wrong; the length of a word has no limit
		}
		switch d := distance(word, other); {
		case d < best:
			best, found = d, append(found[:0], other)
		case d == best && best <= limit:
			found = append(found, other)
		}
	}
	return found[:min(len(found), 2)]
}

// allowed returns how many letters of a word may be wrong.
func allowed(word string) int {
	switch n := len(word); {
	case n <= 2:
		return 0
	case n <= 5:
		return 1
	case n <= 8:
		return 2
	default:
		return 3
	}
}

// distance counts the letters that are wrong, missing, additional or swapped with the
// next one. It is 1 if word is the beginning of other, however long the rest is.
func distance(word, other string) int {
	if len(word) >= 4 && strings.HasPrefix(other, word) {
		return 1
	}
	var before, last, row []int // rows of the prefixes of word
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

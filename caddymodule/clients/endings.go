package clients

import (
	"strconv"
	"strings"
)

// Endings is a range of endings, to select by. The zero value selects all, even those
// that are not known.
type Endings struct{ first, last Ending }

// ParseEndings parses a selection: a status such as 503, a class of statuses such as
// 5xx, or the outcome cut, no_reply or left. It reports whether the text is one.
func ParseEndings(text string) (Endings, bool) {
	for _, outcome := range [...]Outcome{Cut, NoReply, Left} {
		if text == string(outcome) {
			first := Ending(indexOf(outcome)) * endingStatus
			return Endings{first, first + endingStatus - 1}, true
		}
	}
	const replies = 1 * endingStatus // the index of Reply
	if class, ok := strings.CutSuffix(text, "xx"); ok && len(class) == 1 && class[0] >= '1' && class[0] <= '9' {
		first := replies + Ending(class[0]-'0')*100
		return Endings{first, first + 99}, true
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 100 || code >= endingStatus {
		return Endings{}, false
	}
	return Endings{replies + Ending(code), replies + Ending(code)}, true
}

// All reports whether every ending is selected.
func (s Endings) All() bool { return s == Endings{} }

// Has reports whether an ending is selected.
func (s Endings) Has(e Ending) bool { return s.All() || s.first <= e && e <= s.last }

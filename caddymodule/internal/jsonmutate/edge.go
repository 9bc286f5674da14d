package jsonmutate

import (
	"strconv"
	"strings"
	"time"
)

func ifNotEmpty(s *subject) variants {
	switch s.typ {
	case "object", "array":
		return oneIf(s.hasValues(s.i))
	case "string":
		return oneIf(s.raw != `""`)
	default:
		return oneIf(s.typ == "number" && s.raw != "0")
	}
}

func empty(s *subject, _ int) edit {
	return s.to(map[string]string{"object": "{}", "array": "[]", "string": `""`, "number": "0"}[s.typ])
}

// Sizes of huge values.
const (
	hugeTimes  = 1000
	hugeString = 64 << 10
)

// hugeNumbers has a number that a float64 cannot hold, one that is too large, a negative
// zero, and one with 30 digits.
var hugeNumbers = []string{"9007199254740993", "1e400", "-0", "0.123456789012345678901234567890"}

func hugeVariants(s *subject) (v variants) {
	switch s.typ {
	case "array":
		return oneIf(s.hasValues(s.i) && s.hugeTimes() > 1)
	case "string":
		n := s.hugeLength()
		return oneIf(n > 0 && (len(s.raw) != n+2 || strings.Count(s.raw, "x") != n))
	case "number":
		for i, number := range hugeNumbers {
			if s.raw != number {
				v |= 1 << i
			}
		}
	}
	return v
}

// hugeTimes returns how often the elements of a huge array are repeated.
func (s *subject) hugeTimes() int { return min(hugeTimes, 1+s.room/(len(s.raw)-1)) }

// hugeLength returns the length of a huge string.
func (s *subject) hugeLength() int { return min(hugeString, s.room) }

func huge(s *subject, variant int) edit {
	switch s.typ {
	case "array":
		elements := s.raw[1 : len(s.raw)-1]
		return s.to("[" + strings.Repeat(elements+",", s.hugeTimes()-1) + elements + "]")
	case "string":
		return s.to(`"` + strings.Repeat("x", s.hugeLength()) + `"`)
	default:
		return s.to(hugeNumbers[variant])
	}
}

// The variants of date. A day without a time has only those from unixSeconds on.
const (
	withSpace = iota
	withoutZone
	unixSeconds
	unixMillis
	zeroDay
	noLeapDay
	dateEnd
)

// moment parses an instant or a day.
func (s *subject) moment() (t time.Time, isDay, ok bool) {
	text := s.raw[1 : len(s.raw)-1]
	if len(text) < len(time.DateOnly) || len(text) > len(time.RFC3339Nano) || text[4] != '-' {
		return t, false, false
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, false, true
	}
	t, err := time.Parse(time.DateOnly, text)
	return t, true, err == nil
}

func dateVariants(s *subject) variants {
	if s.typ != "string" {
		return 0
	}
	_, isDay, ok := s.moment()
	switch {
	case !ok:
		return 0
	case isDay:
		return 1<<dateEnd - 1<<unixSeconds
	}
	return 1<<dateEnd - 1
}

func date(s *subject, variant int) edit {
	t, _, _ := s.moment()
	text := s.raw[1 : len(s.raw)-1]
	day, rest := text[:len(time.DateOnly)], text[len(time.DateOnly):]
	switch variant {
	case unixSeconds:
		return s.to(strconv.FormatInt(t.Unix(), 10))
	case unixMillis:
		return s.to(strconv.FormatInt(t.UnixMilli(), 10))
	case withSpace:
		text = day + " " + rest[1:]
	case withoutZone:
		local, isUTC := strings.CutSuffix(text, "Z")
		if text = local; !isUTC {
			text = text[:len(text)-len("+01:00")]
		}
	case zeroDay:
		text = "0000-00-00"
	case noLeapDay:
		text = "2023-02-29" + rest
	}
	return s.to(`"` + text + `"`)
}

// unicodeTexts has an emoji, a mark from right to left, NUL, half of a surrogate pair, and
// a letter with a combining accent.
var unicodeTexts = []string{"\U0001F600", "\u200f", `\u0000`, `\ud800`, "e\u0301"}

func unicodeVariants(s *subject) variants {
	if s.typ != "string" {
		return 0
	}
	return 1<<len(unicodeTexts) - 1
}

// addUnicode adds a text to a string.
func addUnicode(s *subject, variant int) edit {
	return s.to(s.raw[:len(s.raw)-1] + unicodeTexts[variant] + `"`)
}

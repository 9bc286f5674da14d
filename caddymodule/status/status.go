package status

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The range of codes that can be named. RFC 9110 section 15 has 100 to 599; the
// rest up to 999 is used by other protocols and by some sites, and an HTTP client
// has to cope with it.
const (
	minCode = 100
	maxCode = 999
)

// unknownName is the name of a bare code that no family has.
const unknownName = "Unknown Status"

// Code is one row of the catalogue.
type Code struct {
	// Who gives the code this meaning, such as "http" or "smtp". Empty for a bare
	// code that is not in the catalogue.
	Family string `json:"family"`

	// The status code, 100 to 999.
	Code int `json:"code"`

	// The reason phrase, such as "User Not Local".
	Name string `json:"name"`

	// Where the name comes from: an RFC with its section, a vendor's documentation,
	// or "de facto, unregistered" for codes that are used but specified nowhere.
	// Empty for a code that is not in the catalogue.
	Source string `json:"source"`
}

var looksLike = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*:)?[0-9]+$`).MatchString

// LooksLike reports whether a word is meant as a status, `551` or `smtp:450`,
// right or wrong.
func LooksLike(word string) bool { return looksLike(word) }

// Parse reads a status code as people write it: a bare code ("551") or a family
// and a code ("smtp:450").
//
// A bare code need not be in the catalogue: any number from 100 to 999 is
// accepted, and one without a known meaning is named "Unknown Status". With a
// family the code must be one of that family's, because a family that is given and
// then ignored hides a typing error.
func Parse(text string) (Code, error) {
	family, number, qualified := strings.Cut(text, ":")
	if !qualified {
		family, number = "", text
	} else if !isFamily(family) {
		return Code{}, fmt.Errorf("unknown family '%s'; the families are %s", family, strings.Join(Families(), ", "))
	}
	code, err := parseNumber(number)
	if err != nil {
		return Code{}, err
	}
	c, ok := Find(family, code)
	if !ok && qualified {
		return Code{}, fmt.Errorf("unknown %s code '%s'", family, number)
	}
	return c, nil
}

// parseNumber reads three digits. It is stricter than strconv.Atoi, which takes a
// sign and leading zeros, so that every code has one spelling.
func parseNumber(text string) (int, error) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("status code '%s' is not a number", text)
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < minCode || code > maxCode || len(text) != 3 {
		return 0, fmt.Errorf("status code '%s' is outside 100-999", text)
	}
	return code, nil
}

// Find looks a code up and reports whether the catalogue has it. With a family it
// finds that family's meaning; with "" it finds the meaning of the bare code: that
// of the first family, in the order of [Families], that has the code.
//
// What is not in the catalogue comes back with an empty family, the code and the
// name "Unknown Status", so that it can still be sent.
func Find(family string, code int) (Code, bool) {
	if c, ok := byKey[key{family, code}]; ok {
		return c, true
	}
	return Code{Code: code, Name: unknownName}, false
}

// String is the form that [Parse] reads back: "smtp:450", or the bare code if there
// is no family.
func (c Code) String() string {
	if c.Family == "" {
		return strconv.Itoa(c.Code)
	}
	return c.Family + ":" + strconv.Itoa(c.Code)
}

// Sendable reports whether the code can be the status of a final HTTP reply: 200
// to 999. Codes below 200 are interim replies (RFC 9110 section 15.2), after which
// the client goes on waiting, and Go's server panics on more or less than three
// digits.
func (c Code) Sendable() bool {
	return c.Code >= 200 && c.Code <= maxCode
}

// Slug is the name as an identifier: in lower case, with spaces turned to
// underscores. Other characters stay: SIP's 481 is
// "call/transaction_does_not_exist".
func (c Code) Slug() string {
	return strings.ReplaceAll(strings.ToLower(c.Name), " ", "_")
}

package status

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The range of codes that can be named. RFC 9110 section 15 defines 100 to 599. Other
// protocols and some sites use the rest up to 999, and an HTTP client has to cope with
// them.
const (
	minCode = 100
	maxCode = 999
)

// unknownName is the name of a bare code that is not in any family.
const unknownName = "Unknown Status"

// Code is one row of the catalog.
type Code struct {
	// The family that gives the code this meaning, such as "http" or "smtp". Empty for
	// a bare code that is not in the catalog.
	Family string `json:"family"`

	// The status code, 100 to 999.
	Code int `json:"code"`

	// The reason phrase, such as "User Not Local".
	Name string `json:"name"`

	// The source of the name: an RFC with its section, a vendor's documentation, or "de
	// facto, unregistered" for a code that is used but not specified anywhere. Empty
	// for a code that is not in the catalog.
	Source string `json:"source"`
}

var looksLike = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*:)?[0-9]+$|^[0-9]+,[0-9x,]*$|^[2-9]xx(,[0-9x,]*)?$`).MatchString

// LooksLike reports whether a word is meant as a status, such as `551` or `smtp:450`, or
// as several, such as `500,502` or `5xx`. The status need not be valid.
func LooksLike(word string) bool { return looksLike(word) }

// Parse parses a status code: a bare code ("551") or a family and a code ("smtp:450").
//
// A bare code can be any number from 100 to 999. If no family has the code, its name is
// "Unknown Status". With a family, the code must be in that family: a code without a
// meaning there is probably a typing error.
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

// parseNumber parses exactly three digits. It is stricter than strconv.Atoi, which
// accepts a sign and leading zeros, so that every code has one spelling.
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

// Find returns a code of the catalog and reports whether the catalog has it. Given
// a family, Find returns the meaning in that family. Given "", it returns the meaning
// of the bare code, from the first of the [Families] that has it.
//
// If the catalog does not have the code, the result has an empty family, the code and
// the name "Unknown Status", so that the code can still be sent.
func Find(family string, code int) (Code, bool) {
	if c, ok := byKey[key{family, code}]; ok {
		return c, true
	}
	return Code{Code: code, Name: unknownName}, false
}

// String returns the form that [Parse] accepts: "smtp:450", or the bare code if there
// is no family.
func (c Code) String() string {
	if c.Family == "" {
		return strconv.Itoa(c.Code)
	}
	return c.Family + ":" + strconv.Itoa(c.Code)
}

// Sendable reports whether the code can be the status of a final HTTP reply: 200 to
// 999. Codes below 200 are interim replies (RFC 9110 section 15.2), after which the
// client continues to wait. Go's server panics if a code does not have three digits.
func (c Code) Sendable() bool {
	return c.Code >= 200 && c.Code <= maxCode
}

// Slug returns the name as an identifier: in lower case, with underscores for spaces.
// Other characters remain: the slug of SIP's 481 is "call/transaction_does_not_exist".
func (c Code) Slug() string {
	return strings.ReplaceAll(strings.ToLower(c.Name), " ", "_")
}

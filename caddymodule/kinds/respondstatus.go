package kinds

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// isStatusList matches a list such as 500,502,503, or a class such as 5xx.
var isStatusList = regexp.MustCompile(`^[0-9]+,[0-9x,]*$|^[2-9]xx(,[0-9x,]*)?$`).MatchString

// unmarshalStatus parses the arguments of respond.
func (f *Respond) unmarshalStatus(words []string) error {
	for i, word := range words {
		if !isStatusList(word) || i > 0 && status.LooksLike(words[0]) {
			continue
		}
		if rest := slices.Delete(slices.Clone(words), i, i+1); len(rest) > 0 {
			f.Body = &rest[0]
		}
		var err error
		f.StatusCodes, err = parseStatuses(word)
		return err
	}
	code, body, err := statusAndText(words)
	f.Family, f.StatusCode, f.Body = code.family, code.code, body
	return err
}

// parseStatuses parses a list of codes and classes.
func parseStatuses(list string) ([]int, error) {
	var codes []int
	for word := range strings.SplitSeq(list, ",") {
		digits, isClass := strings.CutSuffix(word, "xx")
		code, err := strconv.Atoi(digits)
		if err != nil || isClass && len(digits) != 1 || !isClass && len(digits) != 3 {
			return nil, fmt.Errorf("bad status '%s' in '%s': want codes and classes without spaces, such as 500,502,503 or 5xx", word, list)
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// formatStatuses is the inverse of parseStatuses.
func formatStatuses(codes []int) string {
	words := make([]string, len(codes))
	for i, code := range codes {
		words[i] = args.FormatStatus(code)
	}
	return strings.Join(words, ",")
}

// statuses returns all statuses that a reply can have. A class has the codes of IANA.
func (f *Respond) statuses() []int {
	var all []int
	for _, code := range f.StatusCodes {
		if code >= 10 {
			all = append(all, code)
			continue
		}
		for _, known := range status.All() {
			if known.Family == "http" && known.Code/100 == code {
				all = append(all, known.Code)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// validateChoices checks the reply with each of several statuses.
func (f *Respond) validateChoices() error {
	switch {
	case f.StatusCode != 0:
		return errors.New("respond has both status_code and status_codes; remove one of them")
	case f.Family != "":
		return fmt.Errorf("respond has both family '%s' and status_codes; a list of statuses takes no family", f.Family)
	case len(f.StatusCodes) == 0:
		return errors.New("status_codes is empty; write at least one status, or leave it out")
	}
	seen := make(map[int]bool)
	for _, code := range f.StatusCodes {
		if seen[code] {
			return fmt.Errorf("status '%d' is in the list twice; for weights, use choose", code)
		}
		seen[code] = true
		if code < 2 || code > 9 && code < 100 {
			return fmt.Errorf("bad status '%s': must be from 200 to 999, or a class from 2xx to 9xx", args.FormatStatus(code))
		}
	}
	all := f.statuses()
	if len(all) == 0 {
		return fmt.Errorf("no status of '%s' has a name at IANA; write codes, such as 600,601", formatStatuses(f.StatusCodes))
	}
	for _, code := range all {
		if err := f.with(code).Validate(); err != nil {
			return err
		}
	}
	return nil
}

// with returns the reply with one status.
func (f *Respond) with(code int) *Respond {
	one := *f
	one.StatusCode, one.StatusCodes = code, nil
	return &one
}

// provisionChoices prepares the reply with each of several statuses.
func (f *Respond) provisionChoices() error {
	for _, code := range f.statuses() {
		one := f.with(code)
		if err := one.provision(); err != nil {
			return err
		}
		f.choices = append(f.choices, one)
	}
	return nil
}

// choose returns the reply with the status for a hit.
func (f *Respond) choose(hit *faults.Hit) *Respond {
	if f.choices == nil {
		return f
	}
	return f.choices[hit.Rand().IntN(len(f.choices))]
}

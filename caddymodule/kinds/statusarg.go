package kinds

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// statusArg is a status in a Caddyfile, such as 551 or smtp:450.
type statusArg struct {
	family string // "": a bare code
	code   int
}

func (s statusArg) String() string {
	if s.family == "" {
		return strconv.Itoa(s.code)
	}
	return s.family + ":" + strconv.Itoa(s.code)
}

func parseStatus(arg string) (statusArg, error) {
	if !status.LooksLike(arg) {
		return statusArg{}, fmt.Errorf("bad status '%s': want a code such as 503, or family:code such as smtp:450", arg)
	}
	family, digits, written := strings.Cut(arg, ":")
	if !written {
		family, digits = "", arg
	}
	n, err := strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || !(status.Code{Code: n}).Sendable() {
		return statusArg{}, fmt.Errorf("bad status '%s': want three digits, 200 to 999", arg)
	}
	code, err := status.Parse(arg)
	if err != nil {
		return statusArg{}, err
	}
	return statusArg{family, code.Code}, nil
}

// statusAndText returns the status and the text among the arguments. As in Caddy's
// respond directive, either can come first. Without a status the code is 0, without a
// text the text is nil.
func statusAndText(args []string) (statusArg, *string, error) {
	var text *string
	switch len(args) {
	case 0:
		return statusArg{}, nil, nil
	case 1:
		if !status.LooksLike(args[0]) {
			return statusArg{}, &args[0], nil
		}
	default:
		text = &args[1]
		if !status.LooksLike(args[0]) && status.LooksLike(args[1]) {
			args = []string{args[1], args[0]}
			text = &args[1]
		}
	}
	code, err := parseStatus(args[0])
	return code, text, err
}

// line is the inverse of statusAndText. If the text is alone, it must not look like a
// status.
func (s statusArg) line(text *string) (line string, ok bool) {
	if s.code != 0 {
		line = s.String()
	}
	if text == nil {
		return line, true
	}
	word, ok := args.Quote(*text)
	if s.code == 0 {
		return word, ok && !status.LooksLike(*text)
	}
	return line + " " + word, ok
}

// sendable refuses a status that cannot be the final status of a reply. net/http
// accepts codes up to 999. Codes below 200 are interim (RFC 9110, section 15.2).
func sendable(code int) error {
	if !(status.Code{Code: code}).Sendable() {
		return fmt.Errorf("bad status '%d': must be from 200 to 999", code)
	}
	return nil
}

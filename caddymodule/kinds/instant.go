package kinds

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// instant is a placeholder for the time some seconds after the reply, such as
// {http.fault.in.30.unix}.
type instant struct {
	key   string // the placeholder without braces
	ahead time.Duration
	form  instantForm
}

const instantPrefix = "http.fault.in."

// maxAhead is the maximum number of seconds, a thousand days.
const maxAhead = 1000 * 24 * 60 * 60

// instantForm writes an instant. The forms with a name of Caddy's {time.now.*} write
// the same.
type instantForm func(time.Time) string

var instantForms = map[string]instantForm{
	"unix":    func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) },
	"unix_ms": func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) },
	"http":    func(at time.Time) string { return at.Format(http.TimeFormat) },
	"rfc3339": func(at time.Time) string { return at.Format(time.RFC3339) },
}

// parseInstant parses a placeholder with the prefix.
func parseInstant(key string) (instant, error) {
	digits, form, _ := strings.Cut(strings.TrimPrefix(key, instantPrefix), ".")
	seconds, err := strconv.ParseUint(digits, 10, 32)
	if write, known := instantForms[form]; err == nil && seconds <= maxAhead && known {
		return instant{key, time.Duration(seconds) * time.Second, write}, nil
	}
	return instant{}, fmt.Errorf("bad placeholder '{%s}': want 0 to %d seconds and then unix, unix_ms, http or rfc3339, such as {%s30.unix}", key, maxAhead, instantPrefix)
}

// after returns the text for a reply at a time in UTC.
func (i instant) after(now time.Time) string { return i.form(now.Add(i.ahead)) }

// findInstants returns the instants in texts, and an error for a malformed one.
func findInstants(texts []string) (found []instant, err error) {
	for _, raw := range texts {
		if !strings.Contains(raw, instantPrefix) {
			continue
		}
		for _, placeholder := range text.Placeholder.FindAllString(raw, -1) {
			key := strings.Trim(placeholder, "{}")
			if !strings.HasPrefix(key, instantPrefix) {
				continue
			}
			at, err := parseInstant(key)
			if err != nil {
				return nil, err
			}
			found = append(found, at)
		}
	}
	return found, nil
}

// texts returns the texts of the reply that may have placeholders.
func (f *Respond) texts() (all []string) {
	for _, own := range []*string{f.Reason, f.Body} {
		if own != nil {
			all = append(all, *own)
		}
	}
	if f.Headers == nil {
		return all
	}
	for _, header := range []http.Header{f.Headers.Set, f.Headers.Add} {
		for _, values := range header {
			all = append(all, values...)
		}
	}
	return all
}

func (f *Respond) validateInstants() error {
	_, err := findInstants(f.texts())
	return err
}

// instantsOf returns the instants of the texts. Validate has checked them.
func (f *Respond) instantsOf() []instant {
	found, _ := findInstants(f.texts())
	return found
}

package kinds

import (
	"regexp"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// Ways to write a delay that other tools have.
var (
	delayRange = regexp.MustCompile(`^([0-9.]+[a-zµ]+)(?:-|,|\.\.|:)([0-9.]+[a-zµ]+)$`)
	bareNumber = regexp.MustCompile(`^[0-9.]+$`).MatchString
	jitterWord = regexp.MustCompile(`^(jitter|\+-|\+/-|±|deviation|stddev)=?$`).MatchString
)

// delaySlip refuses a delay that is written as other tools have it, with the line to
// write. It returns nil for what must be read as it is.
func delaySlip(d *caddyfile.Dispenser, words []string) error {
	advise := func(line ...string) error {
		return args.Advise(d, "write delay "+args.Words(line), "bad delay '%s'", args.Words(words))
	}
	if len(words) == 1 {
		if bounds := delayRange.FindStringSubmatch(words[0]); bounds != nil {
			return advise(bounds[1:]...)
		}
		return nil
	}
	if len(words) == 2 && bareNumber(words[0]) {
		if _, err := caddy.ParseDuration(words[0] + words[1]); err == nil {
			return advise(words[0] + words[1])
		}
	}
	if len(words) == 3 && jitterWord(words[1]) {
		mean, err := caddy.ParseDuration(words[0])
		deviation, err2 := caddy.ParseDuration(words[2])
		if err == nil && err2 == nil {
			return advise(bounds(mean, deviation)...)
		}
	}
	return nil
}

// bounds are the least and the most of a mean with a deviation.
func bounds(mean, deviation time.Duration) []string {
	least := args.FormatDuration(caddy.Duration(max(0, mean-deviation)))
	return []string{least, args.FormatDuration(caddy.Duration(mean + deviation))}
}

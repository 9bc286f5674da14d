package kinds

import (
	"regexp"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// Syntaxes of a delay in other tools.
var (
	delayRange = regexp.MustCompile(`^([0-9.]+[a-zµ]+)(?:-|,|\.\.|:)([0-9.]+[a-zµ]+)$`)
	bareNumber = regexp.MustCompile(`^[0-9.]+$`).MatchString
	riseWord   = regexp.MustCompile(`^(grow|rise|to)$`).MatchString
	jitterWord = regexp.MustCompile(`^(jitter|\+-|\+/-|±|deviation|stddev)=?$`).MatchString
)

// delaySlip returns an error for a delay in the syntax of another tool, with the line
// to write instead. It returns nil for other arguments.
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
	if len(words) > 2 && riseWord(words[1]) {
		return advise(rampName, "100ms", "5s", "10m")
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

// bounds returns the shortest and the longest wait of a mean with a deviation.
func bounds(mean, deviation time.Duration) []string {
	least := args.FormatDuration(caddy.Duration(max(0, mean-deviation)))
	return []string{least, args.FormatDuration(caddy.Duration(mean + deviation))}
}

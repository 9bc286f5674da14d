package kinds

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// quantile returns the wait that a part of u of all requests does not exceed. To draw
// from a distribution, call its quantile with a random u.
type quantile func(u float64) time.Duration

// A distribution is one way to describe a wait.
type distribution struct {
	name      string
	durations []namedDuration // its fields that are durations
	numbers   []namedNumber   // its other fields
	quantile  func() quantile
}

type namedDuration struct {
	name  string
	value *caddy.Duration
}

type namedNumber struct {
	name  string
	value *float64
}

// used reports whether one of the distribution's fields is set.
func (d *distribution) used() bool {
	return slices.ContainsFunc(d.durations, func(f namedDuration) bool { return *f.value != 0 }) ||
		slices.ContainsFunc(d.numbers, func(f namedNumber) bool { return *f.value != 0 })
}

const percentilesName = "percentiles"

// distributions returns all distributions that f can have. The default is the first.
func (f *Delay) distributions() []distribution {
	return []distribution{
		{"fixed", []namedDuration{{"duration", &f.Duration}}, nil, f.fixed},
		{"uniform", []namedDuration{{"min", &f.Min}, {"max", &f.Max}}, nil, f.uniform},
		{"normal", []namedDuration{{"mean", &f.Mean}, {"deviation", &f.Deviation}}, nil, f.normal},
		{"lognormal", []namedDuration{{"median", &f.Median}}, []namedNumber{{"sigma", &f.Sigma}}, f.lognormal},
		{"pareto", []namedDuration{{"scale", &f.Scale}}, []namedNumber{{"shape", &f.Shape}}, f.pareto},
		{percentilesName, nil, nil, f.percentiles},
		{rampName, []namedDuration{{"from", &f.From}, {"to", &f.To}, {rampName, &f.Ramp}}, nil, f.ramped},
	}
}

// distribution returns the distribution of f.
func (f *Delay) distribution() distribution {
	all := f.distributions()
	for _, d := range all {
		if d.name == f.Distribution || d.used() || d.name == percentilesName && len(f.Percentiles) > 0 {
			return d
		}
	}
	return all[0]
}

func (f *Delay) fixed() quantile {
	return func(float64) time.Duration { return time.Duration(f.Duration) }
}

func (f *Delay) uniform() quantile {
	return func(u float64) time.Duration { return nanoseconds(float64(f.Min) + u*float64(f.Max-f.Min)) }
}

func (f *Delay) normal() quantile {
	return func(u float64) time.Duration {
		return nanoseconds(float64(f.Mean) + float64(f.Deviation)*standardNormal(u))
	}
}

func (f *Delay) lognormal() quantile {
	return func(u float64) time.Duration {
		return nanoseconds(float64(f.Median) * math.Exp(f.Sigma*standardNormal(u)))
	}
}

func (f *Delay) pareto() quantile {
	return func(u float64) time.Duration { return nanoseconds(float64(f.Scale) * math.Pow(1-u, -1/f.Shape)) }
}

// standardNormal is the quantile function of the standard normal distribution.
func standardNormal(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }

// nanoseconds returns a computed wait as a duration. The result is not negative and
// does not overflow, even in a heavy tail.
func nanoseconds(ns float64) time.Duration {
	return time.Duration(math.Max(0, math.Min(ns, math.MaxInt64/2)))
}

// percentile is a configured point of a distribution.
type percentile struct {
	share float64 // the part of the requests, 0 to 1
	wait  float64 // in nanoseconds
}

func (f *Delay) percentiles() quantile {
	points := append(make([]percentile, 0, 1+len(f.Percentiles)), percentile{0, 0})
	for name, wait := range f.Percentiles {
		share, _ := parsePercentile(name) // checked by Validate
		points = append(points, percentile{share, float64(wait)})
	}
	slices.SortFunc(points[1:], func(a, b percentile) int { return cmp.Compare(a.share, b.share) })
	return func(u float64) time.Duration {
		i := sort.Search(len(points), func(i int) bool { return points[i].share > u })
		if i == len(points) {
			return nanoseconds(points[i-1].wait)
		}
		from, to := points[i-1], points[i]
		return nanoseconds(from.wait + (u-from.share)/(to.share-from.share)*(to.wait-from.wait))
	}
}

// parsePercentile returns the part, 0 to 1, that a name such as p99.9 means.
func parsePercentile(name string) (float64, error) {
	digits, ok := strings.CutPrefix(name, "p")
	percent, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(percent >= 0 && percent <= 100) {
		return 0, fmt.Errorf("bad percentile '%s': want p0 to p100, such as p99.9", name)
	}
	return percent / 100, nil
}

// Validate checks that the fields describe exactly one distribution, and a valid one.
func (f *Delay) Validate() error {
	used := ""
	for _, d := range f.distributions() {
		if err := d.validate(); err != nil {
			return err
		}
		if !d.used() && (d.name != percentilesName || len(f.Percentiles) == 0) {
			continue
		}
		if used != "" {
			return fmt.Errorf("delay has fields of two distributions, %s and %s; use the fields of one", used, d.name)
		}
		used = d.name
	}
	if f.Distribution != "" && used != f.Distribution {
		return f.wrongName(used)
	}
	if err := f.validatePercentiles(); err != nil {
		return err
	}
	if used == rampName {
		if err := f.validateRamp(); err != nil {
			return err
		}
	}
	switch {
	case f.Min > f.Max:
		return fmt.Errorf("bad delay: min '%s' is greater than max '%s'; swap them", time.Duration(f.Min), time.Duration(f.Max))
	case used == "lognormal" && f.Median == 0:
		return fmt.Errorf("bad delay median '0s': must be greater than 0")
	case used == "pareto" && (f.Shape == 0 || f.Scale == 0):
		return fmt.Errorf("bad delay: scale and shape of pareto must be greater than 0, not '%s' and '%v'", time.Duration(f.Scale), f.Shape)
	case used == "" || f.longest() <= 0:
		return errors.New(`bad delay: the wait is 0; write a duration above 0, such as delay 250ms, or in JSON {"fault": "delay", "duration": "250ms"}`)
	}
	return f.validateLimits()
}

// longest returns the longest wait. For a distribution without a maximum, it returns a
// wait that is almost never exceeded.
func (f *Delay) longest() time.Duration {
	return max(f.distribution().quantile()(math.Nextafter(1, 0)), time.Duration(f.AtLeast))
}

func (f *Delay) wrongName(used string) error {
	if !slices.ContainsFunc(f.distributions(), func(d distribution) bool { return d.name == f.Distribution }) {
		return fmt.Errorf("bad distribution '%s': want fixed, uniform, normal, lognormal, pareto, percentiles or ramp", f.Distribution)
	}
	if used == "" {
		return fmt.Errorf("distribution '%s' has none of its fields set", f.Distribution)
	}
	return fmt.Errorf("distribution '%s' does not match the fields, which are of %s; remove distribution", f.Distribution, used)
}

func (d *distribution) validate() error {
	for _, field := range d.durations {
		if *field.value < 0 {
			return fmt.Errorf("bad delay %s '%s': must not be negative", field.name, time.Duration(*field.value))
		}
	}
	for _, field := range d.numbers {
		if !(*field.value >= 0) || math.IsInf(*field.value, 0) { // also refuses NaN
			return fmt.Errorf("bad delay %s '%v': must be a number of 0 or greater", field.name, *field.value)
		}
	}
	return nil
}

// validatePercentiles checks that the waits grow with their percentiles.
func (f *Delay) validatePercentiles() error {
	shares := make(map[float64]string, len(f.Percentiles))
	for _, name := range slices.Sorted(maps.Keys(f.Percentiles)) {
		share, err := parsePercentile(name)
		if err != nil {
			return err
		}
		if other, ok := shares[share]; ok {
			return fmt.Errorf("percentiles '%s' and '%s' are the same; remove one of them", other, name)
		}
		shares[share] = name
	}
	lower := ""
	for _, share := range slices.Sorted(maps.Keys(shares)) {
		name := shares[share]
		if wait := f.Percentiles[name]; wait < f.Percentiles[lower] || wait < 0 {
			return fmt.Errorf("percentile '%s' of '%s' is below %s", name, time.Duration(wait), describe(lower, f.Percentiles))
		}
		lower = name
	}
	return nil
}

func describe(lower string, percentiles map[string]caddy.Duration) string {
	if lower == "" {
		return "zero"
	}
	return fmt.Sprintf("'%s' of '%s'", lower, time.Duration(percentiles[lower]))
}

// validateLimits checks that the limits do not exclude most of the distribution.
func (f *Delay) validateLimits() error {
	least, most := time.Duration(f.AtLeast), time.Duration(f.AtMost)
	median := f.distribution().quantile()(0.5)
	switch {
	case least < 0:
		return fmt.Errorf("bad delay at_least '%s': must not be negative", least)
	case most < 0:
		return fmt.Errorf("bad delay at_most '%s': must not be negative", most)
	case most > 0 && most < least:
		return fmt.Errorf("bad delay: at_most '%s' is less than at_least '%s'; swap the values", most, least)
	case most > 0 && most < median:
		return fmt.Errorf("bad delay: at_most '%s' is less than the median '%s', so most requests would wait exactly that long; raise at_most", most, median)
	}
	return nil
}

// unmarshalDistribution parses the arguments of the kind.
func (f *Delay) unmarshalDistribution(d *caddyfile.Dispenser) error {
	words := d.RemainingArgs()
	if len(words) == 0 {
		return args.Missing(d, "delay")
	}
	switch words[0] {
	case "normal":
		return args.Parse(d, "delay", words[1:], args.DurationParser(&f.Mean), args.DurationParser(&f.Deviation))
	case "lognormal":
		return args.Parse(d, "delay", words[1:], args.DurationParser(&f.Median), args.NumberParser("sigma", &f.Sigma))
	case "pareto":
		return args.Parse(d, "delay", words[1:], args.DurationParser(&f.Scale), args.NumberParser("shape", &f.Shape))
	case percentilesName:
		return f.unmarshalPercentiles(d, words[1:])
	case rampName:
		return args.Parse(d, "delay", words[1:], args.DurationParser(&f.From), args.DurationParser(&f.To), args.DurationParser(&f.Ramp))
	}
	if err := delaySlip(d, words); err != nil {
		return err
	}
	if len(words) == 1 {
		return args.Parse(d, "delay", words, args.DurationParser(&f.Duration))
	}
	return args.Parse(d, "delay", words, args.DurationParser(&f.Min), args.DurationParser(&f.Max))
}

func (f *Delay) unmarshalPercentiles(d *caddyfile.Dispenser, words []string) error {
	if len(words) == 0 {
		return args.Missing(d, "delay")
	}
	f.Percentiles = make(map[string]caddy.Duration, len(words))
	for _, arg := range words {
		name, value, found := strings.Cut(arg, "=")
		if !found {
			return d.Errf("bad percentile '%s': want p<n>=<duration>, such as p99=2s", arg)
		}
		if _, ok := f.Percentiles[name]; ok {
			return d.Errf("percentile '%s' already specified", name)
		}
		var wait caddy.Duration
		if err := args.DurationParser(&wait)(value); err != nil {
			return d.WrapErr(err)
		}
		f.Percentiles[name] = wait
	}
	return nil
}

// lineOfDistribution is the inverse of unmarshalDistribution. If a field of the
// distribution is zero, ok is false.
func (f *Delay) lineOfDistribution() (line string, ok bool) {
	d := f.distribution()
	words := []string{d.name}
	if d.name == "fixed" || d.name == "uniform" {
		words = nil
	}
	ok = true
	for _, field := range d.durations {
		words = append(words, args.FormatDuration(*field.value))
		ok = ok && *field.value != 0
	}
	for _, field := range d.numbers {
		words = append(words, args.FormatNumber(*field.value))
		ok = ok && *field.value != 0
	}
	if d.name == percentilesName {
		for name, wait := range f.Percentiles {
			words = append(words, name+"="+args.FormatDuration(wait))
		}
		slices.Sort(words[1:])
	}
	return strings.Join(words, " "), ok
}

package args

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// ParseSize parses a size in bytes. The unit is required: a bare number may be in any
// unit, and `5m` is a duration.
func ParseSize(arg string) (int64, error) {
	number := strings.TrimRight(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := arg[len(number):]
	if _, err := strconv.ParseFloat(number, 64); err != nil || strings.Contains(number, "_") {
		return 0, fmt.Errorf("bad size '%s': want one such as 500B, 10KiB or 1MB", arg)
	}
	if !strings.HasSuffix(strings.ToLower(unit), "b") {
		return 0, fmt.Errorf("bad size '%s': needs a unit, such as 500B, 10KiB or 1MB", arg)
	}
	if strings.HasPrefix(number, "-") {
		return 0, fmt.Errorf("bad size '%s': must not be negative", arg)
	}
	size, err := humanize.ParseBytes(strings.TrimPrefix(number, "+") + unit)
	switch {
	case err != nil && strings.Contains(err.Error(), "too large"), size > math.MaxInt64:
		return 0, fmt.Errorf("bad size '%s': too large", arg)
	case err != nil:
		return 0, fmt.Errorf("bad size '%s': want one such as 500B, 10KiB or 1MB", arg)
	}
	return int64(size), nil
}

// FormatSize formats a size in the largest unit of which it is a multiple.
func FormatSize(size int64) string {
	unit := "B"
	for _, larger := range []string{"KiB", "MiB", "GiB"} {
		if size == 0 || size%1024 != 0 {
			break
		}
		size, unit = size/1024, larger
	}
	return strconv.FormatInt(size, 10) + unit
}

// SizeParser returns a parser that stores a size in target.
func SizeParser(target *int64) func(string) error {
	return func(arg string) (err error) {
		*target, err = ParseSize(arg)
		return err
	}
}

// inBits matches a rate that may be in bits, as is usual for networks, or in bytes.
var inBits = regexp.MustCompile(`^([0-9.]+)([kKmMgGtT]?)(i?)(?:b/s|bps|[Bb]its?/s)$`)

// checkBits refuses a rate that may be in bits. In bytes, the rate would be eight times
// as high.
func checkBits(arg string) error {
	parts := inBits.FindStringSubmatch(arg)
	if parts == nil {
		return nil
	}
	number, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return nil //nolint:nilerr // ParseSize refuses it
	}
	unit := strings.ToUpper(parts[2]) + parts[3] + "B/s"
	return fmt.Errorf("bad rate '%s': a rate is in bytes, and this may be in bits; write %s%s for bits or %s%s for bytes",
		arg, FormatNumber(number/8), unit, parts[1], unit)
}

// ParseRate parses a size per second, in bytes.
func ParseRate(arg string) (int64, error) {
	if err := checkBits(arg); err != nil {
		return 0, err
	}
	size, ok := strings.CutSuffix(arg, "/s")
	if !ok {
		return 0, fmt.Errorf("bad rate '%s': want a size per second, such as 64KiB/s", arg)
	}
	rate, err := ParseSize(size)
	if err != nil {
		return 0, fmt.Errorf("bad rate '%s': %w", arg, err)
	}
	return rate, nil
}

// ParsePercent parses a number with a percent sign.
func ParsePercent(arg string) (float64, error) {
	number, ok := strings.CutSuffix(arg, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("bad percentage '%s': want one such as 50%%", arg)
	}
	return percent, nil
}

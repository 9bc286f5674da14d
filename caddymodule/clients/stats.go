package clients

import (
	"fmt"
	"slices"
	"strconv"
)

// quantile returns a quantile of sorted values, between the two nearest ones.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func median(values []float64) float64 {
	return quantile(slices.Sorted(slices.Values(values)), 0.5)
}

// spreadOf describes values.
func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{
		Count: len(sorted), P10: quantile(sorted, 0.1), P50: quantile(sorted, 0.5),
		P90: quantile(sorted, 0.9), P95: quantile(sorted, 0.95), Max: sorted[len(sorted)-1],
	}
}

// secs returns a duration for people.
func secs(seconds float64) string {
	if seconds >= 10 {
		return strconv.FormatFloat(seconds, 'f', 0, 64) + " s"
	}
	return strconv.FormatFloat(seconds, 'f', 2, 64) + " s"
}

// plural returns a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

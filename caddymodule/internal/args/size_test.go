package args

import (
	"strings"
	"testing"
)

// A rate that may be in bits is refused, and the error has both meanings in bytes.
func TestRateInBits(t *testing.T) {
	for arg, want := range map[string]string{
		"10Mb/s": "write 1.25MB/s for bits or 10MB/s for bytes", "64kb/s": "write 8KB/s for bits or 64KB/s for bytes", "8Kib/s": "write 1KiB/s for bits",
		"100kbps": "write 12.5KB/s for bits", "1Gbit/s": "write 0.125GB/s for bits", "800bps": "write 100B/s for bits", "2.5Mbits/s": "write 0.3125MB/s for bits",
	} {
		if got, err := ParseRate(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %d, error %v, want %q", arg, got, err, want)
		}
	}
	for arg, want := range map[string]int64{"64KiB/s": 65536, "1MB/s": 1e6, "500B/s": 500, "1.25MB/s": 1250000} {
		if got, err := ParseRate(arg); err != nil || got != want {
			t.Errorf("%s: got %d, error %v, want %d", arg, got, err, want)
		}
	}
}

func TestSize(t *testing.T) {
	for arg, want := range map[string]int64{
		"0B": 0, "1B": 1, "10KiB": 10240, "10kb": 10000, "1.5MiB": 1572864, "1MB": 1e6, "8000PiB": 8000 << 50,
	} {
		if got, err := ParseSize(arg); err != nil || got != want {
			t.Errorf("%s: got %d, error %v, want %d", arg, got, err, want)
		}
	}
	for size, want := range map[int64]string{
		0: "0B", 1: "1B", 1000: "1000B", 1024: "1KiB", 1025: "1025B", 3 << 20: "3MiB", 5 << 30: "5GiB", 1 << 50: "1048576GiB",
	} {
		got := FormatSize(size)
		if again, err := ParseSize(got); got != want || again != size || err != nil {
			t.Errorf("%d: got %s, which reads as %d, error %v; want %s", size, got, again, err, want)
		}
	}
	for arg, want := range map[string]string{
		"": "want one such as", "10": "needs a unit", "5m": "needs a unit", "5s": "needs a unit", "10K": "needs a unit",
		"ten": "want one such as", "-1B": "must not be negative", "8EiB": "too large", "999999999EB": "too large", "1e3B": "want one such as",
		"1_0B": "want one such as", "10xb": "want one such as", "nanB": "want one such as", "{env.X}": "want one such as",
	} {
		if got, err := ParseSize(arg); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "'"+arg+"'") {
			t.Errorf("%s: got %d, error %v, want %q", arg, got, err, want)
		}
	}
}

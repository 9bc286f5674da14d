package kinds

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// The faults of a rule work in the order written. The first is the nearest to the
// client. Each shapes the reply that the faults after it have shaped.
func TestCompose(t *testing.T) {
	const whole, half = 256 << 10, 128 << 10
	delay := parse(t, new(Delay), "delay 1s")
	throttle := parse(t, new(Throttle), "throttle 64KiB/s")
	truncate := parse(t, new(Truncate), "truncate 50%")
	shorten := parse(t, new(Truncate), "truncate 50% clean")
	for _, tt := range []struct {
		name    string
		chain   faults.Chain
		aborted bool
		took    time.Duration
	}{
		{"delay, throttle, truncate", faults.Chain{delay, throttle, truncate}, true, 3 * time.Second},
		{"throttle, shorten", faults.Chain{throttle, shorten}, false, 2 * time.Second},
		{"shorten what is throttled", faults.Chain{shorten, throttle}, false, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got := runShaped(tt.chain, request(http.MethodGet), sized(strings.Repeat("x", whole), 32<<10))
				if got.Body.Len() != half || got.aborted != tt.aborted || got.err != nil {
					t.Errorf("got %d bytes, aborted %v, error %v, want %d, aborted %v", got.Body.Len(), got.aborted, got.err, half, tt.aborted)
				}
				if off := (time.Since(start) - tt.took).Abs(); off > time.Millisecond {
					t.Errorf("took %v, want %v", time.Since(start), tt.took)
				}
			})
		})
	}
}

// A fault that shapes replies leaves the reply alone if the fault has ended before the
// reply begins.
func TestComposeEnded(t *testing.T) {
	for _, shaper := range []faults.Fault{
		parse(t, new(Patch), "patch {\nstatus 418\nheader X-Patched yes\n}"),
		parse(t, new(Truncate), "truncate 50% clean"),
		parse(t, new(Corrupt), "corrupt 100%"),
	} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan struct{})
			time.AfterFunc(time.Second, func() { close(ended) })
			r := request(http.MethodGet)
			r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Ended: ended}))
			got := runShaped(faults.Chain{shaper, parse(t, new(Delay), "delay 1h")}, r, sized("untouched", 3))
			if got.Code != 200 || got.Body.String() != "untouched" || got.Header().Get("X-Patched") != "" {
				t.Errorf("%s: got %d %q %v", faults.Kind(shaper), got.Code, got.Body, got.Header())
			}
		})
	}
}

// A reply of a fault declares its length to faults that need it.
func TestComposeRespond(t *testing.T) {
	respond := parse(t, new(Respond), "respond 551")
	for want, shaper := range map[string]faults.Fault{
		"27": parse(t, new(Truncate), "truncate 50% clean"),
		"54": parse(t, new(Dribble), "dribble 3 1s"),
	} {
		synctest.Test(t, func(t *testing.T) {
			got := runShaped(faults.Chain{shaper, respond}, request(http.MethodGet), nil)
			if got.Header().Get("Content-Length") != want || strconv.Itoa(got.Body.Len()) != want || got.told != "hit" {
				t.Errorf("%s: got %d bytes, header %v, told %q, want %s bytes", faults.Kind(shaper), got.Body.Len(), got.Header(), got.told, want)
			}
		})
	}
}

// A fault that begins after a size needs a body that is longer.
func TestComposeExact(t *testing.T) {
	cut, reply := parse(t, new(Truncate), "truncate 1KiB"), parse(t, new(Respond), "respond 200 {\nbody_size 1KiB\n}")
	for _, tt := range []struct {
		outer, inner faults.Fault
		useless      bool
	}{
		{parse(t, new(Throttle), "throttle 1KiB/s {\nafter 1KiB\n}"), cut, true},
		{parse(t, new(Throttle), "throttle 1KiB/s {\nafter 1KiB\n}"), reply, true},
		{parse(t, new(Throttle), "throttle 1KiB/s {\nafter 1023B\n}"), reply, false},
		{parse(t, new(Throttle), "throttle 1KiB/s {\nafter 1KiB\nboth\n}"), reply, false},
		{provision(t, &Throttle{BytesPerSecond: 1, After: math.MaxInt64}), parse(t, new(Corrupt), "corrupt 1%"), false},
		{parse(t, new(Hang), "hang 1s {\nafter 1KiB\ncontinue\n}"), cut, true},
		{parse(t, new(Hang), "hang 1s {\nafter 1KiB\ncontinue\n}"), reply, true},
		{parse(t, new(Hang), "hang 1s {\nafter 1023B\ncontinue\n}"), reply, false},
		{parse(t, new(Hang), "hang 1s {\nafter 1KiB\n}"), reply, true},
		{parse(t, new(Hang), "hang 1s {\nafter 1KiB\n}"), cut, false}, // hangs where both end
		{cut, reply, true},
		{parse(t, new(Truncate), "truncate 1KiB clean"), reply, true},
		{parse(t, new(Truncate), "truncate 1KiB reset"), cut, false},
	} {
		_, err := faults.Chain{tt.outer}.Append(tt.inner)
		if useless := err != nil && strings.Contains(err.Error(), "lets at most 1024 bytes"); useless != tt.useless || err != nil && !useless {
			t.Errorf("%+v, %+v: got error %v, want one: %v", tt.outer, tt.inner, err, tt.useless)
		}
	}
}

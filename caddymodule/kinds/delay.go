package kinds

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
)

func init() {
	caddy.RegisterModule(Delay{})
}

// Delay waits, then lets the request go on: to the next fault of the rule, to
// the upstream, or in phase response back to the client.
//
// What the client sees is the same over every protocol: a reply that comes
// late, with a `Server-Timing: fault;dur=…` field that says by how much, in
// milliseconds; an event stream or a WebSocket begins late. A client that
// leaves while it waits ends the wait and the upstream is never asked; the
// access log has status 499. Over HTTP/1 the leaving of a client whose request
// body has not been read is noticed only after the wait. A fault that ends
// meanwhile, as by a halt, lets the request go on past the rest of the rule.
//
// In a transport it is the attempt that waits, before Caddy dials, and `hold`
// counts from the attempt.
//
// The wait is fixed or drawn from a distribution, each described by fields of
// its own.
type Delay struct {
	// The distribution: `fixed`, `uniform`, `normal`, `lognormal`, `pareto` or
	// `percentiles`. It follows from the fields and need not be written.
	Distribution string `json:"distribution,omitempty"`

	// How long to wait, the same for every request.
	Duration caddy.Duration `json:"duration,omitempty"`

	// The shortest wait of a uniform distribution.
	Min caddy.Duration `json:"min,omitempty"`

	// The longest wait of a uniform distribution.
	Max caddy.Duration `json:"max,omitempty"`

	// The mean of a normal distribution. A negative draw is no delay.
	Mean caddy.Duration `json:"mean,omitempty"`

	// The standard deviation of a normal distribution.
	Deviation caddy.Duration `json:"deviation,omitempty"`

	// The median of a lognormal distribution: half of the requests wait longer.
	Median caddy.Duration `json:"median,omitempty"`

	// The standard deviation of the logarithm of a lognormal distribution; 0.5
	// is a moderate tail, 1 a heavy one.
	Sigma float64 `json:"sigma,omitempty"`

	// The shortest wait of a Pareto distribution.
	Scale caddy.Duration `json:"scale,omitempty"`

	// How fast the tail of a Pareto distribution falls off; the smaller, the
	// heavier. At 1 and below there is no mean.
	Shape float64 `json:"shape,omitempty"`

	// Waits by percentile, such as `{"p50": "100ms", "p99": "2s"}`; between two
	// of them the wait grows evenly. Below the lowest it grows from nothing,
	// above the highest it stays.
	Percentiles map[string]caddy.Duration `json:"percentiles,omitempty"`

	// No drawn wait is shorter than this. Default: 0.
	AtLeast caddy.Duration `json:"at_least,omitempty"`

	// No drawn wait is longer than this. Default: no limit.
	AtMost caddy.Duration `json:"at_most,omitempty" zero:"default"`

	// Ask the upstream at once and hold its reply back until the wait, counted
	// from when the request came, is over: the reply takes the longer of the
	// two, not their sum. A reply that took longer anyway is not delayed, and
	// is no hit.
	Hold bool `json:"hold,omitempty"`

	quantile quantile
}

// CaddyModule returns the Caddy module information.
func (Delay) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".delay",
		New: func() caddy.Module { return new(Delay) },
	}
}

// longDelay is more than clients wait for, so that milliseconds may be meant.
const longDelay = 10 * time.Minute

// Provision prepares the distribution, and warns of a wait that the server's
// own timeout will cut short, and of one that is hardly meant.
func (f *Delay) Provision(ctx caddy.Context) error {
	if err := f.Validate(); err != nil {
		return err
	}
	f.quantile = f.distribution().quantile()
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil // of what comes while Caddy runs, nobody reads the log
	}
	median := f.wait(0.5)
	if srv.WriteTimeout > 0 && median >= time.Duration(srv.WriteTimeout) {
		hint.Warn(ctx, "the delay reaches the server's write timeout: clients get no reply at all",
			zap.Duration("median_delay", median),
			zap.Duration("write_timeout", time.Duration(srv.WriteTimeout)))
	}
	if median >= longDelay {
		hint.Warn(ctx, fmt.Sprintf("the delay is %s for most requests: m is minutes, and milliseconds are ms", median))
	}
	return nil
}

// Untrusted takes the longest wait, and bounds one that has no longest.
func (f *Delay) Untrusted(l *faults.Limits) error {
	f.quantile = f.distribution().quantile()
	longest := f.wait(math.Nextafter(1, 0))
	if longest <= l.Time || f.bounded() {
		return l.Take(longest)
	}
	rest, err := l.TakeRest()
	if err != nil {
		return err
	}
	f.AtMost = caddy.Duration(rest)
	return f.Validate()
}

// Reply says that any reply may wait.
func (*Delay) Reply(next faults.Reply) (faults.Reply, error) { return next, nil }

// bounded reports whether there is a longest wait.
func (f *Delay) bounded() bool {
	return f.AtMost > 0 || f.Duration > 0 || f.Max > 0 || len(f.Percentiles) > 0
}

// Conditional reports whether a wait may turn out to be none: a drawn one, or that
// of a reply that is late by itself.
func (f *Delay) Conditional(uint64) bool { return f.Hold || f.Duration == 0 }

// Inject waits and calls next; with hold it calls next and waits.
func (f *Delay) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	wait := f.wait(hit.Rand().Float64())
	switch {
	case wait <= 0:
		hit.Pass(passNoDelay)
		return next.ServeHTTP(w, r)
	case f.Hold:
		return serveHeld(w, r, next, hit, wait)
	}
	hit.Confirm()
	waited, err := hit.Delay(r.Context(), wait)
	if err != nil {
		return err
	}
	markDelay(w.Header(), waited)
	if hit.HasEnded() {
		next = faults.AfterChain(next)
	}
	return next.ServeHTTP(w, r)
}

// RoundTrip waits and makes the attempt; with hold it makes the attempt and
// waits, also if that fails.
func (f *Delay) RoundTrip(hit *faults.Hit, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	wait := f.wait(hit.Rand().Float64())
	switch {
	case wait <= 0:
		hit.Pass(passNoDelay)
		return next.RoundTrip(r)
	case f.Hold:
		return holdReply(r, next, hit, wait)
	}
	hit.Confirm()
	waited, err := hit.Delay(r.Context(), wait)
	if err != nil {
		return nil, err
	}
	if hit.HasEnded() {
		next = faults.AfterAttempt(next)
	}
	resp, err := next.RoundTrip(r)
	if err == nil {
		markDelay(resp.Header, waited)
	}
	return resp, err
}

// wait is the delay at a place of the distribution.
func (f *Delay) wait(u float64) time.Duration {
	wait := max(f.quantile(u), time.Duration(f.AtLeast))
	if f.AtMost > 0 {
		wait = min(wait, time.Duration(f.AtMost))
	}
	return wait
}

// markDelay says in a reply how long it was kept back.
func markDelay(header http.Header, wait time.Duration) {
	header.Add("Server-Timing", "fault;dur="+strconv.FormatFloat(float64(wait)/1e6, 'f', -1, 64))
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	delay <duration>|<min> <max>|<distribution> {
//	    at_least <duration>
//	    at_most  <duration>
//	    hold
//	}
//
// One duration is waited by every request; of two, each request draws its own
// wait evenly between them. A distribution is one of
//
//	normal      <mean> <deviation>
//	lognormal   <median> <sigma>
//	pareto      <scale> <shape>
//	percentiles p<n>=<duration>...
func (f *Delay) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if err := f.unmarshalDistribution(d); err != nil {
		return err
	}
	return args.Options(d, "", func(name string) error {
		switch name {
		case "at_least":
			return args.Duration(d, "delay at_least", &f.AtLeast)
		case "at_most":
			return args.Parse(d, "delay at_most", d.RemainingArgs(), args.AboveZero("delay at_most", &f.AtMost))
		case "hold":
			f.Hold = true
			return args.None(d, "delay hold")
		default:
			return args.UnknownOption(d, "delay")
		}
	})
}

// Line writes the distribution, which alone stands outside of the block.
func (f *Delay) Line() (line string, ok bool) {
	line, ok = f.lineOfDistribution()
	return line, ok && f.Distribution == "" && f.AtLeast == 0 && f.AtMost == 0 && !f.Hold
}

// Interface guards
var (
	_ faults.Fault          = (*Delay)(nil)
	_ faults.Replier        = (*Delay)(nil)
	_ faults.RoundTripper   = (*Delay)(nil)
	_ caddy.Provisioner     = (*Delay)(nil)
	_ caddy.Validator       = (*Delay)(nil)
	_ faults.Liner          = (*Delay)(nil)
	_ faults.Untrusted      = (*Delay)(nil)
	_ caddyfile.Unmarshaler = (*Delay)(nil)
)

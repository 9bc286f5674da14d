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

// Delay waits, then continues with the next fault of the rule, the upstream, or in
// phase `response` the reply. The wait is fixed, drawn from a distribution, or rises with
// the time.
//
// What the client sees: over every protocol, a late reply. Its field `Server-Timing:
// fault;dur=<ms>` says by how much, in milliseconds. An event stream or a WebSocket
// begins late.
//
// A client that leaves ends the wait. Caddy does not send its request to the upstream,
// and the access log has status 499. Over HTTP/1, Caddy notices this only if the body of
// the request has been read. The fault therefore reads up to 64 KiB of it while it waits.
// Then it passes on what has come. Caddy notices only after the wait that a client has
// left whose body is larger, or that waits for `100 Continue`.
//
// A halt, or the end of the experiment, ends the wait. The request then skips the rest
// of the rule.
//
// In a transport, the attempt waits before Caddy dials, and nothing is read. With `hold`, the wait counts
// from the start of the attempt.
type Delay struct {
	// The distribution: `fixed`, `uniform`, `normal`, `lognormal`, `pareto`,
	// `percentiles` or `ramp`. Optional, because the other fields determine it.
	Distribution string `json:"distribution,omitempty" schema:"enum=fixed|uniform|normal|lognormal|pareto|percentiles|ramp"`

	// The fixed wait, the same for each request.
	Duration caddy.Duration `json:"duration,omitempty"`

	// The shortest wait of a uniform distribution.
	Min caddy.Duration `json:"min,omitempty"`

	// The longest wait of a uniform distribution.
	Max caddy.Duration `json:"max,omitempty"`

	// The mean of a normal distribution. A negative draw means no delay.
	Mean caddy.Duration `json:"mean,omitempty"`

	// The standard deviation of a normal distribution.
	Deviation caddy.Duration `json:"deviation,omitempty"`

	// The median of a lognormal distribution. Half of the requests wait longer.
	Median caddy.Duration `json:"median,omitempty"`

	// The standard deviation of the logarithm in a lognormal distribution. 0.5 is a
	// moderate tail, 1 a heavy one.
	Sigma float64 `json:"sigma,omitempty"`

	// The shortest wait of a Pareto distribution.
	Scale caddy.Duration `json:"scale,omitempty"`

	// How fast the tail of a Pareto distribution falls off. A smaller shape has a
	// heavier tail. A shape of 1 or less has no mean.
	Shape float64 `json:"shape,omitempty"`

	// Waits by percentile, such as `{"p50": "100ms", "p99": "2s"}`. Between two
	// percentiles the wait grows evenly. Below the lowest it grows from zero, above the
	// highest it stays.
	Percentiles map[string]caddy.Duration `json:"percentiles,omitempty"`

	// The wait at the beginning of a ramp.
	From caddy.Duration `json:"from,omitempty"`

	// The wait at the end of a ramp, and after it.
	To caddy.Duration `json:"to,omitempty"`

	// How long the wait rises linearly from `from` to `to`. As for `ramp` of a rule, the
	// time counts from `start`, or else from when the rule was first loaded.
	Ramp caddy.Duration `json:"ramp,omitempty"`

	// No drawn wait is shorter. Default: 0.
	AtLeast caddy.Duration `json:"at_least,omitempty"`

	// No drawn wait is longer. Default: no limit.
	AtMost caddy.Duration `json:"at_most,omitempty" zero:"default"`

	// Send the request to the upstream at once, and hold the reply until the wait has
	// ended. The wait counts from when the request came. The client waits for the
	// longer of the two times, not for their sum. A reply that is later than the wait
	// is not delayed and not a hit.
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

// longDelay is longer than clients wait. A delay of this length may have been meant in
// milliseconds.
const longDelay = 10 * time.Minute

// Provision prepares the distribution. It warns about a wait that the server's write
// timeout cuts short, and about one that is probably a mistake.
func (f *Delay) Provision(ctx caddy.Context) error {
	if err := f.Validate(); err != nil {
		return err
	}
	f.quantile = f.distribution().quantile()
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil // not loaded with the configuration; no one would read a warning in the log
	}
	usual := f.usual()
	if srv.WriteTimeout > 0 && usual >= time.Duration(srv.WriteTimeout) {
		hint.Warn(ctx, "the delay is as long as the server's write timeout or longer, and clients get no reply; shorten the delay or raise the timeout",
			zap.Duration("median_delay", usual),
			zap.Duration("write_timeout", time.Duration(srv.WriteTimeout)))
	}
	if usual >= longDelay {
		hint.Warn(ctx, fmt.Sprintf("the delay is %s for most requests; m means minutes, write ms for milliseconds", usual))
	}
	return nil
}

// Untrusted takes the longest wait from the limits, and limits a wait without a
// maximum.
func (f *Delay) Untrusted(l *faults.Limits) error {
	if f.Ramp > 0 {
		return errUntrustedRamp
	}
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

// Reply accepts every reply.
func (*Delay) Reply(next faults.Reply) (faults.Reply, error) { return next, nil }

// bounded reports whether the wait has a maximum.
func (f *Delay) bounded() bool {
	return f.AtMost > 0 || f.Duration > 0 || f.Max > 0 || len(f.Percentiles) > 0
}

// Conditional reports whether the wait can turn out to be zero. A drawn wait can be
// zero, and with hold a reply can be later than the wait.
func (f *Delay) Conditional(uint64) bool { return f.Hold || f.Duration+f.From == 0 }

// Inject waits, then calls next. With hold, it calls next, then waits.
func (f *Delay) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	wait := f.wait(f.draw(hit))
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

// RoundTrip waits, then makes the attempt. With hold, it makes the attempt, then waits,
// even if the attempt failed.
func (f *Delay) RoundTrip(hit *faults.Hit, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	wait := f.wait(f.draw(hit))
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

// wait returns the delay for a draw in [0,1).
func (f *Delay) wait(u float64) time.Duration {
	wait := max(f.quantile(u), time.Duration(f.AtLeast))
	if f.AtMost > 0 {
		wait = min(wait, time.Duration(f.AtMost))
	}
	return wait
}

// markDelay adds a header field that says how long the reply was delayed.
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
// With one duration, each request waits for that time. With two durations, each request
// draws its wait between them, uniformly. The other distributions are
//
//	normal      <mean> <deviation>
//	lognormal   <median> <sigma>
//	pareto      <scale> <shape>
//	percentiles p<n>=<duration>...
//
// A ramp is not drawn. The wait rises with the time since the rule started:
//
//	ramp        <from> <to> <duration>
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

// Line returns the distribution. All other settings need a block.
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

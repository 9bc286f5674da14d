package kinds

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(RateLimit{})
}

// RateLimit lets a quota of requests pass in each window, and lets clients know what is
// left of it. The requests above the quota get 429 or the faults of your choice.
//
// What the client sees: over every protocol, the upstream's reply with limit fields. Once
// the quota is used up, 429 with the limit fields and the time left as `Retry-After`. The
// body comes from the catalog.
//
// With `per`, each value has a quota. The window is fixed: it begins with the first
// request after the last window, and requests above the quota do not extend it. A request
// within the quota counts as passed with the reason within_quota, not as a hit. Each node
// counts separately.
//
// In a transport, each attempt counts, and the proxy gets the reply.
//
// Header fields and faults can have any placeholder of Caddy and these:
//
// Placeholder | Description
// ------------|-------------
// `{http.fault.limit}` | The quota
// `{http.fault.remaining}` | The number of requests that are left
// `{http.fault.used}` | The number of requests that are used
// `{http.fault.reset}` | The seconds to the end of the window, rounded up
// `{http.fault.reset.unix}` | The end of the window in Unix time; also `unix_ms`, `http` and `rfc3339`
type RateLimit struct {
	// The number of requests that pass in each window: 1 to 1000000. Required.
	Requests int `json:"requests,omitempty"`

	// The length of the window: whole seconds, up to one year. Required.
	Window caddy.Duration `json:"window,omitempty"`

	// The limit fields of each reply. `ietf`: `RateLimit-Policy` and `RateLimit` of the
	// IETF draft. `x`: `X-RateLimit-Limit`, `X-RateLimit-Remaining` and
	// `X-RateLimit-Reset` in seconds. `x_unix`: the same with the reset as Unix time.
	// `off`: no fields. They replace those of the upstream. Default: `ietf`.
	Fields string `json:"fields,omitempty"`

	// Further changes to the header of each reply. They override the limit fields.
	// Default: none.
	Headers *HeaderOps `json:"headers,omitempty"`

	// The faults for requests above the quota, run in this order. Default: `respond 429`
	// with `Retry-After`.
	FaultsRaw []json.RawMessage `json:"faults,omitempty" caddy:"namespace=http.faults inline_key=fault"`

	name   string // in the memory of the rule
	limit  quotaFields
	fields fields
	chain  faults.Chain
}

const (
	maxQuota       = 1_000_000
	maxQuotaWindow = 365 * 24 * time.Hour
)

// CaddyModule returns the Caddy module information.
func (RateLimit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".ratelimit",
		New: func() caddy.Module { return new(RateLimit) },
	}
}

// Provision loads the faults for requests above the quota.
func (f *RateLimit) Provision(ctx caddy.Context) error {
	f.name = fmt.Sprintf("ratelimit %d %s", f.Requests, time.Duration(f.Window))
	f.limit = newQuotaFields(f.Fields, f.Requests, time.Duration(f.Window))
	f.fields = f.Headers.prepare()
	if len(f.FaultsRaw) == 0 {
		f.chain = tooMany()
		return f.chain[0].(*Respond).Provision(ctx)
	}
	mods, err := ctx.LoadModule(f, "FaultsRaw")
	if err != nil {
		return fmt.Errorf("loading faults of ratelimit: %w", err)
	}
	if f.chain, err = faults.NewChain(mods); err != nil {
		return fmt.Errorf("ratelimit: %w", err)
	}
	return nil
}

// tooMany returns the faults for requests above a quota without faults.
func tooMany() faults.Chain {
	return faults.Chain{&Respond{
		StatusCode: http.StatusTooManyRequests,
		Headers:    &HeaderOps{Set: http.Header{retryAfterField: {"{http.fault.reset}"}}},
	}}
}

// Validate checks the configured fields.
func (f *RateLimit) Validate() error {
	window := time.Duration(f.Window)
	switch {
	case f.Requests < 1 || f.Requests > maxQuota:
		return fmt.Errorf("bad ratelimit requests '%d': want 1 to %d", f.Requests, maxQuota)
	case window < time.Second || window > maxQuotaWindow || window%time.Second != 0:
		return fmt.Errorf("bad ratelimit window '%s': want whole seconds, from 1s to %dh", args.FormatDuration(f.Window), int(maxQuotaWindow/time.Hour))
	}
	switch f.Fields {
	case "", fieldsIETF, fieldsX, fieldsXUnix, fieldsOff:
		return f.Headers.validate()
	}
	return fmt.Errorf("bad ratelimit fields '%s': want ietf, x, x_unix or off", f.Fields)
}

// Terminal reports false: requests within the quota reach the next fault.
func (*RateLimit) Terminal() bool { return false }

// Conditional reports true: only requests above the quota are hits.
func (*RateLimit) Conditional(uint64) bool { return true }

// Keeps reports true: each key has a quota.
func (*RateLimit) Keeps() bool { return true }

// above returns the faults for requests above the quota. It does not need Provision.
func (f *RateLimit) above() faults.Chain {
	if f.chain == nil {
		return tooMany()
	}
	return f.chain
}

// Reply returns the larger reply of requests within and above the quota.
func (f *RateLimit) Reply(next faults.Reply) (faults.Reply, error) {
	above, err := f.above().Reply(next.ForBranch())
	if err != nil {
		return above, err
	}
	return next.Larger(above), nil
}

// CheckPlace checks the faults for requests above the quota.
func (f *RateLimit) CheckPlace(p faults.Place) error { return f.above().CheckPlace(p) }

// Hints returns the hints of the faults for requests above the quota.
func (f *RateLimit) Hints() []string { return f.above().Hints() }

// Foresee says how much of the quota is used.
func (f *RateLimit) Foresee(m faults.Memory) (what string, idle bool) {
	left := quotaLeft{limit: f.Requests}
	if q, ok := m.Kept(f.name).(*quota); ok {
		left = q.peek(f.Requests, time.Duration(f.Window))
	}
	what = fmt.Sprintf("%d of %d requests used", left.used, left.limit)
	if left.used > 0 {
		what += fmt.Sprintf(", the next window begins in %ds", left.seconds())
	}
	return what, !left.above
}

// take counts a request. If the request is within the quota, it is not a hit.
func (f *RateLimit) take(hit *faults.Hit) quotaLeft {
	q := hit.Keep(f.name, func() any { return new(quota) }).(*quota)
	left := q.take(f.Requests, time.Duration(f.Window))
	if !left.above {
		hit.Pass(passWithinQuota)
	}
	return left
}

// mark changes the header of a reply.
func (f *RateLimit) mark(h http.Header, left *quotaLeft, r *http.Request) {
	f.limit.set(h, left)
	if f.Headers == nil {
		return
	}
	var repl *caddy.Replacer
	if !f.fields.static {
		repl = text.Replacer(r)
		left.fill(repl)
	}
	f.fields.apply(h, repl)
}

// Inject calls next with a writer that sets the limit fields, or runs the faults for
// requests above the quota.
func (f *RateLimit) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if hit.HasEnded() {
		return next.ServeHTTP(w, r)
	}
	lw := &limitWriter{fault: f, left: f.take(hit), r: r}
	lw.HeadWriter = wire.NewHeadWriter(w, lw)
	defer lw.markMissing()
	if !lw.left.above {
		return next.ServeHTTP(lw, r)
	}
	lw.left.fill(text.Replacer(r))
	return f.chain.Inject(hit, lw, r, next)
}

// RoundTrip makes the attempt and sets the limit fields, or runs the faults for attempts
// above the quota.
func (f *RateLimit) RoundTrip(hit *faults.Hit, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if hit.HasEnded() {
		return next.RoundTrip(r)
	}
	left := f.take(hit)
	run := next.RoundTrip
	if left.above {
		left.fill(text.Replacer(r))
		run = func(r *http.Request) (*http.Response, error) { return f.chain.RoundTrip(hit, r, next) }
	}
	resp, err := run(r)
	if err == nil {
		f.mark(resp.Header, &left, r)
	}
	return resp, err
}

// A limitWriter sets the limit fields of one reply.
type limitWriter struct {
	wire.HeadWriter // the client's side

	fault *RateLimit
	left  quotaLeft
	r     *http.Request
}

// TakeHead sets the fields and sends the head.
func (lw *limitWriter) TakeHead(code int) {
	lw.fault.mark(lw.ResponseWriter.Header(), &lw.left, lw.r)
	lw.ResponseWriter.WriteHeader(code)
}

// markMissing sets the fields of a reply that the error routes or the server will send.
func (lw *limitWriter) markMissing() {
	if lw.Tail == nil {
		lw.fault.mark(lw.ResponseWriter.Header(), &lw.left, lw.r)
	}
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	ratelimit <requests> <window> [ietf|x|x_unix|off] {
//	    header [+|-]<field> [<value>]
//	    <fault>
//	    ...
//	}
//
// The faults are for the requests above the quota.
func (f *RateLimit) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	switch {
	case len(words) < 2:
		return args.Missing(d, "ratelimit")
	case len(words) > 3:
		return args.Unexpected(d, "ratelimit", words[3])
	case len(words) == 3:
		f.Fields = words[2]
	}
	if err := args.Parse(d, "ratelimit", words[:2], f.parseRequests, f.parseWindow); err != nil {
		return err
	}
	var draft faults.Draft
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "header" {
			if err := draft.Unmarshal(d.NewFromNextSegment()); err != nil {
				return err
			}
			continue
		}
		if f.Headers == nil {
			f.Headers = new(HeaderOps)
		}
		if err := f.Headers.unmarshalOption(d, "ratelimit header"); err != nil {
			return err
		}
	}
	f.FaultsRaw, f.chain = draft.JSON, draft.Faults
	return nil
}

func (f *RateLimit) parseRequests(arg string) error {
	requests, err := strconv.Atoi(arg)
	if err != nil {
		return fmt.Errorf("bad requests '%s' of ratelimit: want a whole number, 1 to %d", arg, maxQuota)
	}
	f.Requests = requests
	return nil
}

func (f *RateLimit) parseWindow(arg string) error {
	if _, err := strconv.Atoi(arg); err == nil {
		return fmt.Errorf("bad window '%s' of ratelimit: a duration has a unit; write ratelimit %d %[1]ss", arg, f.Requests)
	}
	return args.DurationParser(&f.Window)(arg)
}

// Line returns the quota and the style. If more is set, ok is false.
func (f *RateLimit) Line() (line string, ok bool) {
	line = strconv.Itoa(f.Requests) + " " + args.FormatDuration(f.Window)
	if f.Fields != "" {
		line += " " + f.Fields
	}
	return line, f.Headers == nil && len(f.FaultsRaw) == 0
}

// Interface guards
var (
	_ faults.Fault          = (*RateLimit)(nil)
	_ faults.Foreseer       = (*RateLimit)(nil)
	_ faults.Hinter         = (*RateLimit)(nil)
	_ faults.Keeper         = (*RateLimit)(nil)
	_ faults.Replier        = (*RateLimit)(nil)
	_ faults.RoundTripper   = (*RateLimit)(nil)
	_ faults.Terminal       = (*RateLimit)(nil)
	_ faults.Placed         = (*RateLimit)(nil)
	_ faults.Liner          = (*RateLimit)(nil)
	_ caddy.Provisioner     = (*RateLimit)(nil)
	_ caddy.Validator       = (*RateLimit)(nil)
	_ caddyfile.Unmarshaler = (*RateLimit)(nil)
	_ wire.HeadTaker        = (*limitWriter)(nil)
)

package faults

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(Delay{})
}

// Delay waits, then lets the request go on: to the next fault of the rule, to
// the upstream, or in phase response back to the client.
//
// What the client sees is the same over every protocol: a reply that comes
// late, with a `Server-Timing: fault;dur=…` field that says by how much, in
// milliseconds. A client that leaves while it waits ends the wait and the
// upstream is never asked; the access log has status 499. Over HTTP/1 the
// leaving of a client whose request body has not been read is noticed only
// after the wait.
type Delay struct {
	// How long to wait, the same for every request. Not together with `min`
	// and `max`.
	Duration caddy.Duration `json:"duration,omitempty"`

	// The shortest wait. With `max` the wait is drawn evenly between the two.
	Min caddy.Duration `json:"min,omitempty"`

	// The longest wait.
	Max caddy.Duration `json:"max,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Delay) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  Namespace + ".delay",
		New: func() caddy.Module { return new(Delay) },
	}
}

// Provision warns of a wait that the server's own timeout will cut short.
func (d *Delay) Provision(ctx caddy.Context) error {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if longest := max(d.Duration, d.Max); ok && srv.WriteTimeout > 0 && longest >= srv.WriteTimeout {
		ctx.Logger().Warn("the delay reaches the server's write timeout: clients get no reply at all",
			zap.Duration("delay", time.Duration(longest)),
			zap.Duration("write_timeout", time.Duration(srv.WriteTimeout)))
	}
	return nil
}

// Validate checks that there is one way to find the wait, and no time machine.
func (d *Delay) Validate() error {
	for _, f := range []struct {
		name  string
		value caddy.Duration
	}{{"duration", d.Duration}, {"min", d.Min}, {"max", d.Max}} {
		if f.value < 0 {
			return fmt.Errorf("bad delay %s '%s': negative", f.name, time.Duration(f.value))
		}
	}
	if d.Duration > 0 && (d.Min > 0 || d.Max > 0) {
		return fmt.Errorf("delay has both duration '%s' and min or max: write one or the other", time.Duration(d.Duration))
	}
	if d.Min > d.Max {
		return fmt.Errorf("bad delay: min '%s' is above max '%s'", time.Duration(d.Min), time.Duration(d.Max))
	}
	return nil
}

// ServeHTTP waits and calls next.
func (d *Delay) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	hit := HitFrom(r.Context())
	wait := d.draw(hit)
	if wait <= 0 {
		return next.ServeHTTP(w, r)
	}
	if err := hit.Wait(r.Context(), wait); err != nil {
		return err
	}
	w.Header().Add("Server-Timing", "fault;dur="+strconv.FormatFloat(wait.Seconds()*1e3, 'f', -1, 64))
	return next.ServeHTTP(w, r)
}

// draw is the wait of one hit.
func (d *Delay) draw(hit *Hit) time.Duration {
	if d.Max == 0 {
		return time.Duration(d.Duration)
	}
	span := float64(d.Max - d.Min)
	return time.Duration(d.Min) + time.Duration(hit.Rand().Float64()*span)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	delay <duration>
//	delay <min> <max>
//
// One duration is waited by every request; of two, each request draws its own
// wait evenly between them.
func (d *Delay) UnmarshalCaddyfile(disp *caddyfile.Dispenser) error {
	disp.Next() // consume kind
	args := disp.RemainingArgs()
	targets := []*caddy.Duration{&d.Min, &d.Max}
	switch len(args) {
	case 1:
		targets = []*caddy.Duration{&d.Duration}
	case 2:
	default:
		return disp.ArgErr()
	}
	for i, arg := range args {
		dur, err := caddy.ParseDuration(arg)
		if err != nil {
			return disp.Errf("bad delay '%s': want a duration such as 250ms or 2s", arg)
		}
		*targets[i] = caddy.Duration(dur)
	}
	return noBlock(disp)
}

// Interface guards
var (
	_ Fault                 = (*Delay)(nil)
	_ caddy.Provisioner     = (*Delay)(nil)
	_ caddy.Validator       = (*Delay)(nil)
	_ caddyfile.Unmarshaler = (*Delay)(nil)
)

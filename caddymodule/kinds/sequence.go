package kinds

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

func init() {
	caddy.RegisterModule(Sequence{})
}

// Sequence gives each hit of the rule the next step: the first hit the first step, and
// so on. The steps are exact, also when requests arrive at once.
//
// What the client sees: what the step does, over every protocol. If a step passes, and
// after the last step, requests continue unchanged and count as passed, not as hits.
type Sequence struct {
	// The steps, each a list of faults. An empty list lets the request pass. Required.
	StepsRaw [][]json.RawMessage `json:"steps,omitempty" caddy:"namespace=http.faults inline_key=fault"`

	// Begin with the first step again after the last one. Default: false, and requests
	// pass after the last step.
	Loop bool `json:"loop,omitempty"`

	steps []faults.Chain
}

// CaddyModule returns the Caddy module information.
func (Sequence) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".sequence",
		New: func() caddy.Module { return new(Sequence) },
	}
}

// Provision loads the steps.
func (f *Sequence) Provision(ctx caddy.Context) error {
	if len(f.StepsRaw) == 0 {
		return nil // Validate refuses it
	}
	loaded, err := ctx.LoadModule(f, "StepsRaw")
	if err != nil {
		return fmt.Errorf("loading steps of sequence: %w", err)
	}
	f.steps = nil
	for i, mods := range loaded.([][]any) {
		chain, err := faults.NewChain(mods)
		if err != nil {
			return fmt.Errorf("step %d of sequence: %w", i+1, err)
		}
		f.steps = append(f.steps, chain)
	}
	return nil
}

// Validate checks that there are steps.
func (f *Sequence) Validate() error {
	if len(f.steps) == 0 && len(f.StepsRaw) == 0 {
		return errors.New("sequence has no steps; write a block of faults, one step per line")
	}
	return nil
}

// Terminal reports whether every hit ends the request. Without Loop, requests pass
// after the last step.
func (f *Sequence) Terminal() bool {
	for _, step := range f.steps {
		if !step.Ends() {
			return false
		}
	}
	return f.Loop
}

// Reply returns the largest reply of all steps.
func (f *Sequence) Reply(next faults.Reply) (faults.Reply, error) {
	most := faults.Reply{Size: faults.NoHead, From: f}
	if !f.Loop {
		most = next
	}
	for _, step := range f.steps {
		r, err := step.Reply(next.ForBranch())
		if err != nil {
			return r, err
		}
		most = most.Larger(r)
	}
	return most, nil
}

// Conditional reports whether the step of the n-th turn is conditional.
func (f *Sequence) Conditional(n uint64) bool { return f.step(n).Conditional(n) }

// Inject runs the step of this hit.
func (f *Sequence) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return f.step(hit.N).Inject(hit, w, r, next)
}

// RoundTrip runs the step of this hit.
func (f *Sequence) RoundTrip(hit *faults.Hit, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	return f.step(hit.N).RoundTrip(hit, r, next)
}

// CheckPlace checks all steps.
func (f *Sequence) CheckPlace(p faults.Place) error {
	for _, step := range f.steps {
		if err := step.CheckPlace(p); err != nil {
			return err
		}
	}
	return nil
}

// Hints returns the hints of all steps.
func (f *Sequence) Hints() (hints []string) {
	for _, step := range f.steps {
		hints = append(hints, step.Hints()...)
	}
	return hints
}

// Idle reports whether the step of the n-th turn passes, or the last step has been
// taken.
func (f *Sequence) Idle(n uint64, u float64) (idle bool, after float64) {
	return f.step(n).Idle(n, u)
}

// step returns the step of the n-th hit. It is empty after the last step.
func (f *Sequence) step(n uint64) faults.Chain {
	n--
	steps := uint64(len(f.steps))
	switch {
	case f.Loop:
		n %= steps
	case n >= steps:
		return nil
	}
	return f.steps[n]
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	sequence [once|loop] {
//	    <fault>
//	    pass
//	    step {
//	        <fault>
//	        ...
//	    }
//	}
//
// Each line is a step. The default is once: after the last step, requests pass.
func (f *Sequence) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		switch d.Val() {
		case "once":
		case "loop":
			f.Loop = true
		default:
			return d.Errf("bad mode '%s' of sequence: want once or loop", d.Val())
		}
	}
	if err := args.None(d, "sequence"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		draft, err := f.unmarshalLine(d)
		if err != nil {
			return err
		}
		raw := draft.JSON
		if raw == nil {
			raw = []json.RawMessage{} // pass; null would not load
		}
		f.StepsRaw = append(f.StepsRaw, raw)
		f.steps = append(f.steps, draft.Faults)
	}
	return nil
}

func (f *Sequence) unmarshalLine(d *caddyfile.Dispenser) (faults.Draft, error) {
	switch d.Val() {
	case passWord:
		return faults.Draft{}, args.None(d, "sequence")
	case "step":
		return unmarshalStep(d)
	default:
		var draft faults.Draft
		err := draft.Unmarshal(d.NewFromNextSegment())
		return draft, err
	}
}

// Interface guards
var (
	_ faults.Fault          = (*Sequence)(nil)
	_ faults.Hinter         = (*Sequence)(nil)
	_ faults.Replier        = (*Sequence)(nil)
	_ faults.RoundTripper   = (*Sequence)(nil)
	_ faults.Terminal       = (*Sequence)(nil)
	_ faults.Placed         = (*Sequence)(nil)
	_ faults.Idle           = (*Sequence)(nil)
	_ caddy.Provisioner     = (*Sequence)(nil)
	_ caddy.Validator       = (*Sequence)(nil)
	_ caddyfile.Unmarshaler = (*Sequence)(nil)
)

package kinds

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

func init() {
	caddy.RegisterModule(Choose{})
}

// Choose runs one of several branches, drawn by weight. It uses the draw of the rule.
// With `sticky`, a key always gets the same branch. With `seed`, the branches repeat.
//
// What the client sees: what the branch does, over every protocol. If the branch
// passes, the request continues unchanged and counts as passed, not as a hit.
type Choose struct {
	// The branches. At least one weight must be above 0. Required.
	Branches []*Branch `json:"branches,omitempty"`

	total float64
}

// Branch is one of the alternatives of a Choose.
type Branch struct {
	// The weight of the branch, relative to the other weights: a number, 0 or more. The
	// weights need not sum up to 100. A branch of weight 0 is never taken. Required.
	Weight *float64 `json:"weight,omitempty" schema:"min=0"`

	// The faults of the branch, run in this order. Default: none, and the request
	// passes unchanged.
	FaultsRaw []json.RawMessage `json:"faults,omitempty" caddy:"namespace=http.faults inline_key=fault"`

	chain faults.Chain
}

// weight returns the configured weight, or 0 without one, which Validate refuses.
func (b *Branch) weight() float64 {
	if b.Weight == nil {
		return 0
	}
	return *b.Weight
}

// CaddyModule returns the Caddy module information.
func (Choose) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".choose",
		New: func() caddy.Module { return new(Choose) },
	}
}

// Provision loads the branches.
func (f *Choose) Provision(ctx caddy.Context) error {
	f.total = 0
	for i, branch := range f.Branches {
		if branch == nil {
			return fmt.Errorf("branch %d of choose is null; remove it, or write {\"weight\": 1} for a branch that passes", i+1)
		}
		f.total += branch.weight()
		if len(branch.FaultsRaw) == 0 {
			continue
		}
		mods, err := ctx.LoadModule(branch, "FaultsRaw")
		if err != nil {
			return fmt.Errorf("loading branch %d of choose: %w", i+1, err)
		}
		if branch.chain, err = faults.NewChain(mods); err != nil {
			return fmt.Errorf("branch %d of choose: %w", i+1, err)
		}
	}
	return nil
}

// Validate checks the weights.
func (f *Choose) Validate() error {
	total := 0.0
	for i, branch := range f.Branches {
		weight := branch.weight()
		switch {
		case branch.Weight == nil:
			return fmt.Errorf("branch %d of choose has no weight; write one, such as \"weight\": 1", i+1)
		case !(weight >= 0) || math.IsInf(weight, 0): // also refuses NaN
			return fmt.Errorf("bad weight '%v' of choose: must be 0 or greater", weight)
		}
		total += weight
	}
	switch {
	case len(f.Branches) == 0:
		return errors.New("choose has no branches; write a block of lines with a weight and a fault")
	case math.IsInf(total, 0):
		return errors.New("bad weights of choose: their sum is too large; write smaller numbers")
	case total == 0:
		return errors.New("bad weights of choose: all are 0; at least one must be greater than 0")
	}
	return nil
}

// Terminal reports whether every branch that can be taken ends the request.
func (f *Choose) Terminal() bool {
	for _, branch := range f.Branches {
		if branch.weight() > 0 && !branch.chain.Ends() {
			return false
		}
	}
	return true
}

// Reply returns the largest reply of all branches with a weight.
func (f *Choose) Reply(next faults.Reply) (faults.Reply, error) {
	most := faults.Reply{Size: faults.NoHead, From: f}
	for _, branch := range f.Branches {
		if branch.weight() == 0 {
			continue
		}
		r, err := branch.chain.Reply(next.ForBranch())
		if err != nil {
			return r, err
		}
		most = most.Larger(r)
	}
	return most, nil
}

// Conditional reports whether a branch with a weight is conditional.
func (f *Choose) Conditional(n uint64) bool {
	return slices.ContainsFunc(f.Branches, func(b *Branch) bool { return b.weight() > 0 && b.chain.Conditional(n) })
}

// Inject runs the branch selected by the draw of the rule.
func (f *Choose) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return f.take(hit).Inject(hit, w, r, next)
}

// RoundTrip runs the branch selected by the draw of the rule.
func (f *Choose) RoundTrip(hit *faults.Hit, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	return f.take(hit).RoundTrip(hit, r, next)
}

// CheckPlace checks all branches.
func (f *Choose) CheckPlace(p faults.Place) error {
	for _, branch := range f.Branches {
		if err := branch.chain.CheckPlace(p); err != nil {
			return err
		}
	}
	return nil
}

// Hints returns the hints of all branches with a weight.
func (f *Choose) Hints() (hints []string) {
	for _, branch := range f.Branches {
		if branch.weight() > 0 {
			hints = append(hints, branch.chain.Hints()...)
		}
	}
	return hints
}

// Idle reports whether the draw selects a branch that passes.
func (f *Choose) Idle(n uint64, u float64) (idle bool, after float64) {
	if u != faults.AnyDraw {
		branch, within := f.pick(u)
		return branch.chain.Idle(n, within)
	}
	for _, branch := range f.Branches {
		if idle, _ := branch.chain.Idle(n, faults.AnyDraw); branch.weight() > 0 && !idle {
			return false, faults.AnyDraw
		}
	}
	return true, faults.AnyDraw
}

// take returns the branch of this hit. It rescales the draw to be uniform within the
// branch. Faults in the branch and a later choose use the rescaled draw.
func (f *Choose) take(hit *faults.Hit) faults.Chain {
	branch, within := f.pick(hit.U)
	hit.U = within
	return branch.chain
}

// pick returns the branch for a draw in [0,1), and the place of the draw within the
// branch's part, also in [0,1).
func (f *Choose) pick(u float64) (*Branch, float64) {
	at, last := u*f.total, 0
	for i, branch := range f.Branches {
		if branch.weight() == 0 {
			continue
		}
		if at < branch.weight() {
			return branch, at / branch.weight()
		}
		at -= branch.weight()
		last = i
	}
	return f.Branches[last], math.Nextafter(1, 0) // sums of weights are rounded
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	choose {
//	    <weight> <fault>
//	    <weight> pass
//	    <weight> {
//	        <fault>
//	        ...
//	    }
//	}
func (f *Choose) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if err := args.None(d, "choose"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		weight, err := strconv.ParseFloat(d.Val(), 64)
		if err != nil {
			return badWeight(d)
		}
		draft, err := unmarshalStep(d)
		if err != nil {
			return err
		}
		f.Branches = append(f.Branches, &Branch{Weight: &weight, FaultsRaw: draft.JSON, chain: draft.Faults})
	}
	return nil
}

// badWeight returns the error for a line that does not begin with a number. Its advice
// repeats the fault of the line.
func badWeight(d *caddyfile.Dispenser) error {
	at, word := *d, d.Val()
	weight, line := strings.TrimSuffix(word, "%"), at.RemainingArgs()
	if _, err := strconv.ParseFloat(weight, 64); err != nil {
		weight = "50"
		if _, isKind := words.FormOf(word); isKind {
			line = append([]string{word}, line...)
		}
	}
	if len(line) == 1 {
		if form, known := words.FormOf(line[0]); known {
			line = strings.Fields(form.Example)
		}
	}
	example := strings.TrimSpace(weight + " " + args.Words(line))
	return args.Advise(d, "each line begins with a weight, such as "+example, "bad weight '%s' of choose: want a number", word)
}

// unmarshalStep parses the rest of a line after its first word: a fault, pass, or a
// block of faults.
func unmarshalStep(d *caddyfile.Dispenser) (faults.Draft, error) {
	var draft faults.Draft
	word := d.Val()
	if d.NextArg() {
		if d.Val() == passWord {
			return draft, args.None(d, passWord)
		}
		err := draft.Unmarshal(d.NewFromNextSegment())
		return draft, err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := draft.Unmarshal(d.NewFromNextSegment()); err != nil {
			return draft, err
		}
	}
	if len(draft.Faults) == 0 {
		return draft, d.Errf("nothing to do after '%s'; write a fault, pass or a block of faults", word)
	}
	return draft, nil
}

// passWord is written instead of a fault where the request passes.
const passWord = "pass"

// Interface guards
var (
	_ faults.Fault          = (*Choose)(nil)
	_ faults.Hinter         = (*Choose)(nil)
	_ faults.Replier        = (*Choose)(nil)
	_ faults.RoundTripper   = (*Choose)(nil)
	_ faults.Terminal       = (*Choose)(nil)
	_ faults.Placed         = (*Choose)(nil)
	_ faults.Idle           = (*Choose)(nil)
	_ caddy.Provisioner     = (*Choose)(nil)
	_ caddy.Validator       = (*Choose)(nil)
	_ caddyfile.Unmarshaler = (*Choose)(nil)
)

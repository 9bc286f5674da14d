package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Chain is the faults of one rule, in the order written.
type Chain []Fault

// Inject runs the chain and calls next after its last fault.
func (c Chain) Inject(hit *Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if len(c) == 0 {
		return next.ServeHTTP(w, r)
	}
	if len(c) > 1 {
		next = link{hit, c[1:], next}
	}
	hit.confirm(c[0])
	return c[0].Inject(hit, w, r, next)
}

// link is the rest of a chain, as the next handler of a fault.
type link struct {
	hit  *Hit
	rest Chain
	next caddyhttp.Handler
}

func (l link) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	return l.rest.Inject(l.hit, w, r, l.next)
}

// AfterChain returns the handler after the last fault of a chain. next is the next
// handler of one of its faults. A fault that has ended while it waited calls AfterChain
// to skip the rest. If the chain is nested in another chain, the rest of that chain is
// skipped as well.
func AfterChain(next caddyhttp.Handler) caddyhttp.Handler {
	for {
		l, ok := next.(link)
		if !ok {
			return next
		}
		next = l.next
	}
}

// Append returns the chain with one more fault at its end. It returns an error if no
// request can reach the fault, or if a fault of the chain can then never have an effect.
func (c Chain) Append(f Fault) (Chain, error) {
	if n := len(c); n > 0 && Ends(c[n-1]) {
		return c, &OrderError{Fault: f, After: c[n-1]}
	}
	c = append(c, f)
	if _, err := c.Reply(AnyReply()); err != nil {
		return c[:len(c)-1], err
	}
	return c, nil
}

// An OrderError is the error for a fault that no request can reach.
type OrderError struct {
	// Fault comes after the fault After, which ends the request.
	Fault, After Fault
}

// Error names both faults.
func (e *OrderError) Error() string {
	return fmt.Sprintf("fault '%s' comes after '%s', which ends the request", Kind(e.Fault), Kind(e.After))
}

// Ends reports whether the chain never calls next.
func (c Chain) Ends() bool { return len(c) > 0 && Ends(c[len(c)-1]) }

// Replaces reports whether the chain is one fault that never calls next, even after it
// has ended. A kind with [Idle] runs other faults. It calls next when one of them has
// ended while it waited.
func (c Chain) Replaces() bool {
	if len(c) != 1 || !Ends(c[0]) {
		return false
	}
	_, mayBeIdle := c[0].(Idle)
	return !mayBeIdle
}

// Conditional reports whether every fault of the chain is conditional in the n-th turn
// of its rule.
func (c Chain) Conditional(n uint64) bool {
	return !slices.ContainsFunc(c, func(f Fault) bool { return !conditional(f, n) })
}

// Idle reports whether every fault of the chain leaves this hit alone, see [Idle].
func (c Chain) Idle(n uint64, u float64) (idle bool, after float64) {
	for _, f := range c {
		may, ok := f.(Idle)
		if !ok {
			return false, u
		}
		if idle, u = may.Idle(n, u); !idle {
			return false, u
		}
	}
	return true, u
}

// NewChain returns the chain of a list of faults that Caddy has loaded.
func NewChain(loaded any) (Chain, error) {
	var chain Chain
	for _, mod := range loaded.([]any) {
		fault, err := Of(mod)
		if err != nil {
			return nil, err
		}
		if chain, err = chain.Append(fault); err != nil {
			return nil, err
		}
	}
	return chain, nil
}

// Draft is a chain that is parsed from a Caddyfile. It has the faults themselves, for
// checks, and their JSON.
type Draft struct {
	Faults Chain
	JSON   []json.RawMessage

	last caddyfile.Dispenser // at the last fault
}

// Unmarshal parses one fault with the parser of its kind and adds it. The tokens of d
// must be those of the fault. The fault is checked at once, so that an error can name
// the line.
func (c *Draft) Unmarshal(d *caddyfile.Dispenser) error {
	d.Next()
	at := *d
	parsed, err := unmarshalFault(d)
	if err != nil {
		return err
	}
	fault, err := Of(parsed)
	if err != nil {
		return at.WrapErr(err)
	}
	if v, ok := parsed.(caddy.Validator); ok {
		if err := v.Validate(); err != nil {
			return at.WrapErr(err)
		}
	}
	if c.Faults, err = c.Faults.Append(fault); err != nil {
		return c.cannotAppend(&at, err)
	}
	c.last = at
	c.JSON = append(c.JSON, caddyconfig.JSONModuleObject(parsed, "fault", Kind(fault), nil))
	return nil
}

// cannotAppend returns the error for a fault that cannot be the next of the chain.
func (c *Draft) cannotAppend(d *caddyfile.Dispenser, err error) error {
	order, ok := errors.AsType[*OrderError](err)
	switch {
	case !ok:
		return d.WrapErr(err)
	case Ends(order.Fault):
		return args.Advise(d, "remove one of the two lines", "%v", order)
	default:
		return args.Advise(d, "swap the two lines:\n\t"+args.Line(d)+"\n\t"+args.Line(&c.last), "%v", order)
	}
}

func unmarshalFault(d *caddyfile.Dispenser) (caddyfile.Unmarshaler, error) {
	kind := d.Val()
	if !IsKind(kind) {
		return nil, unknownKind(d)
	}
	fault, err := caddyfile.UnmarshalModule(d, Namespace+"."+kind)
	if err != nil && strings.HasPrefix(err.Error(), "wrong argument count") {
		err = fmt.Errorf("bad arguments of fault '%s': %w", kind, err) // the kind gives no details
	}
	return fault, err
}

// unknownKind returns the error for an unknown word where only a fault can be written,
// for example in choose.
func unknownKind(d *caddyfile.Dispenser) error {
	word, kinds := d.Val(), Kinds()
	if form, known := words.FormOf(word); known && strings.HasPrefix(form.JSON, `"`) {
		return args.Advise(d, "it is a setting: write it in the rule, outside of this block", "'%s' is not a kind of fault", word)
	}
	lines := slices.DeleteFunc(words.Synonym(words.Rule, word), func(line string) bool { return !IsKind(strings.Fields(line)[0]) })
	if _, err := strconv.ParseUint(word, 10, 64); err == nil && len(word) == 3 {
		lines = []string{"respond " + word}
	}
	if len(lines) == 0 {
		lines = args.Corrected(d, "", words.Near(word, kinds))
	}
	advice := words.Suggest(lines)
	if advice == "" {
		advice = "the kinds are " + strings.Join(kinds, ", ")
	}
	return args.Advise(d, advice, "'%s' is not a kind of fault", word)
}

// IsKind reports whether word is a kind of fault in this Caddy.
func IsKind(word string) bool {
	_, err := caddy.GetModule(Namespace + "." + word)
	return err == nil
}

// Kinds returns the names of all kinds of fault in this Caddy.
func Kinds() []string { return args.ModuleNames(Namespace) }

// Interface guards
var (
	_ caddyhttp.Handler = link{}
)

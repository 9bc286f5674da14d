package kinds

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/jsonmutate"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

func init() {
	caddy.RegisterModule(Mutate{})
}

// Mutate changes the upstream's JSON as a careless release of its server would. It
// chooses a change, and says which.
//
// What the client sees: over every protocol, a whole reply whose JSON differs from what
// the client expects. For example, a member is gone, null, renamed or of another type.
// Its Content-Length is right.
//
// These operations are known:
//
// Operation | What it does | Set
// ----------|--------------|----
// `drop` | removes a member | `drift`
// `null` | writes null | `drift`
// `retype` | writes a string for a number and the reverse, an array for an object, and so on | `drift`
// `rename` | spells a name differently, such as `user_name` | `drift`
// `add` | adds a member `x_added` | `drift`
// `enum` | writes the string `UNKNOWN_VALUE` | `drift`
// `nest` | wraps the document in `{"data": …}`, or takes such a wrap off | `drift`
// `empty` | writes an empty string, array or object, or 0 | `edge`
// `huge` | makes an array or a string large, or writes a number that few clients can hold | `edge`
// `date` | writes a date in another form, or a day that does not exist | `edge`
// `unicode` | adds an emoji, a direction mark, NUL, half of a surrogate pair, or a combining accent | `edge`
// `encoding` | sends the document in UTF-16, in Latin-1 or with a byte order mark | `broken`
// `duplicate` | writes a member twice, with another value | `broken`
// `order` | reverses the members of an object, which must not matter | `conforming`
//
// After `drift` and `edge`, the body is valid JSON. The draw of the request chooses the
// change. With `seed` or `sticky`, the same reply gets the same change again. Each
// change is in the journal and, unless `disclose` is off, in the header field
// `X-Fault-Change`.
//
// All other bytes of the JSON remain as they are. The rest is as with `patch`: the body is
// held in memory, a body in gzip is sent unpacked, and `ETag`, `Last-Modified` and digests
// are removed. The reply has `Cache-Control: no-store`.
//
// A reply that cannot change passes and is not a hit. Caddy counts it with the reason,
// such as not_json, too_large, encoded, partial or no_place.
type Mutate struct {
	// The operations and sets to choose from. Default: `drift`.
	Ops []string `json:"ops,omitempty"`

	// JSON Pointers to the values that may change. `*` is any member or element, and `**`
	// at the end is all that is within a value. Default: every value.
	At []string `json:"at,omitempty"`

	// JSON Pointers to values that must not change, with all that is in them. Default:
	// none.
	NotAt []string `json:"not_at,omitempty"`

	// How many changes a reply gets, from 1 to 20, or all that are possible if they are
	// fewer. Default: 1.
	Count int `json:"count,omitempty" zero:"default"`

	// Make all possible changes, one in each reply. The first hit gets the first change in
	// the document, and so on. After the last one, replies pass. Default: false.
	Each bool `json:"each,omitempty"`

	// The largest body to hold in memory, in bytes, packed or unpacked. Default:
	// 1048576.
	MaxSize int64 `json:"max_size,omitempty" zero:"default"`

	mutator *jsonmutate.Mutator
	reply   Patch // changes the reply, with this fault as its editor
}

// maxMutations limits the number of changes in a reply, because the journal keeps them.
const maxMutations = 20

// CaddyModule returns the Caddy module information.
func (Mutate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".mutate",
		New: func() caddy.Module { return new(Mutate) },
	}
}

// Provision prepares the operations and places.
func (f *Mutate) Provision(ctx caddy.Context) (err error) {
	f.reply = Patch{MaxSize: f.MaxSize, change: f, logger: ctx.Logger()}
	f.mutator, err = f.newMutator()
	return err
}

// Validate checks the configured fields, separately and together.
func (f *Mutate) Validate() error {
	switch {
	case f.Count < 0 || f.Count > maxMutations:
		return fmt.Errorf("bad mutate count '%d': must be from 1 to %d", f.Count, maxMutations)
	case f.Each && f.Count > 1:
		return errors.New("mutate has both each and count; each makes one change in each reply, so remove count")
	case f.MaxSize < 0:
		return fmt.Errorf("bad mutate max_size '%d': must not be negative", f.MaxSize)
	}
	_, err := f.newMutator()
	return err
}

func (f *Mutate) newMutator() (*jsonmutate.Mutator, error) {
	for _, name := range f.Ops {
		if known := jsonmutate.Names(); !slices.Contains(known, name) {
			return nil, unknownOperation(name, known)
		}
	}
	at, err := patternsOf("at", f.At)
	if err != nil {
		return nil, err
	}
	notAt, err := patternsOf("not_at", f.NotAt)
	if err != nil {
		return nil, err
	}
	limits := Patch{MaxSize: f.MaxSize}
	m, err := jsonmutate.New(f.Ops, at, notAt, max(1, f.Count), limits.maxSize())
	if err != nil {
		return nil, fmt.Errorf("mutate changes nothing: %w", err)
	}
	return m, nil
}

// unknownOperation returns the error for an unknown word.
func unknownOperation(name string, known []string) error {
	advice := words.Suggest(words.Near(name, known))
	if strings.HasPrefix(name, "/") {
		advice = "for a place, write at " + name
	}
	if advice == "" {
		advice = "the operations and sets are " + strings.Join(known, ", ")
	}
	return fmt.Errorf("unknown operation '%s' of mutate: %s", words.Cut(name, words.MaxWord), advice)
}

func patternsOf(option string, texts []string) (patterns []jsonmutate.Pattern, err error) {
	for _, text := range texts {
		p, err := jsonmutate.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("mutate %s: %w", option, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// Untrusted limits the size. The pointers and names of operations are not expanded.
func (f *Mutate) Untrusted(*faults.Limits) error { return untrustedSize(&f.MaxSize) }

// Reply requires a body.
func (*Mutate) Reply(next faults.Reply) (faults.Reply, error) { return faults.AnyReply(), next.Need(1) }

// Conditional reports true: some replies pass unchanged.
func (*Mutate) Conditional(uint64) bool { return true }

// Inject calls next with a writer that changes the reply.
func (f *Mutate) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return f.reply.Inject(hit, w, r, next)
}

// apply changes a document and reports the changes.
func (f *Mutate) apply(hit *faults.Hit, document []byte) (changed []byte, reason string) {
	d, err := jsonmutate.Parse(document)
	switch {
	case errors.Is(err, jsonmutate.ErrTooMany):
		return nil, passTooLarge
	case err != nil:
		return nil, passNotJSON
	}
	var made []jsonmutate.Change
	if f.Each {
		changed, made = f.mutator.Nth(d, hit.N)
	} else {
		changed, made = f.mutator.Random(d, hit.Rand())
	}
	if len(made) == 0 {
		return nil, passNoPlace
	}
	told := make([]faults.Change, len(made))
	for i, c := range made {
		told[i] = faults.Change(c)
	}
	hit.Change(told)
	return changed, ""
}

// Interface guards
var (
	_ faults.Fault          = (*Mutate)(nil)
	_ faults.Replier        = (*Mutate)(nil)
	_ faults.Untrusted      = (*Mutate)(nil)
	_ faults.Liner          = (*Mutate)(nil)
	_ caddy.Provisioner     = (*Mutate)(nil)
	_ caddy.Validator       = (*Mutate)(nil)
	_ caddyfile.Unmarshaler = (*Mutate)(nil)
	_ editor                = (*Mutate)(nil)
	_ editor                = jsonChange{}
)

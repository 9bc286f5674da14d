package trigger

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Trigger lets a request ask for its own fault, in one line of the grammar of a
// rule: `551`, `delay 250ms; respond 503` or `percent 50; reset`.
//
// The line comes from a stranger. It has at most 1 KiB and 8 statements, of
// these settings and kinds: `percent`, `phase`, and the kinds that say what a
// stranger may ask of them. `respond` takes a status such as 551 or smtp:450
// and nothing else; a bare status is short for it. Sizes are bounded to 1 MiB.
// Nothing in the line is expanded. `pass` means "leave me alone": no rule and
// no experiment hits the request at this point.
//
// A line that is malformed, not allowed, over a bound or there twice is refused:
// it injects nothing, and the request passes as if it had none. The reply tells
// why in the field `X-Fault-Refused`, unless the `fault` app discloses nothing.
// Without the key that field has the one word `key`. The counter
// `caddy_fault_passed_total`, reason `trigger_refused`, and a debug line tell of
// it, too.
type Trigger struct {
	// Where the line stands. `header`: a header field, which every point on the
	// way that has the trigger gets to see, and the upstream does not. `cookie`:
	// a cookie, percent-encoded. `baggage`: a member of W3C Baggage,
	// percent-encoded, which travels on to the next hops: `fault` is for every
	// point and `fault.<point>` for one. `envoy`: the header fields of Envoy's
	// fault filter instead of a line; points and upstreams see them as they do
	// that of `header`. Required.
	Source string `json:"source,omitempty"`

	// The name of the header field (default: `X-Fault`), the cookie or the
	// member of the baggage (default: `fault`).
	Name string `json:"name,omitempty"`

	// A secret that the trigger must carry: as a first statement `key <text>;`
	// in a header field or cookie, as the property `;key=<text>` of a member of
	// the baggage. 16 bytes or more, without spaces, quotes and semicolons; may
	// have global placeholders such as `{env.FAULT_KEY}`. Default: none, and
	// everybody may ask.
	Key string `json:"key,omitempty"`

	// The kinds of fault that may be asked for. Default: every kind that says
	// what a stranger may ask of it.
	Allow []string `json:"allow,omitempty"`

	// How much time all faults of a line may add, together. Default: 30s.
	MaxDelay caddy.Duration `json:"max_delay,omitempty" zero:"default"`

	// How many triggered requests are held at a time; more pass. Default: 100.
	MaxActive int `json:"max_active,omitempty" zero:"default"`

	// The share of the triggers that is obeyed, in percent. A line can only
	// lower it. Default: 100.
	Percent *float64 `json:"percent,omitempty"`

	source source
	hidden []string // header fields that no upstream is to see
	key    []byte   // nil: none is asked for
	parser lineParser
}

const (
	defaultMaxDelay  = 30 * time.Second
	defaultMaxActive = 100
	minKey           = 16
)

// A Tagger gives a rule that a trigger makes what its point knows it by. The
// faults of the rule end after endAfter, unless that is 0.
type Tagger func(rule *rules.Rule, endAfter time.Duration) rules.Owner

// Provision prepares the trigger for an injection point.
func (t *Trigger) Provision(ctx caddy.Context, point *rules.Point, tag Tagger) error {
	if err := t.validate(); err != nil {
		return err
	}
	if err := t.provisionKey(); err != nil {
		return err
	}
	at := placeOf(t.Source)
	t.source = at.make(t, t.name(), point.Name)
	if at.hidden != nil {
		t.hidden = at.hidden(t.name())
	}
	t.parser = newLineParser(ctx, point, t, tag)
	return nil
}

// provisionKey expands the key.
func (t *Trigger) provisionKey() error {
	if t.Key == "" {
		return nil
	}
	key, err := caddy.NewReplacer().ReplaceOrErr(t.Key, true, true)
	if err != nil {
		return fmt.Errorf("trigger key: %w", err)
	}
	t.key = []byte(key)
	return checkKey(key)
}

// checkKey tells whether an expanded key is long enough and can stand in a
// line. The error does not show it.
func checkKey(key string) error {
	switch {
	case len(key) < minKey:
		return fmt.Errorf("trigger key has %d bytes: want %d or more", len(key), minKey)
	case strings.ContainsFunc(key, notInKey):
		return errors.New("trigger key has a space, quote, semicolon or control character")
	}
	return nil
}

// notInKey reports whether no key has the character.
func notInKey(ch rune) bool { return ch <= ' ' || ch == 0x7f || strings.ContainsRune("\";`", ch) }

// MayHoldKey reports whether there may be a key in a text from a client. A key
// may stand anywhere in it, also where none belongs, and it may be that of
// another point.
func MayHoldKey(text string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(text, notInKey), func(word string) bool { return len(word) >= minKey })
}

// hideKeys returns err, which is about a text from a client, or an error that
// shows nothing of the text if there may be a key in it.
func hideKeys(text string, err error) error {
	if err == nil || !MayHoldKey(text) {
		return err
	}
	return errors.New("it cannot be read; why is not shown, since a word of 16 bytes or more may be a key: want a line such as 'delay 250ms; respond 503'")
}

// validate checks the settings by themselves.
func (t *Trigger) validate() error {
	at := placeOf(t.Source)
	switch {
	case at == nil:
		return fmt.Errorf("bad trigger '%s': want %s", t.Source, sourceNames())
	case at.name == "" && t.Name != "":
		return fmt.Errorf("trigger %s has its own names, '%s' is none", t.Source, t.Name)
	case at.keyless != "" && t.Key != "":
		return fmt.Errorf("trigger %s and key cannot go together: %s", t.Source, at.keyless)
	case t.Name != "" && !httpguts.ValidHeaderFieldName(t.Name):
		return fmt.Errorf("bad name '%s' of trigger %s", t.Name, t.Source)
	case t.Source == "header" && needed(t.name()):
		return fmt.Errorf("bad name '%s' of trigger header: the field is taken out of each request, which needs it; write a field of your own, such as X-Fault", t.Name)
	case unexpanded(t.Key):
		return errors.New("trigger key is the name of a variable, not its value: write it as a placeholder, such as key {env.FAULT_KEY}")
	case t.MaxDelay < 0:
		return fmt.Errorf("bad trigger max_delay '%s': negative", time.Duration(t.MaxDelay))
	case t.MaxActive < 0:
		return fmt.Errorf("bad trigger max_active '%d': negative", t.MaxActive)
	}
	for _, kind := range t.Allow {
		if !slices.Contains(untrustedKinds(), kind) {
			return fmt.Errorf("bad trigger allow '%s': want some of %s", kind, strings.Join(untrustedKinds(), ", "))
		}
	}
	if t.Percent != nil {
		if err := rules.ValidPercent(*t.Percent); err != nil {
			return err
		}
	}
	if t.Key == "" || strings.Contains(t.Key, "{") {
		return nil // it has to be expanded first
	}
	return checkKey(t.Key)
}

// needed reports whether no point may take a header field out of the requests.
func needed(field string) bool {
	return text.ValidFieldName(field) != nil || slices.Contains([]string{"Host", "Authorization", "Cookie", "Baggage"}, http.CanonicalHeaderKey(field))
}

// unexpanded reports whether a key is a variable as a shell or Caddy has them, but
// for its braces.
var unexpanded = regexp.MustCompile(`^(\$[A-Z_][A-Z0-9_]*|\$\{[A-Za-z0-9_]+\}|(env|file)\.[A-Za-z0-9_./-]+)$`).MatchString

// untrustedKinds are the kinds of fault that a request may ask for.
func untrustedKinds() []string {
	var kinds []string
	for _, info := range caddy.GetModules(faults.Namespace) {
		if _, ok := info.New().(faults.Untrusted); ok {
			kinds = append(kinds, info.ID.Name())
		}
	}
	return kinds
}

// SamePlace reports whether both look at the same place of a request.
func (t *Trigger) SamePlace(other *Trigger) bool {
	return t.Source == other.Source && strings.EqualFold(t.name(), other.name())
}

// name is where to look.
func (t *Trigger) name() string { return cmp.Or(t.Name, placeOf(t.Source).name) }

// open checks the key that came with a trigger.
func (t *Trigger) open(key string) bool {
	return t.key == nil || subtle.ConstantTimeCompare(t.key, []byte(key)) == 1
}

// MayAsk reports, at next to no cost, whether r may have the trigger; fields is
// whether it has any field of its server's triggers.
func (t *Trigger) MayAsk(r *http.Request, fields bool) bool {
	return (fields || len(t.hidden) == 0) && t.source.present(r)
}

// Ask reads what r asks for by the trigger, and takes that out; nil is nothing.
func (t *Trigger) Ask(r *http.Request, fields *Fields) (*asked, *Refusal) {
	found, ok := t.source.read(r, drawHits)
	fields.takeOut(r, t.hidden)
	if !ok {
		return nil, nil
	}
	return t.understand(found)
}

// understand reads what the trigger of a request asks for.
func (t *Trigger) understand(found trigger) (*asked, *Refusal) {
	switch {
	case found.err != nil:
		return nil, &Refusal{err: found.err, told: t.key == nil}
	case !t.open(found.key):
		return nil, &Refusal{err: errors.New("the key is missing or wrong")}
	}
	asked, err := t.parser.parse(found.line)
	if err != nil {
		return nil, &Refusal{err: err, told: true}
	}
	return asked, nil
}

// Hits is how often the trigger has been obeyed.
func (t *Trigger) Hits() uint64 { return t.parser.triggered.Hits() }

// Refused is how often it has been refused.
func (t *Trigger) Refused() uint64 { return t.parser.triggered.Refused() }

// CountRefusal notes a refusal.
func (t *Trigger) CountRefusal() { t.parser.triggered.CountRefusal() }

// Reset sets both back to the start.
func (t *Trigger) Reset() { t.parser.triggered.Reset() }

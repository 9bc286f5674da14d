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
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Trigger lets a request ask for its own fault, in one line of the grammar of a rule:
// `551`, `delay 250ms; respond 503` or `percent 50; reset`.
//
// The line is untrusted. It has at most 1 KiB, an `id` and 8 statements. It may contain
// the settings `percent`, `phase`, `skip` and `times`, and the kinds of fault that
// support triggers. `respond` takes only a status, such as 551 or smtp:450, and
// `retry_after` as the next statement; a bare status is short for it. A preset takes
// numbers, durations and listed values. Sizes are at most 1 MiB. Placeholders are not
// expanded. `pass` exempts the
// request from all rules and experiments of this point.
//
// A line that is malformed, not allowed, over a bound or repeated is refused. A refused
// line injects nothing: the request passes as if it had no trigger. The reply has the
// reason in the header field `X-Fault-Refused`, unless the option `disclose` of the
// `fault` app is `off`. If the key is missing or wrong, the reason is the word `key`.
// The counter `caddy_fault_passed_total` counts refusals with the reason
// `trigger_refused`, and a log line at level DEBUG describes each one.
type Trigger struct {
	// Where in a request the line is. `header`: in a header field. Every point with the
	// trigger sees it, and the upstream does not. `cookie`: in a cookie,
	// percent-encoded. `query`: in a parameter of the query, percent-encoded, which
	// upstreams do not see. `baggage`: in a member of W3C Baggage, percent-encoded, which is
	// forwarded to the next hops. The member `fault` applies to every point, and
	// `fault.<point>` to one point. `envoy`: the header fields of Envoy's fault filter
	// replace the line; points see them, and upstreams do not. Required.
	Source string `json:"source,omitempty" schema:"enum=header|cookie|query|baggage|envoy"`

	// The name of the header field (default: `X-Fault`), of the cookie, the parameter or
	// the baggage member (default: `fault`).
	Name string `json:"name,omitempty"`

	// A secret that the trigger must contain: as the first statement `key <text>;` in a
	// header field, cookie or parameter, or as the property `;key=<text>` of a baggage member. It
	// has 16 bytes or more, without spaces, quotes and semicolons. Global placeholders
	// such as `{env.FAULT_KEY}` are allowed. Default: no key, so every client can use
	// the trigger.
	Key string `json:"key,omitempty"`

	// The kinds of fault that a request may ask for. `preset` stands for all presets,
	// also those of the configuration. Default: all kinds that support triggers, and the
	// presets of the binary.
	Allow []string `json:"allow,omitempty"`

	// The maximum time that all faults of a line can add together. Default: 30s.
	MaxDelay caddy.Duration `json:"max_delay,omitempty" zero:"default"`

	// The maximum number of triggered requests at a time. Further requests pass.
	// Default: 100.
	MaxActive int `json:"max_active,omitempty" zero:"default"`

	// The percentage of triggers that are obeyed. A line can only lower it. Default:
	// 100.
	Percent *float64 `json:"percent,omitempty" schema:"min=0,max=100"`

	source source
	hidden hidden // what no upstream may see
	key    []byte // nil: none required
	parser lineParser
}

const (
	defaultMaxDelay  = 30 * time.Second
	defaultMaxActive = 100
	minKey           = 16
)

// A Tagger labels the rule of a trigger for its point. The faults of the rule end after
// endAfter, unless it is 0.
type Tagger func(rule *rules.Rule, endAfter time.Duration) rules.Owner

// Provision prepares the trigger for an injection point. own are the presets of the
// configuration.
func (t *Trigger) Provision(ctx caddy.Context, point *rules.Point, tag Tagger, own presets.Set) error {
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
	t.parser = newLineParser(ctx, point, t, tag, own)
	return nil
}

// provisionKey expands the key.
func (t *Trigger) provisionKey() error {
	if t.Key == "" {
		return nil
	}
	key, err := caddy.NewReplacer().ReplaceOrErr(t.Key, true, true)
	if err != nil {
		return fmt.Errorf("trigger key: %w; set it to the output of: openssl rand -hex 16", err)
	}
	t.key = []byte(key)
	return checkKey(key)
}

// checkKey returns an error if an expanded key is too short or does not fit into a
// line. The error does not contain the key.
func checkKey(key string) error {
	switch {
	case len(key) < minKey:
		return fmt.Errorf("trigger key has %d bytes: want %d or more, such as the output of: openssl rand -hex 16", len(key), minKey)
	case strings.ContainsFunc(key, notInKey):
		return errors.New("trigger key contains a space, quote, semicolon or control character")
	}
	return nil
}

// notInKey reports whether a character is not allowed in keys.
func notInKey(ch rune) bool { return ch <= ' ' || ch == 0x7f || strings.ContainsRune("\";`", ch) }

// MayHoldKey reports whether a text from a client may contain a key. A key may be
// anywhere in it, and may belong to another point.
func MayHoldKey(text string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(text, notInKey), func(word string) bool { return len(word) >= minKey })
}

// hideKeys returns err, which is about a text from a client. If the text may contain a
// key, it returns an error that shows nothing of the text.
func hideKeys(text string, err error) error {
	if err == nil || !MayHoldKey(text) {
		return err
	}
	return errors.New("the line cannot be parsed: want a line such as 'delay 250ms; respond 503'; the reason is hidden because a word of 16 bytes or more may be a key")
}

// validate checks the settings.
func (t *Trigger) validate() error {
	at := placeOf(t.Source)
	switch {
	case at == nil:
		return fmt.Errorf("bad trigger '%s': want %s", t.Source, sourceNames())
	case at.name == "" && t.Name != "":
		return fmt.Errorf("trigger %s has fixed names; remove '%s'", t.Source, t.Name)
	case at.keyless != "" && t.Key != "":
		return fmt.Errorf("trigger %s does not support key: %s", t.Source, at.keyless)
	case t.Name != "" && !httpguts.ValidHeaderFieldName(t.Name):
		return fmt.Errorf("bad name '%s' of trigger %s", t.Name, t.Source)
	case t.Source == "query" && !validParam(t.name()):
		return fmt.Errorf("bad name '%s' of trigger query: want letters, digits, dots, dashes, underscores and tildes", t.Name)
	case t.Source == "header" && needed(t.name()):
		return fmt.Errorf("bad name '%s' of trigger header: every point removes the field from requests, which need it; choose another field, such as X-Fault", t.Name)
	case unexpanded(t.Key):
		return errors.New("trigger key is the name of a variable, not its value; write a placeholder, such as key {env.FAULT_KEY}")
	case t.MaxDelay < 0:
		return fmt.Errorf("bad trigger max_delay '%s': must not be negative", time.Duration(t.MaxDelay))
	case t.MaxActive < 0:
		return fmt.Errorf("bad trigger max_active '%d': must not be negative", t.MaxActive)
	}
	for _, kind := range t.Allow {
		if !slices.Contains(allowed(), kind) {
			return fmt.Errorf("bad trigger allow '%s': want some of %s", kind, strings.Join(allowed(), ", "))
		}
	}
	if t.Percent != nil {
		if err := rules.ValidPercent(*t.Percent); err != nil {
			return err
		}
	}
	if t.Key == "" || strings.Contains(t.Key, "{") {
		return nil // it must be expanded first
	}
	return checkKey(t.Key)
}

// needed reports whether points must not remove a header field from requests.
func needed(field string) bool {
	return text.ValidFieldName(field) != nil || slices.Contains([]string{"Host", "Authorization", "Cookie", "Baggage"}, http.CanonicalHeaderKey(field))
}

// unexpanded reports whether a key looks like a variable of a shell or of Caddy without
// its braces.
var unexpanded = regexp.MustCompile(`^(\$[A-Z_][A-Z0-9_]*|\$\{[A-Za-z0-9_]+\}|(env|file)\.[A-Za-z0-9_./-]+)$`).MatchString

// allowed returns what the setting allow may name.
func allowed() []string { return append(untrustedKinds(), grammar.PresetWord) }

// untrustedKinds returns the kinds of fault that a request may ask for.
func untrustedKinds() []string {
	var kinds []string
	for _, info := range caddy.GetModules(faults.Namespace) {
		if _, ok := info.New().(faults.Untrusted); ok {
			kinds = append(kinds, info.ID.Name())
		}
	}
	return kinds
}

// SamePlace reports whether both triggers read the same part of a request.
func (t *Trigger) SamePlace(other *Trigger) bool {
	return t.Source == other.Source && strings.EqualFold(t.name(), other.name())
}

// name returns the name of that part.
func (t *Trigger) name() string { return cmp.Or(t.Name, placeOf(t.Source).name) }

// open checks the key of a request's trigger.
func (t *Trigger) open(key string) bool {
	return t.key == nil || subtle.ConstantTimeCompare(t.key, []byte(key)) == 1
}

// MayAsk reports cheaply whether r may have the trigger. fields is whether r has any
// field or parameter of its server's triggers.
func (t *Trigger) MayAsk(r *http.Request, fields bool) bool {
	return (fields || t.hidden.empty()) && t.source.present(r)
}

// Ask returns what r asks for by the trigger, or nil, and removes the trigger from r.
func (t *Trigger) Ask(r *http.Request, fields *Fields) (*asked, *Refusal) {
	found, ok := t.source.read(r, drawHits)
	fields.takeOut(r, &t.hidden)
	if !ok {
		return nil, nil
	}
	asked, refusal := t.understand(found)
	if asked != nil && asked.id != "" {
		t.parser.triggered.Use(asked.id)
	}
	return asked, refusal
}

// understand parses the trigger of a request.
func (t *Trigger) understand(found trigger) (*asked, *Refusal) {
	switch {
	case found.err != nil:
		return nil, &Refusal{err: found.err, told: t.key == nil}
	case !t.open(found.key):
		return nil, &Refusal{err: errors.New("the key is missing or wrong")}
	}
	asked, err := t.parser.parse(found.line)
	if err != nil {
		return nil, &Refusal{err: err, told: true, id: asked.id}
	}
	return &asked, nil
}

// Hits returns how often the trigger has been obeyed.
func (t *Trigger) Hits() uint64 { return t.parser.triggered.Hits() }

// Refused returns how often the trigger has been refused.
func (t *Trigger) Refused() uint64 { return t.parser.triggered.Refused() }

// HitsOf returns how often the trigger has been obeyed for requests with an id.
func (t *Trigger) HitsOf(id string) uint64 { return t.parser.triggered.HitsOf(id) }

// RefusedOf returns how often the trigger has been refused for requests with an id.
func (t *Trigger) RefusedOf(id string) uint64 { return t.parser.triggered.RefusedOf(id) }

// CountRefusal counts a refusal.
func (t *Trigger) CountRefusal(refusal *Refusal) { t.parser.triggered.CountRefusal(refusal.id) }

// Reset resets both counters.
func (t *Trigger) Reset() { t.parser.triggered.Reset() }

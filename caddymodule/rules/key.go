package rules

import (
	"fmt"
	"net/http"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// keyText is a text with placeholders that determines the key of a request.
type keyText struct {
	text   string
	header string // canonical name, if the text is one header field
	fixed  string // the key of all requests, without a text
}

var oneHeader = regexp.MustCompile(`^\{http\.request\.header\.([A-Za-z0-9_-]+)\}$`)

// newKeyText prepares a text at load. Most keys are a header field, which needs no
// replacer. In a transport the replacer belongs to the client's request, but the header
// belongs to the outgoing request, so this shortcut does not apply.
func newKeyText(text string, place faults.Place) keyText {
	k := keyText{text: text}
	if place == faults.InTransport {
		return k
	}
	if found := oneHeader.FindStringSubmatch(text); found != nil {
		k.header = textproto.CanonicalMIMEHeaderKey(found[1])
	}
	return k
}

// of returns the key of a request. Without a key text, it is fixed. It joins
// the values of a header field as Caddy's placeholder does.
func (k *keyText) of(r *http.Request) string {
	switch {
	case k.text == "":
		return k.fixed
	case k.header != "":
		return strings.Join(r.Header[k.header], ",")
	default:
		return text.Replacer(r).ReplaceAll(k.text, "")
	}
}

func checkPer(rl *Rule) error { return ValidKey("per", rl.Per) }

// ValidKey checks the text of a setting that determines the key of each request.
// Without a placeholder, all requests would have the same key, which is a mistake.
func ValidKey(setting, text string) error {
	const want = "bad %s '%s': %s; write %s %s"
	full := writtenOut(text)
	switch {
	case text == "":
		return nil
	case !hasPlaceholder(text):
		return fmt.Errorf(want, setting, text, "without a placeholder, all requests have this one key", setting, meantKey(text))
	case full != text: // a Caddyfile has the long form here
		return fmt.Errorf(want, setting, text, "the short form works only in a Caddyfile, so the key would be empty", setting, full)
	}
	return nil
}

var hasPlaceholder = regexp.MustCompile(`(^|[^\\])\{[^{}]+\}`).MatchString

// meantKey guesses the placeholder that a text without one is meant to be.
func meantKey(text string) string {
	bare := strings.Trim(text, "{}$ ")
	placeholder := "{" + bare + "}"
	if full := writtenOut(placeholder); full != placeholder || strings.HasPrefix(bare, "http.") {
		return full
	}
	if !httpguts.ValidHeaderFieldName(bare) {
		bare = "X-User"
	}
	return "{http.request.header." + bare + "}"
}

var shorthands = httpcaddyfile.NewShorthandReplacer()

// writtenOut replaces the placeholders that have a short form in a Caddyfile with their
// long form.
func writtenOut(text string) string {
	segment := caddyfile.Segment{{Text: text}}
	shorthands.ApplyToSegment(&segment)
	return segment[0].Text
}

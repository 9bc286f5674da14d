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

// keyText is a text with placeholders that gives each request its key.
type keyText struct {
	text   string
	header string // the one field that the text is, in canonical form
}

var oneHeader = regexp.MustCompile(`^\{http\.request\.header\.([A-Za-z0-9_-]+)\}$`)

// newKeyText looks at a text once, at load: most keys are a header field, which
// needs no replacer. At a transport the replacer is the client's request's, and
// so are all keys; the request has the fields as they are sent.
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

// of is the key of a request; empty where there is no text. A header field is
// joined as Caddy's placeholder does it.
func (k *keyText) of(r *http.Request) string {
	switch {
	case k.text == "":
		return ""
	case k.header != "":
		return strings.Join(r.Header[k.header], ",")
	default:
		return text.Replacer(r).ReplaceAll(k.text, "")
	}
}

func checkPer(rl *Rule) error { return ValidKey("per", rl.Per) }

// ValidKey checks the text of a setting that gives each request its key. Without
// a placeholder all requests have the same key, which nobody means.
func ValidKey(setting, text string) error {
	const want = "bad %s '%s': %s; write %s %s"
	full := writtenOut(text)
	switch {
	case text == "":
		return nil
	case !hasPlaceholder(text):
		return fmt.Errorf(want, setting, text, "without a placeholder all requests have this one key", setting, meantKey(text))
	case full != text: // a Caddyfile has it written out
		return fmt.Errorf(want, setting, text, "only a Caddyfile knows the short form, so the key would be empty", setting, full)
	}
	return nil
}

var hasPlaceholder = regexp.MustCompile(`(^|[^\\])\{[^{}]+\}`).MatchString

// meantKey is the placeholder that a text without one probably means.
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

// writtenOut is a text with the placeholders that a Caddyfile has short forms of.
func writtenOut(text string) string {
	segment := caddyfile.Segment{{Text: text}}
	shorthands.ApplyToSegment(&segment)
	return segment[0].Text
}

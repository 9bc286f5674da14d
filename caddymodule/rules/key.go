package rules

import (
	"net/http"
	"net/textproto"
	"regexp"
	"strings"

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

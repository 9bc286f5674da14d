package trigger

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/baggage"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

var baggagePlace = place{
	source: "baggage",
	name:   "fault",
	make:   func(_ *Trigger, name, point string) source { return baggageSource{name, name + "." + point} },
}

// baggageSource is a member of W3C Baggage. A member for this point takes precedence
// over the member for all points.
type baggageSource struct{ all, point string }

func (s baggageSource) present(r *http.Request) bool {
	return text.Mentions(r.Header["Baggage"], s.all)
}

func (s baggageSource) read(r *http.Request, _ draws) (trigger, bool) {
	list := strings.Join(r.Header["Baggage"], ",")
	bag, err := baggage.Parse(list)
	if err != nil { // its text quotes the value
		malformed := errors.New("the field Baggage is malformed: want comma-separated, percent-encoded members such as fault=delay%20250ms")
		return trigger{err: malformed}, s.members(list, s.all)+s.members(list, s.point) > 0
	}
	for _, name := range []string{s.point, s.all} {
		if err := repeated("member "+name+" of Baggage", s.members(list, name)); err != nil {
			return trigger{err: err}, true
		}
		if member := bag.Member(name); member.Key() == name {
			return trigger{line: member.Value(), key: property(member, "key")}, true
		}
	}
	return trigger{}, false
}

// members counts the members with a name in a list that may be malformed.
func (baggageSource) members(list, name string) (n int) {
	for member := range strings.SplitSeq(list, ",") {
		end := strings.IndexAny(member, "=;")
		if end < 0 {
			end = len(member)
		}
		if strings.TrimSpace(member[:end]) == name {
			n++
		}
	}
	return n
}

// property returns the value of the member's property with this name. It returns "" if
// the property is missing or repeated.
func property(member baggage.Member, name string) string {
	properties := slices.DeleteFunc(member.Properties(), func(p baggage.Property) bool { return p.Key() != name })
	if len(properties) != 1 {
		return ""
	}
	value, _ := properties[0].Value()
	return value
}

// Interface guards
var _ source = baggageSource{}

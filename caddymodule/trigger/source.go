package trigger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/baggage"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// The places where a trigger can stand.
const (
	sourceHeader  = "header"
	sourceCookie  = "cookie"
	sourceBaggage = "baggage"
	sourceEnvoy   = "envoy"
)

var sourceNames = []string{sourceHeader, sourceCookie, sourceBaggage, sourceEnvoy}

// A source is a place where a trigger can stand.
type source interface {
	// present tells, at next to no cost, requests that have no trigger from
	// those that may have one.
	present(r *http.Request) bool

	// read finds the trigger of a request that may have one.
	read(r *http.Request) (found trigger, ok bool)
}

// A trigger is what a request came with.
type trigger struct {
	line string
	key  string
	err  error // it cannot be read
}

func newSource(t *Trigger, point string) source {
	switch t.Source {
	case sourceHeader:
		return headerSource{http.CanonicalHeaderKey(t.name()), t.key != nil}
	case sourceCookie:
		return cookieSource{t.name(), t.key != nil}
	case sourceBaggage:
		return baggageSource{t.name(), t.name() + "." + point}
	default:
		return envoySource{percentOf(t.Percent), drawHits}
	}
}

// hiddenFields are the header fields that the trigger stands in and that the
// upstream is not to see. Cookies and baggage travel on.
func hiddenFields(t *Trigger) []string {
	switch t.Source {
	case sourceHeader:
		return []string{http.CanonicalHeaderKey(t.name())}
	case sourceEnvoy:
		return envoyFields
	default:
		return nil
	}
}

func percentOf(p *float64) float64 {
	if p == nil {
		return 100
	}
	return *p
}

// cutKey takes a first statement `key <text>;` off a line.
func cutKey(line string, keyed bool) trigger {
	if !keyed {
		return trigger{line: line}
	}
	statement, rest, _ := strings.Cut(line, ";")
	key, ok := strings.CutPrefix(strings.TrimSpace(statement), "key ")
	if !ok {
		return trigger{line: line}
	}
	return trigger{line: rest, key: strings.TrimSpace(key)}
}

// repeated refuses a trigger that a request has more than once: a client, or a
// proxy that adds one, must neither hide nor replace that of another.
func repeated(name string, n int) error {
	if n <= 1 {
		return nil
	}
	return fmt.Errorf("%s is there %d times: send it once", name, n)
}

// headerSource is a header field.
type headerSource struct {
	name  string
	keyed bool
}

func (s headerSource) present(r *http.Request) bool { return len(r.Header[s.name]) > 0 }

func (s headerSource) read(r *http.Request) (trigger, bool) {
	lines := r.Header[s.name]
	if err := repeated(s.name, len(lines)); err != nil {
		return trigger{err: err}, true
	}
	return cutKey(lines[0], s.keyed), true
}

// cookieSource is a cookie.
type cookieSource struct {
	name  string
	keyed bool
}

func (s cookieSource) present(r *http.Request) bool { return text.Mentions(r.Header["Cookie"], s.name) }

func (s cookieSource) read(r *http.Request) (trigger, bool) {
	cookies := r.CookiesNamed(s.name)
	if len(cookies) == 0 {
		return trigger{}, false
	}
	if err := repeated("cookie "+s.name, len(cookies)); err != nil {
		return trigger{err: err}, true
	}
	line, err := url.PathUnescape(cookies[0].Value)
	if err != nil { // whose text quotes the value
		return trigger{err: errors.New("the cookie is not percent-encoded: each % needs two hexadecimal digits after it, and %25 is a % itself")}, true
	}
	return cutKey(line, s.keyed), true
}

// baggageSource is a member of W3C Baggage. That for this very point is
// stronger than the one for all.
type baggageSource struct{ all, point string }

func (s baggageSource) present(r *http.Request) bool {
	return text.Mentions(r.Header["Baggage"], s.all)
}

func (s baggageSource) read(r *http.Request) (trigger, bool) {
	list := strings.Join(r.Header["Baggage"], ",")
	bag, err := baggage.Parse(list)
	if err != nil { // whose text quotes the value
		malformed := errors.New("the field Baggage is malformed: want members such as fault=delay%20250ms, percent-encoded, with a comma between them")
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

// members counts those of a name in a list that may be malformed.
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

// property is the value of the member's property of that name, empty if there is
// none or more than one.
func property(member baggage.Member, name string) string {
	properties := slices.DeleteFunc(member.Properties(), func(p baggage.Property) bool { return p.Key() != name })
	if len(properties) != 1 {
		return ""
	}
	value, _ := properties[0].Value()
	return value
}

// envoySource is the header fields of Envoy's fault filter, which say by
// themselves what is to happen and how often. They become a line.
type envoySource struct {
	percent float64
	hits    func(percent float64) bool // makes a draw
}

func drawHits(percent float64) bool {
	return rand.Float64()*100 < percent //nolint:gosec // chance, not secrecy
}

// The header fields of Envoy's fault filter, from its documentation
// (configuration/http/http_filters/fault_filter).
const (
	envoyAbort           = "X-Envoy-Fault-Abort-Request"
	envoyAbortGRPC       = "X-Envoy-Fault-Abort-Grpc-Request"
	envoyAbortPercent    = "X-Envoy-Fault-Abort-Request-Percentage"
	envoyDelay           = "X-Envoy-Fault-Delay-Request"
	envoyDelayPercent    = "X-Envoy-Fault-Delay-Request-Percentage"
	envoyThroughput      = "X-Envoy-Fault-Throughput-Response"
	envoyThroughputShare = "X-Envoy-Fault-Throughput-Response-Percentage"
)

var envoyFields = []string{
	envoyAbort, envoyAbortGRPC, envoyAbortPercent,
	envoyDelay, envoyDelayPercent, envoyThroughput, envoyThroughputShare,
}

func (s envoySource) present(r *http.Request) bool {
	h := r.Header
	return len(h[envoyAbort]) > 0 || len(h[envoyAbortGRPC]) > 0 || len(h[envoyDelay]) > 0 || len(h[envoyThroughput]) > 0
}

func (s envoySource) read(r *http.Request) (trigger, bool) {
	h := r.Header
	for _, name := range envoyFields {
		if err := repeated(name, len(h[name])); err != nil {
			return trigger{err: err}, true
		}
	}
	delay, delayErr := s.statement(h, envoyDelay, envoyDelayPercent, "delay %dms", 1<<31)
	abort, abortErr := s.abort(h)
	throughput, throughputErr := s.statement(h, envoyThroughput, envoyThroughputShare, "throttle %dKiB/s", 1<<31)
	if abort != "" {
		throughput = "" // it is about the upstream's reply, and there is none
	}
	line, err := delay+abort+throughput, errors.Join(delayErr, abortErr, throughputErr)
	return trigger{line: line, err: err}, line != "" || err != nil
}

// abort is the statement that ends the request: by an HTTP status or, without
// one, by one of gRPC.
func (s envoySource) abort(h http.Header) (string, error) {
	if len(h[envoyAbort]) == 0 {
		return s.statement(h, envoyAbortGRPC, envoyAbortPercent, "grpc %d", 16)
	}
	if value := h[envoyAbort][0]; value < "200" || len(value) != 3 {
		return "", badEnvoy(envoyAbort, value, "200 to 599")
	}
	return s.statement(h, envoyAbort, envoyAbortPercent, "respond %d", 599)
}

// statement makes a statement of a number in a header field, or nothing when
// its draw misses. The percentage in the other field can only lower the
// configured one; what is no percentage does not count.
func (s envoySource) statement(h http.Header, name, percentName, format string, most int64) (string, error) {
	if len(h[name]) == 0 {
		return "", nil
	}
	value := h[name][0]
	number, err := strconv.ParseUint(value, 10, 63)
	if err != nil || int64(number) > most || len(value) > 1 && value[0] == '0' {
		return "", badEnvoy(name, value, "a whole number up to "+strconv.FormatInt(most, 10))
	}
	if number == 0 && name != envoyAbortGRPC {
		return "", nil // no delay and no limit, as Envoy has it
	}
	percent := s.percent
	if len(h[percentName]) > 0 {
		if asked, err := strconv.ParseFloat(h[percentName][0], 64); err == nil && rules.ValidPercent(asked) == nil {
			percent = min(percent, asked)
		}
	}
	if !s.hits(percent) {
		return "", nil
	}
	return fmt.Sprintf(format, number) + ";", nil
}

func badEnvoy(name, value, want string) error {
	if MayHoldKey(value) {
		return fmt.Errorf("bad %s: want %s", name, want)
	}
	return fmt.Errorf("bad %s '%s': want %s", name, value, want)
}

// Interface guards
var (
	_ source = headerSource{}
	_ source = cookieSource{}
	_ source = baggageSource{}
	_ source = envoySource{}
)

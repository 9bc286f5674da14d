package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A seen is a reply as a client, or an outer fault, may see it.
type seen struct {
	none    bool // no head: the connection or the stream ends, possibly after garbage
	past    bool // an error, for which Caddy's error routes write the reply
	status  int
	body    string
	length  int  // the Content-Length, or -1
	cut     bool // the reply breaks off after the body
	reset   bool // with a RST, which may overtake the whole reply, like the end of an HTTP/3 stream
	json    bool // has a JSON content type
	garbled bool // only the size of the body is known
	loose   bool // the reply may break off earlier, at any byte

	hits [2]bool // of the outer and the inner rule: a fault had an effect
}

// hit returns the reply with an effect of a fault of the outer rule.
func (s seen) hit() seen {
	s.hits[0] = true
	return s
}

// further returns the reply as a point further out sees it.
func (s seen) further() seen {
	s.hits = [2]bool{false, s.hits[0]}
	return s
}

// unhit returns the reply without its hits.
func (s seen) unhit() seen {
	s.hits = [2]bool{}
	return s
}

// outcome returns what the client learns. How long a body would have been does not matter
// if nothing of it comes.
func (s seen) outcome() seen {
	if s.cut && s.body == "" {
		s.length = -1
	}
	return s.unhit()
}

// A piece is one fault in a chain: its text, and a function that returns all replies
// that the fault can make of a reply, according to its grammar.
type piece struct {
	text string
	ends bool // never needs a reply
	turn func(seen) []seen
	of   []piece // the faults that this one chooses from
}

// pieces returns all kinds of fault, in their different forms.
func pieces() []piece {
	ours := seen{status: 551, body: body551, length: len(body551), json: true}
	closes := piece{"close", true, always(seen{none: true}), nil}
	responds := piece{"respond 551", true, always(ours), nil}
	breaks := piece{"malformed 503", true, always(seen{status: 503, length: -1, cut: true, json: true}), nil}
	garbles := piece{"corrupt 100%", false, garble, nil}
	cuts := piece{"truncate 7B", false, cutting(7, -1, "close"), nil}
	shortens := piece{"truncate 7B clean", false, cutting(7, -1, "clean"), nil}
	return []piece{
		responds,
		{"error 599", true, always(seen{past: true, status: 599}), nil},
		{"grpc 14", true, always(seen{status: 200, length: -1}), nil},
		closes,
		{"reset", true, always(seen{none: true}), nil},
		{"garbage 16B", true, always(seen{none: true}), nil},
		{"hang 2ms", true, always(seen{none: true}), nil},
		breaks,
		{"delay 1ms", false, wait, nil},
		{"delay 1ms {\nhold\n}", false, maybeHold, nil},
		{"hang 2ms {\nafter 5B\n}", false, cutting(5, -1, "close"), nil},
		{"truncate 5B", false, cutting(5, -1, "close"), nil},
		{"truncate 0B", false, cutting(0, -1, "close"), nil},
		{"truncate 9B reset", false, cutting(9, -1, "reset"), nil},
		{"truncate 50% clean", false, cutting(-1, 50, "clean"), nil},
		{"truncate 5B clean", false, cutting(5, -1, "clean"), nil},
		{"truncate {\nafter 1ns\n}", false, loosen, nil},
		{"throttle 1GiB/s", false, slow, nil},
		{"dribble 2 1ms", false, dribble, nil},
		{"stream {\nformat lines\n1 wait 1ms\n}", false, streams, nil},
		garbles,
		{"patch {\njson `[{\"op\": \"replace\", \"path\": \"\", \"value\": \"patched\"}]`\n}", false, patchJSON, nil},
		{"mutate nest", false, mutate, nil},
		{"interim 103 2", false, wait, nil},
		{"ratelimit 1000000 1h", false, same, nil},
		{"trailers drop", false, trailers, nil},
		{"patch {\npad 400B\nstatus 299\n}", false, pad, nil},
		oneOf("choose {\n1 %s\n1 %s\n}", cuts, garbles),
		oneOf("choose {\n1 %s\n1 %s\n}", closes, responds),
		oneOf("sequence loop {\n%s\n%s\n}", shortens, breaks),
	}
}

// attempts returns the kinds of fault that make sense between a proxy and its upstream.
// A failed attempt is an error of the proxy.
func attempts() []piece {
	fails := always(seen{past: true, status: http.StatusBadGateway})
	ours := seen{status: 551, body: body551, length: len(body551), json: true}
	closes := piece{"close", true, fails, nil}
	responds := piece{"respond 551", true, always(ours), nil}
	waits := piece{"delay 1ms", false, wait, nil}
	return []piece{
		responds,
		closes,
		waits,
		{"delay 1ms {\nhold\n}", false, maybeHold, nil},
		{"error 599", true, always(seen{past: true, status: 599}), nil},
		{"grpc 14", true, always(seen{status: 200, length: -1}), nil},
		{"reset", true, fails, nil},
		{"refuse", true, fails, nil},
		{"garbage 16B", true, fails, nil},
		{"hang 2ms", true, fails, nil},
		{"malformed 503", true, always(seen{status: 503, length: -1, cut: true, json: true}), nil},
		oneOf("choose {\n1 %s\n1 %s\n}", waits, responds),
		oneOf("sequence loop {\n%s\n%s\n}", waits, closes),
	}
}

func always(s seen) func(seen) []seen { return func(seen) []seen { return []seen{s.hit()} } }

func same(s seen) []seen { return []seen{s} }

func wait(s seen) []seen { return []seen{s.hit()} }

// maybeHold holds a reply unless it is late without the fault.
func maybeHold(s seen) []seen { return []seen{s, s.hit()} }

// hasHead reports whether the reply has a head that does not exclude a body.
func (s seen) hasHead() bool { return !s.none && !s.past && s.length != 0 }

func slow(s seen) []seen {
	if s.hasHead() {
		s = s.hit()
	}
	return []seen{s}
}

// trailers hits a reply that may have trailers, which are not compared.
func trailers(s seen) []seen {
	if s.hasHead() && s.length < 0 {
		s = s.hit()
	}
	return []seen{s}
}

func dribble(s seen) []seen {
	if s.hasHead() && s.length > 0 {
		s = s.hit()
	}
	return []seen{s}
}

// streams removes the length of a reply.
func streams(s seen) []seen {
	if s.hasHead() {
		s = s.hit()
		s.length = -1
	}
	return []seen{s}
}

// oneOf returns a fault that runs either a or b.
func oneOf(form string, a, b piece) piece {
	turn := func(s seen) []seen { return append(a.turn(s), b.turn(s)...) }
	return piece{fmt.Sprintf(form, a.text, b.text), a.ends && b.ends, turn, []piece{a, b}}
}

// shapeable reports whether there is a body, or the beginning of one.
func (s seen) shapeable() bool { return !s.none && !s.past && s.body != "" }

// cutting returns a function that ends a body after a size or a percentage.
func cutting(size, percent int, end string) func(seen) []seen {
	return func(s seen) []seen {
		at := size
		if percent >= 0 {
			if s.length < 0 {
				return same(s)
			}
			at = s.length * percent / 100
		}
		if !s.hasHead() || s.length >= 0 && s.length <= at {
			return same(s)
		}
		s = s.hit()
		if end == "clean" && s.length >= 0 {
			s.length = at
		}
		if at > len(s.body) || at == len(s.body) && s.length < 0 {
			return same(s) // the body ends before, or its rest is unknown
		}
		s.body = s.body[:at]
		s.cut = end != "clean"
		s.reset = end == "reset"
		return []seen{s}
	}
}

func loosen(s seen) []seen {
	if s.hasHead() {
		s = s.hit()
		s.loose = true
	}
	return []seen{s}
}

func garble(s seen) []seen {
	if s.hasHead() {
		s = s.hit()
	}
	s.garbled = s.garbled || s.shapeable()
	return []seen{s}
}

// patchJSON replaces the body of a reply if it is complete and JSON.
func patchJSON(s seen) []seen {
	if s.loose {
		return []seen{s, s.hit()} // the body may have come completely
	}
	if !s.shapeable() || !s.json || s.cut || s.garbled || !json.Valid([]byte(s.body)) || s.body == `"patched"` {
		return same(s)
	}
	s = s.hit()
	s.body = `"patched"`
	s.length = len(s.body)
	return []seen{s}
}

// mutate wraps a complete body that is JSON in an object, or takes the wrap off.
func mutate(s seen) []seen {
	if s.loose { // the body may have come completely
		whole := s.hit()
		whole.body += `{"data": }` // only its length matters
		return []seen{s, whole}
	}
	if !s.shapeable() || !s.json || s.cut || s.garbled || !json.Valid([]byte(s.body)) {
		return same(s)
	}
	s = s.hit()
	bare := strings.TrimSpace(s.body)
	inside, wrapped := strings.CutPrefix(bare, `{"data": `)
	if wrapped {
		inside = strings.TrimSuffix(inside, "}")
	} else {
		inside = `{"data": ` + bare + "}"
	}
	s.body = strings.Replace(s.body, bare, inside, 1)
	s.length = len(s.body)
	return []seen{s}
}

// pad changes the status, and adds spaces to a complete body.
func pad(s seen) []seen {
	if s.none || s.past {
		return same(s)
	}
	s = s.hit()
	s.status = 299
	if s.length >= 0 {
		s.length = max(s.length, 400)
	}
	if !s.cut && len(s.body) < 400 {
		s.body += strings.Repeat(" ", 400-len(s.body))
	}
	return []seen{s}
}

// through returns all replies that a chain may make of a reply. The last fault sees the
// reply first.
func through(from seen, chain ...piece) []seen {
	all := []seen{from}
	for _, p := range slices.Backward(chain) {
		var turned []seen
		for _, s := range all {
			turned = append(turned, p.turn(s)...)
		}
		all = turned
	}
	return all
}

// explains reports whether the client may have seen s.
func (s seen) explains(o observed, proto protocol) bool {
	switch {
	case s.none:
		return !o.head
	case !o.head:
		return (s.cut || s.loose) && (proto == h3 || s.reset) // the end has overtaken the head
	case o.status != s.status:
		return false
	case s.loose:
		return len(o.body) <= len(s.body)
	case s.cut && (s.reset || proto == h3) && !o.whole && len(o.body) < len(s.body):
		return s.garbled || strings.HasPrefix(s.body, o.body)
	}
	return o.whole == !s.cut && len(o.body) == len(s.body) && (s.garbled || o.body == s.body)
}

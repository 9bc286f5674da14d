package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A seen is a reply as a client may see it, or as the faults further out do.
type seen struct {
	none    bool // no head: the connection or the stream ends, maybe after noise
	past    bool // an error, of which Caddy's error routes make the reply
	status  int
	body    string
	length  int  // what Content-Length says, -1 for nothing
	cut     bool // the reply breaks off after the body
	reset   bool // by a RST, which may overtake all of it, as the end of a stream of HTTP/3 may
	json    bool // says that it is JSON
	garbled bool // of the body only the size is known
	loose   bool // the reply may break off earlier, at any byte

	hits [2]bool // by the outer and the inner rule: a fault had an effect
}

// hit is the reply as one on which a fault of the outer rule had an effect.
func (s seen) hit() seen {
	s.hits[0] = true
	return s
}

// further is the reply as a point further out sees it.
func (s seen) further() seen {
	s.hits = [2]bool{false, s.hits[0]}
	return s
}

// unhit is the reply whoever has made it.
func (s seen) unhit() seen {
	s.hits = [2]bool{}
	return s
}

// A piece is one fault in a chain: how it is written, and what the grammar says
// that it makes of a reply. It returns all replies that there may be.
type piece struct {
	text string
	ends bool // never asks for a reply
	turn func(seen) []seen
	of   []piece // those that the fault chooses from
}

// pieces are all kinds of fault, with their forms that differ.
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
		garbles,
		{"patch {\njson `\"patched\"`\n}", false, patchJSON, nil},
		{"patch {\npad 400B\nstatus 299\n}", false, pad, nil},
		oneOf("choose {\n1 %s\n1 %s\n}", cuts, garbles),
		oneOf("choose {\n1 %s\n1 %s\n}", closes, responds),
		oneOf("sequence loop {\n%s\n%s\n}", shortens, breaks),
	}
}

// attempts are the kinds of fault that have a meaning between a proxy and its
// upstream. An attempt that fails is an error of the proxy.
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

// maybeHold holds a reply that is not late by itself.
func maybeHold(s seen) []seen { return []seen{s, s.hit()} }

// hasHead reports whether a head comes by, and not one that tells of no body.
func (s seen) hasHead() bool { return !s.none && !s.past && s.length != 0 }

func slow(s seen) []seen {
	if s.hasHead() {
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

// oneOf is a fault that runs the one or the other.
func oneOf(form string, a, b piece) piece {
	turn := func(s seen) []seen { return append(a.turn(s), b.turn(s)...) }
	return piece{fmt.Sprintf(form, a.text, b.text), a.ends && b.ends, turn, []piece{a, b}}
}

// shapeable reports whether there is a body, or the beginning of one.
func (s seen) shapeable() bool { return !s.none && !s.past && s.body != "" }

// cutting ends a body after a size or a percentage.
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
			return same(s) // it is over before, or nobody knows of more
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

// patchJSON puts another body in the place of one that is whole and JSON.
func patchJSON(s seen) []seen {
	if s.loose {
		return []seen{s, s.hit()} // it may have come whole
	}
	if !s.shapeable() || !s.json || s.cut || s.garbled || !json.Valid([]byte(s.body)) || s.body == `"patched"` {
		return same(s)
	}
	s = s.hit()
	s.body = `"patched"`
	s.length = len(s.body)
	return []seen{s}
}

// pad changes the status, and adds spaces to a body that is whole.
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

// through is what a chain may make of a reply: the last fault is the first to
// see it.
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

// explains reports whether the client has seen that.
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

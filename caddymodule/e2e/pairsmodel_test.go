package e2e

import (
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
	reset   bool // by a RST, which may overtake all of it
	json    bool // says that it is JSON
	garbled bool // of the body only the size is known
	loose   bool // the reply may break off earlier, at any byte
}

// A piece is one fault in a chain: how it is written, and what the grammar says
// that it makes of a reply. It returns all replies that there may be.
type piece struct {
	kind string
	text string
	ends bool // never asks for a reply
	turn func(seen) []seen
}

// pieces are all kinds of fault, with their forms that differ.
func pieces() []piece {
	ours := seen{status: 551, body: body551, length: len(body551), json: true}
	cutAt7, cleanAt7 := cutting(7, -1, "close"), cutting(7, -1, "clean")
	return []piece{
		{"respond", "respond 551", true, always(ours)},
		{"error", "error 599", true, always(seen{past: true, status: 599})},
		{"grpc", "grpc 14", true, always(seen{status: 200, length: -1})},
		{"close", "close", true, always(seen{none: true})},
		{"reset", "reset", true, always(seen{none: true})},
		{"garbage", "garbage 16B", true, always(seen{none: true})},
		{"hang", "hang 2ms", true, always(seen{none: true})},
		{"malformed", "malformed 503", true, always(seen{status: 503, length: -1, cut: true, json: true})},
		{"delay", "delay 1ms", false, same},
		{"delay", "delay 1ms {\nhold\n}", false, same},
		{"hang", "hang 2ms {\nafter 5B\n}", false, cutting(5, -1, "close")},
		{"truncate", "truncate 5B", false, cutting(5, -1, "close")},
		{"truncate", "truncate 0B", false, cutting(0, -1, "close")},
		{"truncate", "truncate 9B reset", false, cutting(9, -1, "reset")},
		{"truncate", "truncate 50% clean", false, cutting(-1, 50, "clean")},
		{"truncate", "truncate 5B clean", false, cutting(5, -1, "clean")},
		{"truncate", "truncate {\nafter 1ns\n}", false, loosen},
		{"throttle", "throttle 1GiB/s", false, same},
		{"dribble", "dribble 2 1ms", false, same},
		{"corrupt", "corrupt 100%", false, garble},
		{"patch", "patch {\njson `\"patched\"`\n}", false, patchJSON},
		{"patch", "patch {\npad 400B\nstatus 299\n}", false, pad},
		{"choose", "choose {\n1 truncate 7B\n1 corrupt 100%\n}", false, either(cutAt7, garble)},
		{"choose", "choose {\n1 close\n1 respond 551\n}", true, either(always(seen{none: true}), always(ours))},
		{"sequence", "sequence loop {\ntruncate 7B clean\nmalformed 503\n}", false, either(cleanAt7, always(seen{status: 503, length: -1, cut: true, json: true}))},
	}
}

func always(s seen) func(seen) []seen { return func(seen) []seen { return []seen{s} } }

func same(s seen) []seen { return []seen{s} }

func either(a, b func(seen) []seen) func(seen) []seen {
	return func(s seen) []seen { return append(a(s), b(s)...) }
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
		if s.none || s.past || at > len(s.body) || s.length >= 0 && s.length <= at || s.body == "" && !(s.length > 0) {
			return same(s)
		}
		if at == len(s.body) && s.length < 0 {
			return same(s) // nobody knows of more
		}
		s.body = s.body[:at]
		s.cut = end != "clean"
		s.reset = end == "reset"
		if end == "clean" && s.length >= 0 {
			s.length = at
		}
		return []seen{s}
	}
}

func loosen(s seen) []seen {
	s.loose = s.loose || !s.none && !s.past && s.length != 0
	return []seen{s}
}

func garble(s seen) []seen {
	s.garbled = s.garbled || s.shapeable()
	return []seen{s}
}

// patchJSON puts another body in the place of one that is whole and JSON.
func patchJSON(s seen) []seen {
	if !s.shapeable() || !s.json || s.cut || s.garbled || s.loose || s.body[0] != '{' || !strings.HasSuffix(strings.TrimSpace(s.body), "}") {
		return same(s)
	}
	s.body = `"patched"`
	s.length = len(s.body)
	return []seen{s}
}

// pad changes the status, and adds spaces to a body that is whole.
func pad(s seen) []seen {
	if s.none || s.past {
		return same(s)
	}
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
func through(chain []piece, from seen) []seen {
	all := []seen{from}
	for i := len(chain) - 1; i >= 0; i-- {
		var turned []seen
		for _, s := range all {
			turned = append(turned, chain[i].turn(s)...)
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
	case s.reset && !o.whole && len(o.body) < len(s.body):
		return s.garbled || strings.HasPrefix(s.body, o.body)
	}
	return o.whole == !s.cut && len(o.body) == len(s.body) && (s.garbled || o.body == s.body)
}

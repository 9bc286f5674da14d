// Package trigger reads what a request asks for itself: a line such as
// `delay 250ms; 551` in a header field, a cookie or W3C Baggage, or the header
// fields of Envoy's fault filter.
//
// Everything that touches a stranger's bytes is here: finding the line, checking
// its key, parsing it within bounds, and keeping it from upstreams and error
// texts. The package knows the grammar of a rule. It must not know the injection
// point that asks it, the switch, metrics or any kind of fault.
package trigger

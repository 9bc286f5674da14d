// Package trigger lets a request ask for its own fault: by a line such as `delay 250ms;
// 551` in a header field, a cookie, a parameter of the query or W3C Baggage, or by the header fields of Envoy's
// fault filter.
//
// All code that handles untrusted bytes is here: it finds the line, checks its key,
// parses it within bounds, and keeps it from upstreams and error texts. The package
// knows the grammar of a rule. It must not know injection points, the switch, metrics
// or any kind of fault.
package trigger

// Package inject injects faults into requests. It contains the two kinds of injection
// points: the handler in front of the other handlers of a site, and the transport
// between reverse_proxy and its upstreams.
//
// A point decides about each request: first about its trigger (package trigger), then
// about experiments (package experiments), then about its rules (package rules). A hit
// gets one label, which the reply, the log, the metrics, the trace and the journal
// share. Then its chain of faults runs. In phase request, the point does not wrap the
// response writer. In phase response, the upstream writes to a writer that decides on
// the header of the reply.
//
// To read how a request goes through a handler, begin with [Handler.ServeHTTP]:
//
//	ServeHTTP   hides the fields of triggers
//	decide      triggers, then experiments, then rules
//	serve       counts the request, if somebody looks at the point (sight.go)
//	carryOut    one of the next two
//	inject      a hit: the label (label.go), the faults, the end of the entry
//	look        no hit: records what the client does (track.go)
//	pass        after that, the next handler, watched by watchReply (response.go) in phase response
//
// RoundTrip of [Transport] does the same for an attempt.
//
// The package may import everything below it. It must not know any kind of fault, the
// API or the command line.
package inject

// Package inject has the injection points: the handler in front of a site's
// routes and the transport between reverse_proxy and its upstreams.
//
// A point decides about each request: first what the request asks for itself
// (package trigger), then the experiments (package experiments), then its own
// rules (package rules). A hit is labelled once, for the reply, the log, the
// metrics, the trace and the journal, and its chain of faults runs. In phase
// request the response writer is not touched. In phase response the upstream
// writes to a writer that decides on the head of the reply.
//
// The package knows everything below it. It must not know any kind of fault, the
// API or the command line.
package inject

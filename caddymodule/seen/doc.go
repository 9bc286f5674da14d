// Package seen counts what injection points see: all requests, the injected ones, and
// the real errors of upstreams.
//
// A [Recorder] has a [Point] for each injection point of the process. A point keeps the
// last two minutes in buckets of a second, and the last hour in buckets of ten seconds.
// It counts while a rule or an experiment is active at it, and for an hour after its
// last hit or look. Otherwise a request costs one atomic load.
//
// The package knows neither rules nor requests, and it does not know Caddy.
package seen

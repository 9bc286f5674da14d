// Package recent keeps the last requests of the injection points, while somebody wants
// to know what an experiment would hit.
//
// A [Recorder] keeps requests for a few minutes after the last look. Otherwise a request
// costs one atomic load. It keeps what matchers read: the method, the URL, the header,
// the protocol and the addresses. It keeps no body and no credentials.
//
// The package knows neither rules nor experiments, and it does not know Caddy.
package recent

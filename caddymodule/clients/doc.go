// Package clients records what clients do after a fault and judges it.
//
// A [Recorder] turns the requests at an injection point into attempts, attempts into
// calls, and calls into [Evidence]. [Judge] turns evidence into a [Report] of findings.
// Judge is a pure function, so that a server and a program that joins the evidence of
// several servers with [Merge] come to the same findings.
//
// The package knows neither rules nor kinds of faults, and it does not know Caddy.
package clients

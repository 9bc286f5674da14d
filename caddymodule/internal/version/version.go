// Package version has the version of the fault injector. Every package may import it.
package version

// Version is the version in the changelog. While its top entry is "Unreleased", it ends
// in "-dev".
const Version = "0.1.0-dev"

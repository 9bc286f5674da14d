// Package experiments is what happens while Caddy runs: the switch that stops
// all faults at once, rules that are added for a time, and the journal of what
// has been injected. All of it belongs to the process and outlives reloads.
package experiments

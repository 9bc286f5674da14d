// Package experiments holds the state that changes while Caddy runs: the switch that
// stops all faults, the experiments (rules added at run time), and the journal of
// injected faults. All of it belongs to the process and outlives reloads.
package experiments

// Package control holds the state of the process that outlives a configuration, and the
// settings that all injection points of a configuration share. It contains the app
// "fault" with its global option, the switch that halts all faults, halt_when, and the
// group that shares experiments and the switch between nodes.
//
// The package may import experiments, the grammar of settings, and the header fields of
// triggers, of which each server has one set. It must not know what injects faults: no
// handler, no transport, no kind of fault, no route of the API.
package control

// Package control has what outlives a configuration, and what all injection
// points of one have in common: the app "fault" with its global option, the
// switch that halts everything, the group that shares it between nodes, and
// halt_when.
//
// It knows experiments, the grammar of settings, and the header fields of
// triggers, which are one set for each server. It must not know what injects: no
// handler, no transport, no kind of fault, no route of the API.
package control

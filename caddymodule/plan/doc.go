// Package plan reads and runs plans. A plan is a file that says which faults are injected
// when, what must hold meanwhile, when to stop at once, and what must come out.
//
// The package is a client: it sees the nodes of a plan through the interface [Node]. It
// does not know how a node is reached, nor any kind of fault.
package plan

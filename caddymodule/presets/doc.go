// Package presets has well-known failures of real services under a name, such as
// openai-rate-limit. A preset is a fragment of a rule as text, with parameters. The
// package knows the files and the values of parameters. It does not know the grammar:
// the package grammar reads the fragments and puts their lines into rules.
package presets

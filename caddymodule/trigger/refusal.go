package trigger

import "strings"

// Refusal is the reason why a trigger is refused.
type Refusal struct {
	err  error
	told bool // the client may know why: it has the key, or none is required
	id   string
}

// ID returns the id of the line, or "" without a valid one.
func (r *Refusal) ID() string { return r.id }

// undisclosed is what a client without the key learns.
const undisclosed = "key"

// String returns the reason for explain and the log.
func (r *Refusal) String() string { return r.err.Error() }

// Reason returns the reason in one line that fits into a header field.
func (r *Refusal) Reason() string { return oneLine(r.String()) }

// Disclosed returns what the client may learn of the reason.
func (r *Refusal) Disclosed() string {
	if !r.told {
		return undisclosed
	}
	return r.Reason()
}

// maxReason limits a reason in bytes, because parts of it may come from a client.
const maxReason = 256

// oneLine returns a text of at most maxReason bytes of visible ASCII and spaces.
func oneLine(text string) string {
	line := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, strings.ReplaceAll(text, "\n", "; "))
	if len(line) > maxReason {
		const end = "..."
		line = line[:maxReason-len(end)] + end
	}
	return line
}

package trigger

import "strings"

// Refusal says why the trigger of a request is not obeyed.
type Refusal struct {
	err  error
	told bool // the client may know why: it has the key, or none is asked for
}

// undisclosed is what a client without the key gets to know.
const undisclosed = "key"

// String is the reason as explain and the log tell it.
func (r *Refusal) String() string { return r.err.Error() }

// Reason is the reason in one line that a header field can carry.
func (r *Refusal) Reason() string { return oneLine(r.String()) }

// Disclosed is what the client may know of the reason.
func (r *Refusal) Disclosed() string {
	if !r.told {
		return undisclosed
	}
	return r.Reason()
}

// maxReason bounds a reason in bytes: parts of it may come from a client.
const maxReason = 256

// oneLine makes a text of at most maxReason bytes of visible ASCII and spaces.
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

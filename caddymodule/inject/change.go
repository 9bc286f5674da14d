package inject

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// changeField is the header field that tells the client what a fault has changed.
const changeField = "X-Fault-Change"

// maxChangeField limits the length of the field, in bytes.
const maxChangeField = 4 << 10

// Changed records what a fault changes, for the journal and for the client. For the
// client it does so only if hits are disclosed.
func (inj *injection) Changed(changes []faults.Change) {
	inj.changes = append(slices.Clip(inj.changes), changes...) // the journal may have the former
	if inj.header != nil && inj.in.disclose != "" {
		inj.header.Add(changeField, changeText(changes))
	}
}

// changeText returns the value of the field: operations and places, separated by commas.
func changeText(changes []faults.Change) string {
	var text strings.Builder
	for i, change := range changes {
		if i > 0 {
			text.WriteString(", ")
		}
		if text.Len() > maxChangeField {
			text.WriteString("...")
			break
		}
		text.WriteString(strings.TrimSuffix(change.Op+" "+escaped(change.At), " "))
	}
	return text.String()
}

// escaped returns a pointer with a percent sign and two hexadecimal digits for each byte
// that could be misread in a header field.
func escaped(pointer string) string {
	var text strings.Builder
	for _, c := range []byte(pointer) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`%,"`, c) >= 0 {
			fmt.Fprintf(&text, "%%%02X", c)
			continue
		}
		text.WriteByte(c)
	}
	return text.String()
}

package kinds

import (
	"fmt"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// maxUntrustedSize bounds every size in a trigger.
const maxUntrustedSize = 1 << 20

// untrustedSize checks a size; nil is the kind's own.
func untrustedSize(size *int64) error {
	if size != nil && *size > maxUntrustedSize {
		return fmt.Errorf("size '%d' is more than the %d bytes of a trigger", *size, int64(maxUntrustedSize))
	}
	return nil
}

// untrustedText refuses what would be expanded.
func untrustedText(name, value string) error {
	if !text.New(value, text.EscapeNone).Static() {
		return fmt.Errorf("%s '%s' has a placeholder", name, value)
	}
	return nil
}

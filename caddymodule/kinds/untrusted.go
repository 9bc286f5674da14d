package kinds

import (
	"fmt"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// maxUntrustedSize limits every size in a trigger.
const maxUntrustedSize = 1 << 20

// untrustedSize checks a size. A nil size is the kind's default.
func untrustedSize(size *int64) error {
	if size != nil && *size > maxUntrustedSize {
		return fmt.Errorf("size '%d' is too large for a trigger; at most %d bytes are allowed", *size, int64(maxUntrustedSize))
	}
	return nil
}

// untrustedText refuses a text with placeholders, because they would be expanded.
func untrustedText(name, value string) error {
	if !text.New(value, text.EscapeNone).Static() {
		return fmt.Errorf("%s '%s' has a placeholder, which is not allowed in a trigger", name, value)
	}
	return nil
}

// untrustedConnection refuses a fault that ends a whole HTTP/2 connection. Behind another
// proxy, the connection may carry requests of many clients.
func untrustedConnection(kind string, ends bool) error {
	if ends {
		return fmt.Errorf("%s would end other requests of the connection, which is not allowed in a trigger; write %s alone", kind, kind)
	}
	return nil
}

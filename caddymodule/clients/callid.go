package clients

import (
	"fmt"
	"strconv"
)

// CallID names a call for people: by the first 8 hex digits of the SHA-256 of its key, or
// by a number of this process if it has no key. The zero value names none.
type CallID uint64

// hashed marks an ID that is from a key.
const hashed CallID = 1 << 63

// String returns the ID as shown in reports and in the journal.
func (id CallID) String() string {
	if id&hashed != 0 {
		return fmt.Sprintf("%08x", uint32(id))
	}
	return strconv.FormatUint(uint64(id), 10)
}

// MarshalText returns the ID as String does.
func (id CallID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the result of MarshalText. A text of 8 digits is from a key.
func (id *CallID) UnmarshalText(text []byte) error {
	if len(text) == len("9f2ab31c") {
		sum, err := strconv.ParseUint(string(text), 16, 32)
		*id = hashed | CallID(sum)
		return err
	}
	n, err := strconv.ParseUint(string(text), 10, 63)
	*id = CallID(n)
	return err
}

// idOf returns the ID of a call with a number.
func (id *identity) idOf(number uint64) CallID {
	if id.mode < modeCount {
		return hashed | CallID(short(id.named))
	}
	return CallID(number)
}

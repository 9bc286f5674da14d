package trigger

import "testing"

// A key that is the name of a variable is distinguished from one that looks similar.
func TestUnexpanded(t *testing.T) {
	for key, want := range map[string]bool{
		"$STAGING_FAULT_KEY":           true,
		"${STAGING_FAULT_KEY}":         true,
		"env.STAGING_FAULT_KEY":        true,
		"file./run/secrets/fault_key":  true,
		"{env.STAGING_FAULT_KEY}":      false,
		"$2a$14$Zkx19XLiW6VYouLHR5Nmf": false,
		"$staging_fault_key":           false,
		"environment-of-staging":       false,
		"my.env.STAGING_FAULT_KEY":     false,
		"":                             false,
	} {
		if got := unexpanded(key); got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
}

// No point removes a header field that requests need.
func TestNeeded(t *testing.T) {
	for field, want := range map[string]bool{
		"X-Fault": false, "x-chaos": false, "Hostess": false,
		"host": true, "Cookie": true, "AUTHORIZATION": true, "baggage": true, "Content-Length": true, "Connection": true, "X Fault": true,
	} {
		if got := needed(field); got != want {
			t.Errorf("%s: got %v, want %v", field, got, want)
		}
	}
}

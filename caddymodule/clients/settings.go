package clients

import "time"

// Settings are the bounds of a recorder and the thresholds that people may change.
// The zero value of a field means its default.
type Settings struct {
	// Window is how long a call stays open after a failed attempt. The default is 1m.
	// A Retry-After that the client received keeps the call open longer.
	Window time.Duration

	// Recovery is how long a client may take to succeed after a fault has ended. The
	// default is 30s.
	Recovery time.Duration

	// MaxCalls is the maximum number of open calls, and of closed calls that are kept.
	// The default is 4096. Above it, the open call that was used least recently is
	// closed as lost, and the oldest closed call of the client that has most of them
	// is forgotten.
	MaxCalls int

	// MaxClients is the maximum number of clients. The default is 256. All others
	// share the name "other".
	MaxClients int

	// Attempts is how many attempts of a call are fine. The default is 5. Above it,
	// many_attempts is a warning, and above twice the number an error.
	Attempts int
}

const (
	defaultWindow   = time.Minute
	defaultRecovery = 30 * time.Second
	defaultCalls    = 4096
	defaultClients  = 256
	defaultAttempts = 5

	maxWindow   = 10 * time.Minute // also with a long Retry-After
	afterWindow = 10 * time.Second // a client may come this much later than Retry-After says
	baselineFor = 10 * time.Minute // how long requests are counted after a hit
)

// withDefaults returns the settings with a value in each field.
func (s Settings) withDefaults() Settings {
	if s.Window <= 0 {
		s.Window = defaultWindow
	}
	s.Window = min(s.Window, maxWindow)
	if s.Recovery <= 0 {
		s.Recovery = defaultRecovery
	}
	if s.MaxCalls <= 0 {
		s.MaxCalls = defaultCalls
	}
	if s.MaxClients <= 0 {
		s.MaxClients = defaultClients
	}
	if s.Attempts <= 0 {
		s.Attempts = defaultAttempts
	}
	return s
}

// openFor returns how long a call stays open after a reply with a Retry-After, which
// is negative if the reply had none.
func (s *Settings) openFor(retryAfter time.Duration) time.Duration {
	if retryAfter < 0 {
		return s.Window
	}
	return min(max(s.Window, min(retryAfter, maxWindow)+afterWindow), maxWindow)
}

package clients

import "time"

// Level is how bad a finding is.
type Level string

// The levels, from the worst.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Info    Level = "info"
)

// rank orders levels, the worst highest.
func (l Level) rank() int {
	switch l {
	case Error:
		return 3
	case Warning:
		return 2
	default:
		return 1
	}
}

// lower returns the level below.
func (l Level) lower() Level {
	if l == Error {
		return Warning
	}
	return Info
}

// The findings of a client.
const (
	RetryAfterIgnored = "retry_after_ignored"
	NoWait            = "no_wait"
	FirstRetryAtOnce  = "first_retry_at_once"
	NoGrowth          = "no_growth"
	NoJitter          = "no_jitter"
	UnsafeRetry       = "unsafe_retry"
	PointlessRetry    = "pointless_retry"
	ManyAttempts      = "many_attempts"
	NoRetry           = "no_retry"
	Amplification     = "amplification"
	NoTimeout         = "no_timeout"
	ShortTimeout      = "short_timeout"
	ConnectionChurn   = "connection_churn"
)

// The findings of a period.
const (
	Wave         = "wave"
	SlowRecovery = "slow_recovery"
)

// Names returns the names of all findings, in the order of reports.
func Names() []string {
	names := make([]string, 0, len(clientRules)+2)
	for _, rule := range clientRules {
		names = append(names, rule.name)
	}
	return append(names, Wave, SlowRecovery)
}

// Report is what evidence says about clients.
type Report struct {
	Since time.Time `json:"since"`

	// Enough reports that there was enough evidence for the assertion that was asked
	// for.
	Enough bool `json:"enough"`

	// Calls counts closed calls, and open ones with two attempts or more.
	Calls int `json:"calls"`

	Lost    uint64         `json:"lost,omitempty"` // calls closed early
	Clients []ClientReport `json:"clients"`
	Periods []PeriodReport `json:"periods"`
}

// ClientReport is what the calls of a client say. Durations are in seconds.
type ClientReport struct {
	Client   string     `json:"client"`
	By       map[By]int `json:"by"` // calls, by how they were recognized
	Calls    int        `json:"calls"`
	Attempts int        `json:"attempts"`

	// AttemptsPerCall is nil if nothing tells the client's calls apart.
	AttemptsPerCall *float64 `json:"attempts_per_call"`

	// Retried is how many calls succeeded after a retry.
	Retried int `json:"retried"`

	Outcomes    Outcomes    `json:"outcomes"`
	Waits       Waits       `json:"waits"`
	LeftAfter   Spread      `json:"left_after"`
	Connections Connections `json:"connections"`
	Findings    []Finding   `json:"findings"`
	Undecided   []Undecided `json:"undecided"`

	// Forgotten is how many older calls are no longer kept.
	Forgotten int `json:"forgotten,omitempty"`
}

// Outcomes counts calls.
type Outcomes struct {
	Recovered int `json:"recovered"`
	GaveUp    int `json:"gave_up"`
	Unseen    int `json:"unseen,omitempty"` // of several nodes only
	Refused   int `json:"refused"`
	Lost      int `json:"lost"`
	Open      int `json:"open"`
}

// Waits are the times between attempts.
type Waits struct {
	// First are the first waits of calls after an attempt without Retry-After.
	First Spread `json:"first"`

	RetryAfter AskedWaits `json:"retry_after"`
}

// AskedWaits are the waits after a Retry-After.
type AskedWaits struct {
	Asked float64 `json:"asked"` // median of what the replies said
	Spread
}

// Spread describes values. Count is how many there are. The other fields are 0 without
// any.
type Spread struct {
	Count int     `json:"count"`
	P10   float64 `json:"p10"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	Max   float64 `json:"max"`
}

// Connections says how a client uses connections.
type Connections struct {
	// Reused is the share of retries after a whole reply that came on the same
	// connection, nil without any.
	Reused *float64 `json:"reused,omitempty"`
}

// Finding is something about a client or a period that people may want to change.
type Finding struct {
	Finding  string  `json:"finding"`
	Level    Level   `json:"level"`
	Count    int     `json:"count"`        // what it was found on
	Of       int     `json:"of,omitempty"` // what was looked at
	Text     string  `json:"text"`
	Evidence []Proof `json:"evidence,omitempty"` // of three calls at most
}

// Proof is up to three attempts that prove a finding.
type Proof struct {
	Call     string      `json:"call"`
	Point    string      `json:"point"`
	Rule     string      `json:"rule,omitempty"`
	Path     string      `json:"path"`
	Times    []time.Time `json:"times"`
	Outcomes []string    `json:"outcomes"`
}

// Undecided is a finding for which there is too little evidence.
type Undecided struct {
	Finding string `json:"finding"`
	Why     string `json:"why"`
}

// PeriodReport is one fault from its first hit to its end, for all clients. Rates are
// per second.
type PeriodReport struct {
	Point string    `json:"point"`
	Rule  string    `json:"rule"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`

	// BaselineRate is the rate in the minute before the fault, nil if nobody counted.
	BaselineRate *float64 `json:"baseline_rate"`

	FaultRate *float64 `json:"fault_rate"`
	LoadRatio *float64 `json:"load_ratio"` // FaultRate divided by BaselineRate

	// PeakAfter is the highest rate of a tenth of a second in the ten seconds after the
	// fault.
	PeakAfter float64 `json:"peak_after"`

	// Recovery is the time from the end of the fault to the first success of each client
	// that was hit.
	Recovery Spread `json:"recovery"`

	// Waiting is how many clients have not succeeded yet.
	Waiting int `json:"waiting,omitempty"`

	Findings  []Finding   `json:"findings"`
	Undecided []Undecided `json:"undecided"`
}

package rules

// Reason is why a rule did not hit a request that it matched, or why it is unknown
// whether the request matched.
type Reason int

// The reasons.
const (
	// ReasonPercent means that the draw missed the rule's percentage, or the part of it
	// that fires during a ramp.
	ReasonPercent Reason = iota

	// ReasonOff means that the rule was switched off.
	ReasonOff

	// ReasonCount means that skip, every, over or times let the request pass.
	ReasonCount

	// ReasonTime means that the rule was not active at the time.
	ReasonTime

	// ReasonFollows means that the rule that it follows had not hit.
	ReasonFollows

	// ReasonObserve means that the rule has observed the request.
	ReasonObserve

	// ReasonOverflow means that max_active was reached.
	ReasonOverflow

	// ReasonDryRun means that the rule has dry_run.
	ReasonDryRun

	// ReasonMatchError means that a matcher failed. A failed matcher does not match.
	ReasonMatchError

	// ReasonExempt means that the configuration exempts the request. No rule was
	// evaluated, so a point counts it and no rule does.
	ReasonExempt

	// ReasonPass means that the faults of the rule let the request pass, such as a
	// sequence after its last step.
	ReasonPass
)

// reasonNames are the reasons in metrics and logs.
var reasonNames = [...]string{
	ReasonPercent:    "percent",
	ReasonOff:        "off",
	ReasonCount:      "count",
	ReasonTime:       "time",
	ReasonFollows:    "follows",
	ReasonObserve:    "observe",
	ReasonOverflow:   "overflow",
	ReasonDryRun:     "dry_run",
	ReasonMatchError: "match_error",
	ReasonExempt:     "exempt",
	ReasonPass:       "pass",
}

// NumReasons is the number of reasons.
const NumReasons = len(reasonNames)

func (r Reason) String() string { return reasonNames[r] }

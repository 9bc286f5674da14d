package rules

// Reason is why a request that matched a rule was not hit by it, or why nobody
// can say whether it matched.
type Reason int

// The reasons.
const (
	// ReasonPercent says that the draw was not in the rule's share, or not in
	// the part of it that fires while it grows.
	ReasonPercent Reason = iota

	// ReasonOff says that the rule had been switched off.
	ReasonOff

	// ReasonCount says that skip, every, over or times let the request pass.
	ReasonCount

	// ReasonTime says that the rule was not active at the time.
	ReasonTime

	// ReasonOverflow says that the rule held as many requests as it may.
	ReasonOverflow

	// ReasonDryRun says that the rule only tells what it would have done.
	ReasonDryRun

	// ReasonMatchError says that a matcher failed, which is no match.
	ReasonMatchError

	// ReasonPass says that the faults of the rule let this request pass, as a
	// sequence does behind its last step.
	ReasonPass
)

// reasonNames are the reasons in metrics and logs.
var reasonNames = [...]string{
	ReasonPercent:    "percent",
	ReasonOff:        "off",
	ReasonCount:      "count",
	ReasonTime:       "time",
	ReasonOverflow:   "overflow",
	ReasonDryRun:     "dry_run",
	ReasonMatchError: "match_error",
	ReasonPass:       "pass",
}

// NumReasons is how many there are.
const NumReasons = len(reasonNames)

func (r Reason) String() string { return reasonNames[r] }

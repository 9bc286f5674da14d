package rules

// Reason is why a request that matched a rule was not hit by it.
type Reason int

// The reasons.
const (
	// ReasonPercent says that the draw was not in the rule's share.
	ReasonPercent Reason = iota

	// ReasonDryRun says that the rule only tells what it would have done.
	ReasonDryRun
)

// reasonNames are the reasons in metrics and logs.
var reasonNames = [...]string{ReasonPercent: "percent", ReasonDryRun: "dry_run"}

// Reasons are all of them.
func Reasons() []Reason {
	all := make([]Reason, len(reasonNames))
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

func (r Reason) String() string { return reasonNames[r] }

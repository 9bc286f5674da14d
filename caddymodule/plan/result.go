package plan

import (
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// The exit codes of a plan. A signal has 128 and its number.
const (
	CodePassed   = 0
	CodeError    = 1 // the plan could not run
	CodeFailed   = 2 // an expectation or a check did not hold
	CodeBaseline = 3 // the baseline did not hold, and nothing was injected
	CodeAborted  = 4 // a condition has ended the plan
	CodeOutside  = 5 // a halt or a restart has ended the plan
)

// The results of a plan, a stage and an expectation.
const (
	Passed  = "passed"
	Failed  = "failed"
	Aborted = "aborted"
	Outside = "ended from outside"
	Signal  = "signal"
	Broken  = "error"
	Skipped = "skipped"
)

// Result is what came out of a plan. Durations are in seconds.
type Result struct {
	Plan     *Plan  `json:"plan"`
	Run      string `json:"run"` // marks the experiments of this run
	Version  string `json:"version,omitempty"`
	Result   string `json:"result"`
	ExitCode int    `json:"exit_code"`
	Why      string `json:"why,omitempty"`

	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	Nodes    []NodeResult     `json:"nodes"`
	Baseline *BaselineResult  `json:"baseline,omitempty"`
	Checks   []*CheckResult   `json:"checks,omitempty"`
	Runs     []*CommandResult `json:"runs,omitempty"`
	Stages   []*StageResult   `json:"stages"`
	CleanUp  []Cleaned        `json:"clean_up,omitempty"`
	After    []*CommandResult `json:"after,omitempty"`
}

// NodeResult is a node of the plan.
type NodeResult struct {
	Address string `json:"address"`
	Version string `json:"version,omitempty"`
	Group   string `json:"group,omitempty"`
}

// BaselineResult is how the baseline went.
type BaselineResult struct {
	Result  string    `json:"result"`
	Why     string    `json:"why,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
}

// CheckResult is what a check has answered.
type CheckResult struct {
	Name   string `json:"name"`
	Asked  int    `json:"asked"`
	Failed int    `json:"failed"`
	Last   string `json:"last,omitempty"` // what it has answered last

	// LastFailure is what it has answered when it has failed last.
	LastFailure string `json:"last_failure,omitempty"`
}

// StageResult is what came out of a stage.
type StageResult struct {
	Name    string    `json:"name"`
	Result  string    `json:"result"`
	Why     string    `json:"why,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`

	Faults   []*FaultResult   `json:"faults,omitempty"`
	Runs     []*CommandResult `json:"runs,omitempty"`
	Expects  []*ExpectResult  `json:"expectations,omitempty"`
	Findings *clients.Report  `json:"findings,omitempty"`

	// Recovered is how long it took until all checks held.
	Recovered *float64 `json:"recovered_after,omitempty"`
}

// FaultResult is what a fault has done.
type FaultResult struct {
	Name       string `json:"name"`
	Experiment string `json:"experiment"`
	Hits       int    `json:"hits"`
}

// CommandResult is how a command has ended.
type CommandResult struct {
	Name    string  `json:"name"`
	Code    int     `json:"code"`
	ByPlan  bool    `json:"ended_by_plan,omitempty"`
	Error   string  `json:"error,omitempty"` // it could not start
	Seconds float64 `json:"seconds"`
}

// failed reports whether the exit code of the command counts as a failure.
func (c *CommandResult) failed() bool { return c.Error != "" || c.Code != 0 && !c.ByPlan }

// ExpectResult is an expectation, a check that had to hold during a stage, or a command
// that had to succeed.
type ExpectResult struct {
	Text     string   `json:"text"`
	Holds    bool     `json:"holds"`
	Why      string   `json:"why,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
}

// ending is why a plan ends before its last stage.
type ending struct {
	code   int
	result string
	why    string
}

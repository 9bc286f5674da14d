package rules

// switchGate is shut while the rule is switched off.
var switchGate = &gate{
	name: "switch", reason: ReasonOff,
	shut: func(rl *Rule, _ visit) bool { return rl.counters.off.Load() },
	why:  func(*Rule, visit) string { return "the rule is switched off" },
}

package rules

import "github.com/caddyserver/caddy/v2"

// kept holds the state that outlives a reload, by [keptKey]: *counters of rules, and
// for points the *atomic.Uint64 that counts the numbers taken from the seed. It belongs
// to the process, because Caddy loads a new configuration while the old one still
// serves, and may discard the new one. Each point holds references to its state.
// Requests in flight continue to use the state after the point has released it.
var kept = caddy.NewUsagePool()

// keptKey includes all settings of a rule and the matchers of all points with the name.
// If one of them changes, the state starts again.
type keptKey struct {
	point, rule, match, settings string
	startOff                     bool
}

// keep returns the state stored under key. If the key is missing, keep stores fresh.
func keep[T any](p *Point, key keptKey, fresh *T) *T {
	value, _ := kept.LoadOrStore(key, fresh)
	*p.kept = append(*p.kept, key)
	return value.(*T)
}

// Cleanup releases the state that outlives a reload.
func (p *Point) Cleanup() error {
	if p.group != nil {
		p.group.Settle() // so that nothing is added later
	}
	if p.kept == nil { // Provision has failed
		return nil
	}
	for _, key := range *p.kept {
		if _, err := kept.Delete(key); err != nil {
			return err
		}
	}
	*p.kept = nil
	return nil
}

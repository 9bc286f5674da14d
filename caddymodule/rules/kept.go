package rules

import "github.com/caddyserver/caddy/v2"

// kept is what outlives a reload, by [keptKey]: *counters of rules, and of
// points the *atomic.Uint64 of numbers taken from the seed. It belongs to the
// process, because a new configuration is loaded while the old one still
// serves, and may then be given up. Each point holds what it uses; requests in
// flight go on with theirs after the point has let go.
var kept = caddy.NewUsagePool()

// keptKey has the settings as a whole, and the matchers of all points of the
// name: whoever changes one begins anew.
type keptKey struct {
	point, rule, match, settings string
	startOff                     bool
}

// keep is what is kept under the key, which is fresh if there was nothing yet.
func keep[T any](p *Point, key keptKey, fresh *T) *T {
	value, _ := kept.LoadOrStore(key, fresh)
	p.kept = append(p.kept, key)
	return value.(*T)
}

// Cleanup lets go of what outlives a reload.
func (p *Point) Cleanup() error {
	if p.group != nil {
		p.group.Settle() // so that nothing is kept later
	}
	for _, key := range p.kept {
		if _, err := kept.Delete(key); err != nil {
			return err
		}
	}
	p.kept = nil
	return nil
}

package grammar

import (
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// ParseBlock parses the block of a rule that is not in a site, so that it has no named
// matchers. The map own has parsers for words that are only known in this block.
func (p *RuleParser) ParseBlock(d *caddyfile.Dispenser, own map[string]func(*caddyfile.Dispenser) error) error {
	start := *d
	if err := p.parseBlock(d, own); err != nil {
		return err
	}
	p.hintAtFraction()
	return p.finish(&start)
}

// parseBlock parses the lines of the block.
func (p *RuleParser) parseBlock(d *caddyfile.Dispenser, own map[string]func(*caddyfile.Dispenser) error) error {
	seen := make(map[string]bool)
	p.more = slices.Sorted(maps.Keys(own))
	p.matcherToken = func() (caddy.ModuleMap, bool, error) {
		return matcherToken(d, "named matchers belong to a site; write the matcher itself, such as match path /api/*")
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		parse := own[word]
		if parse == nil {
			if err := p.parseLine(d, word); err != nil {
				return err
			}
			continue
		}
		if seen[word] {
			return d.Errf("%s already specified", word)
		}
		seen[word] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

package inject

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// readLines reads the rules that are given as lines, with the presets of the
// configuration.
func (t *Transport) readLines(ctx caddy.Context) error {
	if t.Lines == "" {
		return nil
	}
	if len(t.Rules) > 0 {
		return t.inLines(errors.New("a transport has rules or lines, and not both; move the rules to the lines"))
	}
	mod, err := ctx.App("fault")
	if err != nil {
		return fmt.Errorf("getting fault app: %w", err)
	}
	if t.Rules, err = grammar.ParseRules(t.Lines, t.Place, mod.(*control.App).OwnPresets()); err != nil {
		return t.inLines(err)
	}
	return nil
}

// inLines returns an error of the lines with the name of the point, which Located adds
// only with a source.
func (t *Transport) inLines(err error) error {
	if t.Source == "" {
		return fmt.Errorf("point '%s': %w", t.Point.Name, err)
	}
	return err
}

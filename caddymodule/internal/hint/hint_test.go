package hint

import (
	"context"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// The message begins with the source, if there is one. The fields are separate.
func TestWrite(t *testing.T) {
	for source, want := range map[string]string{
		"Caddyfile:12": "Caddyfile:12: rule 'busy' can never fire",
		"":             "rule 'busy' can never fire",
	} {
		core, logs := observer.New(zap.InfoLevel)
		Write(zap.New(core), source, "rule 'busy' can never fire", zap.String("point", "fault1"))
		all := logs.AllUntimed()
		if len(all) != 1 || all[0].Message != want || all[0].Level != zap.WarnLevel || all[0].ContextMap()["point"] != "fault1" {
			t.Errorf("source %q: got %+v, want %q", source, all, want)
		}
	}
}

// A context has the source of the innermost point, and keeps its other values.
func TestAt(t *testing.T) {
	type otherKey struct{}
	outer := caddy.Context{Context: context.WithValue(t.Context(), otherKey{}, "other")}
	inner := At(At(outer, "Caddyfile:1"), "Caddyfile:2")
	for _, tt := range []struct {
		ctx  caddy.Context
		want any
	}{{outer, nil}, {At(outer, ""), nil}, {inner, "Caddyfile:2"}, {At(inner, ""), "Caddyfile:2"}} {
		if got := tt.ctx.Value(sourceKey{}); got != tt.want || tt.ctx.Value(otherKey{}) != "other" {
			t.Errorf("got source %v, want %v", got, tt.want)
		}
	}
}

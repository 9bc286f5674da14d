// Package hint logs warnings about a configuration that loads but is probably not what
// its author means: settings that never have an effect, or that have a surprising one.
// All such warnings have the same form: the place in the Caddyfile, if known, what is
// wrong, and what to write instead.
//
// The package depends on Caddy's contexts and loggers. It has no notion of faults.
package hint

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// sourceKey is the context key for the source of the configuration that is being
// loaded.
type sourceKey struct{}

// At returns a context in which hints begin with a source, such as `Caddyfile:12`. An
// empty source changes nothing.
func At(ctx caddy.Context, source string) caddy.Context {
	if source != "" {
		ctx.Context = context.WithValue(ctx.Context, sourceKey{}, source)
	}
	return ctx
}

// Warn logs a hint about the configuration that is loaded in ctx.
func Warn(ctx caddy.Context, text string, fields ...zap.Field) {
	Write(ctx.Logger(), sourceOf(ctx), text, fields...)
}

// Info logs a hint about a setting that is usually intended but may be surprising.
func Info(ctx caddy.Context, text string, fields ...zap.Field) {
	ctx.Logger().Info(located(sourceOf(ctx), text), fields...)
}

// Write logs a hint about the configuration at source, which is empty if unknown.
func Write(logger *zap.Logger, source, text string, fields ...zap.Field) {
	logger.Warn(located(source, text), fields...)
}

func sourceOf(ctx caddy.Context) string {
	source, _ := ctx.Value(sourceKey{}).(string)
	return source
}

func located(source, text string) string {
	if source == "" {
		return text
	}
	return source + ": " + text
}

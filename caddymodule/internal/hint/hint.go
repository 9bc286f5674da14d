// Package hint tells in the log what a configuration says and can hardly mean:
// what loads and never has an effect, or another one than it seems to. All such
// warnings go through it, so that they have one form: the place in the Caddyfile,
// as far as it is known, what is wrong, and what to write instead.
//
// It knows Caddy's contexts and loggers, and nothing of faults.
package hint

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// sourceKey is where a context has the source of what is loaded in it.
type sourceKey struct{}

// At returns a context in which hints begin with a source, such as `Caddyfile:12`.
// An empty one changes nothing.
func At(ctx caddy.Context, source string) caddy.Context {
	if source != "" {
		ctx.Context = context.WithValue(ctx.Context, sourceKey{}, source)
	}
	return ctx
}

// Warn logs a hint about what is loaded in a context.
func Warn(ctx caddy.Context, text string, fields ...zap.Field) {
	Write(ctx.Logger(), sourceOf(ctx), text, fields...)
}

// Info logs what is meant by many, and surprises some.
func Info(ctx caddy.Context, text string, fields ...zap.Field) {
	ctx.Logger().Info(located(sourceOf(ctx), text), fields...)
}

// Write logs a hint about what stands at a source; where that is unknown it is
// empty.
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

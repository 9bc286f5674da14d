package rules

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// maxSource is the maximum size of a point's source in bytes. Names of files have up to
// 255 bytes, and line numbers are short.
const maxSource = 256

// ValidSource checks the source of a point. JSON may contain any text here, and
// terminals and logs show it.
func ValidSource(source string) error {
	switch {
	case len(source) > maxSource:
		return fmt.Errorf("bad source: it has %d bytes, want up to %d, such as Caddyfile:12", len(source), maxSource)
	case !utf8.ValidString(source) || strings.ContainsFunc(source, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("bad source %q: want printable characters, such as Caddyfile:12", source)
	}
	return nil
}

// SourceOf returns the source of a point in a line of a file. It contains the name of
// the file without the path, which stays private. If the name cannot be shown, it
// contains only the line.
func SourceOf(file string, line int) string {
	source := fmt.Sprintf("%s:%d", filepath.Base(file), line)
	if file == "" || ValidSource(source) != nil {
		return fmt.Sprintf("line %d", line)
	}
	return source
}

// Located returns an error of the point with the name and the source of the point.
// Without a source it returns the error only.
func (p *Point) Located(err error) error {
	if err == nil || p.Source == "" || ValidSource(p.Source) != nil {
		return err
	}
	return fmt.Errorf("point '%s', at %s: %w", p.Name, p.Source, err)
}

// LoggerOf returns the logger of a module, with the source of the point in each line.
func (p *Point) LoggerOf(ctx caddy.Context) *zap.Logger {
	if p.Source == "" {
		return ctx.Logger()
	}
	return ctx.Logger().With(zap.String("source", p.Source))
}

// Title returns the name of a point for people, preceded by its site, such as
// `shop.example.com › fault6`. Without a site it returns the name only.
func Title(site, point string) string {
	if site == "" {
		return point
	}
	return site + " › " + point
}

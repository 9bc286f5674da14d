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

// maxSource is the size in bytes of a point's source: file systems have names of
// 255 bytes, and lines have a few digits.
const maxSource = 256

// ValidSource checks where a point is said to be written: anybody may write it
// into JSON, and it is shown on terminals and in logs.
func ValidSource(source string) error {
	switch {
	case len(source) > maxSource:
		return fmt.Errorf("bad source: it has %d bytes, want up to %d, such as Caddyfile:12", len(source), maxSource)
	case !utf8.ValidString(source) || strings.ContainsFunc(source, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("bad source %q: want characters that can be printed, such as Caddyfile:12", source)
	}
	return nil
}

// SourceOf returns the source of a point that is written in a line of a file.
// It has the file's name without its path, which is nobody's business, and only
// the line where the name is none that can be shown.
func SourceOf(file string, line int) string {
	source := fmt.Sprintf("%s:%d", filepath.Base(file), line)
	if file == "" || ValidSource(source) != nil {
		return fmt.Sprintf("line %d", line)
	}
	return source
}

// LoggerOf returns the logger of a module, whose lines say where the point is
// written.
func (p *Point) LoggerOf(ctx caddy.Context) *zap.Logger {
	if p.Source == "" {
		return ctx.Logger()
	}
	return ctx.Logger().With(zap.String("source", p.Source))
}

// Title names a point for people by the site that it stands in, such as
// `shop.example.com › fault6`. Without a site it is the name.
func Title(site, point string) string {
	if site == "" {
		return point
	}
	return site + " › " + point
}

package kinds

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"golang.org/x/net/http2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// HTTP2Code is an error code of HTTP/2 (RFC 9113 section 7). In JSON it is a name or a
// number.
type HTTP2Code uint32

// endConnection is the word for a fault that ends a whole connection.
const endConnection = "connection"

// http2Names lists the names of the codes by number.
var http2Names = func() (names []string) {
	for code := http2.ErrCodeNo; code <= http2.ErrCodeHTTP11Required; code++ {
		names = append(names, code.String())
	}
	return names
}()

// http2CodeOf reads a name or a number.
func http2CodeOf(word string) (code HTTP2Code, ok bool) {
	for number, name := range http2Names {
		if strings.EqualFold(word, name) {
			return HTTP2Code(number), true
		}
	}
	number, err := strconv.ParseUint(word, 0, 32)
	return HTTP2Code(number), err == nil
}

// adviseHTTP2Code returns what to write instead of a word that is not a code, after the
// words before. The others are also valid there.
func adviseHTTP2Code(before, word string, others ...string) string {
	known := others
	for _, name := range http2Names {
		known = append(known, strings.ToLower(name))
	}
	lines := words.Near(word, known)
	for i, name := range lines {
		if !slices.Contains(others, name) {
			name = strings.ToUpper(name)
		}
		lines[i] = before + name
	}
	if len(lines) == 0 {
		return "want a name such as REFUSED_STREAM, or a number"
	}
	return words.Suggest(lines)
}

// http2CodeArg reads the word after the words before in a Caddyfile.
func http2CodeArg(d *caddyfile.Dispenser, before, word string, others ...string) (*HTTP2Code, error) {
	code, ok := http2CodeOf(word)
	if !ok {
		return nil, args.Advise(d, adviseHTTP2Code(before, word, others...), "bad HTTP/2 code '%s'", word)
	}
	return &code, nil
}

// String returns the name of the code, or its number.
func (c HTTP2Code) String() string {
	if uint64(c) < uint64(len(http2Names)) {
		return http2Names[c]
	}
	return strconv.FormatUint(uint64(c), 10)
}

// MarshalJSON writes a name or a number.
func (c HTTP2Code) MarshalJSON() ([]byte, error) {
	if uint64(c) < uint64(len(http2Names)) {
		return json.Marshal(c.String())
	}
	return []byte(c.String()), nil
}

// UnmarshalJSON reads a name or a number.
func (c *HTTP2Code) UnmarshalJSON(data []byte) error {
	word := string(data)
	if strings.HasPrefix(word, `"`) {
		if err := json.Unmarshal(data, &word); err != nil {
			return err
		}
	}
	code, ok := http2CodeOf(word)
	if !ok {
		return fmt.Errorf("bad HTTP/2 code '%s': %s", words.Cut(word, words.MaxWord), adviseHTTP2Code("", word))
	}
	*c = code
	return nil
}

// needsWrapper is the hint for a fault that needs the connection of an HTTP/2 request,
// in a server without the listener wrapper.
func needsWrapper(line string) string {
	return line + " only ends the request over HTTP/2, because the server does not have the listener wrapper fault; " +
		"add servers { listener_wrappers { fault } } to the global options"
}

// Interface guards
var (
	_ json.Marshaler   = HTTP2Code(0)
	_ json.Unmarshaler = (*HTTP2Code)(nil)
)

package kinds

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

func init() {
	caddy.RegisterModule(Stream{})
}

// Stream changes single events of a stream: it delays, drops, inserts or breaks them, or
// ends the stream at one of them.
//
// What the client sees: over every protocol, the events that no step names, byte for
// byte. The other events come late, changed or not at all. Where the stream ends early,
// the client sees the same as with `truncate`.
//
// These formats are known:
//
// Format | Media types of the reply | An event ends with
// -------|--------------------------|-------------------
// `sse` | `text/event-stream` | an empty line
// `ndjson` | `application/x-ndjson`, `application/ndjson`, `application/jsonl`, `application/x-jsonlines`, `application/stream+json` | the end of the line
// `json-seq` | `application/json-seq`, types that end in `+json-seq` | the end of the line after the value
// `grpc` | `application/grpc`, `application/grpc-web`, `application/connect` with a suffix | its length
// `websocket` | a reply with the status 101 that upgrades to `websocket` | its length, if it is whole or the last fragment
// `lines` | only by `format` | the end of the line
//
// If a step needs an event, the event goes out when its last byte has come. All other
// bytes pass as they come. In phase `request`, the upstream is asked for a reply that is
// not compressed, and `encode` can compress it again. `Content-Length`, `ETag`,
// `Last-Modified` and digests are removed, and `Cache-Control: no-store` keeps the reply
// out of caches.
//
// A reply that is not a stream of a known format passes unchanged, with the reason
// no_stream. So does a compressed reply, with the reason encoded, and a part of a whole
// (206), with the reason partial. If no step has had an effect when the stream ends, the
// hit is also counted as short.
//
// Two streams in a rule count separately. The first one is nearer to the client, and
// counts the events that the second one sends.
type Stream struct {
	// The steps, taken in this order for each event. Required.
	Steps []*StreamStep `json:"steps,omitempty"`

	// The format of the stream: `sse`, `ndjson`, `json-seq`, `grpc`, `websocket` or
	// `lines`. Default: the format of the reply's Content-Type, or of an upgrade.
	Format string `json:"format,omitempty"`

	// The largest event to hold in memory, in bytes. A larger event passes as it comes,
	// without its steps, and is counted with the reason too_large. Default: 1048576.
	MaxEvent int64 `json:"max_event,omitempty" zero:"default"`
}

// CaddyModule returns the Caddy module information.
func (Stream) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".stream",
		New: func() caddy.Module { return new(Stream) },
	}
}

// Provision prepares the steps.
func (f *Stream) Provision(caddy.Context) error {
	if err := f.Validate(); err != nil {
		return err
	}
	for _, step := range f.Steps {
		step.prepare()
	}
	return nil
}

// Validate checks the configured fields.
func (f *Stream) Validate() error {
	switch {
	case len(f.Steps) == 0:
		return errors.New("stream has no steps; write one, such as stream 5 stop close")
	case f.Format != "" && findFormat(f.Format, nil) == nil:
		return fmt.Errorf("bad stream format '%s': want one of %s", f.Format, strings.Join(formatNames(), ", "))
	case f.MaxEvent < 0:
		return fmt.Errorf("bad stream max_event '%d': must not be negative", f.MaxEvent)
	}
	for i, step := range f.Steps {
		if step == nil {
			return fmt.Errorf("step %d of stream is null; remove it", i+1)
		}
		if err := step.validate(f.Format); err != nil {
			return err
		}
	}
	return f.checkReached()
}

// checkReached refuses a step for events that never come, because another step always
// ends the stream before.
func (f *Stream) checkReached() error {
	for i, end := range f.Steps {
		if !end.ends() || !end.which.numbered() {
			continue
		}
		for j, step := range f.Steps {
			first, numbered := step.which.from, step.which.numbered()
			if numbered && (first > end.which.from || first == end.which.from && j > i) {
				return fmt.Errorf("stream step '%s' is never reached, because '%s' ends the stream before; remove one of them", step, end)
			}
		}
	}
	return nil
}

// Untrusted limits the steps, and takes their waits from the limits.
func (f *Stream) Untrusted(l *faults.Limits) error {
	if f.Format != "" {
		return errors.New("stream format is not allowed in a trigger")
	}
	for _, step := range f.Steps {
		if err := step.untrusted(l); err != nil {
			return err
		}
	}
	return untrustedSize(&f.MaxEvent)
}

// Reply requires a body. What goes out can be longer.
func (*Stream) Reply(next faults.Reply) (faults.Reply, error) {
	return faults.AnyReply(), next.Need(1)
}

// Conditional reports true: only a stream is changed.
func (*Stream) Conditional(uint64) bool { return true }

// Inject calls next with a writer that changes the events.
func (f *Stream) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	s := &streamer{f: f, rand: hit.Rand(), repl: text.Replacer(r), client: newClientSide(), tunnel: isTunnel(r)}
	if f.writesText() {
		var err error
		if s.shield, err = newShield(w); err != nil {
			hit.Confirm() // the request fails instead
			return err
		}
	}
	sw := newShapeWriter(hit, w, r, s)
	s.reply = sw
	upstream := plainly(r)
	if s.tunnel {
		upstream.Body = clientBody{r.Body, s.client}
	}
	return s.cutter.serve(sw, s.upstream(next), upstream)
}

// writesText reports whether a step sends a text of the configuration.
func (f *Stream) writesText() bool {
	for _, step := range f.Steps {
		if step.Text != "" {
			return true
		}
	}
	return false
}

// plainly returns a copy of the request that asks for a reply without compression, and
// for messages without compression. Accept-Encoding must be there, because Go's transport
// asks for gzip without it.
func plainly(r *http.Request) *http.Request {
	plain := r.WithContext(r.Context()) // a copy
	plain.Header = r.Header.Clone()
	plain.Header.Set("Accept-Encoding", "identity")
	for _, name := range []string{"Grpc-Accept-Encoding", "Connect-Accept-Encoding", "Sec-Websocket-Extensions"} {
		plain.Header.Del(name)
	}
	return plain
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	stream [<events> <action>] {
//	    <events> <action>
//	    format    <format>
//	    max_event <size>
//	}
//
// Each line in the block is another step. Events are one of
//
//	<n>|<n>-<m>|<n>-   by number; the first is 1
//	each               all with a number
//	<percent>%         each with this chance
//	has <text>         those that contain the text
//	event <name>       server-sent events of this name
//	comment            blocks of server-sent events without data
//	ping|pong          these control frames of a WebSocket
//	end                the end of the stream
//
// and actions are one of
//
//	wait    <duration>|<min> <max>|<distribution>
//	drop
//	repeat  [<count>]
//	swap
//	join
//	insert  <text>
//	replace <text>
//	split   [<size>|utf8] [<gap>]
//	hang    [<duration>]
//	cut     [<size>|<percent>%|utf8] [close|reset|clean]
//	stop    [close|reset|clean]|<code> [<text>]
func (f *Stream) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		if err := f.unmarshalStep(d); err != nil {
			return err
		}
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		_, isOption := words.FormOf("stream " + name)
		switch {
		case isOption && seen[name]:
			return d.Errf("%s already specified", name)
		case name == "format":
			f.Format = ""
			if err := args.One(d, "stream format", &f.Format); err != nil {
				return err
			}
		case name == "max_event":
			if err := args.Parse(d, "stream max_event", d.RemainingArgs(), args.SizeParser(&f.MaxEvent)); err != nil {
				return err
			}
			if f.MaxEvent == 0 {
				return d.Errf("bad stream max_event '0B': want more than 0; leave it out for the default")
			}
		default:
			if err := f.unmarshalStep(d); err != nil {
				return err
			}
		}
		seen[name] = true
	}
	if len(f.Steps) == 0 {
		return args.Missing(d, "stream")
	}
	return nil
}

// unmarshalStep parses a step that begins at the current word of d.
func (f *Stream) unmarshalStep(d *caddyfile.Dispenser) error {
	step := new(StreamStep)
	f.Steps = append(f.Steps, step)
	return step.unmarshal(d)
}

// Line returns the step, if there is one only.
func (f *Stream) Line() (line string, ok bool) {
	if len(f.Steps) != 1 || f.Format != "" || f.MaxEvent != 0 {
		return "", false
	}
	return f.Steps[0].line()
}

// Interface guards
var (
	_ faults.Fault          = (*Stream)(nil)
	_ faults.Replier        = (*Stream)(nil)
	_ caddy.Provisioner     = (*Stream)(nil)
	_ caddy.Validator       = (*Stream)(nil)
	_ faults.Untrusted      = (*Stream)(nil)
	_ faults.Liner          = (*Stream)(nil)
	_ caddyfile.Unmarshaler = (*Stream)(nil)
)

package kinds

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Trailers{})
}

// Trailers drops and sets trailers, the header fields after the body of a reply.
//
// What the client sees: the status, the header and the whole body of the upstream, over
// every protocol, and other trailers after them. A gRPC client that gets no
// `Grpc-Status` reports INTERNAL or UNKNOWN, though it has the message.
//
// A dropped field is also removed from the `Trailer` field, which announces trailers. A
// field that is set is not announced. Over HTTP/1.1 a reply with trailers is chunked,
// so a reply to set trailers in loses its Content-Length.
//
// A reply without a body passes unchanged, with the reason no_body. A reply over
// HTTP/1.0 passes, and so does one with a Content-Length and no trailers, if nothing is
// set. The reason is no_trailers. If a reply may have trailers, Caddy learns at its end
// whether it has. The request is then a hit, and is also counted as no_trailers.
//
// If a gRPC call fails at once, its `Grpc-Status` is in the header instead. The patch
// fault can change it there.
type Trailers struct {
	// The fields to drop; `*` drops all.
	Drop []string `json:"drop,omitempty"`

	// The fields to set, after others are dropped. They replace existing values. Values
	// can have placeholders.
	Set http.Header `json:"set,omitempty"`

	fields fields // with the prefix by which net/http knows trailers
}

// allTrailers is the name that drops all trailers.
const allTrailers = "*"

// CaddyModule returns the Caddy module information.
func (Trailers) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".trailers",
		New: func() caddy.Module { return new(Trailers) },
	}
}

// Provision prepares the trailers to set.
func (f *Trailers) Provision(caddy.Context) error {
	prefixed := make(http.Header)
	for name, values := range f.Set {
		prefixed[http.TrailerPrefix+http.CanonicalHeaderKey(name)] = values
	}
	f.fields = (&HeaderOps{Set: prefixed}).prepare()
	return nil
}

// Validate checks the configured fields.
func (f *Trailers) Validate() error {
	if len(f.Drop) == 0 && len(f.Set) == 0 {
		return errors.New("trailers changes nothing; write drop or set")
	}
	named := slices.DeleteFunc(slices.Clone(f.Drop), func(name string) bool { return name == allTrailers })
	if err := (&HeaderOps{Delete: named, Set: f.Set}).validate(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Set)) {
		if !httpguts.ValidTrailerHeader(name) {
			return fmt.Errorf("header '%s' is not allowed as a trailer", name)
		}
	}
	return nil
}

// Untrusted allows only drop.
func (f *Trailers) Untrusted(*faults.Limits) error {
	if len(f.Set) > 0 {
		return errors.New("set is not allowed in a trigger; write trailers drop")
	}
	return nil
}

// Reply requires a body, which may be empty.
func (*Trailers) Reply(next faults.Reply) (faults.Reply, error) { return next, next.Need(0) }

// Conditional reports true: some replies have no trailers.
func (*Trailers) Conditional(uint64) bool { return true }

// Inject calls next and changes the trailers of the reply.
func (f *Trailers) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	tw := &trailersWriter{f: f, hit: hit, r: r}
	tw.HeadWriter = wire.NewHeadWriter(w, tw)
	if err := next.ServeHTTP(tw, r); err != nil || r.Context().Err() != nil {
		return err
	}
	tw.ImplicitHead()
	tw.finish()
	return nil
}

// drops reports whether a trailer of the upstream is dropped or replaced.
func (f *Trailers) drops(name string) bool {
	return hasField(f.Set, name) || slices.ContainsFunc(f.Drop, func(drop string) bool {
		return drop == allTrailers || strings.EqualFold(drop, name)
	})
}

// A trailersWriter changes the trailers of one reply.
type trailersWriter struct {
	wire.HeadWriter // the client's side

	f         *Trailers
	hit       *faults.Hit
	r         *http.Request
	changes   bool
	announced []string // that were dropped
}

// TakeHead decides by the head whether the reply can have trailers.
func (tw *trailersWriter) TakeHead(code int) {
	header := tw.ResponseWriter.Header()
	switch reason := tw.unfit(code, header); {
	case tw.hit.HasEnded():
	case reason != "":
		tw.hit.Pass(reason)
	default:
		tw.hit.Confirm()
		tw.changes = true
		tw.dropAnnounced(header)
		if len(tw.f.Set) > 0 {
			if tw.r.ProtoMajor == 1 {
				header.Del("Content-Length") // trailers require a chunked body
			}
			tw.f.fields.apply(header, text.Replacer(tw.r)) // so that net/http expects trailers
		}
	}
	tw.ResponseWriter.WriteHeader(code)
}

// unfit returns why a reply with this head passes, or "" if its trailers change.
func (tw *trailersWriter) unfit(code int, header http.Header) string {
	switch {
	case code == http.StatusSwitchingProtocols, wire.SentHead(tw.r), !allowsBody(code):
		return passNoBody
	case !tw.r.ProtoAtLeast(1, 1), len(tw.f.Set) == 0 && lengthOf(header) >= 0 && len(header["Trailer"]) == 0:
		return passNoTrailers
	}
	return ""
}

// hasTrailers reports whether a head announces trailers, to the client or only to
// net/http.
func hasTrailers(header http.Header) bool {
	if len(header["Trailer"]) > 0 {
		return true
	}
	for name := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// dropAnnounced removes the trailers that are not sent from the Trailer field. net/http
// then does not send them either.
func (tw *trailersWriter) dropAnnounced(header http.Header) {
	var kept []string
	for name := range strings.SplitSeq(strings.Join(header["Trailer"], ","), ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case tw.f.drops(name):
			tw.announced = append(tw.announced, name)
		default:
			kept = append(kept, name)
		}
	}
	delete(header, "Trailer")
	if len(kept) > 0 {
		header["Trailer"] = []string{strings.Join(kept, ", ")}
	}
}

// finish changes the trailers that were not announced, after the upstream has added
// them to the header.
func (tw *trailersWriter) finish() {
	if !tw.changes || tw.hit.HasEnded() {
		return
	}
	header := tw.Header()
	dropped := slices.ContainsFunc(tw.announced, func(name string) bool { return header.Get(name) != "" })
	for key := range header {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok && tw.f.drops(name) {
			delete(header, key)
			dropped = true
		}
	}
	tw.f.fields.apply(header, text.Replacer(tw.r))
	if !dropped && len(tw.f.Set) == 0 {
		tw.hit.Pass(passNoTrailers)
	}
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	trailers drop [<field>...]
//	trailers set <field> <value>
//	trailers {
//	    drop [<field>...]
//	    set  <field> <value>
//	}
//
// Without a field, drop drops all.
func (f *Trailers) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		if err := f.unmarshalOption(d); err != nil {
			return err
		}
		return args.NoBlock(d, "trailers")
	}
	return args.Options(d, "set", func(string) error { return f.unmarshalOption(d) })
}

func (f *Trailers) unmarshalOption(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "drop":
		if f.Drop = d.RemainingArgs(); len(f.Drop) == 0 {
			f.Drop = []string{allTrailers}
		}
		return nil
	case "set":
		var name, value string
		if !d.AllArgs(&name, &value) {
			return args.Count(d, "trailers set")
		}
		if hasField(f.Set, name) {
			return d.Errf("trailer '%s' already set", name)
		}
		if f.Set == nil {
			f.Set = make(http.Header)
		}
		f.Set.Set(name, value)
		return nil
	default:
		return args.UnknownOption(d, "trailers")
	}
}

// Line returns one change. With more, ok is false.
func (f *Trailers) Line() (line string, ok bool) {
	if len(f.Set) == 0 {
		if slices.Equal(f.Drop, []string{allTrailers}) {
			return "drop", true
		}
		return "drop " + strings.Join(f.Drop, " "), !slices.ContainsFunc(f.Drop, needsQuotes)
	}
	for name, values := range f.Set {
		value, fits := args.Quote(values[0])
		line, ok = "set "+name+" "+value, fits && !needsQuotes(name) && len(values) == 1
	}
	return line, ok && len(f.Set) == 1 && len(f.Drop) == 0
}

// needsQuotes reports whether a field name is not a word of a line as it is.
func needsQuotes(name string) bool {
	quoted, ok := args.Quote(name)
	return !ok || quoted != name
}

// Interface guards
var (
	_ faults.Fault          = (*Trailers)(nil)
	_ faults.Replier        = (*Trailers)(nil)
	_ wire.HeadTaker        = (*trailersWriter)(nil)
	_ caddy.Provisioner     = (*Trailers)(nil)
	_ caddy.Validator       = (*Trailers)(nil)
	_ faults.Untrusted      = (*Trailers)(nil)
	_ faults.Liner          = (*Trailers)(nil)
	_ caddyfile.Unmarshaler = (*Trailers)(nil)
)

package kinds

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Interim{})
}

// Interim sends interim replies, which have a status from 100 to 199, before the reply.
//
// What the client sees: over every protocol, one or more heads with this status, then
// the reply. Most clients ignore interim replies. A client that takes the first head for
// the reply fails. A client that limits their number or size fails after some.
//
// A 100 tells a client to send its body, although it has not asked. A 102 says that the
// request is being processed. A 103 has `Link` fields, for resources to load early.
//
// Over HTTP/1.0 there are no interim replies. The request passes, with the reason
// protocol.
type Interim struct {
	// The status, from 100 to 199. It cannot be 101, which ends HTTP on a connection.
	// Required.
	StatusCode int `json:"status_code,omitempty"`

	// How many interim replies are sent, from 1 to 10000. Default: 1.
	Count int `json:"count,omitempty" zero:"default"`

	// The time between two of them. Default: none.
	Gap caddy.Duration `json:"gap,omitempty" zero:"default"`

	// The header fields of each interim reply. Values can have placeholders. Default:
	// none.
	Headers http.Header `json:"headers,omitempty"`

	fields fields
}

// Limits for the number of interim replies.
const (
	maxInterim          = 10000
	maxUntrustedInterim = 1000
)

// CaddyModule returns the Caddy module information.
func (Interim) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".interim",
		New: func() caddy.Module { return new(Interim) },
	}
}

// Provision prepares the header.
func (f *Interim) Provision(caddy.Context) error {
	f.fields = f.ops().prepare()
	return nil
}

func (f *Interim) ops() *HeaderOps { return &HeaderOps{Set: f.Headers} }

// Validate checks the configured fields.
func (f *Interim) Validate() error {
	switch {
	case f.StatusCode == http.StatusSwitchingProtocols:
		return fmt.Errorf("bad interim status '%d': it ends HTTP on the connection; write another, such as 103", f.StatusCode)
	case !wire.Interim(f.StatusCode):
		return fmt.Errorf("bad interim status '%d': want 100 to 199, such as 103", f.StatusCode)
	case f.Count < 0 || f.Count > maxInterim:
		return fmt.Errorf("bad interim count '%d': must be from 1 to %d", f.Count, maxInterim)
	case f.Gap < 0:
		return fmt.Errorf("bad interim gap '%s': must not be negative", time.Duration(f.Gap))
	case f.Gap > 0 && f.count() == 1:
		return fmt.Errorf("bad interim gap '%s': one interim reply has no gap; write a count of 2 or more", time.Duration(f.Gap))
	}
	return f.ops().validate()
}

// count returns how many interim replies are sent.
func (f *Interim) count() int { return max(1, f.Count) }

// Untrusted limits the number, takes the time from the limits, and refuses header
// fields.
func (f *Interim) Untrusted(l *faults.Limits) error {
	if len(f.Headers) > 0 {
		return fmt.Errorf("header is not allowed in a trigger; write interim %d", f.StatusCode)
	}
	if f.count() > maxUntrustedInterim {
		return fmt.Errorf("count '%d' is too large for a trigger; at most %d are allowed", f.Count, maxUntrustedInterim)
	}
	if f.Gap > 0 && time.Duration(f.Gap) > l.Time { // before the product can overflow
		return l.Take(time.Duration(f.Gap))
	}
	return l.Take(time.Duration(f.count()-1) * time.Duration(f.Gap))
}

// Conditional reports true: HTTP/1.0 has no interim replies.
func (*Interim) Conditional(uint64) bool { return true }

// Inject sends the interim replies and calls next.
func (f *Interim) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !r.ProtoAtLeast(1, 1) {
		hit.Pass(passProtocol)
		return next.ServeHTTP(w, r)
	}
	hit.Confirm()
	header := make(http.Header)
	f.fields.apply(header, text.Replacer(r))
	for i := range f.count() {
		if i > 0 {
			if err := hit.Wait(r.Context(), time.Duration(f.Gap)); err != nil {
				return err
			}
		}
		if hit.HasEnded() {
			return faults.AfterChain(next).ServeHTTP(w, r)
		}
		if err := r.Context().Err(); err != nil {
			return caddyhttp.Error(faults.StatusClientClosed, err)
		}
		if err := writeInterim(w, r, f.StatusCode, header); err != nil {
			return caddyhttp.Error(faults.StatusClientClosed, err)
		}
	}
	return next.ServeHTTP(w, r)
}

// writeInterim sends a head with this header only, and restores the header of the reply
// afterwards. It returns an error if the client has left. WriteHeader of HTTP/2 then
// returns while another goroutine still sends the header. A header with Content-Length is
// copied by HTTP/2, which never sends this field with an interim reply.
func writeInterim(w http.ResponseWriter, r *http.Request, code int, header http.Header) error {
	shared := w.Header()
	reply := maps.Clone(shared)
	clear(shared)
	maps.Copy(shared, header)
	if r.ProtoMajor == 2 {
		shared["Content-Length"] = nil
	}
	w.WriteHeader(code)
	clear(shared)
	maps.Copy(shared, reply)
	return r.Context().Err()
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	interim <status> [<count> [<gap>]] {
//	    header <field> <value>
//	}
//
// A field may be repeated.
func (f *Interim) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	parsers := []func(string) error{
		numberParser("interim status", "a whole number, such as 103", &f.StatusCode),
		numberParser("interim count", fmt.Sprintf("1 to %d", maxInterim), &f.Count),
		args.AboveZero("interim gap", &f.Gap),
	}
	n := max(1, min(len(words), len(parsers)))
	if err := args.Parse(d, "interim", words, parsers[:n]...); err != nil {
		return err
	}
	return args.Options(d, "header", func(name string) error {
		if name != "header" {
			return args.UnknownOption(d, "interim")
		}
		var field, value string
		if !d.AllArgs(&field, &value) {
			return args.Count(d, "interim header")
		}
		if f.Headers == nil {
			f.Headers = make(http.Header)
		}
		f.Headers.Add(field, value)
		return nil
	})
}

// numberParser returns a parser that stores a whole number above 0. It refuses other
// words, and says what to write.
func numberParser(name, want string, target *int) func(string) error {
	return func(arg string) error {
		number, err := strconv.Atoi(arg)
		if err != nil || number < 1 {
			return fmt.Errorf("bad %s '%s': want %s", name, arg, want)
		}
		*target = number
		return nil
	}
}

// Line returns the status, the number and the gap. With header fields, ok is false.
func (f *Interim) Line() (line string, ok bool) {
	line = strconv.Itoa(f.StatusCode)
	if f.Count > 0 {
		line += " " + strconv.Itoa(f.Count)
	}
	if f.Gap > 0 {
		line += " " + args.FormatDuration(f.Gap)
	}
	return line, len(f.Headers) == 0
}

// Interface guards
var (
	_ faults.Fault          = (*Interim)(nil)
	_ caddy.Provisioner     = (*Interim)(nil)
	_ caddy.Validator       = (*Interim)(nil)
	_ faults.Untrusted      = (*Interim)(nil)
	_ faults.Liner          = (*Interim)(nil)
	_ caddyfile.Unmarshaler = (*Interim)(nil)
)

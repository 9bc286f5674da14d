package kinds

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// HeaderOps changes the header fields of a reply. It deletes, then sets, then adds.
// Values can have placeholders, names cannot.
//
// Fields that frame a message cannot be changed: Connection (use `close` instead),
// Content-Length, Keep-Alive, Proxy-Connection, Trailer, Transfer-Encoding and Upgrade.
// A wrong value would break the messages after the reply as well.
type HeaderOps struct {
	// Fields to delete.
	Delete []string `json:"delete,omitempty"`

	// Fields to set. They replace existing values.
	Set http.Header `json:"set,omitempty"`

	// Fields to add to existing values.
	Add http.Header `json:"add,omitempty"`
}

// validate checks names and values.
func (ops *HeaderOps) validate() error {
	if ops == nil {
		return nil
	}
	for _, name := range ops.Delete {
		if err := text.ValidFieldName(name); err != nil {
			return err
		}
	}
	for _, fields := range []http.Header{ops.Set, ops.Add} {
		seen := make(map[string]string)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if err := text.ValidFieldName(name); err != nil {
				return err
			}
			canonical := http.CanonicalHeaderKey(name)
			if other, ok := seen[canonical]; ok {
				return fmt.Errorf("headers '%s' and '%s' are the same; write one with both values", other, name)
			}
			seen[canonical] = name
			if len(fields[name]) == 0 {
				return fmt.Errorf("header '%s' has no value; write one, or put the name in delete", name)
			}
			for _, value := range fields[name] {
				if !httpguts.ValidHeaderFieldValue(value) {
					return fmt.Errorf("bad value %q of header '%s': must not contain control characters", value, name)
				}
			}
		}
	}
	return nil
}

// sets reports whether ops sets, adds or deletes the named field.
func (ops *HeaderOps) sets(name string) bool {
	return ops.replaces(name) || ops != nil && hasField(ops.Add, name)
}

// puts reports whether ops sets or adds the named field.
func (ops *HeaderOps) puts(name string) bool {
	return ops != nil && (hasField(ops.Set, name) || hasField(ops.Add, name))
}

// replaces reports whether ops removes every earlier value of the named field.
func (ops *HeaderOps) replaces(name string) bool {
	if ops == nil {
		return false
	}
	same := func(other string) bool { return strings.EqualFold(other, name) }
	return slices.ContainsFunc(ops.Delete, same) || hasField(ops.Set, name)
}

// hasField reports whether a header has the named field, in any letter case.
func hasField(header http.Header, name string) bool {
	for other := range header {
		if strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}

// fields are changes to a reply's header, prepared for use.
type fields struct {
	deleted []string
	set     []field
	added   []field
	static  bool // no value has a placeholder
}

type field struct {
	name  string
	value text.Text
}

// prepare converts the configured changes.
func (ops *HeaderOps) prepare() fields {
	fs := fields{static: true}
	if ops == nil {
		return fs
	}
	for _, name := range ops.Delete {
		fs.deleted = append(fs.deleted, http.CanonicalHeaderKey(name))
	}
	for _, name := range slices.Sorted(maps.Keys(ops.Set)) {
		for i, value := range ops.Set[name] {
			if i == 0 {
				fs.setField(name, value)
			} else {
				fs.addField(name, value)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ops.Add)) {
		for _, value := range ops.Add[name] {
			fs.addField(name, value)
		}
	}
	return fs
}

func (fs *fields) setField(name, value string) {
	fs.set = append(fs.set, fs.field(name, value))
}

func (fs *fields) addField(name, value string) {
	fs.added = append(fs.added, fs.field(name, value))
}

func (fs *fields) field(name, value string) field {
	t := text.New(value, wire.CleanField)
	fs.static = fs.static && t.Static()
	return field{http.CanonicalHeaderKey(name), t}
}

// apply changes h. It allocates new slices for the values, because handlers further out
// may edit them in place.
func (fs *fields) apply(h http.Header, repl *caddy.Replacer) {
	for _, name := range fs.deleted {
		delete(h, name)
	}
	values := make([]string, len(fs.set))
	for i := range fs.set {
		values[i] = fs.set[i].value.Fill(repl)
		h[fs.set[i].name] = values[i : i+1 : i+1]
	}
	for i := range fs.added {
		h[fs.added[i].name] = append(h[fs.added[i].name], fs.added[i].value.Fill(repl))
	}
}

// unmarshalOption adds the line of an option. Errors call the option by its name. Syntax:
//
//	header [+|-]<field> [<value>]
//
// Without a sign the field is set, with + added, with - deleted.
func (ops *HeaderOps) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	words := d.RemainingArgs()
	if len(words) == 0 {
		return args.Missing(d, option)
	}
	if name, deleted := strings.CutPrefix(words[0], "-"); deleted {
		if len(words) != 1 {
			return d.Errf("header '%s' is deleted and takes no value", name)
		}
		ops.Delete = append(ops.Delete, name)
		return nil
	}
	switch {
	case len(words) < 2:
		return args.Missing(d, option)
	case len(words) > 2:
		return args.Advise(d, "quote the value: header "+words[0]+" "+args.Words([]string{strings.Join(words[1:], " ")}),
			"unexpected argument '%s' of %s", words[2], option)
	}
	target := &ops.Set
	name, added := strings.CutPrefix(words[0], "+")
	if added {
		target = &ops.Add
	}
	if *target == nil {
		*target = make(http.Header)
	}
	if !added && (*target)[http.CanonicalHeaderKey(name)] != nil {
		return d.Errf("header '%s' already set; add a second value with '+%s'", name, name)
	}
	target.Add(name, words[1])
	return nil
}

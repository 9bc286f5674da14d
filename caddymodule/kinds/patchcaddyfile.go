package kinds

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/jsonpatch"
)

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	patch {
//	    json         <merge patch>|<JSON Patch>
//	    set          <pointer> <value>
//	    remove       <pointer>
//	    replace      <pattern> <text>
//	    body         <text>
//	    content_type <type>
//	    header       [+|-]<field> [<value>]
//	    status       <code>
//	    pad          <size>
//	    max_size     <size>
//	}
//
// The lines set and remove are operations of a JSON Patch, in order. A pointer is a JSON
// Pointer, such as /items/0/price, and the value is JSON. A size has a unit, such as 64B
// or 10KiB.
func (f *Patch) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		return args.Unexpected(d, "patch", d.Val())
	}
	var operations jsonpatch.Patch
	err := args.Options(d, "set remove replace header", func(name string) error {
		if name != "set" && name != "remove" {
			return f.unmarshalOption(d, name)
		}
		operation, err := unmarshalOperation(d, name)
		operations = append(operations, operation)
		return err
	})
	switch {
	case err != nil || operations == nil:
		return err
	case f.JSON != nil:
		return d.Errf("patch has both json and %s; write all changes as lines set and remove, or all in json", operations[0].Op)
	}
	f.JSON, err = json.Marshal(operations)
	return err
}

// unmarshalOperation parses a line of set or remove.
func unmarshalOperation(d *caddyfile.Dispenser, name string) (operation jsonpatch.Operation, err error) {
	words := d.RemainingArgs()
	want := map[string]int{"set": 2, "remove": 1}[name]
	switch {
	case len(words) < want:
		return operation, args.Missing(d, "patch "+name)
	case len(words) > want:
		return operation, args.Unexpected(d, "patch "+name, words[want])
	}
	operation.Op, operation.Path = name, words[0]
	if _, err := jsonpatch.ParsePointer(operation.Path); err != nil {
		return operation, d.WrapErr(err)
	}
	if name == "set" {
		if !json.Valid([]byte(words[1])) {
			quoted, _ := json.Marshal(words[1]) // a string always marshals
			return operation, args.Advise(d, "for a text, write set "+args.Words([]string{words[0], string(quoted)}),
				"bad value '%s' of set: want JSON", words[1])
		}
		operation.Value = json.RawMessage(words[1])
	}
	return operation, nil
}

func (f *Patch) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	switch name {
	case "json":
		var patch string
		err := args.One(d, "patch json", &patch)
		f.JSON = json.RawMessage(patch)
		return err
	case "replace":
		words := d.RemainingArgs()
		switch {
		case len(words) < 2:
			return args.Missing(d, "patch replace")
		case len(words) > 2:
			return args.Unexpected(d, "patch replace", words[2])
		}
		f.Replace = append(f.Replace, Replacement{Pattern: words[0], With: words[1]})
		return nil
	case "body":
		f.Body = new(string)
		return args.Text(d, "patch body", f.Body)
	case "content_type":
		return args.One(d, "patch content_type", &f.ContentType)
	case "header":
		if f.Headers == nil {
			f.Headers = new(HeaderOps)
		}
		return f.Headers.unmarshalOption(d, "patch header")
	case "status":
		return args.Parse(d, "patch "+name, d.RemainingArgs(), f.parseStatus)
	case "pad":
		return args.Parse(d, "patch "+name, d.RemainingArgs(), atLeastOneByte("patch "+name, &f.Pad))
	case "max_size":
		return args.Parse(d, "patch "+name, d.RemainingArgs(), atLeastOneByte("patch "+name, &f.MaxSize))
	default:
		return args.UnknownOption(d, "patch")
	}
}

func (f *Patch) parseStatus(arg string) error {
	code, err := parseStatus(arg)
	if err != nil {
		return err
	}
	if code.family != "" {
		return fmt.Errorf("bad status '%s': the patch fault takes a code without a family", code)
	}
	f.StatusCode = code.code
	return nil
}

// atLeastOneByte returns a parser for a size above 0. In JSON, 0 means the default.
func atLeastOneByte(name string, target *int64) func(string) error {
	return func(arg string) error {
		size, err := args.ParseSize(arg)
		switch {
		case err != nil:
			return fmt.Errorf("bad %s: %w", name, err)
		case size == 0:
			return fmt.Errorf("bad %s '%s': want at least one byte", name, arg)
		}
		*target = size
		return nil
	}
}

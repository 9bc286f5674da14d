package kinds

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	mutate [<operation>...] [at <pointer>...] [not_at <pointer>...] [each] {
//	    ops      <operation>...
//	    at       <pointer>...
//	    not_at   <pointer>...
//	    count    <number>
//	    each
//	    max_size <size>
//	}
//
// An operation can also be a set. A pointer is a JSON Pointer, such as /items/*/price. A
// size has a unit, such as 64KiB.
func (f *Mutate) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if err := f.unmarshalLine(d); err != nil {
		return err
	}
	line := map[string]bool{"ops": f.Ops != nil, "at": f.At != nil, "not_at": f.NotAt != nil, "each": f.Each}
	return args.Options(d, "", func(name string) error {
		if line[name] {
			return d.Errf("%s already specified", name)
		}
		return f.unmarshalOption(d, name)
	})
}

// unmarshalLine reads the words after the name of the kind.
func (f *Mutate) unmarshalLine(d *caddyfile.Dispenser) error {
	for d.NextArg() {
		switch word := d.Val(); word {
		case "each":
			f.Each = true
		case "at", "not_at":
			list := &f.At
			if word == "not_at" {
				list = &f.NotAt
			}
			if *list != nil {
				return d.Errf("%s already specified", word)
			}
			if err := takePointers(d, word, list); err != nil {
				return err
			}
		default:
			f.Ops = append(f.Ops, word)
		}
	}
	return nil
}

// takePointers reads the pointer after a word, and others that follow it.
func takePointers(d *caddyfile.Dispenser, word string, list *[]string) error {
	for d.NextArg() {
		if pointer := d.Val(); len(*list) == 0 || pointer == "" || strings.HasPrefix(pointer, "/") {
			*list = append(*list, pointer)
			continue
		}
		d.Prev()
		return nil
	}
	if len(*list) == 0 {
		return args.Missing(d, "mutate "+word)
	}
	return nil
}

func (f *Mutate) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	lists := map[string]*[]string{"ops": &f.Ops, "at": &f.At, "not_at": &f.NotAt}
	switch list := lists[name]; {
	case list != nil:
		if *list = d.RemainingArgs(); len(*list) == 0 {
			return args.Missing(d, "mutate "+name)
		}
		return nil
	case name == "each":
		f.Each = true
		return args.None(d, "mutate each")
	case name == "count":
		return args.Parse(d, "mutate count", d.RemainingArgs(), numberParser("mutate count", fmt.Sprintf("1 to %d", maxMutations), &f.Count))
	case name == "max_size":
		return args.Parse(d, "mutate max_size", d.RemainingArgs(), atLeastOneByte("mutate max_size", &f.MaxSize))
	}
	return args.UnknownOption(d, "mutate")
}

// Line returns the operations and places. With a count or a size, ok is false.
func (f *Mutate) Line() (line string, ok bool) {
	all := f.Ops
	if len(f.At) > 0 {
		all = append(append(slices.Clip(all), "at"), f.At...)
	}
	if len(f.NotAt) > 0 {
		all = append(append(slices.Clip(all), "not_at"), f.NotAt...)
	}
	if f.Each {
		all = append(slices.Clip(all), "each")
	}
	for _, word := range all {
		if _, fits := args.Quote(word); !fits {
			return "", false
		}
	}
	return args.Words(all), f.Count == 0 && f.MaxSize == 0
}

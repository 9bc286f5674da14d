// Package strictjson reads JSON that people write, and refuses what package
// encoding/json takes silently. Its errors name the field. It knows the struct
// tags of Caddy's modules, and nothing of faults.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Decode reads JSON into what the pointer points to. It refuses unknown fields,
// those that are there twice or in another case, nulls, zeros that would be taken
// for a default, and whatever follows the value. Its errors name the field.
func Decode(data []byte, into any) error {
	if err := checkDepth(data); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("reading JSON: %w", Explain(describe(err, data, into), data, into))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading JSON: there is more behind the value")
	}
	err := unique(data)
	if err == nil {
		err = checkNulls(data)
	}
	if err == nil {
		err = checker{}.value("", data, reflect.TypeOf(into), "")
	}
	if err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	return nil
}

// DecodeConfig reads a part of Caddy's configuration as Caddy does, and refuses
// nulls and zeros that would be taken for a default as well. Its errors name the
// field.
func DecodeConfig(data []byte, into any) error {
	if err := caddy.StrictUnmarshalJSON(data, into); err != nil {
		if wrong := typeError(err); wrong != nil {
			err = wrong
		}
		return Explain(err, data, into)
	}
	if err := checkNulls(data); err != nil {
		return err
	}
	return checker{anyCase: true}.value("", data, reflect.TypeOf(into), "")
}

// describe makes an error of package encoding/json name the field. A type that
// reads itself, such as a duration, does not know its name: then the fields are
// tried one by one.
func describe(err error, data []byte, into any) error {
	plain := errors.New(strings.TrimPrefix(err.Error(), "json: "))
	if wrong := typeError(err); wrong != nil {
		return wrong
	}
	var fields map[string]json.RawMessage
	if strings.HasPrefix(plain.Error(), "unknown field") || json.Unmarshal(data, &fields) != nil {
		return plain
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		alone, _ := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if json.Unmarshal(alone, into) != nil {
			return fmt.Errorf("%s: %w", name, plain)
		}
	}
	return plain
}

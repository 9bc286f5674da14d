// Package strictjson decodes JSON that people write, and refuses mistakes that package
// encoding/json accepts silently. Its errors name the field. It depends on the struct
// tags of Caddy's modules. It has no notion of faults.
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

// Decode decodes JSON into the value that the pointer points to. It refuses fields that
// are unknown, duplicate or in another case, nulls, zeros that would be taken for a
// default, and data after the value. Its errors name the field.
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
		return errors.New("reading JSON: unexpected data after the value")
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

// DecodeConfig decodes a part of Caddy's configuration as Caddy does. It also refuses
// nulls, and zeros that would be taken for a default. Its errors name the field.
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

// describe makes an error of package encoding/json name the field. A type with its own
// decoding, such as a duration, does not know the name of its field. In that case the
// fields are tried one at a time.
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

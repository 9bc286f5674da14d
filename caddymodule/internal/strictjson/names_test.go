package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

// A number that no float64 holds is read like any other: whoever uses the value refuses it.
func TestHugeNumbers(t *testing.T) {
	for _, text := range []string{`1e999`, `{"a": [1e999, -1e999]}`, `[{"a": 1e-999}]`} {
		if err := Unique([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	var raw map[string]json.RawMessage
	if err := Decode([]byte(`{"a": {"b": 1e999}}`), &raw); err != nil || string(raw["a"]) != `{"b": 1e999}` {
		t.Errorf("got %s, error %v", raw["a"], err)
	}
	var typed struct {
		A map[string]float64 `json:"a"`
	}
	if err := Decode([]byte(`{"a": {"b": 1e999}}`), &typed); err == nil || !strings.HasSuffix(err.Error(), "a: want a number, not number 1e999") {
		t.Errorf("got %v", err)
	}
}

// Unique names the place of a duplicate, and refuses what is nested too deeply.
func TestUnique(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1, "b": {"a": 1}}`:          "",
		`{"a": {"b": [{"c": 1, "c": 2}]}}`: "a.b[0].c: duplicate key",
		strings.Repeat("[", 101):           "100",
		`{"a"`:                             "EOF",
	} {
		err := Unique([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %q", text, err, want)
		}
	}
}

// A path has only the beginning of a long name, because each value within has a path.
func TestLongName(t *testing.T) {
	name := strings.Repeat("a", 1000)
	text := `{"` + name + `": {"b": ["c"], "d": 1, "d": 2}}`
	err := Walk("", json.NewDecoder(strings.NewReader(text)), Visitor{Text: func(field, _ string) error {
		if want := name[:100] + "....b[0]"; field != want {
			t.Errorf("got path %q, want %q", field, want)
		}
		return nil
	}})
	if want := name[:100] + "....d: duplicate key"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

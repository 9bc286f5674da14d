package kinds

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Settings in JSON that a Caddyfile cannot express are refused as well.
func TestSettingsInJSON(t *testing.T) {
	type kind interface {
		faults.Fault
		caddy.Validator
	}
	for _, tt := range []struct {
		into kind
		json string
		err  string // "": accepted
	}{
		{new(GRPC), `{"code": 14, "pushback": "0s"}`, ""},
		{new(GRPC), `{"code": 14, "pushback": "500h"}`, ""},
		{new(GRPC), `{"code": 14, "pushback": "500h1s"}`, "must be 500h at most"},
		{new(GRPC), `{"code": 14, "pushback": "OFF"}`, "want a duration such as 2s, or off"},
		{new(GRPC), `{"code": 14, "pushback": 2}`, "cannot unmarshal"},
		{new(GRPC), `{"code": 14, "retry_info": "-1s"}`, "must not be negative"},

		{new(Interim), `{"status_code": 103}`, ""},
		{new(Interim), `{"status_code": 103, "count": 10000, "gap": "1s", "headers": {"Link": ["</a>", "</b>"]}}`, ""},
		{new(Interim), `{}`, "bad interim status '0'"},
		{new(Interim), `{"status_code": 99}`, "want 100 to 199"},
		{new(Interim), `{"status_code": 200}`, "want 100 to 199"},
		{new(Interim), `{"status_code": 101}`, "it ends HTTP on the connection"},
		{new(Interim), `{"status_code": 103, "count": -1}`, "must be from 1 to 10000"},
		{new(Interim), `{"status_code": 103, "gap": "1s"}`, "write a count of 2 or more"},
		{new(Interim), `{"status_code": 103, "headers": {"Link": []}}`, "header 'Link' has no value"},
		{new(Interim), `{"status_code": 103, "headers": {"Link": ["a"], "link": ["b"]}}`, "are the same"},
		{new(Interim), `{"status_code": 103, "headers": {"Link": ["a\r\nb"]}}`, "must not contain control characters"},

		{new(Trailers), `{"drop": ["*"]}`, ""},
		{new(Trailers), `{"set": {"Grpc-Status": ["0", "14"]}}`, ""},
		{new(Trailers), `{}`, "trailers changes nothing"},
		{new(Trailers), `{"drop": []}`, "trailers changes nothing"},
		{new(Trailers), `{"drop": [""]}`, "bad header name ''"},
		{new(Trailers), `{"drop": ["Grpc-*"]}`, ""}, // a name, not a pattern
		{new(Trailers), `{"set": {"*": ["1"]}}`, ""},
		{new(Trailers), `{"set": {"X-Sum": []}}`, "header 'X-Sum' has no value"},
		{new(Trailers), `{"set": {"Trailer": ["X"]}}`, "frames the message"},
		{new(Trailers), `{"set": {"Content-Range": ["1"]}}`, "is not allowed as a trailer"},

		{new(Truncate), `{"bytes": 5, "direction": "request"}`, ""},
		{new(Truncate), `{"bytes": 5, "direction": "request", "end": "clean"}`, ""},
		{new(Truncate), `{"bytes": 5, "direction": "response", "end": "reset", "after": "1s"}`, ""},
		{new(Truncate), `{"bytes": 5, "direction": "both"}`, "want response or request"},
		{new(Truncate), `{"bytes": 5, "direction": "request", "end": "reset"}`, "write close or clean"},
		{new(Truncate), `{"after": "1s", "direction": "request"}`, "write a size or a percentage instead of after"},
		{new(Truncate), `{"direction": "request"}`, "truncate needs a size"},
	} {
		err := caddy.StrictUnmarshalJSON([]byte(tt.json), tt.into)
		if err == nil {
			err = tt.into.Validate()
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s %s: got error %v, want %q", faults.Kind(tt.into), tt.json, err, tt.err)
		}
	}
}

// Settings that one line cannot express have none.
func TestSettingsWithoutALine(t *testing.T) {
	for _, tt := range []struct {
		fault faults.Liner
		line  string
		ok    bool
	}{
		{&GRPC{Code: 14, Message: "try later"}, "UNAVAILABLE `try later`", true},
		{&GRPC{Code: 14, Pushback: "1s"}, "", false},
		{&GRPC{Code: 14, RetryInfo: 1}, "", false},
		{&Interim{StatusCode: 103}, "103", true},
		{&Interim{StatusCode: 103, Count: 2, Gap: 1e9}, "103 2 1s", true},
		{&Interim{StatusCode: 103, Headers: map[string][]string{"Link": {"</a>"}}}, "", false},
		{&Trailers{Drop: []string{"*"}}, "drop", true},
		{&Trailers{Drop: []string{"A", "B"}}, "drop A B", true},
		{&Trailers{Drop: []string{"A`"}}, "", false},
		{&Trailers{Set: map[string][]string{"A": {"b c"}}}, "set A `b c`", true},
		{&Trailers{Set: map[string][]string{"A": {"b", "c"}}}, "", false},
		{&Trailers{Set: map[string][]string{"A": {"b"}, "C": {"d"}}}, "", false},
		{&Trailers{Drop: []string{"A"}, Set: map[string][]string{"B": {"c"}}}, "", false},
		{&Truncate{Bytes: new(int64(5))}, "5B", true},
		{&Truncate{Bytes: new(int64(5)), Direction: directionRequest}, "", false},
	} {
		line, ok := tt.fault.Line()
		if ok != tt.ok || ok && line != tt.line {
			t.Errorf("%+v: got %q, %t, want %q, %t", tt.fault, line, ok, tt.line, tt.ok)
		}
	}
}

package grammar

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseLine(t *testing.T) {
	tests := []struct {
		line     string
		matchers []string
		want     string
	}{
		{"551", nil, `{"faults":[{"fault":"respond","status_code":551}]}`},
		{"percent 10; delay 2s", nil, `{"percent":10,"faults":[{"duration":2000000000,"fault":"delay"}]}`},
		{
			"times 3; per {header.X-User}; phase response; respond 410 \"a; b\"", nil,
			`{"times":3,"per":"{http.request.header.X-User}","phase":"response","faults":[{"body":"a; b","fault":"respond","status_code":410}]}`,
		},
		{
			"match path /a /b; match_response status 5xx; close", nil,
			`{"match":[{"path":["/a","/b"]}],"match_response":{"status_code":[5]},"faults":[{"fault":"close"}]}`,
		},
		{"close", []string{"/api/*", "method POST"}, `{"match":[{"path":["/api/*"]},{"method":["POST"]}],"faults":[{"fault":"close"}]}`},
		{"match host a; close", []string{"*"}, `{"match":[{},{"host":["a"]}],"faults":[{"fault":"close"}]}`},
		{"close", []string{"{\npath /a;b\nnot method GET\n}"}, `{"match":[{"not":[{"method":["GET"]}],"path":["/a;b"]}],"faults":[{"fault":"close"}]}`},
		{"close", []string{"`{path} == \"/x\"`"}, `{"match":[{"expression":"{http.request.uri.path} == \"/x\""}],"faults":[{"fault":"close"}]}`},
		{"close", []string{"`path('/a') && method('POST')`"}, `{"match":[{"expression":"path('/a') \u0026\u0026 method('POST')"}],"faults":[{"fault":"close"}]}`},
		{"close", []string{"path /a /path"}, `{"match":[{"path":["/a","/path"]}],"faults":[{"fault":"close"}]}`},
		{"close", []string{"query a=1"}, `{"match":[{"query":{"a":["1"]}}],"faults":[{"fault":"close"}]}`},
	}
	for _, tt := range tests {
		e, err := ParseLine(tt.line, tt.matchers...)
		if err != nil {
			t.Errorf("%q, %q: %v", tt.line, tt.matchers, err)
			continue
		}
		got, err := json.Marshal(e)
		if err != nil || string(got) != tt.want {
			t.Errorf("%q, %q: got %s, %v, want %s", tt.line, tt.matchers, got, err, tt.want)
		}
	}
}

func TestParseLineRefuses(t *testing.T) {
	tests := []struct {
		line, matcher string
		want          string
	}{
		{"", "", "the line is empty"},
		{"percent 10", "", "a rule needs a fault"},
		{"percent 200; close", "", "bad percent '200'"},
		{"pass", "", "unknown word 'pass'"},
		{"sequence {", "", "blocks are not allowed"},
		{"close; times 1; times 2", "", "times already specified"},
		{"close; delay 1s", "", "comes after 'close'"},
		{"truncate 5B; reset", "", "fault 'truncate' can have no effect: after it, 'reset' lets no reply through; remove it"},
		{"max_keys 5; close", "", "max_keys"},
		{"close", "@api", "matcher '@api': unknown matcher '@api'"},
		{"close", "nope x", "matcher 'nope x': unknown matcher 'nope'"},
		{"close", "path", "matcher 'path'"},
		{"close", "/a /b", "unexpected argument '/b'"},
		{"close", "path /a\nmethod GET", "unexpected word 'method'"},
		{"match path /a method POST; close", "", "'method' is a value of the matcher path here; in one line, write several matchers as an expression, such as match `path('/a') && method('POST')`"},
		{"close", "path /a method POST", "'method' is a value of the matcher path here"},
		{"close", "path api", "matcher 'path api': bad path 'api': every path begins with '/'; write path /api"},
		{"per user; times 1; close", "", "bad per 'user'"},
	}
	for _, tt := range tests {
		var matchers []string
		if tt.matcher != "" {
			matchers = append(matchers, tt.matcher)
		}
		_, err := ParseLine(tt.line, matchers...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), statementFile+":1") {
			t.Errorf("%q, %q: got error %v, want %q", tt.line, tt.matcher, err, tt.want)
		}
	}
}

package experiments

import (
	"strings"
	"testing"
)

func TestParseRefused(t *testing.T) {
	everywhere := func(rest string) string { return `{"points": ["*"], ` + rest + `}` }
	tests := []struct{ name, json, want string }{
		{"no JSON", `{`, "reading JSON: unexpected EOF"},
		{"empty", ``, "reading JSON: EOF"},
		{"null", `null`, "the JSON: null is not a value"},
		{"null in a list of faults", everywhere(`"faults": [null]`), "faults[0]: null is not a value; write a value or leave the field out"},
		{"null for a list of faults", everywhere(`"faults": null`), "faults: null is not a value"},
		{"null for a step", everywhere(`"faults": [{"fault": "sequence", "steps": [null]}]`), "faults[0].steps[0]: null"},
		{"null in a step", everywhere(`"faults": [{"fault": "sequence", "steps": [[null]]}]`), "faults[0].steps[0][0]: null"},
		{"null for a branch", everywhere(`"faults": [{"fault": "choose", "branches": [null]}]`), "faults[0].branches[0]: null"},
		{"null for the faults of a branch", everywhere(`"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": null}]}]`), "faults[0].branches[0].faults: null"},
		{"null for a number", everywhere(`"percent": null, ` + closing), "percent: null is not a value"},
		{"null for a time to live", everywhere(`"ttl": null, ` + closing), "ttl: null is not a value"},
		{"null for a point", `{"points": [null], ` + closing + `}`, "points[0]: null"},
		{"null for a set of matchers", `{"points": ["*"], "match": [null], ` + closing + `}`, "match[0]: null"},
		{"null for a matcher", `{"points": ["*"], "match": [{"path": null}], ` + closing + `}`, "match[0].path: null"},
		{"null in a matcher", `{"points": ["*"], "match": [{"path": ["/a", null]}], ` + closing + `}`, "match[0].path[1]: null"},
		{"null in a matcher of fields", `{"points": ["*"], "match": [{"header": {"X": [null]}}], ` + closing + `}`, "match[0].header.X[0]: null"},
		{"null for the matcher of fields", `{"points": ["*"], "match": [{"header": null}], ` + closing + `}`, "match[0].header: null"},
		{"null in a negated matcher", `{"points": ["*"], "match": [{"not": [null]}], ` + closing + `}`, "match[0].not[0]: null"},
		{"null in a response matcher", everywhere(`"match_response": {"headers": {"X": [null]}}, ` + closing), "match_response.headers.X[0]: null"},
		{"null for a status to match", everywhere(`"match_response": {"status_code": [null]}, ` + closing), "match_response.status_code[0]: null"},
		{"null in a header field", everywhere(`"faults": [{"fault": "respond", "status_code": 503, "headers": {"set": {"X": [null]}}}]`), "faults[0].headers.set.X[0]: null"},
		{"null for a header field", everywhere(`"faults": [{"fault": "respond", "status_code": 503, "headers": {"set": {"X": null}}}]`), "faults[0].headers.set.X: null"},
		{"null for a percentile", everywhere(`"faults": [{"fault": "delay", "percentiles": {"p50": null}}]`), "faults[0].percentiles.p50: null"},
		{"null beside a patch", everywhere(`"faults": [{"fault": "patch", "json": {}, "pad": null}]`), "faults[0].pad: null"},
		{"zero for a default", everywhere(`"faults": [{"fault": "hang", "duration": "0s"}]`), `bad faults[0].duration "0s": want more than 0; leave it out for the default`},
		{"zero in a branch", everywhere(`"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "error", "status_code": 0}]}]}]`), "bad faults[0].branches[0].faults[0].status_code 0: want more than 0"},
		{"no object", `[]`, "reading JSON: "},
		{"data after the value", everywhere(closing) + ` {}`, "unexpected data after the value"},
		{"unknown field", everywhere(`"colour": 1, ` + closing), `unknown field "colour"`},
		{"other name", everywhere(`"name": "b", ` + closing), "name: 'b' differs from 'a' in the URL"},
		{"type", everywhere(`"percent": "ten", ` + closing), "percent: want a number, not string: write it without quotes"},
		{"no object", `[]`, "want an object, not list"},
		{"type of points", `{"points": "*", ` + closing + `}`, "points: want a list, not string: write [ and ] around it"},
		{"type in a struct", everywhere(`"over": {"requests": "1"}, ` + closing), "over.requests: want a whole number, not string"},
		{"ttl", everywhere(`"ttl": "soon", ` + closing), "ttl: "},
		{"ramp", everywhere(`"ramp": "soon", ` + closing), "ramp: "},
		{"observe without a fault", everywhere(`"observe": true`), "follows and observe are about other rules of a point"},
		{"ttl without a unit", everywhere(`"ttl": 300, ` + closing), `ttl: '300ns' ends at once, because a number is nanoseconds; write a duration such as "10m"`},
		{"negative ttl", everywhere(`"ttl": "-1s", ` + closing), "ttl: '-1s' is negative"},
		{"percent", everywhere(`"percent": 101, ` + closing), "bad percent '101'"},
		{"max_keys", everywhere(`"max_keys": 1, ` + closing), "max_keys requires per"},
		{"no fault", `{"points": ["*"]}`, "faults: at least one fault is required"},
		{"no points", `{` + closing + `}`, "either match or points is required"},
		{"empty matchers", `{"match": [{}], ` + closing + `}`, "match: an empty set"},
		{"bad point", `{"points": ["a b"], ` + closing + `}`, "points: bad name 'a b'"},

		{"body_file", everywhere(`"faults": [{"fault": "respond", "body_file": "/etc/passwd"}]`), "faults[0].body_file: experiments read no files"},
		{"body_file in any case", everywhere(`"Faults": [{"fault": "respond", "Body_File": "x"}]`), "Faults: the field is written 'faults'"},
		{"body_file nested", everywhere(`"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "respond", "body_file": "x"}]}]}]`), "branches[0].faults[0].body_file"},
		{"body_file, then not", everywhere(`"faults": [{"fault": "choose", "branches": [{"faults": [{"body_file": "x"}]}], "branches": [{"weight": 1}]}]`), "faults[0].branches: duplicate key"},
		{"file matcher in any case", `{"Match": [{"file": {}}], ` + closing + `}`, "Match: the field is written 'match'"},
		{"file matcher, then not", `{"match": [{"file": {}}], "match": [{"path": ["/"]}], ` + closing + `}`, "match: duplicate key"},

		{"depth", `{"match": [` + strings.Repeat(`{"not": [`, 60) + strings.Repeat(`]}`, 60) + `]}`, "nested more than 100 levels deep"},
		{"case", everywhere(`"PERCENT": 1, ` + closing), "PERCENT: the field is written 'percent'"},
		{"both cases", everywhere(`"percent": 1, "PERCENT": 100, ` + closing), "PERCENT: the field is written 'percent'"},
		{"case of an experiment's own", everywhere(`"Ttl": "5m", ` + closing), "Ttl: the field is written 'ttl'"},
		{"case in a struct", everywhere(`"over": {"Requests": 1, "window": "1s"}, ` + closing), "over.Requests: the field is written 'requests'"},
		{"case by another letter", everywhere(`"max_\u212aeys": 1, "per": "x", ` + closing), "max_\u212aeys: the field is written 'max_keys'"},
		{"case in a fault", everywhere(`"faults": [{"fault": "delay", "Duration": "1s"}]`), "faults[0].Duration: the field is written 'duration'"},
		{"case in a branch", everywhere(`"faults": [{"fault": "choose", "branches": [{"Weight": 1}]}]`), "faults[0].branches[0].Weight: the field is written 'weight'"},
		{"case in a fault of a branch", everywhere(`"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "delay", "DURATION": "1s"}]}]}]`), "faults[0].branches[0].faults[0].DURATION: "},
		{"case in a step", everywhere(`"faults": [{"fault": "sequence", "steps": [[], [{"fault": "delay", "Duration": "1s"}]]}]`), "faults[0].steps[1][0].Duration: "},
		{"twice", everywhere(`"percent": 1, "percent": 100, ` + closing), "reading JSON: percent: duplicate key"},
		{"duplicate after an escape", everywhere(`"percent": 1, "\u0070ercent": 100, ` + closing), "percent: duplicate key"},
		{"twice in a matcher", `{"match": [{"path": ["/a"], "path": ["/"]}], ` + closing + `}`, "match[0].path: duplicate key"},
		{"twice in a fault", everywhere(`"faults": [{"fault": "respond", "headers": {"X": [], "X": []}}]`), "faults[0].headers.X: duplicate key"},

		{"env in a body", everywhere(`"faults": [{"fault": "respond", "body": "a {env.HOME} b"}]`), "faults[0].body: placeholder '{env.HOME}'"},
		{"file in a header", everywhere(`"faults": [{"fault": "respond", "headers": {"X": ["{file./etc/passwd}"]}}]`), "faults[0].headers.X[0]: placeholder"},
		{"env in a name", everywhere(`"faults": [{"fault": "respond", "headers": {"{env.HOME}": []}}]`), "placeholder '{env.HOME}'"},
		{"env in per", everywhere(`"per": "{env.HOME}", ` + closing), "per: placeholder '{env.HOME}'"},
		{"env in a matcher", `{"match": [{"header": {"X": ["{env.KEY}"]}}], ` + closing + `}`, "match[0].header.X[0]: placeholder"},
		{"env after an escape", everywhere(`"per": "\u007benv.HOME}", ` + closing), "per: placeholder '{env.HOME}'"},
		{"env with a default", everywhere(`"per": "{env.HOME:x}", ` + closing), "per: placeholder"},
		{"system", everywhere(`"per": "{system.hostname}", ` + closing), "per: placeholder"},
		{"shorthand", everywhere(`"per": "{host}", ` + closing), "write per {http.request.host}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse("a", []byte(tt.json)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got error %v, want %q", tt.json, err, tt.want)
			}
		})
	}
	if _, err := Parse("a b", []byte(everywhere(closing))); err == nil || !strings.Contains(err.Error(), "bad name 'a b'") {
		t.Errorf("bad name: got error %v", err)
	}
}

func TestParseAllowed(t *testing.T) {
	for _, text := range []string{
		`{"points": ["*"], "name": "a", "note": "why", "ttl": "5m", ` + closing + `}`,
		`{"points": ["*"], "ttl": 0, ` + closing + `}`,
		`{"points": ["*"], "faults": [{"fault": "respond", "body": "{http.request.uri} {time.now} {} { \"file\": 1 }"}]}`,
		`{"match": [{"path_regexp": {"pattern": "^/[a-z]{2}/file$"}}], ` + closing + `}`,
		`{"match": [{"query": {"file": ["x"]}}], ` + closing + `}`,
		`{"match": [{"header": {"Percent": ["x"], "percent": ["x"]}, "query": {"Path": ["x"], "path": ["x"]}}], ` + closing + `}`,
		`{"points": ["*"], "faults": [{"fault": "respond", "headers": {"Fault": ["x"], "Status_Code": ["x"], "status_code": ["x"]}}]}`,
		`{"points": ["*"], "faults": [{"fault": "patch", "json": {"Fault": 1, "fault": {"JSON": 2}}}]}`,
		// the nulls and zeros that have a meaning
		`{"points": ["*"], "match": [{"header": {"X": null}}], ` + closing + `}`,
		`{"points": ["*"], "match": [{"not": [{"header": {"X-A.b": null}}]}], ` + closing + `}`,
		`{"points": ["*"], "match_response": {"headers": {"X": null}}, ` + closing + `}`,
		`{"points": ["*"], "faults": [{"fault": "patch", "json": null}]}`,
		`{"points": ["*"], "faults": [{"fault": "patch", "json": {"a": null, "b": [null, {"c": null}]}}]}`,
		`{"points": ["*"], "faults": [{"fault": "sequence", "steps": [[{"fault": "patch", "json": [null]}], []]}]}`,
		`{"points": ["*"], "faults": [{"fault": "choose", "branches": [{"weight": 0, "faults": [{"fault": "patch", "json": {"a": null}}]}]}]}`,
		`{"points": ["*"], "percent": 0, "skip": 0, "faults": [{"fault": "truncate", "bytes": 0}]}`,
	} {
		if _, err := Parse("a", []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

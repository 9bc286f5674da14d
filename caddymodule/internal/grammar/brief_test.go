package grammar

import "testing"

func TestBrief(t *testing.T) {
	for line, want := range map[string]string{
		"":                                             "",
		"respond 503":                                  "respond 503",
		"match path /a /b; percent 10; 551":            "/a /b  10%  551",
		"match method GET HEAD; close":                 "GET,HEAD  close",
		"match header X 1; match *; reset":             "header X 1 or *  reset",
		"match { method GET; path /a }; close":         "{ method GET; path /a }  close",
		"percent 0.1%; close":                          "0.1%  close",
		`respond {"status_code": 503, "body": "a; b"}`: "respond 503 +body",
		`respond {"headers": {"add": {"A": ["b"]}}, "status_code":"503"}`: "respond 503 +headers",
		`patch {"fault": "patch", "operations": []}`:                      "patch +operations",
		`respond {`: "respond {",
		"delay \"":  "delay \"",
	} {
		if got := Brief(line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

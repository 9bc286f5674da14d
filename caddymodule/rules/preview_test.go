package rules

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A preview matches as the guest does, except for the matchers that cannot judge.
func TestPreview(t *testing.T) {
	judge := func(matcher any) string {
		if _, ok := matcher.(*caddyhttp.MatchHeader); ok {
			return "header"
		}
		return ""
	}
	for _, tt := range []struct {
		name, settings string
		matches        []string // of the requests below
		ignored        []string
	}{
		{"all", ``, []string{"GET /a", "GET /b"}, nil},
		{"a path", `"match": [{"path": ["/a"]}],`, []string{"GET /a"}, nil},
		{"two sets", `"match": [{"path": ["/a"]}, {"path": ["/b"]}],`, []string{"GET /a", "GET /b"}, nil},
		{"a preflight", `"match": [{"method": ["OPTIONS"]}],`, []string{"OPTIONS /a"}, nil},
		{"a matcher that cannot judge", `"match": [{"path": ["/a"], "header": {"X": ["1"]}}],`, []string{"GET /a"}, []string{"header"}},
		{"only such matchers", `"match": [{"header": {"X": ["1"]}}, {"header": {"X": ["2"]}}],`, []string{"GET /a", "GET /b"}, []string{"header"}},
		{"a matcher that fails", `"match": [{"expression": "1 / size({http.request.uri.query}) == 1"}],`, nil, nil},
		{
			"settings", `"percent": 20, "skip": 1, "every": 2, "over": {"requests": 3, "window": "1m"}, "times": 4, "lasts": "1m", "per": "{http.request.host}",
			"start": "1m", "end": "1h", "cycle": {"on": "1s", "period": "2s"}, "ramp": "1m", "max_active": 5, "match_response": {"status_code": [200]}, "dry_run": true,`,
			[]string{"GET /a", "GET /b"},
			[]string{"skip", "every", "over", "times", "lasts", "start", "end", "cycle", "ramp", "max_active", "match_response", "dry_run"},
		},
		{"settings without an effect", `"skip": 0, "every": 1, "max_keys": 5, "per": "{http.request.host}",`, []string{"GET /a", "GET /b"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := guestRule(t, `{"name": "draft", `+tt.settings+closing+`}`)
			p := NewPreview(rule, judge)
			var got []string
			for _, asked := range [][2]string{{"GET", "/a"}, {"GET", "/b"}, {"OPTIONS", "/a"}} {
				r := request(asked[1])
				r.Method = asked[0]
				r.Header.Set("Origin", "https://app.example.com")
				r.Header.Set("Access-Control-Request-Method", http.MethodPut)
				if p.Matches(r, asked[0] == http.MethodOptions) {
					got = append(got, asked[0]+" "+asked[1])
				}
			}
			if !slices.Equal(got, tt.matches) {
				t.Errorf("matches %q, want %q", got, tt.matches)
			}
			if !slices.Equal(p.Ignored, tt.ignored) {
				t.Errorf("ignored %q, want %q", p.Ignored, tt.ignored)
			}
			if matched, _ := rule.Seen(); matched != 0 {
				t.Errorf("the preview has counted %d requests", matched)
			}
			if want := valueOr(rule.Percent, 100); p.Percent() != want {
				t.Errorf("percent %v, want %v", p.Percent(), want)
			}
		})
	}
}

package rules

import (
	"slices"
	"strings"
	"testing"
)

// The warnings about a configuration in JSON. Those about Caddyfiles are in
// testdata/warnings.
func TestWarnsOf(t *testing.T) {
	tests := []struct{ name, rule, want string }{
		{"fraction", `"percent": 0.1`, ": percent 0.1 is 1 request in 1000; if a share of 0.1 is meant, write percent 10"},
		{"odd fraction", `"percent": 0.07`, ": percent 0.07 is 1 request in 1429; if a share of 0.07 is meant, write percent 7"},
		{"tiny fraction", `"percent": 0.0000001`, ": percent 0.0000001 is 1 request in 1000000000; if a share of 0.0000001 is meant, write percent 0.00001"},
		{"one", `"percent": 1`, ""},
		{"none", `"percent": 0`, ""},
		{"ended", `"end": "2020-01-01T00:00:00Z"`, " can never fire: its end 2020-01-01T00:00:00Z has passed"},
		{"not yet", `"start": "2999-01-01T00:00:00Z"`, ""},
		{"ends first", `"start": "2999-01-01T00:00:00Z", "end": "10m"`, " can never fire: its end 10m is before its start 2999-01-01T00:00:00Z"},
		{"ends later", `"start": "10m", "end": "2999-01-01T00:00:00Z"`, ""},
		{"per without counters", `"per": "{http.request.host}"`, ": per has no effect without a setting that counts, such as times 2; to give the same answer to each key, write sticky {http.request.host} at the point"},
		{"keys for times", `"per": "{http.request.host}", "times": 1`, ""},
		{"keys for every", `"per": "{http.request.host}", "every": 2`, ""},
		{"keys for skip", `"per": "{http.request.host}", "skip": 2`, ""},
		{"keys for over", `"per": "{http.request.host}", "over": {"requests": 1, "window": "1s"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [{`+tt.rule+`, `+closing+`}]}`)
			var got []string
			for _, of := range warnings {
				if text := of(p, p.Rules[0]); text != "" {
					got = append(got, text)
				}
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A percentage in a Caddyfile may have a percent sign, which only the parser sees.
func TestFractionOfCaddyfile(t *testing.T) {
	p := mustLoad(t, `{"source": "Caddyfile:1", "rules": [{"percent": 0.1, `+closing+`}]}`)
	if text := p.warnOfPercent(p.Rules[0]); text != "" {
		t.Errorf("got %q, want nothing", text)
	}
}

// Each warning is logged once.
func TestTell(t *testing.T) {
	var group Group
	var got []bool
	for _, said := range [][2]string{{"Caddyfile:1", "a"}, {"Caddyfile:1", "b"}, {"Caddyfile:2", "a"}, {"Caddyfile:1", "a"}} {
		got = append(got, group.isNew(said[0], said[1]))
	}
	if want := []bool{true, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The key of a request must contain a placeholder in its long form.
func TestValidKey(t *testing.T) {
	tests := []struct{ text, err string }{
		{"", ""},
		{"{http.request.header.X-User}", ""},
		{"user-{http.request.header.X-User}", ""},
		{"{tenant}", ""}, // of a map directive
		{"{env.NODE}", ""},
		{"X-User", "write sticky {http.request.header.X-User}"},
		{"$X-User", "write sticky {http.request.header.X-User}"},
		{"{X-User", "write sticky {http.request.header.X-User}"},
		{`\{user\}`, "write sticky {http.request.header.X-User}"},
		{"{}", "write sticky {http.request.header.X-User}"},
		{"cookie.session", "write sticky {http.request.cookie.session}"},
		{"http.request.host", "write sticky {http.request.host}"},
		{"{header.X-User}", "the short form works only in a Caddyfile, so the key would be empty; write sticky {http.request.header.X-User}"},
	}
	for _, tt := range tests {
		err := ValidKey("sticky", tt.text)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got error %v, want %q", tt.text, err, tt.err)
		}
	}
}

// A warning about many rules is logged once, with the names of some of them.
func TestToldOnce(t *testing.T) {
	var found findings
	found.add("", "point 'a': odd")
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		found.add(name, ": same")
		if name < "d" {
			found.add(name, ": of three")
		}
	}
	found.add("f", ": own")
	want := []string{
		"point 'a': odd",
		"rule 'a': same; the same goes for 'b', 'c', 'd' and 2 more",
		"rule 'a': of three; the same goes for 'b', 'c'",
		"rule 'f': own",
	}
	if got := found.lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := new(findings).lines(); len(got) > 0 {
		t.Errorf("got %q of nothing", got)
	}
}

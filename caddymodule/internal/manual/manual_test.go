package manual

import (
	"fmt"
	"strings"
	"testing"
)

const page = "# Title\n" +
	"\n" +
	"Save this as `a`:\n" +
	"\n" +
	"```caddyfile\n" +
	"# no heading\n" +
	"fault 503\n" +
	"```\n" +
	"\n" +
	"1. A step:\n" +
	"\n" +
	"   ```console\n" +
	"   $ curl\n" +
	"     indented\n" +
	"   ```\n" +
	"\n" +
	"## The `match_response` setting, twice\n" +
	"[a](b.md#c) and `[no](link)` and ![pic](p.png \"Title\") [![badge](i.svg)](ci.md)\n" +
	"## The `match_response` setting, twice\n" +
	"<img src=\"x.svg\">\n" +
	"[ref]: d.md\n" +
	"````\n" +
	"```\n" +
	"````\n" +
	"~~~text\n" +
	"open\n"

func TestBlocks(t *testing.T) {
	var got []string
	for _, b := range Parse("page.md", page).Blocks() {
		got = append(got, fmt.Sprintf("%d %s %q %q %v", b.Line, b.Language, b.Text, b.Before, b.Open))
	}
	want := "5 caddyfile \"# no heading\\nfault 503\\n\" \"Save this as `a`:\" false\n" +
		"12 console \"$ curl\\n  indented\\n\" \"1. A step:\" false\n" +
		"22  \"```\\n\" \"[ref]: d.md\" false\n" +
		"25 text \"open\\n\" \"[ref]: d.md\" true"
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLinks(t *testing.T) {
	var got []string
	for _, l := range Parse("page.md", page).Links() {
		got = append(got, fmt.Sprintf("%d %s %v", l.Line, l.Target, l.Image))
	}
	want := "18 b.md#c false\n18 p.png true\n18 ci.md false\n18 i.svg true\n20 x.svg true\n21 d.md false"
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnchors(t *testing.T) {
	got := Parse("page.md", page).Anchors()
	for _, want := range []string{"title", "the-match_response-setting-twice", "the-match_response-setting-twice-1"} {
		if !got[want] {
			t.Errorf("no %s", want)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %v, want 3", got)
	}
}

func TestSlug(t *testing.T) {
	for _, tt := range []struct{ heading, want string }{
		{"Fail 10 % of requests", "fail-10--of-requests"},
		{"`caddy fault run`: [start](x.md) it", "caddy-fault-run-start-it"},
		{"Überall – `off`, *on*", "überall--off-on"},
	} {
		if got := Slug(tt.heading); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.heading, got, tt.want)
		}
	}
}

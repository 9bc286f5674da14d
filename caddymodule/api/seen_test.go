package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// get decodes an answer of GET /seen.
func get[T any](t *testing.T, n *testnode.Node, query string) (view T) {
	t.Helper()
	w := n.Want(200, "GET", "/seen"+query, "", "")
	if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	return view
}

func TestSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "shop", "rules": [{"name": "gone", "match": [{"path": ["/gone"]}], "faults": [{"fault": "respond", "status_code": 503}]}]}`, "")
		get[api.SeenView](t, n, "")
		time.Sleep(time.Minute)
		for range 3 {
			n.Hit("/gone")
			n.Hit("/other")
		}
		view := get[api.SeenView](t, n, "")
		if view.All.Count != 6 || view.All.Injected != 3 || view.All.Point != "" {
			t.Errorf("all points: %+v", view.All)
		}
		if all := get[api.SeenView](t, n, "?by=all&over=20s"); all.Points != nil || all.All.Count != 6 || all.Over != 20 {
			t.Errorf("all points only: %+v", all)
		}
		if len(view.Points) != 1 || view.Over != 10 || view.Points[0].Count != 6 || view.Points[0].Injected != 3 {
			t.Errorf("without parameters: %+v", view)
		}
		point := get[seen.Summary](t, n, "?point=shop&over=30s")
		if point.Hit.Count != 3 || point.NotHit.Count != 3 || *point.Hit.Success != 0 || *point.NotHit.Success != 1 {
			t.Errorf("the point: %+v", point)
		}
		time.Sleep(20 * time.Second)
		if view := get[api.SeenView](t, n, "?over=15s"); view.Points[0].Count != 0 {
			t.Errorf("after 20 s: %+v", view)
		}
		series := get[seen.Series](t, n, "?window=5m&by=rule")
		if len(series.Total) != 30 || len(series.Rules) != 1 || series.Rules[0].Rule != "gone" || series.Rules[0].Count != 3 {
			t.Errorf("series: %+v", series)
		}
		if series := get[seen.Series](t, n, "?window=1h&point=shop"); series.Rules != nil || series.Step != 30 {
			t.Errorf("series without rules: %+v", series)
		}
		if text := n.Do("GET", "/seen?window=1h", "").Body.String(); strings.Count(text, "\n") != 1 {
			t.Errorf("the series is indented: %s", text)
		}
	})
}

// An experiment, a rule that is switched on and a resume begin to count.
func TestSeenBegins(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		begin        func(*testnode.Node)
	}{
		{"an experiment", `{"point": "shop"}`, func(n *testnode.Node) {
			n.Put("boom", `{"points": ["shop"], "percent": 0, "faults": [{"fault": "close"}]}`)
		}},
		{"a rule", `{"point": "shop", "halted": true, "rules": [{"name": "gone", "percent": 0, "faults": [{"fault": "close"}]}]}`, func(n *testnode.Node) {
			n.Want(200, "POST", "/rules/shop/gone/on", "", "")
		}},
		{"a resume", `{"point": "shop", "rules": [{"name": "gone", "percent": 0, "faults": [{"fault": "close"}]}]}`, func(n *testnode.Node) {
			n.Want(200, "POST", "/halt", "", "")
			time.Sleep(2 * time.Hour)
			n.Hit("/") // nothing has been active for two hours
			time.Sleep(time.Minute)
			n.Want(200, "POST", "/resume", "", "")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, tt.config, "")
				tt.begin(n)
				time.Sleep(1500 * time.Millisecond)
				for range 3 {
					n.Hit("/")
				}
				if view := get[api.SeenView](t, n, "?over=2s"); view.Points[0].Count != 3 {
					t.Errorf("got %+v, want 3 requests", view)
				}
			})
		})
	}
}

func TestSeenRefused(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop"}`, "")
	for _, tt := range []struct {
		status     int
		query, say string
	}{
		{404, "?point=shpo", "no injection point 'shpo'; the injection points are: shop"},
		{404, "?point=shpo&window=5m", "no injection point 'shpo'"},
		{400, "?over=0s", "over: '0s' is not a duration from 1s to 1h0m0s, such as 30s"},
		{400, "?over=2h", "over: '2h' is not a duration"},
		{400, "?over=soon", "over: 'soon' is not a duration"},
		{400, "?window=30s", "window: '30s' is not a duration from 1m0s to 1h0m0s, such as 15m"},
		{400, "?window=5m&by=client", "by: 'client' is not known; the values are rule and all"},
		{400, "?window=5m&by=all", "by: all is not possible with point or window; leave one of them out"},
		{400, "?point=shop&by=all", "by: all is not possible with point"},
		{400, "?by=rule", "by: rule is only for a series; add a window, such as window=15m"},
		{400, "?window=5m&over=5s", "over: not possible with window; leave one of them out"},
		{400, "?span=5m", "unknown parameter 'span'; the parameters are: point, over, window, by"},
	} {
		n.Want(tt.status, "GET", "/seen"+tt.query, "", tt.say)
	}
	n.Want(405, "DELETE", "/seen", "", "method DELETE is not allowed; use GET or HEAD")
}

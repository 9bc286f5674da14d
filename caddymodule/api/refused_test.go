package api_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

const (
	asked     = `{"point": "p1", "match": [{"path": ["/*"]}], "triggers": [{"source": "header"}, {"source": "cookie"}]}`
	unasked   = `{"point": "p3", "rules": [{"name": "gone", "faults": [{"fault": "respond", "status_code": 551}]}]}`
	noTrigger = "no trigger"
)

// Refusals are verified like hits: at a point, since a time, and separately from hits.
func TestVerifyRefused(t *testing.T) {
	n := testnode.Start(t, asked, "")
	second := n.Beside(`{"point": "p2", "triggers": [{"source": "header", "key": "0123456789abcdef"}]}`)
	n.Beside(unasked)
	n.Want(200, "GET", "/verify?refused=true&exactly=0", "", `"count": 0`)
	n.Want(200, "GET", "/verify?refused=true&exactly=0&since=1h", "", `"count": 0`)
	testkit.Ask(n.Handler, "X-Fault", "551")
	testkit.Ask(n.Handler, "X-Fault", "times 1", "Cookie", "fault=nonsense")
	testkit.Ask(second, "X-Fault", "551")
	for _, tt := range []struct {
		status      int
		query, text string
	}{
		{200, "refused=true&exactly=3", `"count": 3`},
		{200, "refused=true&exactly=3&since=1h", `"count": 3`},
		{200, "refused=true&exactly=2&point=p1", `"count": 2`},
		{200, "refused=true&exactly=2&point=p1&since=1h", `"count": 2`},
		{200, "refused=true&at_least=1&at_most=1&point=p2", `"count": 1`},
		{200, "refused=true&exactly=0&since=0s", `"count": 0`},
		{200, "refused=false&rule=trigger&exactly=1", `"count": 1`},
		{200, "rule=trigger&exactly=1&since=1h", `"count": 1`},
		{417, "refused=true&exactly=0", "triggers were refused 3 times, want exactly 0"},
		{417, "refused=true&exactly=0&point=p2", "triggers at injection point 'p2' were refused 1 time"},
		{404, "refused=true&exactly=0&point=p3", noTrigger + " at injection point 'p3'"},
		{404, "refused=true&exactly=0&point=p4", noTrigger + " at injection point 'p4'"},
		{400, "refused=true&exactly=0&rule=trigger", "rule: not allowed with refused=true"},
		{400, "refused=yes&exactly=0", "refused: 'yes' is neither true nor false"},
		{400, "refused=false&exactly=0", "rule: required, unless refused=true"},
		{400, "refused=true", "exactly, at_least or at_most is required"},
	} {
		n.Want(tt.status, "GET", "/verify?"+tt.query, "", tt.text)
	}
	n.Want(200, "POST", "/reset?rule=trigger&point=p1", "", `"reset": 2`)
	n.Want(200, "GET", "/verify?refused=true&exactly=1", "", "")
}

func TestVerifyRefusedWithoutTriggers(t *testing.T) {
	n := testnode.Start(t, unasked, "")
	n.Want(404, "GET", "/verify?refused=true&exactly=0", "", noTrigger)
	n.Want(404, "GET", "/verify?refused=true&exactly=0&since=1h", "", noTrigger)
}

// A failed assertion shows the last refusals that it has counted.
func TestVerifyShowsRefusals(t *testing.T) {
	n := testnode.Start(t, asked, "")
	second := n.Beside(`{"point": "p2", "triggers": [{"source": "header"}]}`)
	refuse := func(h *inject.Handler, lines ...string) {
		for _, line := range lines {
			testkit.Ask(h, "X-Fault", line)
		}
	}
	want := func(query string, words ...string) {
		t.Helper()
		var no api.Error
		if err := json.Unmarshal(n.Want(417, "GET", "/verify?refused=true&"+query, "", "").Body.Bytes(), &no); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range no.Refusals {
			word, _, _ := strings.Cut(strings.Trim(e.Refused, "'"), "'")
			got = append(got, e.Point+" "+word)
		}
		if !slices.Equal(got, words) {
			t.Errorf("%s: got refusals %q, want %q", query, got, words)
		}
	}
	want("at_least=1")
	refuse(n.Handler, "a", "b", "c")
	refuse(second, "d")
	want("exactly=0", "p1 a", "p1 b", "p1 c", "p2 d")
	want("exactly=0&point=p2", "p2 d")
	want("exactly=0&since=1h&point=p1", "p1 a", "p1 b", "p1 c")
	n.Want(200, "POST", "/reset", "", "")
	want("at_least=1")
	refuse(second, "e")
	want("exactly=0", "p2 e") // earlier refusals do not count anymore
	refuse(n.Handler, "f", "g", "h", "i", "j", "k", "l", "m", "n", "o")
	want("at_least=99", "p1 f", "p1 g", "p1 h", "p1 i", "p1 j", "p1 k", "p1 l", "p1 m", "p1 n", "p1 o")
}

// A refusal wakes a waiting verification.
func TestVerifyRefusedIsWoken(t *testing.T) {
	for _, query := range []string{"", "&since=1h", "&point=p1"} {
		synctest.Test(t, func(t *testing.T) {
			n := testnode.Start(t, asked, "")
			const after = time.Second + time.Millisecond
			start := time.Now()
			time.AfterFunc(after, func() { testkit.Ask(n.Handler, "X-Fault", "nonsense") })
			n.Want(200, "GET", "/verify?refused=true&exactly=1&wait=1m"+query, "", "")
			if took := time.Since(start); took != after {
				t.Errorf("%s: answered after %v, want %v", query, took, after)
			}
			synctest.Wait()
			n.Ctl.BeginExit()
		})
	}
}

// Refusals have a separate journal: a flood of refusals does not push out a hit.
func TestJournalRefused(t *testing.T) {
	n := testnode.Start(t, asked, `{"journal": 5}`)
	testkit.Ask(n.Handler, "X-Fault", "551")
	for range 20 {
		testkit.Ask(n.Handler, "X-Fault", "nonsense")
	}
	testkit.Ask(n.Handler, "Cookie", "fault=times")
	list := func(query string) (entries []experiments.Entry) {
		t.Helper()
		var view struct{ Entries []experiments.Entry }
		if err := json.Unmarshal(n.Want(200, "GET", "/journal"+query, "", "").Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		return view.Entries
	}
	for query, want := range map[string]int{
		"":                            1,
		"?refused=false":              1,
		"?refused=true":               5,
		"?refused=true&limit=2":       2,
		"?refused=true&rule=trigger":  5,
		"?refused=true&point=p1":      5,
		"?refused=true&point=p2":      0,
		"?refused=true&since=10m":     5,
		"?refused=true&since=0s":      0,
		"?refused=true&rule=nonsense": 0,
	} {
		if got := list(query); len(got) != want {
			t.Errorf("%s: got %d entries, want %d", query, len(got), want)
		}
	}
	if hit := list("")[0]; hit.Refused != "" || hit.Kind != "respond" {
		t.Errorf("the hit: got %+v", hit)
	}
	last := list("?refused=true&limit=1")[0]
	if !strings.HasPrefix(last.Refused, "times: an argument is missing") || last.Seq != 21 || last.Point != "p1" || last.Rule != "trigger" || last.Path != "/" {
		t.Errorf("the last refusal: got %+v", last)
	}
	n.Want(400, "GET", "/journal?refused=1", "", "refused: '1' is neither true nor false")
	n.Want(409, "GET", "/verify?refused=true&exactly=21&since=1h", "", "the journal does not go back")
	n.Want(204, "DELETE", "/journal", "", "")
	if hits, refused := list(""), list("?refused=true"); len(hits)+len(refused) != 0 {
		t.Errorf("emptied: got %+v and %+v", hits, refused)
	}
	n.Want(200, "GET", "/verify?refused=true&exactly=21", "", "")
}

// However long the journal of hits is, the journal of refusals has at most 1000
// entries.
func TestJournalRefusedIsBounded(t *testing.T) {
	n := testnode.Start(t, asked, `{"journal": 100000}`)
	for range 1001 {
		testkit.Ask(n.Handler, "X-Fault", "nonsense")
	}
	if got := n.Do("GET", "/journal?refused=true", "").Body.String(); strings.Count(got, `"refused"`) != 1000 || strings.Contains(got, `"seq": 1,`) {
		t.Errorf("got %d entries, want the last 1000", strings.Count(got, `"refused"`))
	}
}

// A feed has one event for each refusal, and its rate applies to refusals.
func TestFeedRefused(t *testing.T) {
	for _, tt := range []struct {
		query            string
		refused, skipped int
	}{
		{"?refused=true", 5, 0},
		{"?refused=true&rate=2", 3, 1}, // the earlier refusal, and two of four
		{"?refused=false", 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := testnode.Start(t, asked, "")
			testkit.Ask(n.Handler, "X-Fault", "nonsense")
			ctx, leave := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, "GET", api.Prefix+"/journal"+tt.query, nil)
			r.Header.Set("Accept", "text/event-stream")
			w := httptest.NewRecorder()
			go n.API.ServeHTTP(w, r)
			synctest.Wait()
			for range 4 {
				testkit.Ask(n.Handler, "X-Fault", "nonsense")
			}
			time.Sleep(time.Second + time.Millisecond)
			leave()
			synctest.Wait()
			body := w.Body.String()
			refused, skipped := strings.Count(body, "event: refused\n"), strings.Count(body, "event: skipped\n")
			if refused != tt.refused || skipped != tt.skipped || strings.Count(body, "event: ") != refused+skipped {
				t.Errorf("%s: got %d refusals and %d events skipped, want %d and %d: %s", tt.query, refused, skipped, tt.refused, tt.skipped, body)
			}
			n.Ctl.BeginExit()
		})
	}
}

func TestStateCountsRefusals(t *testing.T) {
	n := testnode.Start(t, asked, "")
	n.Want(200, "GET", "/", "", `"refused": 0`)
	testkit.Ask(n.Handler, "X-Fault", "nonsense")
	testkit.Ask(n.Handler, "X-Fault", "551")
	var view struct {
		Points []struct {
			Triggers []struct {
				Source        string
				Hits, Refused int
			}
		}
	}
	if err := json.Unmarshal(n.Do("GET", "/", "").Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	for _, got := range view.Points[0].Triggers {
		if want := map[string]int{"header": 1, "cookie": 0}[got.Source]; got.Hits != want || got.Refused != want {
			t.Errorf("%+v: want %d hits and refusals", got, want)
		}
	}
}

// Explain reports why a trigger would be refused, and does not count this as a refusal.
func TestExplainRefusesNothing(t *testing.T) {
	n := testnode.Start(t, asked, "")
	n.Want(200, "POST", "/explain", `{"url": "/", "header": {"X-Fault": "nonsense"}}`, "refused: 'nonsense' is not allowed")
	n.Want(200, "GET", "/verify?refused=true&exactly=0", "", "")
}

package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// manyRules returns the JSON of a point with rules of these names.
func manyRules(point, match string, names ...string) string {
	rules := make([]string, len(names))
	for i, name := range names {
		rules[i] = `{"name": "` + name + `", "match": [{"path": ["/none"]}], "faults": [{"fault": "close"}]}`
	}
	return fmt.Sprintf(`{"point": %q, "match": [{"path": [%q]}], "rules": [%s]}`, point, match, strings.Join(rules, ", "))
}

// pageAt requests a page and returns its rules as `<point>:<rules>`, and the query of
// the next page.
func pageAt(t *testing.T, n *testnode.Node, query string) (got, next string) {
	t.Helper()
	var view api.StateView
	if err := json.Unmarshal(n.Want(http.StatusOK, "GET", "/"+query, "", "").Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, p := range view.Points {
		names := make([]string, len(p.Rules))
		for i, rule := range p.Rules {
			names[i] = rule.Name
		}
		points = append(points, p.Point+":"+strings.Join(names, ","))
	}
	return strings.Join(points, " "), view.Next
}

// Whatever the limit, the pages together have every rule once, including rules of
// points with the same name, and points without rules.
func TestPages(t *testing.T) {
	n := testnode.Start(t, manyRules("a", "/1", "x", "y", "z"), "")
	n.Beside(`{"point": "empty"}`)
	n.Beside(manyRules("a", "/2", "v", "w"))
	n.Beside(`{"point": "empty", "match": [{"path": ["/3"]}]}`)
	n.Beside(manyRules("z", "/4", "x"))
	whole, next := pageAt(t, n, "")
	if next != "" {
		t.Errorf("8 rules have a next page: %s", next)
	}
	rows := func(text string) (rows []string) {
		for point := range strings.FieldsSeq(text) {
			name, rules, _ := strings.Cut(point, ":")
			for rule := range strings.SplitSeq(rules, ",") {
				rows = append(rows, name+":"+rule)
			}
		}
		return rows
	}
	if got := rows(whole); len(got) != 8 {
		t.Fatalf("got %q, want 8 rows", got)
	}
	for limit := 1; limit <= 9; limit++ {
		var all []string
		query, pages := fmt.Sprintf("?limit=%d", limit), 0
		for ; query != "" && pages < 10; pages++ {
			var got string
			got, query = pageAt(t, n, query)
			if one := rows(got); len(one) > limit || len(one) == 0 {
				t.Errorf("limit %d: a page has %q", limit, one)
			}
			all = append(all, rows(got)...)
		}
		if !slices.Equal(all, rows(whole)) || pages != (8+limit-1)/limit {
			t.Errorf("limit %d: got %d pages\n%q, want\n%q", limit, pages, all, rows(whole))
		}
	}
}

func TestPageAfter(t *testing.T) {
	n := testnode.Start(t, manyRules("a", "/1", "x", "y", "z"), "")
	n.Beside(manyRules("b", "/2", "x"))
	for _, tt := range []struct{ query, want, next string }{
		{"?after=a/x", "a:y,z b:x", ""},
		{"?after=a/z", "b:x", ""},
		{"?after=a", "b:x", ""},
		{"?after=b/x", "", ""},
		{"?limit=2", "a:x,y", "?after=a/y&limit=2"},
		{"?limit=3", "a:x,y,z", "?after=a/z&limit=3"},
		{"?after=a/y&limit=1", "a:z", "?after=a/z&limit=1"},
		{"?limit=4", "a:x,y,z b:x", ""},
		{"?limit=10000", "a:x,y,z b:x", ""},
	} {
		if got, next := pageAt(t, n, tt.query); got != tt.want || next != tt.next {
			t.Errorf("%s: got '%s' and next '%s', want '%s' and '%s'", tt.query, got, next, tt.want, tt.next)
		}
	}
	for _, tt := range []struct {
		status      int
		query, text string
	}{
		{400, "?limit=0", "limit: '0' is not a number from 1 to 10000; write limit=1000"},
		{400, "?limit=10001", "limit: '10001' is not a number"},
		{400, "?limit=many", "limit: 'many' is not a number"},
		{400, "?after=a/b/c", "after: 'a/b/c' is not a position among the rules; write a point and a rule, such as after=fault1/rule1"},
		{400, "?after=a/x/1", "is not a position"},
		{400, "?after=/x", "is not a position"},
		{400, "?after=a/x/2/3", "is not a position"},
		{400, "?after=a/!", "is not a position"},
		{400, "?after=", "after: empty"},
		{400, "?offset=3", "unknown parameter 'offset'; the parameters are: after, limit, q"},
		{404, "?after=a/w", "after: the running configuration has no 'a/w'; start again without after"},
		{404, "?after=c", "configuration has no 'c'"},
		{404, "?after=a/x/2", "configuration has no 'a/x/2'"},
	} {
		n.Want(tt.status, "GET", "/"+tt.query, "", tt.text)
	}
}

// A configuration of usual size fits on one page. A page has at most a thousand rules.
func TestPageByDefault(t *testing.T) {
	names := make([]string, 1001)
	for i := range names {
		names[i] = fmt.Sprintf("r%d", i)
	}
	n := testnode.Start(t, manyRules("a", "/1", names...), "")
	got, next := pageAt(t, n, "")
	if rules := strings.Count(got, ",") + 1; rules != 1000 || next != "?after=a/r999" {
		t.Errorf("got %d rules and next '%s'", rules, next)
	}
	if got, next := pageAt(t, n, next); got != "a:r1000" || next != "" {
		t.Errorf("got '%s' and next '%s'", got, next)
	}
}

// A search finds rules by their names and lines, and points with all of their rules.
// The pages of a search together have what the search finds.
func TestPageSearch(t *testing.T) {
	n := testnode.Start(t, manyRules("shop", "/1", "slow", "gone", "busy"), "")
	n.Beside(`{"point": "empty", "match": [{"path": ["/Blog"]}]}`)
	n.Beside(manyRules("gone", "/3", "x", "y"))
	n.Beside(`{"point": "z", "rules": [{"name": "r", "faults": [{"fault": "respond", "status_code": 551}]}]}`)
	for _, tt := range []struct {
		query, want, next string
		total             int
	}{
		{"?q=slow", "shop:slow", "", 1},
		{"?q=SLOW", "shop:slow", "", 1},
		{"?q=gone", "shop:gone gone:x,y", "", 3},
		{"?q=gone&limit=1", "shop:gone", "?after=shop/gone&limit=1&q=gone", 3},
		{"?after=shop/gone&limit=1&q=gone", "gone:x", "?after=gone/x&limit=1&q=gone", 3},
		{"?after=gone/x&limit=1&q=gone", "gone:y", "", 3},
		{"?after=shop/slow&q=gone", "shop:gone gone:x,y", "", 3},
		{"?after=shop/busy&q=slow", "", "", 1},
		{"?q=s", "shop:slow,gone,busy gone:x,y z:r", "", 6},
		{"?q=blog", "empty:", "", 1},
		{"?q=551", "z:r", "", 1},
		{"?q=%26a%3Db", "", "", 0},
		{"", "shop:slow,gone,busy empty: gone:x,y z:r", "", 7},
		{"?limit=4", "shop:slow,gone,busy empty:", "?after=empty&limit=4", 7},
	} {
		got, next := pageAt(t, n, tt.query)
		var view api.StateView
		if err := json.Unmarshal(n.Do("GET", "/"+tt.query, "").Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		if got != tt.want || next != tt.next || view.Total != tt.total {
			t.Errorf("%s: got '%s' of %d and next '%s', want '%s' of %d and '%s'", tt.query, got, view.Total, next, tt.want, tt.total, tt.next)
		}
	}
	if _, next := pageAt(t, n, "?q=%26+%3B&limit=1"); next != "" {
		t.Errorf("a search that finds nothing has a next page: %s", next)
	}
}

// The list of points is short, and has every name.
func TestPoints(t *testing.T) {
	n := testnode.Start(t, manyRules("shop", "/1", "slow", "gone"), "")
	n.Beside(`{"point": "empty", "triggers": [{"source": "header"}]}`)
	var list api.PointList
	if err := json.Unmarshal(n.Want(http.StatusOK, "GET", "/points", "", "").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Points) != 2 || list.Points[0].Point != "shop" || !slices.Equal(list.Points[0].Rules, []string{"slow", "gone"}) || list.Points[0].Triggers || !list.Points[1].Triggers || list.Points[1].Rules == nil {
		t.Errorf("got %+v", list.Points)
	}
	n.Want(http.StatusBadRequest, "GET", "/points?q=shop", "", "unknown parameter 'q'")
}

package experiments

import (
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// A query selects by a part of the path and by how a request has ended, from the journal
// and from a feed.
func TestQueryOfEnds(t *testing.T) {
	ended := func(outcome clients.Outcome, status int) End {
		return End{Took: time.Second, Ending: (&clients.Result{Outcome: outcome, Status: status}).Ending()}
	}
	endings := func(text string) clients.Endings {
		selected, ok := clients.ParseEndings(text)
		if !ok {
			t.Fatalf("%s is not an ending", text)
		}
		return selected
	}
	for _, tt := range []struct {
		query  Query
		known  string
		events []string
	}{
		{Query{}, "1 2 3 4", []string{"3 done", "5", "5 done"}},
		{Query{Path: "/cart"}, "1 3", []string{"3 done", "5", "5 done"}},
		{Query{Path: "/card"}, "", nil},
		{Query{Ended: endings("5xx")}, "1", []string{"3 done", "5 done"}},
		{Query{Ended: endings("504"), Path: "cart"}, "", []string{"3 done"}},
		{Query{Ended: endings("cut")}, "2", nil},
		{Query{Ended: endings("5xx"), Limit: 1}, "1", []string{"3 done", "5 done"}},
	} {
		j := NewJournal(10)
		busy := j.Add(&Entry{Path: "/api/cart"})
		j.Finish(busy, ended(clients.Reply, 503))
		j.Finish(j.Add(&Entry{Path: "/api/orders"}), ended(clients.Cut, 503))
		waits := j.Add(&Entry{Path: "/cart/"})
		j.Finish(j.Add(&Entry{Path: "/"}), End{Took: time.Second}) // nobody has recorded the ending
		feed, known := follow(t, j, tt.query)
		if known != tt.known {
			t.Errorf("%+v: got %q, want %q", tt.query, known, tt.known)
		}
		j.Finish(waits, ended(clients.Reply, 504))
		j.Finish(j.Add(&Entry{Path: "/cart"}), ended(clients.Reply, 500))
		wantEvents(t, feed, tt.events...)
		feed.Close()
	}
}

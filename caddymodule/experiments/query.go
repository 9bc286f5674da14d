package experiments

import (
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// Query selects entries.
type Query struct {
	Rule     string          // "" for all
	Point    string          // "" for all
	ID       string          // id of a trigger's line; "" for all
	Path     string          // a part of the path; "" for all
	Ended    clients.Endings // only entries that ended so
	AfterSeq uint64          // only entries with a later number
	Since    time.Time       // only entries at or after this time
	Limit    int             // the last n; 0 for all
}

// wants reports whether q selects a record, as of an event.
func (q *Query) wants(rec *Record, event uint64) bool {
	e := &rec.entry
	return (q.Rule == "" || e.Rule == q.Rule) && (q.Point == "" || e.Point == q.Point) && (q.ID == "" || e.TriggerID == q.ID) &&
		e.Seq > q.AfterSeq && !e.Time.Before(q.Since) && strings.Contains(e.Path, q.Path) &&
		(q.Ended.All() || q.Ended.Has(rec.ending(event)))
}

// ending returns how the request has ended as of an event, if it has and that is known.
func (rec *Record) ending(event uint64) clients.Ending {
	if ended := rec.ended.Load(); ended > 0 && ended <= event {
		return rec.end.Ending
	}
	return 0
}

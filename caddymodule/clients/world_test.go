package clients

import (
	"net/http"
	"testing"
	"time"
)

// world is a recorder with a clock that only the test moves.
type world struct {
	*Recorder
	point *Point
	at    time.Time
	hits  uint64
}

func newWorld(s Settings) *world {
	w := &world{at: time.Unix(1_800_000_000, 0)}
	w.Recorder = New(s, Clock{func() time.Time { return w.at }, func(from time.Time) time.Duration { return w.at.Sub(from) }})
	w.point = w.Recorder.Point("api")
	return w
}

func (w *world) wait(d time.Duration) { w.at = w.at.Add(d) }

// Arrive looks up a request that comes now.
func (p *Point) Arrive(q *Request) Visit { return p.ArriveAt(p.Look(), q) }

// Hit lets a rule hit a request now.
func (p *Point) Hit(v Visit, q *Request, rule string, number uint64) Visit {
	return p.HitAt(p.clock.now(), v, q, rule, number)
}

// hit lets a fault hit a request.
func (w *world) hit(q *Request) Visit {
	w.hits++
	return w.point.Hit(w.point.Arrive(q), q, "busy", w.hits)
}

// busy fails a request with a status and a Retry-After in seconds, -1 for none.
func (w *world) busy(q *Request, status int, retryAfter float64) {
	v := w.hit(q)
	v.End(replied(status, retryAfter))
}

// pass lets a request pass with a status, and reports whether it was part of a call.
func (w *world) pass(q *Request, status int) bool {
	v := w.point.Arrive(q)
	_, n := v.Attempt()
	v.End(replied(status, -1))
	return n > 0
}

func replied(status int, retryAfter float64) Result {
	return Result{Outcome: Reply, Status: status, RetryAfter: time.Duration(retryAfter * float64(time.Second))}
}

func (w *world) judge() Report { return w.Recorder.Judge(Filter{}) }

// get returns a request with fields of its header in pairs.
func get(path string, fields ...string) *Request { return request(http.MethodGet, path, fields...) }

func request(method, path string, fields ...string) *Request {
	q := &Request{
		Method: method, Host: "shop.example:8443", Path: path, Address: "192.0.2.7", Conn: "192.0.2.7:5001",
		Header: http.Header{"User-Agent": {"checkout/2.1 (linux)"}},
	}
	for i := 0; i+1 < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
	}
	return q
}

// names returns the findings of a report as "level name", those of periods included.
func names(r Report) (found []string) {
	for _, c := range r.Clients {
		for _, f := range c.Findings {
			found = append(found, string(f.Level)+" "+f.Finding)
		}
	}
	for _, p := range r.Periods {
		for _, f := range p.Findings {
			found = append(found, string(f.Level)+" "+f.Finding)
		}
	}
	return found
}

// undecidedOf returns the names of what is undecided for the clients.
func undecidedOf(r Report) (found []string) {
	for _, c := range r.Clients {
		for _, u := range c.Undecided {
			found = append(found, u.Finding)
		}
	}
	return found
}

func finding(r Report, name string) *Finding {
	for i := range r.Clients {
		for j := range r.Clients[i].Findings {
			if f := &r.Clients[i].Findings[j]; f.Finding == name {
				return f
			}
		}
	}
	return nil
}

func why(r Report, name string) string {
	for _, c := range r.Clients {
		for _, u := range c.Undecided {
			if u.Finding == name {
				return u.Why
			}
		}
	}
	return ""
}

func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	points "github.com/caddyfault/caddyfault/caddymodule/seen"
)

// wantSeen waits until a point has seen some requests in the last minute.
func (s *site) wantSeen(t *testing.T, point string, count, hits, real uint64) {
	t.Helper()
	eventually(t, func() error {
		_, text := s.admin(t, "GET", "/seen?over=1m&point="+point, "")
		var got points.Summary
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		if got.All.Count != count || got.Hit.Count != hits || got.RealErrors != real {
			return fmt.Errorf("%s has seen %d requests, %d hits and %d real errors, want %d, %d and %d", point, got.All.Count, got.Hit.Count, got.RealErrors, count, hits, real)
		}
		return nil
	})
}

// A point counts the same over each protocol, whatever Caddy logs. A reload keeps what it
// has counted.
func TestSeenPoints(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	const rules = "fault {\npoint %s\nrule gone {\nmatch path /gone\nclose\n}\nrule busy {\nmatch path /busy\nrespond 551\n}\nrule late {\nmatch path /late\nphase response\nrespond 552\n}\n}\n"
	for i, log := range []string{"", accessLog} {
		for _, tls := range []bool{false, true} {
			point := fmt.Sprintf("api-%d-%v", i, tls)
			s := start(t, config{tls: tls, admin: true, site: log + fmt.Sprintf(rules, point) + up.proxy()})
			s.wantSeen(t, point, 0, 0, 0)
			n := uint64(0)
			for _, proto := range s.protocols() {
				c := s.client(t, proto)
				for _, path := range []string{"/", "/broken", "/gone", "/busy", "/late"} {
					_, _ = c.try(c.request(t, "POST", path, nil)) // /gone has no reply, and a client would repeat a GET
				}
				n++
			}
			s.wantSeen(t, point, 5*n, 3*n, n)
			s.load(t)
			s.wantSeen(t, point, 5*n, 3*n, n)
		}
	}
}

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	points "github.com/caddyfault/caddyfault/caddymodule/seen"
)

// newPoint returns the name of a point that has seen nothing. What points have seen
// belongs to the process.
func newPoint(name string) string { return fmt.Sprintf("%s-%d", name, rand.Uint32()) }

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
	for _, log := range []string{"", accessLog} {
		for _, tls := range []bool{false, true} {
			point := newPoint("api")
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

// A handler sees requests, a transport sees attempts. Only what no fault has caused is a
// real error.
func TestSeenAttemptsOfProxy(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	for _, tt := range []struct {
		name, path, fault string
		status            int
		outer, inner      [3]uint64 // requests, hits and real errors
	}{
		{"a retry succeeds", "/", "refuse", 200, [3]uint64{1, 0, 0}, [3]uint64{2, 1, 0}},
		{"the reply of a fault", "/", "respond 503", 503, [3]uint64{1, 0, 0}, [3]uint64{1, 1, 0}},
		{"the upstream fails", "/broken", "match path /other\nrefuse", 502, [3]uint64{1, 0, 1}, [3]uint64{1, 0, 1}},
		{"the upstream fails after a delay", "/broken", "delay 1ms", 502, [3]uint64{1, 0, 0}, [3]uint64{1, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			outer, inner := newPoint("outer"), newPoint("inner")
			s := start(t, config{admin: true, site: "fault {\npoint " + outer + "\n}\n" +
				proxied(up.addr, "lb_retries 2", "point "+inner+"\n"+firstAttempt(tt.fault))})
			s.wantSeen(t, outer, 0, 0, 0)
			s.wantSeen(t, inner, 0, 0, 0)
			c := s.client(t, h1)
			if got := c.get(t, tt.path); got.StatusCode != tt.status {
				t.Errorf("got %d, want %d", got.StatusCode, tt.status)
			}
			s.wantSeen(t, outer, tt.outer[0], tt.outer[1], tt.outer[2])
			s.wantSeen(t, inner, tt.inner[0], tt.inner[1], tt.inner[2])
		})
	}
}

// wantSuccess checks the part of the requests at a point that have not failed.
func (s *site) wantSuccess(t *testing.T, point string, want float64) {
	t.Helper()
	_, text := s.admin(t, "GET", "/seen?over=1m&point="+point, "")
	var got points.Summary
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got.All.Success == nil || *got.All.Success != want {
		t.Errorf("success: got %s, want %v", text, want)
	}
}

// A client that leaves by its own choice is not a failure. One that leaves because a
// fault holds it is.
func TestSeenClientLeaves(t *testing.T) {
	for _, tt := range []struct {
		point, fault string
		hits         uint64
		success      float64
	}{{newPoint("leaves"), "", 0, 1}, {newPoint("held"), "delay 1h", 1, 0}} {
		t.Run(tt.point, func(t *testing.T) {
			came := make(chan struct{}, 1)
			up := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				came <- struct{}{}
				<-r.Context().Done()
			})
			s := start(t, config{admin: true, site: "fault {\npoint " + tt.point + "\n" + tt.fault + "\n}\n" + up.proxy()})
			s.wantSeen(t, tt.point, 0, 0, 0)
			c := s.client(t, h2)
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := c.try(c.request(t, "GET", "/", nil).WithContext(ctx))
				done <- err
			}()
			if tt.hits == 0 {
				<-came
			} else {
				s.wantSeen(t, tt.point, 1, 1, 0) // it counts while it is held
			}
			leave()
			if err := <-done; err == nil {
				t.Error("the client has got a reply")
			}
			s.wantSeen(t, tt.point, 1, tt.hits, 0)
			eventually(t, func() error {
				_, text := s.admin(t, "GET", "/seen?over=1m&point="+tt.point, "")
				if strings.Contains(text, `"all": {`) && strings.Count(text, `"success": null`) > 1 {
					return errors.New("the request has not ended")
				}
				return nil
			})
			s.wantSuccess(t, tt.point, tt.success)
		})
	}
}

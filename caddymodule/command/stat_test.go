package command

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

// watchUntil runs `caddy fault watch`, and stops it as soon as it prints or the API has
// been asked for feeds long enough.
func watchUntil(t *testing.T, seconds int, args ...string) printed {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second/4)
	defer stop()
	var stdout, stderr bytes.Buffer
	cmd := faultCommand(append([]string{"watch"}, args...)...)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err := cmd.ExecuteContext(ctx)
	return printed{stdout.String(), stderr.String(), err}
}

const statBefore = `{"points": [
	{"point": "api", "triggers": [{"source": "header", "hits": 1}], "rules": [{"name": "busy", "hits": 10}, {"name": "gone", "hits": 5}]},
	{"point": "site", "rules": [{"name": "busy", "hits": 7}]}],
	"experiments": [{"name": "late", "applies_to": ["site"], "hits": 3}]}`

const statAfter = `{"active": 2, "points": [
	{"point": "api", "triggers": [{"source": "header", "hits": 2}], "rules": [{"name": "busy", "hits": 30}, {"name": "gone", "hits": 5}]},
	{"point": "site", "rules": [{"name": "busy", "hits": 4}]}],
	"experiments": [{"name": "late", "applies_to": ["site"], "hits": 3}, {"name": "new", "applies_to": ["api"], "hits": 6}]}`

func countsOf(t *testing.T, state, point, rule string) *hitCounts {
	t.Helper()
	c := &hitCounts{hits: make(map[string]uint64)}
	if err := json.Unmarshal([]byte(state), &c.state); err != nil {
		t.Fatal(err)
	}
	c.count(point, rule)
	return c
}

// A counter that became smaller has been reset, so all of it is new.
func TestRates(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	for _, tt := range []struct{ point, rule, want string }{
		{"", "", "12:00:00  16 hits/s  2 held  api/busy 10  api/trigger 0.5  new 3  site/busy 2"},
		{"site", "", "12:00:00  2 hits/s  2 held  site/busy 2"},
		{"", "api/busy", "12:00:00  10 hits/s  2 held  api/busy 10"},
		{"", "new", "12:00:00  3 hits/s  2 held  new 3"},
		{"", "late", "12:00:00  0 hits/s  2 held"},
	} {
		before, now := countsOf(t, statBefore, tt.point, tt.rule), countsOf(t, statAfter, tt.point, tt.rule)
		if got := now.rates(before, 2*time.Second, &screen{}, at); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.point, tt.rule, got, tt.want)
		}
	}
	halted := countsOf(t, `{"halted": true}`, "", "")
	if got := halted.rates(halted, time.Second, &screen{color: true}, at); got != "12:00:00  0 hits/s\x1b[31m  halted\x1b[0m" {
		t.Errorf("got %q", got)
	}
}

// The command prints a line each second, and survives a restart of Caddy.
func TestWatchRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		client := pipeClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			switch asked {
			case 1:
				_ = api.Answer(w, http.StatusOK, json.RawMessage(statBefore))
			case 2:
				_ = api.Answer(w, http.StatusServiceUnavailable, api.Refuse(0, "ask again"))
			case 3:
				_ = api.Answer(w, http.StatusOK, json.RawMessage(statAfter))
			default:
				_ = api.Answer(w, http.StatusConflict, api.Refuse(0, "enough"))
			}
		}))
		var out bytes.Buffer
		s := &session{Command: &cobra.Command{}, adminClient: client}
		s.Flags().String("point", "", "")
		s.Flags().String("rule", "", "")
		s.SetContext(t.Context())
		s.SetOut(&out)
		if err := s.watchRates(); err == nil || err.Error() != "enough" {
			t.Errorf("got %v", err)
		}
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, " hits/s  2 held  api/busy 17  api/trigger 0.8  new 5  site/busy 3\n") {
			t.Errorf("got %q", got)
		}
		s.SetContext(canceled(t))
		asked = 0
		if err := s.watchRates(); err == nil {
			t.Error("got no error after the context has ended")
		}
	})
}

// canceled returns a context that has ended.
func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return ctx
}

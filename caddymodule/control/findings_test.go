package control_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// findings receives events about findings.
type findings chan string

func (f findings) Handle(_ context.Context, e caddy.Event) error {
	f <- fmt.Sprint(e.Data["client"], " ", e.Data["point"], " ", e.Data["level"], " ", e.Data["finding"])
	return nil
}

// TestFindingEvent holds that a finding is an event once a minute for each client, and
// that each is counted.
func TestFindingEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		heard := make(findings, 10)
		if err := n.App.Events().On("fault_finding", heard); err != nil {
			t.Fatal(err)
		}
		before := counted(t, metrics.FindingsTotal.WithLabelValues("findings", clients.ManyAttempts))
		p := n.Ctl.Clients.Point("findings")
		find := func(client string) {
			q := &clients.Request{Method: "GET", Path: "/", Client: client, Call: fmt.Sprint(client, time.Now())}
			for range 6 {
				p.HitAt(time.Now().UnixNano(), clients.Visit{}, q, "busy", 1).End(clients.Result{Outcome: clients.Reply, Status: 503, RetryAfter: -1})
				time.Sleep(time.Second)
			}
		}
		want := func(events ...string) {
			t.Helper()
			synctest.Wait()
			for _, want := range events {
				if got := <-heard; got != want {
					t.Errorf("got event %q, want %q", got, want)
				}
			}
			if len(heard) > 0 {
				t.Errorf("got one more event %q", <-heard)
			}
		}
		find("a")
		time.Sleep(10 * time.Second)
		want("a findings warning many_attempts")
		n.Ctl.Clients.Forget()
		find("b") // judged without a
		time.Sleep(10 * time.Second)
		want("b findings warning many_attempts")
		find("a") // new again, but within a minute
		time.Sleep(10 * time.Second)
		want()
		if got := counted(t, metrics.FindingsTotal.WithLabelValues("findings", clients.ManyAttempts)) - before; got != 3 {
			t.Errorf("counted %v findings, want 3", got)
		}
		n.Ctl.BeginExit()
	})
}

func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

package control

import (
	"time"

	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
)

// quietFinding is the minimum time between two reports of a finding of a client.
const quietFinding = time.Minute

// findingOf is what is reported at most once within quietFinding.
type findingOf struct{ client, rule, finding string }

// found counts new findings of clients, and reports them. The recorder does not call it
// twice at the same time.
func (c *Control) found(news []clients.News) {
	now := time.Now()
	for of, at := range c.reported {
		if now.Sub(at) >= quietFinding {
			delete(c.reported, of)
		}
	}
	for _, n := range news {
		metrics.FindingsTotal.WithLabelValues(n.Point, n.Finding).Inc()
		of := findingOf{n.Client, n.Rule, n.Finding}
		if _, recent := c.reported[of]; recent {
			continue
		}
		c.reported[of] = now
		who := zap.String("client", n.Client)
		if n.Client == "" {
			who = zap.String("rule", n.Rule)
		}
		c.announce("found what a client could do better", "fault_finding",
			who, zap.String("point", n.Point), zap.String("finding", n.Finding), zap.String("level", string(n.Level)))
	}
}
